/** Containers for the benchmark of OCI runtimes, by whole commands. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { busyboxRoot } from '../test/fixtures/busybox-root.ts';
import { type OciHost, RUNTIME } from '../test/fixtures/oci-host.ts';
import { baseConfig, type Config } from '../test/fixtures/oci-judge.ts';

export const RUNTIMES: Readonly<Record<string, string>> = {
  'sampan-oci': RUNTIME,
  runc: '/usr/sbin/runc',
  crun: '/usr/bin/crun',
};

/** Bundles without limits, since crun refuses them on a hybrid machine, and without rlimits. */
export class Bundles {
  readonly host: OciHost;
  readonly #image: string;
  #next = 0;

  constructor(host: OciHost) {
    this.host = host;
    this.#image = busyboxRoot(join(host.dir, 'image')).lowerDirs[0]!;
  }

  prepare(
    name: string,
    args: readonly string[] = ['/bin/true'],
    id = `b${this.#next++}-${name}`,
  ): [string, string] {
    const config: Config = structuredClone(baseConfig(this.host, id));
    config.process.args = args;
    delete config.process.rlimits;
    delete config.linux.resources;
    config.root = { path: this.#image, readonly: true };
    config.mounts = config.mounts.filter(({ destination }: Config) => destination !== '/sys/fs/cgroup');
    const folder = mkdtempSync(join(this.host.dir, 'b-'));
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
    return [folder, id];
  }

  async runTrue(name: string): Promise<void> {
    await this.run(name, this.prepare(name));
  }

  run(name: string, [bundle, id]: readonly [string, string]): Promise<void> {
    return this.ok(name, 'run', '--bundle', bundle, id);
  }

  /** A container that runs on, for exec. */
  start(name: string): Promise<void> {
    const [bundle, id] = this.prepare(name, ['/bin/sleep', '1000'], `long-${name}`);
    return this.ok(name, 'run', '--detach', '--bundle', bundle, id);
  }

  ok(name: string, ...args: readonly string[]): Promise<void> {
    const command = [RUNTIMES[name]!, '--root', join(this.host.dir, `root-${name}`), ...args];
    const [program, ...rest] = this.host.inside(command);
    return new Promise((resolve, reject) => {
      const child = spawn(program!, rest, { stdio: ['ignore', 'ignore', 'inherit'] });
      child.once('error', reject);
      child.once('exit', (code) => {
        if (code === 0) resolve();
        else reject(new Error(`${command.join(' ')}: ${code}`));
      });
    });
  }
}
