import { readFileSync } from 'node:fs';
import { callerPath } from '../../../container/runtime/oci/context.ts';
import { execInContainer } from '../../../container/runtime/oci/exec.ts';
import { reasonOf } from '../../../container/runtime/oci/file-error.ts';
import { PlatformError } from '../../../base/errors.ts';
import { parseJson } from '../../../container/runtime/config/validate.ts';
import type { CapabilitiesConfig, ProcessConfig } from '../../../container/spec/runtime-config.ts';
import {
  type Call,
  type Command,
  CONSOLE_SOCKET,
  DETACH,
  PID_FILE,
  PRESERVE_FDS,
  preservedDescriptors,
} from '../command.ts';
import { type FlagValues, usage } from '../flags.ts';

export const exec: Command = {
  name: 'exec',
  summary: 'run one process more in a container',
  usage: '<container-id> <command> [arguments...]  || --process FILE <container-id>',
  description:
    'The process gets what the first one of the container has, with the changes asked for, or what a file says.\n' +
    'Ends with the exit code of the process; 255 when it could not be run.',
  examples: [
    ['exec web ps', ''],
    ['exec --tty --user 1000:1000 --env TERM=xterm web sh', 'a shell at a terminal'],
    ['exec --detach --pid-file /run/job.pid --process job.json web', 'a process written down as JSON'],
  ],
  flags: [
    CONSOLE_SOCKET,
    { name: 'cwd', type: 'string', help: 'working directory in the container' },
    { name: 'env', alias: 'e', type: 'list', help: 'set a variable: NAME=value' },
    { name: 'tty', alias: 't', type: 'boolean', help: 'give it a terminal' },
    { name: 'user', alias: 'u', type: 'string', help: 'uid[:gid]' },
    { name: 'additional-gids', alias: 'g', type: 'list', help: 'a group more' },
    { name: 'process', alias: 'p', type: 'string', help: 'file with the process as JSON' },
    DETACH,
    PID_FILE,
    { name: 'process-label', type: 'string', help: 'SELinux label of the process' },
    { name: 'apparmor', type: 'string', help: 'AppArmor profile of the process' },
    { name: 'no-new-privs', type: 'boolean', help: 'no program may gain privileges' },
    { name: 'cap', alias: 'c', type: 'list', help: 'a capability more' },
    PRESERVE_FDS,
    { name: 'cgroup', type: 'list', help: 'cgroup below that of the container: [controller,...:]path' },
    { name: 'ignore-paused', type: 'boolean', help: 'also when the container is paused' },
  ],
  args: { min: 1 },
  verbatim: true,
  failure: 'exec failed',
  failureCode: 255,
  run(call) {
    const { context, flags, args } = call;
    const file = flags.string('process');
    return execInContainer(context, {
      id: args[0]!,
      process: file === undefined ? (own) => fromFlags(own, call) : () => fromFile(call, file),
      source: file === undefined ? 'process' : '',
      pidFile: flags.string('pid-file'),
      consoleSocket: flags.string('console-socket'),
      detached: flags.boolean('detach'),
      preserveFds: preservedDescriptors(call),
      cgroups: flags.list('cgroup'),
      ignorePaused: flags.boolean('ignore-paused'),
    });
  },
};

function fromFile({ context }: Call, file: string): unknown {
  const path = callerPath(context, file);
  try {
    return parseJson(readFileSync(path, 'utf8'), path);
  } catch (error) {
    if (error instanceof PlatformError) throw error;
    throw new PlatformError('invalid', `open ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

function fromFlags(own: ProcessConfig | undefined, { flags, args }: Call): ProcessConfig {
  if (args.length < 2) throw new PlatformError('invalid', 'process args cannot be empty');
  const base: ProcessConfig = own ?? { user: { uid: 0, gid: 0 }, cwd: '/' };
  return {
    ...base,
    terminal: flags.boolean('tty'),
    args: args.slice(1),
    env: [...(base.env ?? []), ...flags.list('env')],
    cwd: flags.string('cwd') ?? base.cwd,
    user: userOf(base.user, flags),
    ...(flags.list('cap').length === 0
      ? {}
      : { capabilities: withCapabilities(base.capabilities, flags.list('cap')) }),
    ...given('apparmorProfile', flags.string('apparmor')),
    ...given('selinuxLabel', flags.string('process-label')),
    ...(flags.has('no-new-privs') ? { noNewPrivileges: flags.boolean('no-new-privs') } : {}),
  };
}

function given<N extends string>(name: N, value: string | undefined): { readonly [name in N]?: string } {
  return (value === undefined || value === '' ? {} : { [name]: value }) as { readonly [name in N]?: string };
}

function userOf(own: ProcessConfig['user'], flags: FlagValues): ProcessConfig['user'] {
  const [uid, gid] = (flags.string('user') ?? '').split(':');
  const more = flags.list('additional-gids').map((text) => idOf(text, 'additional-gids'));
  return {
    ...own,
    ...(uid === undefined || uid === '' ? {} : { uid: idOf(uid, 'user') }),
    ...(gid === undefined || gid === '' ? {} : { gid: idOf(gid, 'user') }),
    ...(more.length === 0 ? {} : { additionalGids: [...(own.additionalGids ?? []), ...more] }),
  };
}

function idOf(text: string, flag: string): number {
  if (!/^\d+$/.test(text)) throw usage(`--${flag}: ${JSON.stringify(text)} is not a number`);
  return Number(text);
}

/** Not inheritable: that would reach programs of other users (CVE-2022-29162). */
function withCapabilities(own: CapabilitiesConfig = {}, more: readonly string[]): CapabilitiesConfig {
  const add = (names: readonly string[] = []): string[] => [...new Set([...names, ...more])];
  return {
    ...own,
    bounding: add(own.bounding),
    effective: add(own.effective),
    permitted: add(own.permitted),
    ambient: add(own.ambient),
  };
}
