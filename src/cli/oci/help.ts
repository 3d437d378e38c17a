import type { Command } from './command.ts';
import { COMMANDS, GLOBAL_FLAGS, HELP, PROGRAM } from './commands.ts';
import type { Flag } from './flags.ts';

export function programHelp(version: string): string {
  return [
    'NAME:',
    `   ${PROGRAM} - containers by the runtime specification of the Open Container Initiative`,
    '',
    'USAGE:',
    `   ${PROGRAM} [global options] command [command options] [arguments...]`,
    '',
    'VERSION:',
    ...version.trimEnd().split('\n').map(indent),
    '',
    'COMMANDS:',
    ...columns(COMMANDS.map(({ name, summary }) => [name, summary])),
    ...columns([['help, h', 'list the commands, or say how one is used']]),
    '',
    'GLOBAL OPTIONS:',
    ...flagLines(GLOBAL_FLAGS),
    '',
  ].join('\n');
}

export function commandHelp({ name, summary, usage, description, examples, flags }: Command): string {
  const options = flags.length === 0 ? '' : ' [command options]';
  return [
    'NAME:',
    `   ${PROGRAM} ${name} - ${summary}`,
    '',
    'USAGE:',
    `   ${PROGRAM} ${name}${options} ${usage}`.trimEnd(),
    '',
    'DESCRIPTION:',
    ...description.split('\n').map(indent),
    '',
    'EXAMPLES:',
    ...columns(examples.map(([line, what]) => [`${PROGRAM} ${line}`, what])),
    '',
    'OPTIONS:',
    ...flagLines([...flags, HELP]),
    '',
  ].join('\n');
}

function flagLines(flags: readonly Flag[]): string[] {
  return columns(
    flags.map(({ name, alias, type, help, default: fallback }) => {
      const value = type === 'boolean' ? '' : ' value';
      const names = [`--${name}${value}`, ...(alias === undefined ? [] : [`-${alias}${value}`])];
      return [names.join(', '), fallback === undefined ? help : `${help} (default: ${fallback})`];
    }),
  );
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => indent(`${left.padEnd(width)}  ${right}`.trimEnd()));
}

function indent(line: string): string {
  return `   ${line}`.trimEnd();
}
