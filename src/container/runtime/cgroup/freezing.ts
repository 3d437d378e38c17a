/** Making all processes of a cgroup stand still, and signalling all of them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import {
  errnoOf,
  pause,
  postOrder,
  readKeyed,
  readValue,
  until,
  writeValue,
} from '../../../kernel/cgroup-files.ts';
import type { CgroupTree } from './tree.ts';

export interface Freezer {
  readonly folder: string;
  freeze(signal?: AbortSignal): Promise<void>;
  thaw(): void;
  /** Cgroups below too, which the container itself may have frozen. */
  thawAll(): void;
  /** By a freeze of its own, not by one further up. */
  frozen(): boolean;
}

/** `undefined` when there is neither a v1 freezer nor a v2 tree. */
export function freezerOf(tree: CgroupTree): Freezer | undefined {
  const v1 = tree.version === 1 ? tree.folderOf('freezer') : undefined;
  if (v1 !== undefined) return freezerV1(v1, tree.patience);
  return tree.unified === undefined ? undefined : freezerV2(tree.unified, tree.patience);
}

function freezerV2(folder: string, patience: number): Freezer {
  const file = join(folder, 'cgroup.freeze');
  const thaw = (): void => writeValue(file, 0);
  return {
    folder,
    async freeze(signal) {
      writeValue(file, 1);
      await settle(
        { folder, patience, signal, thaw },
        () => readKeyed(join(folder, 'cgroup.events'), 'frozen') === 1,
      );
    },
    thaw,
    // SIGKILL reaches v2's frozen processes: those below may stay as they are.
    thawAll: thaw,
    frozen: () => existsSync(file) && readValue(file) === '1',
  };
}

/** How many rounds until the processes get some air: some loops only end while they run. */
const ROUNDS_BEFORE_THAW = 25;

/**
 * A v1 freezer that meets a fork stays at FREEZING: writing FROZEN again looks at the newcomers too. Where processes
 * keep coming it may never get there unless it is thawed for a moment.
 */
function freezerV1(folder: string, patience: number): Freezer {
  const file = join(folder, 'freezer.state');
  const thaw = (): void => writeValue(file, 'THAWED');
  return {
    folder,
    async freeze(signal) {
      let round = 0;
      await settle({ folder, patience, signal, thaw }, () => {
        if (++round % ROUNDS_BEFORE_THAW === 0) thaw();
        writeValue(file, 'FROZEN');
        return readValue(file) === 'FROZEN';
      });
    },
    thaw,
    thawAll() {
      // From the top: one that is thawed below a frozen one stands still all the same.
      for (const each of postOrder(folder).toReversed()) {
        const state = join(each, 'freezer.state');
        if (readValue(state) !== 'THAWED') writeValue(state, 'THAWED');
      }
    },
    frozen: () => {
      const own = join(folder, 'freezer.self_freezing');
      return existsSync(own) && readValue(own) === '1';
    },
  };
}

interface Settling {
  readonly folder: string;
  readonly patience: number;
  readonly signal: AbortSignal | undefined;
  readonly thaw: () => void;
}

/** Half frozen is worse than not at all: whatever goes wrong, it is thawed. */
async function settle({ folder, patience, signal, thaw }: Settling, frozen: () => boolean): Promise<void> {
  let done = false;
  try {
    done = await until(frozen, patience, signal);
  } finally {
    if (!done) thaw();
  }
  if (!done)
    throw new PlatformError('timeout', `cgroup ${folder} is not frozen after ${patience / 1000} s`, {
      details: { path: folder },
    });
}

const SIGKILL = 9;

/**
 * One signal to every process that is in the cgroup or below. Nothing forks while it is frozen, so each pid that is read
 * then gets the signal before there is another; it acts when they are thawed. A cgroup that was frozen before stays so.
 */
export async function signalAll(tree: CgroupTree, number: number): Promise<void> {
  if (!tree.exists()) return;
  const freezer = freezerOf(tree);
  if (freezer === undefined)
    throw new PlatformError('unsupported', 'cgroup: neither a freezer nor a v2 hierarchy is mounted');
  const before = freezer.frozen();
  try {
    if (!before) await freezer.freeze();
  } catch (error) {
    if (isGone(error)) return;
    throw error;
  }
  try {
    for (const pid of tree.pids(true)) send(pid, number);
  } finally {
    if (!before) freezer.thaw();
  }
}

/** SIGKILL to all of them, until there is none. */
export async function killAll(tree: CgroupTree): Promise<void> {
  const end = performance.now() + tree.patience;
  for (let wait = 1; ; wait = Math.min(wait * 2, 20)) {
    if (tree.pids(true).length === 0) return;
    if (performance.now() >= end) break;
    try {
      await killRound(tree);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
    if (tree.pids(true).length === 0) return;
    await pause(wait);
  }
  const pids = tree.pids(true);
  const [folder] = tree.branches.map(({ path }) => path);
  throw new PlatformError('timeout', `processes ${pids.join(', ')} in ${folder} outlived SIGKILL`, {
    details: { path: folder, pids },
  });
}

async function killRound(tree: CgroupTree): Promise<void> {
  const file = tree.unified === undefined ? undefined : join(tree.unified, 'cgroup.kill');
  // Linux 5.14: all of them in one step, also those that are being forked.
  const atOnce = file !== undefined && existsSync(file);
  if (atOnce) writeValue(file, 1);
  const known = freezerOf(tree);
  const freezer = known !== undefined && existsSync(known.folder) ? known : undefined;
  // What v1 has frozen does not even die; v2's frozen processes do, but the cgroup is used no more.
  freezer?.thawAll();
  if (atOnce && tree.version === 2) return;
  // In hybrid mode a process may be in some hierarchies only, on its way in.
  if (tree.pids(true).length === 0) return;
  if (freezer === undefined) {
    for (const pid of tree.pids(true)) send(pid, SIGKILL);
  } else {
    await signalAll(tree, SIGKILL);
    freezer.thawAll();
  }
}

function send(pid: number, number: number): void {
  try {
    process.kill(pid, number);
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}

/** The cgroup went away meanwhile, and with it everybody in it. */
function isGone(error: unknown): boolean {
  return (
    error instanceof PlatformError &&
    (error.code === 'not-found' || ['ENODEV', 'ENOENT'].includes(String(error.details['errno'])))
  );
}
