/** One request from its command line to its exit code. */
import { readFileSync } from 'node:fs';
import { errorMessage, isPlatformError, PlatformError } from '../../base/errors.ts';
import { ContainerFolders } from '../../container/runtime/oci/container-folder.ts';
import {
  callerPath,
  OCI_VERSION,
  type OciContext,
  type OciHost,
} from '../../container/runtime/oci/context.ts';
import type { FrontRequest } from '../../container/runtime/oci/front-protocol.ts';
import type { Front } from '../../container/runtime/oci/front.ts';
import type { Command } from './command.ts';
import { COMMANDS, GLOBAL_FLAGS, HELP, PROGRAM } from './commands.ts';
import { type FlagValues, parseFlags, type Parsed } from './flags.ts';
import { CallerLog, type LogTarget } from './log-lines.ts';
import { explain } from './explain.ts';

export interface Program {
  readonly host: (front: Front) => OciHost;
  /** Of the package. */
  readonly version: string;
}

/** Never throws: whatever goes wrong is said to the caller, and an exit code. */
export async function serveRequest(program: Program, front: Front): Promise<number> {
  let log = new CallerLog(front, { format: 'text', debug: false });
  try {
    const { flags, args } = parseGlobal(program, front);
    if (flags.boolean('version')) return print(front, versionText(program));
    const [name, ...words] = args;
    if (flags.boolean('help') || name === undefined || name === 'help' || name === 'h') {
      return await help(program, front, words[0]);
    }
    const wanted = new CallerLog(front, logTarget(flags));
    wanted.open();
    log = wanted;
    const command = COMMANDS.find((each) => each.name === name);
    if (command === undefined) {
      log.fatal(`no command ${JSON.stringify(name)}; \`${PROGRAM} help\` lists them`);
      return 3;
    }
    return await runCommand(command, words, { program, front, flags, log });
  } catch (error) {
    log.fatal(messageOf(error));
    return 1;
  }
}

interface Session {
  readonly program: Program;
  readonly front: Front;
  /** Before the command. */
  readonly flags: FlagValues;
  readonly log: CallerLog;
}

async function runCommand(command: Command, words: readonly string[], session: Session): Promise<number> {
  const { front, log } = session;
  let parsed: Parsed;
  try {
    parsed = parseFlags(words, [...command.flags, HELP], { verbatim: command.verbatim ?? false });
    if (parsed.flags.boolean('help')) return await help(session.program, front, command.name);
    checkCount(command, parsed.args.length);
  } catch (error) {
    const { commandHelp } = await import('./help.ts');
    const what = isPlatformError(error) && error.details['count'] === true ? '.' : `: ${errorMessage(error)}`;
    front.print(1, `Incorrect Usage${what}\n\n${commandHelp(command)}`);
    throw error;
  }
  try {
    const context = contextOf(session);
    return await command.run({
      ...parsed,
      context,
      version: session.program.version,
      print: (text) => front.print(1, text),
    });
  } catch (error) {
    const prefix = command.failure === undefined ? '' : `${failurePrefix(command)}: `;
    log.fatal(`${prefix}${messageOf(error)}`);
    return command.failureCode ?? 1;
  }
}

function failurePrefix({ name, failure }: Command): string {
  return name === 'exec' ? failure! : `${PROGRAM} ${failure}`;
}

function checkCount({ name, args: { min, max } }: Command, count: number): void {
  const wanted =
    max === min && count !== min
      ? `exactly ${min}`
      : count < min
        ? `a minimum of ${min}`
        : max !== undefined && count > max
          ? `a maximum of ${max}`
          : undefined;
  if (wanted === undefined) return;
  throw new PlatformError('invalid', `${PROGRAM}: ${JSON.stringify(name)} requires ${wanted} argument(s)`, {
    details: { count: true },
  });
}

function parseGlobal(program: Program, front: Front): Parsed {
  try {
    return parseFlags(front.request.argv, GLOBAL_FLAGS, { verbatim: true });
  } catch (error) {
    void help(program, front, undefined);
    throw error;
  }
}

function logTarget(flags: FlagValues): LogTarget {
  const format = flags.string('log-format') ?? 'text';
  if (format !== 'text' && format !== 'json')
    throw new PlatformError('invalid', `invalid log-format: ${format}`);
  return { format, file: flags.string('log'), debug: flags.boolean('debug') };
}

function contextOf({ program, front, flags, log }: Session): OciContext {
  const host = program.host(front);
  const root = callerPath({ front }, flags.string('root') ?? defaultRoot(front.request));
  return {
    front,
    host,
    folders: new ContainerFolders(root, host.kernel),
    driver: flags.boolean('systemd-cgroup') ? 'systemd' : 'cgroupfs',
    rootless: isRootless(flags.string('rootless') ?? 'auto', front.request),
    warn: (message) => log.write('warning', message),
  };
}

/** As runc has it: root of a user namespace that calls itself by another name is a user, too. */
function defaultRoot({ uid, env }: FrontRequest): string {
  const runtimeDir = env['XDG_RUNTIME_DIR'] ?? '';
  const isUser = uid !== 0 || (inUserNamespace() && env['USER'] !== 'root');
  return isUser && runtimeDir !== '' ? `${runtimeDir}/sampan-oci` : '/run/sampan-oci';
}

function isRootless(text: string, { uid }: FrontRequest): boolean {
  if (text === 'auto') return uid !== 0 || inUserNamespace();
  if (['true', '1', 't'].includes(text.toLowerCase())) return true;
  if (['false', '0', 'f'].includes(text.toLowerCase())) return false;
  throw new PlatformError('invalid', `--rootless: ${JSON.stringify(text)}; want true, false or auto`);
}

/** The initial one maps all ids to themselves. Whoever calls us is in the same as we are. */
function inUserNamespace(): boolean {
  try {
    return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'));
  } catch {
    return false;
  }
}

function messageOf(error: unknown): string {
  if (!isPlatformError(error) && error instanceof Error && !('code' in error)) {
    // A bug of ours: where it is helps whoever reports it.
    return `internal error: ${error.stack ?? error.message}`;
  }
  return explain(error);
}

function print(front: Front, text: string): number {
  front.print(1, text);
  return 0;
}

async function help({ version }: Program, front: Front, name: string | undefined): Promise<number> {
  const { commandHelp, programHelp } = await import('./help.ts');
  if (name === undefined) return print(front, programHelp(versionLines(version)));
  const command = COMMANDS.find((each) => each.name === name);
  if (command === undefined) throw new PlatformError('not-found', `no command ${JSON.stringify(name)}`);
  return print(front, commandHelp(command));
}

function versionText({ version }: Program): string {
  return `${PROGRAM} version ${versionLines(version)}`;
}

/** Tools look for the line `spec:`. */
function versionLines(version: string): string {
  return `${version}\nspec: ${OCI_VERSION}\nnode: ${process.version}\n`;
}
