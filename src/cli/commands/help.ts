import { commands, findCommand, type CommandInput } from '../command-table.ts';
import { commandHelp, overview } from '../help.ts';

export function run({ operands }: CommandInput): Promise<number> {
  const [name] = operands;
  process.stdout.write(name === undefined ? overview(commands) : commandHelp(findCommand(name)));
  return Promise.resolve(0);
}
