/**
 * The serving loop: the caller that started us first, over a socket it left open, then whoever connects. Callers are
 * served side by side, each with its own context; none of them can end us.
 */
import {
  chmodSync,
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server, Socket } from 'node:net';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import { FrontConnection } from '../../container/runtime/oci/front.ts';
import { belongsToOneThatWaits } from './conmon.ts';
import type { Kernel } from '../../kernel/kernel.ts';

/** How long we stay when nobody is there, when nobody says otherwise. */
const LINGER_MS = 10_000;

export interface ServerOptions {
  readonly kernel: Kernel;
  readonly serve: (front: FrontConnection) => Promise<number>;
  /** Where to listen after the first caller; none: we end with it. */
  readonly socketPath?: string | undefined;
  /** This program's own file: replaced, we end when idle. */
  readonly program: string;
}

export class BrainServer {
  readonly #options: ServerOptions;
  readonly #programBefore: string;
  #server: Server | undefined;
  #lock = -1;
  /** The cgroups of our first caller. */
  #left = false;
  #active = 0;
  #lingerMs = LINGER_MS;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#programBefore = identity(options.program);
  }

  /** The caller at the other end of descriptor 3. */
  async serveFirst(fd: number): Promise<void> {
    const socket = new Socket({ fd, readable: true, writable: true });
    // While the front executes there is time to get ready for the next one; it must find us when this one has ended.
    await this.#serve(socket, () => this.#listen());
  }

  async #serve(stream: Duplex, meanwhile?: () => void): Promise<void> {
    this.#active++;
    clearTimeout(this.#timer);
    try {
      const front = await FrontConnection.accept(stream);
      if (front === undefined) return;
      this.#lingerMs = lingerOf(front.request.env['SAMPAN_OCI_LINGER']) ?? this.#lingerMs;
      // Nobody else can connect, but for root: that has a process of its own to be served by.
      if (front.request.uid !== process.geteuid?.()) {
        front.print(2, `sampan-oci: uid ${front.request.uid} is not served here\n`);
        return await front.exit(1);
      }
      const code = this.#options.serve(front);
      if (meanwhile !== undefined && this.#lingerMs > 0) setImmediate(meanwhile);
      await front.exit(await code);
    } catch {
      stream.destroy();
    } finally {
      this.#active--;
      this.#whenIdle();
    }
  }

  #whenIdle(): void {
    if (this.#active > 0 || this.#server === undefined) return;
    if (!this.#left) leaveCgroups();
    this.#left = true;
    clearTimeout(this.#timer);
    const changed = identity(this.#options.program) !== this.#programBefore;
    this.#timer = setTimeout(() => this.#close(), changed ? 0 : this.#lingerMs);
  }

  /** Whoever holds the lock listens; a socket that is there without it is left over. */
  #listen(): void {
    const { socketPath, kernel } = this.#options;
    if (socketPath === undefined || belongsToOneThatWaits()) return;
    try {
      makePrivateFolder(dirname(socketPath));
      this.#lock = lockFile(lockOf(socketPath), kernel);
      if (this.#lock < 0) return;
      removeSocket(socketPath);
    } catch {
      // Without a place to listen the next caller starts a process of its own.
      return;
    }
    const server = createServer((socket) => void this.#serve(socket));
    server.on('error', () => {
      this.#server = undefined;
    });
    // Nobody else may connect, not for a moment either: the folder is ours alone.
    server.listen(socketPath, () => chmodSync(socketPath, 0o600));
    this.#server = server;
    // The first caller may have been quicker than we.
    this.#whenIdle();
  }

  #close(): void {
    if (this.#active > 0) return;
    const { socketPath } = this.#options;
    // First the name, so that nobody new finds us, and then a turn for those who just did.
    if (socketPath !== undefined) removeSocket(socketPath);
    setTimeout(() => {
      if (this.#active > 0) return;
      this.#server?.close();
      this.#server = undefined;
      if (this.#lock < 0) return;
      // While it is held: whoever has opened it and waits finds that it is not the file any more.
      if (socketPath !== undefined) removeSocket(lockOf(socketPath));
      closeSync(this.#lock);
    }, 10);
  }
}

function lingerOf(text: string | undefined): number | undefined {
  const seconds = Number(text);
  return text === undefined || text === '' || !(seconds >= 0) ? undefined : seconds * 1000;
}

function makePrivateFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const info = lstatSync(folder);
  if (!info.isDirectory() || info.uid !== process.geteuid?.() || (info.mode & 0o077) !== 0) {
    throw new Error(`${folder} is not ours alone`);
  }
}

const lockOf = (socketPath: string): string => `${socketPath}.lock`;

/** Its descriptor, or -1 when another has it. */
function lockFile(path: string, kernel: Kernel): number {
  for (;;) {
    const fd = openSync(path, 'w', 0o600);
    const taken = kernel.tryLock(fd);
    if (taken && fstatSync(fd).ino === statSync(path, { throwIfNoEntry: false })?.ino) return fd;
    closeSync(fd);
    if (!taken) return -1;
  }
}

function removeSocket(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Nobody has listened there.
  }
}

function identity(path: string): string {
  const info = statSync(path, { throwIfNoEntry: false });
  return info === undefined ? '' : `${info.dev} ${info.ino} ${info.mtimeMs} ${info.size}`;
}

/** Whoever started us may want to remove its cgroup when it ends. Best effort: an ordinary user cannot go up. */
function leaveCgroups(): void {
  const top = '/sys/fs/cgroup';
  const folders = ['', ...readNames(top)].map((name) => `${top}/${name}`);
  for (const folder of folders) {
    try {
      writeFileSync(`${folder}/cgroup.procs`, String(process.pid), { flag: 'r+' });
    } catch {
      // Not a hierarchy, or not ours to enter.
    }
  }
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
