import type { Command } from './command-table.ts';

export function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const rows = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return `Containers and Kubernetes in one program.

Usage: sampan COMMAND [options]

${rows.join('\n')}

Examples:
  sampan up --detach                        start a cluster
  kubectl --kubeconfig ~/.sampan/kubeconfig get nodes
  sampan run busybox echo hello             a container without a cluster

\`sampan help COMMAND\` says more about each.
`;
}

export function commandHelp(command: Command): string {
  const flags = command.options.map(({ name, short, value, help }) => {
    const flag = `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
    return [flag, help] as const;
  });
  const width = Math.max(0, ...flags.map(([flag]) => flag.length));
  const options = flags.map(([flag, help]) => `  ${flag.padEnd(width)}  ${help}\n`).join('');
  const examples = command.examples
    .map(([text, what]) => `  ${text}${what === '' ? '' : `   # ${what}`}\n`)
    .join('');
  const summary = `${command.summary[0]!.toUpperCase()}${command.summary.slice(1)}.`;
  return `${summary}\n\nUsage: ${command.usage}\n${options && `\nOptions:\n${options}`}\nExamples:\n${examples}`;
}
