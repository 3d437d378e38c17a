/** The program's entry: finds the command, runs it, turns an error into one line and an exit code. */
import { parseArgs } from 'node:util';
import { commands, findCommand, type Command, type OptionValue } from './command-table.ts';
import { commandHelp, overview } from './help.ts';
import { reportError } from './report-error.ts';

async function main(argv: readonly string[]): Promise<number> {
  const [name = 'help', ...rest] = argv;
  if (name === '--help' || name === '-h') return print(overview(commands));
  if (name === '--version' || name === '-v') return main(['version', ...rest]);
  const command = findCommand(name);
  if (command.passesArguments) {
    // Everything after the first word that is not an option belongs to the program that is run.
    const { own, passed } = splitAtOperand(rest, command);
    return run(command, own, passed);
  }
  return run(command, rest, []);
}

async function run(command: Command, args: readonly string[], passed: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) return print(commandHelp(command));
  const { values, positionals } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      command.options.map(({ name, short, value, repeatable }) => [
        name,
        {
          type: value === undefined ? ('boolean' as const) : ('string' as const),
          ...(short && { short }),
          multiple: repeatable === true,
        },
      ]),
    ),
    allowPositionals: true,
    strict: true,
  });
  const implementation = await command.load();
  return implementation.run({
    options: values as Record<string, OptionValue>,
    operands: [...positionals, ...passed],
  });
}

/** Splits `run -i IMAGE CMD -x` into the command's own options with IMAGE's start as the border. */
function splitAtOperand(args: readonly string[], command: Command): { own: string[]; passed: string[] } {
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === '--') return { own: args.slice(0, i), passed: args.slice(i + 1) };
    if (!arg.startsWith('-')) return { own: args.slice(0, i), passed: args.slice(i) };
    const option = command.options.find(({ name, short }) => arg === `--${name}` || arg === `-${short}`);
    if (option?.value !== undefined) i++;
  }
  return { own: [...args], passed: [] };
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  // At once: a start that failed half-way may have left a worker or a listener that would keep the process alive.
  process.exit(reportError(error, (line) => process.stderr.write(line)));
}
