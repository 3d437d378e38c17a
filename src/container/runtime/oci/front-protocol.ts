/**
 * What `sampan-oci` (the front: a small C program, `native/front.c`) and its brain (this process) say to each other over
 * a unix stream socket.
 *
 *     front                                          brain
 *     request argv… env… ───────────────────────────►
 *                      ◄──────────────────────────── execute <program>
 *     ask <topic> <pid> ────────────────────────────►
 *                      ◄──────────────────────────── continue
 *     done <pid> │ error … │ exited … ──────────────►
 *                      ◄──────────────────────────── print 1 <text>, execute …, exit <code>
 *
 * The front executes, since what it makes must be its caller's: it has the caller's descriptors, credentials and
 * namespaces, and the container's init becomes a child of the caller's subreaper when the front has ended. The brain
 * decides, and does what is the same for everyone with these credentials: state folder, cgroups, reading the bundle.
 * When the connection closes early, the front kills what it has made in this run, and the brain undoes its own part.
 *
 * A frame is a length (uint32, little endian, at most FRAME_MAX) and that many bytes: NUL-terminated strings, the first
 * of which is the verb. In `execute`, `stdin` and `print` the last field is not terminated: it is the rest of the frame.
 */
export const FRONT_PROTOCOL_VERSION = 1;
export const FRAME_MAX = 16 << 20;

/** From the front. */
export type FrontMessage =
  /** version, pid, uid, gid, umask (octal), cwd, argc, argv…, envc, env…; always the first frame, and only that. */
  | { readonly verb: 'request'; readonly request: FrontRequest }
  /** The program was executed as far as it is the parent's; `pid` of init (host's view), 0 when it made none. */
  | { readonly verb: 'done'; readonly pid: number }
  /** number and opcode of the instruction, errno's name, the exit code for a program that cannot be run or 0, text. */
  | {
      readonly verb: 'error';
      readonly number: number;
      readonly opcode: string;
      readonly errno: string;
      readonly exitCode: number;
      readonly message: string;
    }
  /** `ask`: waits for `continue`. */
  | { readonly verb: 'ask'; readonly topic: string; readonly pid: number }
  /** After `wait`: 0..255, 128 + signal. */
  | { readonly verb: 'exited'; readonly code: number }
  /** Answer to `read`: the whole file, or the errno's name. */
  | { readonly verb: 'content'; readonly errno: string; readonly content: Buffer };

/** To the front. */
export type BrainMessage =
  | { readonly verb: 'execute'; readonly program: Buffer }
  | { readonly verb: 'continue' }
  /** To the front's own stdout (1) or stderr (2). */
  | { readonly verb: 'print'; readonly fd: 1 | 2; readonly text: string }
  /** A file in the front's eyes: /dev/stdin, /proc/self/fd/5. */
  | { readonly verb: 'read'; readonly path: string }
  | { readonly verb: 'exit'; readonly code: number };

export interface FrontRequest {
  readonly version: number;
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
  /** Every relative path of the command line is relative to it. */
  readonly cwd: string;
  /** Without the program's own name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}
