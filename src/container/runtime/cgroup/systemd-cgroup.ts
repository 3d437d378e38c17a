/** The systemd driver: a transient scope around init, and the files of its cgroup for what systemd does not say. */
import { PlatformError } from '../../../base/errors.ts';
import { failpoint } from '../../../base/failpoint.ts';
import type { ResourcesConfig } from '../../spec/runtime-config.ts';
import type { CgroupPlace } from './contract.ts';
import { checkUsage } from './apply.ts';
import { FileCgroup } from './file-cgroup.ts';
import type { Machine } from './machine.ts';
import { SystemdManager } from './systemd-manager.ts';
import {
  oomProperties,
  resourceProperties,
  roundQuota,
  unitProperties,
  type ManagerFacts,
  type UnitProperty,
} from './systemd-properties.ts';

export class SystemdCgroup extends FileCgroup {
  override readonly wantsPid: boolean;
  readonly #unit: string;

  constructor(place: CgroupPlace, machine: Machine) {
    super(place, machine);
    this.#unit = place.unit ?? '';
    // A slice holds no processes of its own making.
    this.wantsPid = !this.#unit.endsWith('.slice');
  }

  override async create(wanted: ResourcesConfig, pid?: number): Promise<void> {
    if (this.wantsPid && pid === undefined)
      throw new PlatformError('invalid', `systemd makes ${this.#unit} around a process: its pid is missing`);
    const resources = roundQuota(wanted);
    const writes = this.writesFor(resources);
    this.checkUnused();
    failpoint('cgroup.create');
    using manager = await this.#connect();
    const facts = await this.#facts(manager);
    await using undo = new AsyncDisposableStack();
    const made = undo.use(new DisposableStack());
    await this.#start(manager, [
      ...this.#properties(pid, facts),
      ...oomProperties(resources, facts),
      ...limits(resources, facts, true),
    ]);
    undo.defer(async () => {
      // systemd would ask init politely, which does not listen yet, and wait.
      await this.kill();
      await manager.stop(this.#unit);
    });
    const path = await manager.controlGroup(this.#unit);
    if (path !== undefined && path !== this.place.path) this.move({ ...this.place, path });
    // v1: systemd made it in those hierarchies that it uses itself.
    this.tree.make(made, false);
    this.configure(resources, writes);
    this.makeIntelRdt(made);
    made.move();
    undo.move();
  }

  override async update(wanted: ResourcesConfig): Promise<void> {
    const resources = roundQuota(wanted);
    // Before systemd is told: it would kill where the check refuses.
    checkUsage(this.writesFor(resources), this.tree);
    using manager = await this.#connect();
    const facts = await this.#facts(manager);
    const devices = resources.devices !== undefined && resources.devices !== null;
    await manager.setProperties(this.#unit, limits(resources, facts, devices));
    await super.update(resources);
  }

  override async attach(pid: number): Promise<void> {
    try {
      await super.attach(pid);
    } catch (error) {
      // A user may write the scope's cgroup.procs, but not that of a cgroup above both (cgroups(7), delegation).
      if (!(error instanceof PlatformError) || error.code !== 'forbidden') throw error;
      using manager = await this.#connect();
      await manager.attach(this.#unit, pid);
    }
  }

  override async remove(): Promise<void> {
    using manager = await this.#connect();
    await manager.stop(this.#unit);
    await super.remove();
  }

  #connect(): Promise<SystemdManager> {
    return SystemdManager.connect(this.machine.systemd(this.place.rootless));
  }

  async #facts(manager: SystemdManager): Promise<ManagerFacts> {
    return { cgroupVersion: this.version, systemd: await manager.version() };
  }

  #properties(pid: number | undefined, facts: ManagerFacts): UnitProperty[] {
    const { slice = '', unitProperties: annotations = {} } = this.place;
    const unit = this.#unit;
    return unitProperties({ unit, slice, pid, annotations }, facts);
  }

  async #start(manager: SystemdManager, properties: readonly UnitProperty[]): Promise<void> {
    try {
      await manager.start(this.#unit, properties);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      const { code, message, details } = error;
      throw new PlatformError(code, `cannot start ${this.#unit}: ${message}`, { cause: error, details });
    }
  }
}

function limits(resources: ResourcesConfig, facts: ManagerFacts, devices: boolean): UnitProperty[] {
  return resourceProperties(resources, facts, { devices });
}
