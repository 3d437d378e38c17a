/** What the tests in the machine share: running programs as root or as the ordinary user, and bundles. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chownSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RuntimeConfig } from '../../src/container/spec/runtime-config.ts';
import { configFor, type ConfigChanges } from './config.ts';

/** The runtime under test. `make test-vm SAMPAN_OCI_RUNTIME=/usr/sbin/runc` proves the tests by the reference. */
export const RUNTIME: string = process.env['SAMPAN_OCI_RUNTIME'] ?? '/work-under-test/bin/sampan-oci';
/** The reference that it is compared with. */
export const REFERENCE = '/usr/sbin/runc';

export const CGROUPS = '/sys/fs/cgroup';
/** A cgroup, as a path below {@link CGROUPS}, in which tests may make theirs by hand: systemd leaves it alone. */
export const DELEGATED: string = process.env['SAMPAN_VM_CGROUP'] ?? '';
/** The ordinary user's manager, which makes scopes below it for a runtime that asks. */
export const USER_MANAGER = '/user.slice/user-1000.slice/user@1000.service';
/** What {@link DELEGATED} is, for the ordinary user. */
export const USER_DELEGATED: string = `${USER_MANAGER}/app.slice/delegated.service`;

/** The ordinary user: lingers, so that there is a manager with a cgroup of its own; has subordinate ids. */
export const USER: { readonly name: string; readonly uid: number; readonly gid: number } = {
  name: 'sampan',
  uid: 1000,
  gid: 1000,
};

assert.ok(DELEGATED !== '', 'these tests run in the machine of `make test-vm` only');

export interface Ran {
  /** The exit code; 128 and the signal's number when one ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** As root, unless told otherwise; the user's process starts in its delegated cgroup. */
  readonly as?: 'root' | 'sampan';
  /** SIGKILL after it; 60 s. */
  readonly timeoutMs?: number;
}

/** Runs a program to its end. */
export function run(command: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const [file, ...argv] = options.as === 'sampan' ? asUser(command) : command;
  return new Promise((resolve, reject) => {
    const child = spawn(file!, argv, { cwd: options.cwd ?? '/', env: { ...process.env, ...options.env } });
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
    const stdout = textOf(child, 'stdout');
    const stderr = textOf(child, 'stderr');
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const killed = signal === null ? 0 : 128 + (SIGNALS[signal] ?? 0);
      resolve({ code: code ?? killed, stdout: stdout(), stderr: stderr() });
    });
    // A program need not read its input to its end.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}

const SIGNALS: Readonly<Record<string, number>> = {
  SIGKILL: 9,
  SIGTERM: 15,
  SIGINT: 2,
  SIGSEGV: 11,
  SIGSYS: 31,
};

/** A program that must succeed; its standard output without the last newline. */
export async function ok(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(command, options);
  assert.equal(code, 0, `${command.join(' ')}: ${stderr}${stdout}`);
  return stdout.trimEnd();
}

function textOf(child: ChildProcess, stream: 'stdout' | 'stderr'): () => string {
  let text = '';
  child[stream]!.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  return () => text;
}

/** As from a login of the user's: in a cgroup of its own, with its manager's bus. */
function asUser(command: readonly string[]): readonly string[] {
  const runtimeDir = `/run/user/${USER.uid}`;
  return [
    ...['sh', '-ec', `echo $$ >${CGROUPS}${USER_DELEGATED}/leaf/cgroup.procs; exec "$@"`, 'login'],
    ...['setpriv', `--reuid=${USER.uid}`, `--regid=${USER.gid}`, '--init-groups'],
    ...['--inh-caps=-all', '--ambient-caps=-all', 'env', '-u', 'SAMPAN_VM_CGROUP', `HOME=/home/${USER.name}`],
    ...[`USER=${USER.name}`, `XDG_RUNTIME_DIR=${runtimeDir}`],
    ...[`DBUS_SESSION_BUS_ADDRESS=unix:path=${runtimeDir}/bus`, ...command],
  ];
}

export interface BundleOptions extends ConfigChanges {
  /** Whose it is, and so who may run it; for `sampan` the configuration is a rootless one. */
  readonly as?: 'root' | 'sampan';
}

export interface Launch {
  /** {@link RUNTIME} without. */
  readonly runtime?: string;
  /** Pass `--systemd-cgroup`. */
  readonly systemd?: boolean;
}

/** A bundle with a busybox root, and the state folder of a runtime. Its end deletes the container and checks for leaks. */
export class Bundle implements AsyncDisposable {
  readonly id: string;
  readonly dir: string;
  readonly stateDir: string;
  readonly #as: 'root' | 'sampan';
  #launch: Launch = {};

  private constructor(dir: string, as: 'root' | 'sampan') {
    this.dir = dir;
    this.id = basename(dir).replaceAll(/[^a-zA-Z0-9]/g, '');
    this.stateDir = join(dir, 'state');
    this.#as = as;
  }

  static async make(options: BundleOptions): Promise<Bundle> {
    const as = options.as ?? 'root';
    const bundle = new Bundle(mkdtempSync('/var/tmp/bundle-'), as);
    const rootfs = join(bundle.dir, 'rootfs');
    for (const folder of ['bin', 'dev', 'etc', 'proc', 'root', 'sys', 'tmp', 'var']) {
      mkdirSync(join(rootfs, folder), { recursive: true });
    }
    copyFileSync('/bin/busybox', join(rootfs, 'bin/busybox'));
    await ok(['chroot', rootfs, '/bin/busybox', '--install', '-s', '/bin']);
    mkdirSync(bundle.stateDir);
    bundle.configure(configFor(options, as));
    if (as === 'sampan') {
      await ok(['chown', '-R', `${USER.uid}:${USER.gid}`, bundle.dir]);
    }
    return bundle;
  }

  get configPath(): string {
    return join(this.dir, 'config.json');
  }

  get config(): RuntimeConfig {
    return JSON.parse(readFileSync(this.configPath, 'utf8')) as RuntimeConfig;
  }

  configure(config: RuntimeConfig): void {
    writeFileSync(this.configPath, JSON.stringify(config, undefined, 2));
    if (this.#as === 'sampan') chownSync(this.configPath, USER.uid, USER.gid);
  }

  /** The runtime's command line for one of its commands: `command(['kill', bundle.id, 'TERM'])`. */
  command(verb: readonly string[], launch: Launch = this.#launch): readonly string[] {
    const driver = launch.systemd === true ? ['--systemd-cgroup'] : [];
    return [launch.runtime ?? RUNTIME, '--root', this.stateDir, ...driver, ...verb];
  }

  /** One command of the runtime, as the bundle's owner. */
  do(verb: readonly string[], options: RunOptions & Launch = {}): Promise<Ran> {
    const { runtime, systemd } = options;
    if (runtime !== undefined || systemd !== undefined)
      this.#launch = { ...this.#launch, ...definedIn(options) };
    return run(this.command(verb), { as: this.#as, ...options });
  }

  /** `run` in the foreground, to the container's end. */
  run(options: RunOptions & Launch = {}): Promise<Ran> {
    return this.do(['run', '--bundle', this.dir, this.id], options);
  }

  /** `run --detach`; what the container prints goes to the file {@link logPath}. */
  async start(options: RunOptions & Launch = {}): Promise<void> {
    const { runtime, systemd } = options;
    this.#launch = { ...this.#launch, ...definedIn({ runtime, systemd }) };
    writeFileSync(this.logPath, '');
    if (this.#as === 'sampan') chownSync(this.logPath, USER.uid, USER.gid);
    const detached = this.command(['run', '--detach', '--bundle', this.dir, this.id]);
    const script = `exec "$@" >>${this.logPath} 2>&1 </dev/null`;
    const { code } = await run(['sh', '-c', script, 'start', ...detached], { as: this.#as, ...options });
    assert.equal(code, 0, `${detached.join(' ')}: ${this.log()}`);
  }

  get logPath(): string {
    return join(this.dir, 'log');
  }

  log(): string {
    return existsSync(this.logPath) ? readFileSync(this.logPath, 'utf8') : '';
  }

  /** The container's cgroup, as a path in {@link CGROUPS}, by the kernel's word for its first process. */
  async cgroup(): Promise<string> {
    const state = JSON.parse((await this.do(['state', this.id])).stdout) as { readonly pid: number };
    return join(CGROUPS, readFileSync(`/proc/${state.pid}/cgroup`, 'utf8').trim().replace('0::', ''));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.do(['delete', '--force', this.id]);
    await eventually(`the cgroup of ${this.id} to go`, () => cgroupsNamed(this.id).length === 0);
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
    assert.ok(!mounts.includes(this.dir), `a mount below ${this.dir} is left`);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

function definedIn({
  runtime,
  systemd,
}: {
  runtime?: string | undefined;
  systemd?: boolean | undefined;
}): Launch {
  return {
    ...(runtime === undefined ? {} : { runtime }),
    ...(systemd === undefined ? {} : { systemd }),
  };
}

/** Folders in the cgroup tree with `id` in their name. */
export function cgroupsNamed(id: string): readonly string[] {
  return globSync(`**/*${id}*/`, { cwd: CGROUPS });
}

/** Waits for a condition of the outside; emulated processors take their time, so it fails after thirty seconds only. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, `waited too long for ${what}`);
    await delay(20);
  }
}
