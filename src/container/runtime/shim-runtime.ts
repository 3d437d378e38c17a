import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isPlatformError, PlatformError } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoint.ts';
import type { Instance } from '../../base/instance.ts';
import { KeyedLock } from '../../base/lock.ts';
import type { Cgroup, CgroupHost } from '../../kernel/cgroup-contract.ts';
import { compileContainer, compileContainerExec } from './compile/engine.ts';
import { identityOf, isRunning } from './owner.ts';
import { encodeProgram } from './program/program-text.ts';
import type {
  ContainerSpec,
  ContainerState,
  ContainerUsage,
  ExecProcess,
  ExecSpec,
  Resources,
  Runtime,
} from './runtime.ts';
import type { AttachedContainer } from './attached.ts';
import { ShimConnection } from './shim-connection.ts';
import { fitsSpare, type Leash, type SpareShim, spawnSpare, startShim } from './shim-process.ts';
import { type ExitFacts, StateFolders, type StoredContainer } from './state-folder.ts';

export interface RuntimeOptions {
  readonly instance: Instance;
  readonly cgroups: CgroupHost;
  /** The static program built from native/. */
  readonly shimPath: string;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Of the shim, not of containers: failpoints and sanitizer options in tests. */
  readonly shimEnvironment?: Readonly<Record<string, string>>;
  /** Keeps a shim ready for the next container, started while there is nothing else to do. */
  readonly spareShim?: boolean;
}

/** Where a runtime keeps its containers. */
export interface RuntimePlace {
  readonly stateRoot: string;
  readonly cgroupOf: (spec: ContainerSpec) => string;
}

/** How long a killed container may take to be gone, in milliseconds: it may hang in a dead network disk. */
const KILL_TIMEOUT_MS = 10_000;
const SIGKILL = 9;
/** How long nothing is created or started before a shim is started ahead, in milliseconds. */
const QUIET_MS = 5;

/** The runtime for containers that outlive us: state in `<runDir>/c`, cgroups below the instance's parent. */
export function createRuntime(options: RuntimeOptions): ShimRuntime {
  const { instance } = options;
  return new ShimRuntime(options, {
    stateRoot: join(instance.runDir, 'c'),
    cgroupOf: ({ cgroup }) => join(instance.cgroupParent, cgroup),
  });
}

interface Watch {
  readonly connection: ShimConnection;
  readonly ended: Promise<unknown>;
  waiters: number;
}

export class ShimRuntime implements Runtime {
  readonly #options: RuntimeOptions;
  readonly #place: RuntimePlace;
  readonly #folders: StateFolders;
  readonly #now: () => number;
  readonly #byId = new KeyedLock();
  readonly #byCgroupParent = new KeyedLock();
  readonly #leashes = new Map<string, Leash>();
  readonly #creating = new Set<string>();
  readonly #watches = new Map<string, Promise<Watch | undefined>>();
  #spare: (SpareShim & Disposable) | undefined;
  #spareTimer: NodeJS.Timeout | undefined;
  #busy = 0;
  #disposed = false;

  constructor(options: RuntimeOptions, place: RuntimePlace) {
    this.#options = options;
    this.#place = place;
    this.#folders = new StateFolders(place.stateRoot);
    this.#now = options.now ?? Date.now;
  }

  async create(spec: ContainerSpec): Promise<ContainerState> {
    return this.#byId.run(spec.id, async () => {
      this.#creating.add(spec.id);
      using held = new DisposableStack();
      held.use(this.#notQuiet());
      try {
        await this.#create(spec);
      } finally {
        this.#creating.delete(spec.id);
      }
      return this.state(spec.id);
    });
  }

  async start(id: string): Promise<void> {
    using held = new DisposableStack();
    held.use(this.#notQuiet());
    using connection = await this.#connect(id);
    if (connection === undefined) {
      await this.state(id);
      throw new PlatformError('conflict', `container ${id} has stopped`);
    }
    await connection.request('start');
  }

  async kill(id: string, signal: number): Promise<void> {
    using connection = await this.#connect(id);
    if (connection === undefined) return void (await this.state(id));
    try {
      await connection.request('signal', String(signal));
    } catch (error) {
      // It ended before it answered: as good as killed.
      if (!isPlatformError(error, 'unavailable')) throw error;
    }
  }

  /** Makes the shim open the container's log file anew, after a rotation has renamed it. */
  async reopenLog(id: string): Promise<void> {
    using connection = await this.#connect(id);
    await connection?.request('reopen-log');
  }

  async exec(id: string, { args, terminal, stdin }: ExecSpec): Promise<ExecProcess> {
    const stored = await this.#folders.read(id);
    if (stored === undefined) throw new PlatformError('not-found', `container ${id} does not exist`);
    const { created, startedAt, exit } = await this.#folders.facts(id);
    const { spec } = stored;
    const { process } = spec;
    if (process === undefined) throw new PlatformError('invalid', `${id} is a sandbox: it has no files`);
    if (created === undefined || startedAt === undefined || exit !== undefined) {
      throw new PlatformError('conflict', `container ${id} is not running`);
    }
    const { cgroups, shimPath, shimEnvironment = {} } = this.#options;
    const { startExec } = await import('./exec-process.ts');
    const program = encodeProgram(
      compileContainerExec(
        { ...spec, process },
        {
          args,
          terminal,
          pid: created.pid,
          startTime: String(created.startTime),
          procsFiles: cgroups.open(stored.cgroup).procsFiles,
        },
      ),
    );
    failpoint('runtime.exec');
    return await startExec({ shimPath, containerId: id, program, stdin, environment: shimEnvironment });
  }

  async attach(id: string, { stdin }: { readonly stdin: boolean }): Promise<AttachedContainer> {
    const { attachTo } = await import('./attached.ts');
    const attached = await attachTo(join(this.#folders.path(id), 'shim.sock'), { stdin });
    if (attached !== undefined) return attached;
    await this.state(id);
    throw new PlatformError('conflict', `container ${id} has stopped`);
  }

  async update(id: string, resources: Resources): Promise<void> {
    await this.#byId.run(id, async () => {
      const cgroup = await this.#living(id);
      failpoint('runtime.update');
      cgroup.update(resources);
    });
  }

  async usage(id: string): Promise<ContainerUsage> {
    const { memoryBytes, inactiveFileBytes, cpuNanos, pids } = (await this.#living(id)).stats();
    const workingSetBytes = Math.max(memoryBytes - inactiveFileBytes, 0);
    return { memoryBytes, workingSetBytes, cpuNanos, pids };
  }

  /** The cgroup of a container that has not stopped. */
  async #living(id: string): Promise<Cgroup> {
    const stored = await this.#folders.read(id);
    if (stored === undefined) throw new PlatformError('not-found', `container ${id} does not exist`);
    const { exit } = await this.#folders.facts(id);
    if (exit !== undefined) throw new PlatformError('conflict', `container ${id} has stopped`);
    return this.#options.cgroups.open(stored.cgroup);
  }

  async state(id: string): Promise<ContainerState> {
    const stored = await this.#folders.read(id);
    if (stored === undefined) throw new PlatformError('not-found', `container ${id} does not exist`);
    return (await this.#stateOf(stored)).state;
  }

  async list(): Promise<readonly ContainerState[]> {
    const states: ContainerState[] = [];
    await this.#folders.sweepUnnamed(this.#now());
    for (const id of await this.#folders.ids()) {
      if (this.#creating.has(id)) continue;
      const stored = await this.#folders.read(id);
      if (stored !== undefined) states.push((await this.#stateOf(stored)).state);
      // A folder whose intent was already removed: its deletion was cut off at the last step.
      else await this.#folders.remove(id);
    }
    return states;
  }

  async wait(id: string, signal?: AbortSignal): Promise<ContainerState> {
    for (;;) {
      const state = await this.state(id);
      if (state.status === 'stopped') return state;
      signal?.throwIfAborted();
      const watch = await this.#watch(id);
      if (watch === undefined) continue;
      watch.waiters++;
      try {
        await orAborted(watch.ended, signal);
      } finally {
        // A watch without waiters is a descriptor for nothing.
        if (--watch.waiters === 0) {
          watch.connection[Symbol.dispose]();
          this.#watches.delete(id);
        }
      }
    }
  }

  async delete(id: string, options: { force?: boolean } = {}): Promise<void> {
    await this.#byId.run(id, async () => {
      const stored = await this.#folders.read(id);
      if (stored === undefined) return;
      const { state } = await this.#stateOf(stored);
      if (state.status === 'running' && options.force !== true) {
        throw new PlatformError('conflict', `container ${id} is running`, {
          hint: 'stop it first, or use force',
        });
      }
      const cgroup = this.#options.cgroups.open(stored.cgroup);
      if (state.status !== 'stopped') {
        await this.kill(id, SIGKILL);
        await cgroup.kill();
        await this.wait(id, AbortSignal.timeout(KILL_TIMEOUT_MS));
      }
      await this.#remove(stored, cgroup);
    });
  }

  /** Deletes the containers whose creator has ended; they are of use to nobody else. */
  async sweepOwnerless(): Promise<void> {
    await this.#folders.sweepUnnamed(this.#now());
    for (const id of await this.#folders.ids()) {
      const stored = await this.#folders.read(id);
      if (stored?.owner === undefined || !isRunning(stored.owner)) await this.delete(id, { force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    clearTimeout(this.#spareTimer);
    this.#spare?.[Symbol.dispose]();
    for (const watch of this.#watches.values()) (await watch)?.connection[Symbol.dispose]();
    for (const leash of this.#leashes.values()) leash[Symbol.dispose]();
  }

  async #create(spec: ContainerSpec): Promise<void> {
    const { cgroups, shimPath, shimEnvironment = {} } = this.#options;
    const folder = this.#folders.path(spec.id);
    const owner = identityOf(process.pid);
    const stored: StoredContainer = {
      spec,
      cgroup: this.#place.cgroupOf(spec),
      intentAt: this.#now(),
      ...(owner === undefined ? {} : { owner }),
    };
    // Compiled once before anything exists, for its errors; the real cgroup's files come with the cgroup.
    const compile = (cgroup: Cgroup): Buffer =>
      encodeProgram(compileContainer(spec, contextOf(folder, cgroup)));
    compile(cgroups.open(stored.cgroup));
    failpoint('runtime.create.intent');
    await this.#folders.make(stored);
    await using undo = new AsyncDisposableStack();
    const cgroup = cgroups.open(stored.cgroup);
    undo.defer(() => this.#remove(stored, cgroup));
    failpoint('runtime.create.cgroup');
    await this.#byCgroupParent.run(dirname(stored.cgroup), async () => {
      cgroups.create(stored.cgroup, spec.resources ?? {});
    });
    failpoint('runtime.create.program');
    await writeFile(join(folder, 'program'), compile(cgroup), { mode: 0o600 });
    if (spec.stdio.type === 'cri-log') await mkdir(dirname(spec.stdio.path), { recursive: true });
    undo.defer(() => cgroup.kill());
    failpoint('runtime.create.shim');
    const foreground = spec.stdio.type === 'inherit' && spec.process !== undefined;
    const leash = await startShim({
      shimPath,
      folder,
      containerId: spec.id,
      foreground,
      environment: shimEnvironment,
      spare: foreground || !fitsSpare(folder) ? undefined : this.#takeSpare(),
    });
    this.#leashes.set(spec.id, leash);
    undo.move();
  }

  /** Undefined when there is none, or it has ended. */
  #takeSpare(): SpareShim | undefined {
    const spare = this.#spare;
    this.#spare = undefined;
    return spare === undefined || spare.control.destroyed || spare.control.readableEnded ? undefined : spare;
  }

  /** While it is held a shim for later must not take the time of what is wanted now. */
  #notQuiet(): Disposable {
    this.#busy++;
    clearTimeout(this.#spareTimer);
    return {
      [Symbol.dispose]: () => {
        this.#busy--;
        if (this.#options.spareShim !== true || this.#disposed || this.#busy > 0) return;
        this.#spareTimer = setTimeout(() => {
          const { shimPath, shimEnvironment = {} } = this.#options;
          this.#spare ??= spawnSpare(shimPath, shimEnvironment);
        }, QUIET_MS).unref();
      },
    };
  }

  /** Everything but processes, which must be gone. */
  async #remove(stored: StoredContainer, cgroup: Cgroup): Promise<void> {
    const { cgroups, instance } = this.#options;
    const { id } = stored.spec;
    const parent = dirname(stored.cgroup);
    failpoint('runtime.delete.cgroup');
    // What the program left running, where it shares another's PID namespace.
    await cgroup.kill();
    await this.#byCgroupParent.run(parent, async () => {
      await cgroups.remove(stored.cgroup);
      const isPods = parent !== '/' && parent !== instance.cgroupParent;
      if (isPods && cgroups.list(parent).length === 0) await cgroups.remove(parent);
    });
    failpoint('runtime.delete.state');
    this.#leashes.get(id)?.[Symbol.dispose]();
    this.#leashes.delete(id);
    await this.#folders.remove(id);
  }

  async #stateOf(stored: StoredContainer): Promise<{ state: ContainerState }> {
    const { id, labels = {} } = stored.spec;
    let facts = await this.#folders.facts(id);
    if (facts.exit === undefined && !(await this.#alive(id))) {
      // It may have ended between the two looks.
      facts = await this.#folders.facts(id);
      if (facts.exit === undefined) facts = { ...facts, exit: await this.#settle(stored) };
    }
    const { created, startedAt = 0, exit } = facts;
    const base = { id, createdAt: created?.at ?? stored.intentAt, startedAt, labels };
    if (exit !== undefined) {
      const { exitCode, finishedAt, oomKilled } = exit;
      return { state: { ...base, status: 'stopped', pid: 0, finishedAt, exitCode, oomKilled } };
    }
    const status = startedAt === 0 ? 'created' : 'running';
    return { state: { ...base, status, pid: created?.pid ?? 0, finishedAt: 0 } };
  }

  /** The shim was killed: so was init, by its parent-death signal; what is left of the rest goes now. */
  async #settle(stored: StoredContainer): Promise<ExitFacts> {
    const exit = { exitCode: 128 + SIGKILL, signal: SIGKILL, finishedAt: this.#now(), oomKilled: false };
    await this.#options.cgroups.open(stored.cgroup).kill();
    await this.#folders.writeExit(stored.spec.id, exit);
    return exit;
  }

  async #alive(id: string): Promise<boolean> {
    using connection = await this.#connect(id);
    return connection !== undefined;
  }

  #connect(id: string): Promise<ShimConnection | undefined> {
    return ShimConnection.open(join(this.#folders.path(id), 'shim.sock'));
  }

  /** One connection for all who wait for one container. */
  #watch(id: string): Promise<Watch | undefined> {
    const open = async (): Promise<Watch | undefined> => {
      const connection = await this.#connect(id);
      if (connection === undefined) {
        this.#watches.delete(id);
        return undefined;
      }
      connection.request('wait').catch(() => {});
      return { connection, ended: connection.ended, waiters: 0 };
    };
    const known = this.#watches.get(id);
    if (known !== undefined) return known;
    const fresh = open();
    this.#watches.set(id, fresh);
    return fresh;
  }
}

function contextOf(folder: string, cgroup: Cgroup): Parameters<typeof compileContainer>[1] {
  const oomFile = cgroup.memoryEventsFile ?? cgroup.oomControlFile;
  return {
    rootFolder: join(folder, 'rootfs'),
    procsFiles: cgroup.procsFiles,
    hierarchies: cgroup.hierarchies,
    ...(oomFile === undefined ? {} : { oomFile }),
  };
}

async function orAborted(done: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return void (await done);
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => {
    const timedOut = signal.reason instanceof Error && signal.reason.name === 'TimeoutError';
    aborted.reject(
      new PlatformError(timedOut ? 'timeout' : 'cancelled', 'stopped waiting for the container', {
        cause: signal.reason,
      }),
    );
  };
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([done, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
