import type { OciContext } from '../../container/runtime/oci/context.ts';
import { listeningDescriptors } from '../../container/runtime/oci/listen-variables.ts';
import type { Flag, FlagValues } from './flags.ts';

export interface Call {
  readonly context: OciContext;
  readonly flags: FlagValues;
  readonly args: readonly string[];
  /** Of the package. */
  readonly version: string;
  /** To the caller's standard output. */
  readonly print: (text: string) => void;
}

/** A verb on the command line; what it does is in `container/runtime/oci`. */
export interface Command {
  readonly name: string;
  /** A line for the list of commands. */
  readonly summary: string;
  /** After the name and `[command options]`. */
  readonly usage: string;
  readonly description: string;
  /** Command lines without the program's name, each with what it does. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  readonly flags: readonly Flag[];
  readonly args: { readonly min: number; readonly max?: number };
  /** What follows the first argument is not ours. */
  readonly verbatim?: boolean;
  /** What failed, in front of the reason: `create failed`. */
  readonly failure?: string;
  /** 1 when absent. */
  readonly failureCode?: number;
  /** The exit code. */
  run(call: Call): Promise<number>;
}

export const BUNDLE: Flag = {
  name: 'bundle',
  alias: 'b',
  type: 'string',
  help: 'folder with config.json; default: the current folder',
};
export const CONSOLE_SOCKET: Flag = {
  name: 'console-socket',
  type: 'string',
  help: 'unix socket that is sent the master of the terminal',
};
export const PID_FILE: Flag = { name: 'pid-file', type: 'string', help: 'file to write the process id to' };
export const DETACH: Flag = {
  name: 'detach',
  alias: 'd',
  type: 'boolean',
  help: 'do not wait for the process to end',
};
export const PRESERVE_FDS: Flag = {
  name: 'preserve-fds',
  type: 'integer',
  help: 'pass this many descriptors more on, from 3 up (in addition to $LISTEN_FDS)',
  default: '0',
};
export const CREATE_FLAGS: readonly Flag[] = [
  BUNDLE,
  CONSOLE_SOCKET,
  PID_FILE,
  {
    name: 'no-pivot',
    type: 'boolean',
    help: 'enter the root without pivot_root(2), for a root on a ramdisk; less safe',
  },
  { name: 'no-new-keyring', type: 'boolean', help: "keep the caller's session keyring" },
  PRESERVE_FDS,
];

/** Descriptors that the process gets from 3 on: those of socket activation, and those asked for. */
export function preservedDescriptors({ flags, context }: Call): number {
  return listeningDescriptors(context) + (flags.integer('preserve-fds') ?? 0);
}
