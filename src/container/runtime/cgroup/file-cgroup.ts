/** A container's cgroup as plain files: the cgroupfs driver, and what the systemd driver builds on. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import { failpoint } from '../../../base/failpoint.ts';
import type { CgroupHierarchy } from '../../../kernel/cgroup.ts';
import { writeValue } from '../../../kernel/cgroup-files.ts';
import type { ResourcesConfig } from '../../spec/runtime-config.ts';
import { applyWrites } from './apply.ts';
import type { CgroupPlace, ContainerCgroup } from './contract.ts';
import { applyDevices } from './devices.ts';
import { freezerOf, killAll, signalAll } from './freezing.ts';
import { IntelRdtGroup } from './intel-rdt.ts';
import type { Machine } from './machine.ts';
import { watchOomFile } from './out-of-memory.ts';
import type { ResourceWrite } from './resource-write.ts';
import { v1Writes } from './resources-v1.ts';
import { v2Writes } from './resources-v2.ts';
import type { CgroupStatistics } from './statistics-types.ts';
import { statisticsV1 } from './statistics-v1.ts';
import { statisticsV2 } from './statistics-v2.ts';
import { CgroupTree } from './tree.ts';

const SIGKILL = 9;

export class FileCgroup implements ContainerCgroup {
  readonly wantsPid: boolean = false;
  protected readonly machine: Machine;
  protected tree: CgroupTree;
  #place: CgroupPlace;
  readonly #intelRdt: IntelRdtGroup | undefined;

  constructor(place: CgroupPlace, machine: Machine) {
    this.#place = place;
    this.machine = machine;
    this.tree = new CgroupTree(place, machine);
    this.#intelRdt =
      place.intelRdt === undefined ? undefined : new IntelRdtGroup(place.intelRdt, machine.resctrl);
  }

  get place(): CgroupPlace {
    const { without } = this.tree;
    return without.length === 0 ? this.#place : { ...this.#place, without };
  }

  get version(): 1 | 2 {
    return this.tree.version;
  }

  get hierarchies(): readonly CgroupHierarchy[] {
    return this.tree.branches.map(({ name, path, fsType }) => ({ name, path, fsType }));
  }

  get procsFiles(): readonly string[] {
    const groups = this.tree.branches.map(({ path }) => join(path, 'cgroup.procs'));
    return [...groups, ...(this.#intelRdt?.tasksFiles ?? [])];
  }

  get oomFile(): string | undefined {
    const folder = this.tree.folderOf('memory');
    if (folder === undefined) return undefined;
    return join(folder, this.version === 2 ? 'memory.events' : 'memory.oom_control');
  }

  exists(): boolean {
    return this.tree.exists();
  }

  pids(options: { readonly recursive?: boolean } = {}): number[] {
    return this.tree.pids(options.recursive === true);
  }

  async create(resources: ResourcesConfig, _pid?: number): Promise<void> {
    const writes = this.writesFor(resources);
    this.checkUnused();
    failpoint('cgroup.create');
    using undo = new DisposableStack();
    // Without a place of its own choice and without limits, an ordinary user's container goes without a cgroup.
    this.tree.make(undo, this.#place.rootless && !this.#place.named);
    this.configure(resources, writes);
    this.makeIntelRdt(undo);
    undo.move();
  }

  async attach(pid: number): Promise<void> {
    for (const file of this.procsFiles) writeValue(file, pid);
  }

  async update(resources: ResourcesConfig): Promise<void> {
    failpoint('cgroup.update');
    applyWrites(this.writesFor(resources), this.tree);
    if (resources.devices !== undefined && resources.devices !== null) this.#applyDevices(resources);
  }

  async freeze(signal?: AbortSignal): Promise<void> {
    failpoint('cgroup.freeze');
    const freezer = this.exists() ? freezerOf(this.tree) : undefined;
    if (freezer !== undefined) return freezer.freeze(signal);
    throw new PlatformError(
      this.exists() ? 'unsupported' : 'not-found',
      this.exists()
        ? 'cgroup: neither a freezer nor a v2 hierarchy is mounted'
        : `cgroup ${this.#place.path} does not exist`,
    );
  }

  async thaw(): Promise<void> {
    freezerOf(this.tree)?.thaw();
  }

  frozen(): boolean {
    return freezerOf(this.tree)?.frozen() ?? false;
  }

  async kill(signal: number = SIGKILL): Promise<void> {
    failpoint('cgroup.kill');
    await (signal === SIGKILL ? killAll(this.tree) : signalAll(this.tree, signal));
  }

  stats(): CgroupStatistics {
    if (!this.exists()) throw new PlatformError('not-found', `cgroup ${this.#place.path} does not exist`);
    const { unified } = this.tree;
    const stats =
      this.version === 2 && unified !== undefined
        ? statisticsV2(unified)
        : statisticsV1((controller) => this.tree.folderOf(controller));
    return this.#intelRdt === undefined ? stats : { ...stats, intel_rdt: this.#intelRdt.stats() };
  }

  async watchOom(onOom: () => void, signal: AbortSignal): Promise<void> {
    const file = this.oomFile;
    if (file === undefined || (this.exists() && !existsSync(file)))
      throw new PlatformError('unsupported', `cgroup: ${this.tree.explain('memory')}`);
    await watchOomFile(file, onOom, signal);
  }

  async remove(): Promise<void> {
    failpoint('cgroup.remove');
    await this.tree.remove();
    this.#intelRdt?.remove();
  }

  protected writesFor(resources: ResourcesConfig): ResourceWrite[] {
    return this.version === 2 ? v2Writes(resources) : v1Writes(resources);
  }

  /** Limits and rules, once the folders are there and before anybody is in them. */
  protected configure(resources: ResourcesConfig, writes: readonly ResourceWrite[]): void {
    applyWrites(writes, this.tree);
    this.tree.fillCpuset();
    this.#applyDevices(resources);
    if (this.#place.ownerUid !== undefined) this.tree.chown(this.#place.ownerUid);
  }

  protected makeIntelRdt(undo: DisposableStack): void {
    this.#intelRdt?.create(undo);
  }

  protected move(place: CgroupPlace): void {
    this.#place = place;
    this.tree = new CgroupTree(place, this.machine);
  }

  /** Limits of a cgroup that others live in would hit them, and their end would be the end of ours. */
  protected checkUnused(): void {
    const pids = this.pids({ recursive: true });
    if (pids.length > 0)
      throw new PlatformError(
        'conflict',
        `linux.cgroupsPath: cgroup ${this.#place.path} is in use by processes ${pids.join(', ')}`,
        { details: { field: 'linux.cgroupsPath', pids } },
      );
    if (this.frozen())
      throw new PlatformError('conflict', `linux.cgroupsPath: cgroup ${this.#place.path} is frozen`, {
        details: { field: 'linux.cgroupsPath' },
      });
  }

  #applyDevices(resources: ResourcesConfig): void {
    const { rootless } = this.#place;
    applyDevices(this.tree, this.machine, { rules: resources.devices, rootless });
  }
}
