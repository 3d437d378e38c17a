import type { Command } from './command.ts';
import type { Flag } from './flags.ts';
import { CHECKPOINTS } from './commands/checkpoint.ts';
import { exec } from './commands/exec.ts';
import { INSPECTION } from './commands/inspect.ts';
import { LIFECYCLE } from './commands/lifecycle.ts';
import { pause, resume } from './commands/pause.ts';
import { update } from './commands/update.ts';

export const PROGRAM = 'sampan-oci';

/** Before the command. */
export const GLOBAL_FLAGS: readonly Flag[] = [
  { name: 'debug', type: 'boolean', help: 'log more' },
  { name: 'log', type: 'string', help: 'file to append the log to; default: standard error' },
  { name: 'log-format', type: 'string', help: 'text or json', default: 'text' },
  {
    name: 'root',
    type: 'string',
    help: 'folder for the state of containers, on a tmpfs; default: /run/sampan-oci, for users $XDG_RUNTIME_DIR/sampan-oci',
  },
  { name: 'criu', type: 'string', help: 'taken for compatibility; criu is searched in $PATH' },
  {
    name: 'systemd-cgroup',
    type: 'boolean',
    help: 'have systemd make the cgroup; cgroupsPath is then slice:prefix:name',
  },
  {
    name: 'rootless',
    type: 'string',
    help: 'go without cgroups that may not be made: true, false or auto',
    default: 'auto',
  },
  { name: 'help', alias: 'h', type: 'boolean', help: 'print this' },
  { name: 'version', alias: 'v', type: 'boolean', help: 'print the version' },
];

export const HELP: Flag = { name: 'help', alias: 'h', type: 'boolean', help: 'print this' };

export const COMMANDS: readonly Command[] = [
  ...LIFECYCLE,
  exec,
  pause,
  resume,
  update,
  ...INSPECTION,
  ...CHECKPOINTS,
];
