/** systemd over D-Bus: transient units, and waiting for what becomes of a job. */
import { PlatformError } from '../../../base/errors.ts';
import { DbusConnection, type DbusMessage, type DbusValue, type Variant } from '../../../kernel/dbus.ts';
import { unitObjectPath } from './systemd-names.ts';
import type { UnitProperty } from './systemd-properties.ts';

export interface BusAddress {
  readonly address: string;
  /** False for systemd's private socket: it is there without a bus. */
  readonly bus: boolean;
}

const SYSTEMD = 'org.freedesktop.systemd1';
const MANAGER_PATH = '/org/freedesktop/systemd1';
const MANAGER = `${SYSTEMD}.Manager`;
const JOB_TIMEOUT_MS = 30_000;

/** Of the machine, or of a user without rights, the most usual first. */
export function busAddresses(
  rootless: boolean,
  uid: number,
  environment: Readonly<Record<string, string | undefined>>,
): BusAddress[] {
  const buses = (...addresses: readonly (string | undefined)[]): BusAddress[] =>
    addresses.flatMap((address) => (address === undefined || address === '' ? [] : [{ address, bus: true }]));
  if (!rootless) {
    return [
      ...buses(environment['DBUS_SYSTEM_BUS_ADDRESS'] ?? 'unix:path=/run/dbus/system_bus_socket'),
      { address: 'unix:path=/run/systemd/private', bus: false },
    ];
  }
  const folder = environment['XDG_RUNTIME_DIR'] ?? `/run/user/${uid}`;
  return [
    ...buses(environment['DBUS_SESSION_BUS_ADDRESS'], `unix:path=${folder}/bus`),
    { address: `unix:path=${folder}/systemd/private`, bus: false },
  ];
}

export class SystemdManager implements Disposable {
  readonly #connection: DbusConnection;
  readonly #bus: boolean;
  /** Results of jobs that ended, by object path: one may end before we know that it is ours. */
  readonly #ended = new Map<string, string>();
  readonly #waiting = new Map<string, (result: string) => void>();

  private constructor(connection: DbusConnection, bus: boolean) {
    this.#connection = connection;
    this.#bus = bus;
    connection.onSignal((signal) => this.#onSignal(signal));
  }

  /** `unavailable` when no systemd answers at any of them. */
  static async connect(addresses: readonly BusAddress[]): Promise<SystemdManager> {
    let failure: unknown;
    for (const { address, bus } of addresses) {
      let connection: DbusConnection | undefined;
      try {
        connection = await DbusConnection.connect(address, { bus });
        const manager = new SystemdManager(connection, bus);
        await manager.#subscribe();
        return manager;
      } catch (error) {
        connection?.[Symbol.dispose]();
        failure = error;
      }
    }
    throw new PlatformError(
      'unavailable',
      `systemd does not answer at ${addresses.map(({ address }) => address).join(' or ')}`,
      { cause: failure, hint: 'use the cgroupfs driver, or log in with a user session (dbus-user-session)' },
    );
  }

  async version(): Promise<number> {
    const version = await this.#property(MANAGER_PATH, MANAGER, 'Version');
    // `252.39-1~deb12u1`, `v256`
    return Number(/\d+/.exec(text(version))?.[0] ?? 0);
  }

  /** The unit's cgroup, below the mount; `undefined` when it has none. */
  async controlGroup(unit: string): Promise<string | undefined> {
    const kind = unit.endsWith('.slice') ? 'Slice' : 'Scope';
    const path = await this.#property(unitObjectPath(unit), `${SYSTEMD}.${kind}`, 'ControlGroup');
    return typeof path === 'string' && path !== '' ? path : undefined;
  }

  /** Resolves when the unit runs. A dead one of the same name that systemd remembers as failed gives way. */
  async start(unit: string, properties: readonly UnitProperty[]): Promise<void> {
    const start = (): Promise<string> =>
      this.#job('StartTransientUnit', 'ssa(sv)a(sa(sv))', [unit, 'replace', encode(properties), []]);
    let result: string;
    try {
      result = await start();
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'already-exists') throw error;
      await this.resetFailed(unit);
      result = await start();
    }
    if (result === 'done') return;
    await this.resetFailed(unit);
    throw new PlatformError('internal', `systemd could not start ${unit}: its job ended as ${result}`, {
      details: { unit, result },
    });
  }

  /** Stops it (its processes get what its KillMode says) and forgets it; one that is not there is not an error. */
  async stop(unit: string): Promise<void> {
    try {
      await this.#job('StopUnit', 'ss', [unit, 'replace']);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'not-found') throw error;
    }
    await this.resetFailed(unit);
  }

  /** Until the next boot only: the container does not outlive it either. */
  async setProperties(unit: string, properties: readonly UnitProperty[]): Promise<void> {
    if (properties.length === 0) return;
    await this.#call('SetUnitProperties', 'sba(sv)', [unit, true, encode(properties)]);
  }

  /** Puts processes into the unit: where we have no right to write its cgroup.procs, systemd has. */
  async attach(unit: string, pid: number): Promise<void> {
    await this.#call('AttachProcessesToUnit', 'ssau', [unit, '', [pid]]);
  }

  async resetFailed(unit: string): Promise<void> {
    try {
      await this.#call('ResetFailedUnit', 's', [unit]);
    } catch (error) {
      // Not loaded: there is nothing to forget.
      if (!(error instanceof PlatformError) || error.code !== 'not-found') throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }

  /** Without a subscriber systemd tells nobody of its jobs. */
  async #subscribe(): Promise<void> {
    if (this.#bus)
      await this.#connection.addMatch(
        `type='signal',sender='${SYSTEMD}',path='${MANAGER_PATH}',interface='${MANAGER}',member='JobRemoved'`,
      );
    await this.#call('Subscribe', '', []);
  }

  async #job(member: string, signature: string, body: readonly DbusValue[]): Promise<string> {
    const [path] = await this.#call(member, signature, body);
    const job = text(path);
    const ended = this.#ended.get(job);
    if (ended !== undefined) return ended;
    const result = Promise.withResolvers<string>();
    this.#waiting.set(job, result.resolve);
    const timer = setTimeout(() => {
      const what = `${member} of ${text(body[0])}`;
      result.reject(
        new PlatformError('timeout', `systemd: ${what} takes more than ${JOB_TIMEOUT_MS / 1000} s`),
      );
    }, JOB_TIMEOUT_MS);
    try {
      return await result.promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(job);
    }
  }

  #onSignal({ member, interface: from, body = [] }: DbusMessage): void {
    if (member !== 'JobRemoved' || from !== MANAGER) return;
    // id, job, unit, result
    const [, job, , result] = body.map(text);
    if (job === undefined || result === undefined) return;
    this.#ended.set(job, result);
    this.#waiting.get(job)?.(result);
  }

  #call(member: string, signature: string, body: readonly DbusValue[]): Promise<readonly DbusValue[]> {
    return this.#connection.call({
      ...this.#to,
      path: MANAGER_PATH,
      interface: MANAGER,
      member,
      signature,
      body,
    });
  }

  async #property(path: string, of: string, name: string): Promise<DbusValue | undefined> {
    const [value] = await this.#connection.call({
      ...this.#to,
      path,
      interface: 'org.freedesktop.DBus.Properties',
      member: 'Get',
      signature: 'ss',
      body: [of, name],
    });
    return (value as Variant | undefined)?.value;
  }

  get #to(): { destination?: string } {
    return this.#bus ? { destination: SYSTEMD } : {};
  }
}

function text(value: DbusValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

function encode(properties: readonly UnitProperty[]): DbusValue {
  return properties.map(([name, value]) => [name, value]);
}
