/** `sampan backup` and `restore` as a person runs them, on a control plane of the test's own. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { instanceOf } from '../../src/base/instance.ts';
import { httpTransport } from '../../src/cluster/client/http-transport.ts';
import { adminCredentials } from '../../src/cli/credentials.ts';
import { startEtcd, type TestEtcd } from '../fixtures/etcd.ts';
import { ROOT, runProgram, type Ran } from '../fixtures/sampan.ts';

const MAIN = [process.execPath, '--disable-warning=ExperimentalWarning', join(ROOT, 'src/cli/main.ts')];
const MAPS = '/api/v1/namespaces/default/configmaps';
const SECRETS = '/api/v1/namespaces/default/secrets';

interface Answer {
  readonly status: number;
  readonly body: {
    readonly metadata: { readonly resourceVersion: string };
    readonly data?: Readonly<Record<string, string>>;
    readonly items?: readonly { readonly metadata: { readonly name: string } }[];
    readonly reason?: string;
  };
}

/** A control plane without a node, from the sources. */
class TestPlane implements AsyncDisposable {
  readonly dataDir: string;
  readonly #runDir: string;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  #log = '';

  constructor(dataDir: string, args: readonly string[] = []) {
    this.dataDir = dataDir;
    this.#runDir = instanceOf(dataDir).runDir;
    this.#args = args;
  }

  static async make(...args: readonly string[]): Promise<TestPlane> {
    return new TestPlane(await realpath(await mkdtemp(join(tmpdir(), 'sampan-plane-'))), args);
  }

  async sampan(command: string, ...args: readonly string[]): Promise<Ran> {
    return await runProgram([...MAIN, command, '--data-dir', this.dataDir, ...args]);
  }

  async up(...args: readonly string[]): Promise<void> {
    const all = ['up', '--data-dir', this.dataDir, '--no-node', '--port', '0', ...this.#args, ...args];
    const child = spawn(MAIN[0]!, [...MAIN.slice(1), ...all], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#log += text));
    const end = performance.now() + 60_000;
    while ((await this.#url()) === undefined) {
      assert.ok(child.exitCode === null && performance.now() < end, `up: ${this.#log}`);
      await delay(20);
    }
  }

  async call(method: string, url: string, body?: unknown): Promise<Answer> {
    const transport = httpTransport({ server: (await this.#url())!, ...adminCredentials(this.dataDir) });
    const response = await transport.request({
      method: method as 'GET',
      url,
      headers: { 'content-type': 'application/json' },
      ...(body !== undefined && { body: Buffer.from(JSON.stringify(body)) }),
    });
    const parts: Uint8Array[] = [];
    if (response.body instanceof Uint8Array) parts.push(response.body);
    else for await (const part of response.body) parts.push(part);
    const text = Buffer.concat(parts).toString().split('\n')[0]!;
    return { status: response.status, body: JSON.parse(text) as Answer['body'] };
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  async #url(): Promise<string | undefined> {
    const text = await readFile(join(this.#runDir, 'daemon.json'), 'utf8').catch(() => '{}');
    const record = JSON.parse(text) as { phase?: string; pid?: number; url?: string };
    return record.phase === 'ready' && record.pid === this.#child?.pid ? record.url : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
    await rm(this.dataDir, { recursive: true, force: true });
    await rm(this.#runDir, { recursive: true, force: true });
  }
}

const map = (name: string, text = ''): unknown => ({ metadata: { name }, data: { text } });

describe('sampan backup and restore', () => {
  test('a running cluster is taken back to where it was, and who watched lists anew', async () => {
    await using plane = await TestPlane.make();
    const file = join(plane.dataDir, 'monday');
    await plane.up();
    assert.equal((await plane.call('POST', MAPS, map('kept', 'monday'))).status, 201);
    const backup = await plane.sampan('backup', file);
    assert.equal(backup.code, 0, backup.stderr);
    assert.match(backup.stdout, /monday: \d+ bytes/);
    assert.equal((await plane.call('POST', MAPS, map('later'))).status, 201);
    const seen = (await plane.call('GET', MAPS)).body.metadata.resourceVersion;

    const refused = await plane.sampan('restore', file);
    assert.equal(refused.code === 0, false);
    assert.match(refused.stderr, /in use by process \d+/);
    assert.equal((await plane.call('GET', `${MAPS}/later`)).status, 200);

    await plane.stop();
    const restore = await plane.sampan('restore', file);
    assert.equal(restore.code, 0, restore.stderr);
    await plane.up();
    assert.equal((await plane.call('GET', `${MAPS}/kept`)).body.data?.['text'], 'monday');
    assert.equal((await plane.call('GET', `${MAPS}/later`)).status, 404);
    const list = await plane.call('GET', MAPS);
    assert.ok(Number(list.body.metadata.resourceVersion) > Number(seen) + 1_000_000);
    const resumed = await plane.call('GET', `${MAPS}?watch=1&resourceVersion=${seen}`);
    const gone = resumed.status === 410 || JSON.stringify(resumed.body).includes('"code":410');
    assert.ok(gone, `a watch from before must begin anew: ${JSON.stringify(resumed)}`);
    // A daemon that is gone does not hinder a backup.
    await plane.stop('SIGKILL');
    const cold = await plane.sampan('backup', `${file}-2`);
    assert.equal(cold.code, 0, cold.stderr);
  });

  test('killed at any step, a restore leaves the old cluster or the new one', async () => {
    await using plane = await TestPlane.make();
    const file = join(plane.dataDir, 'backup');
    await plane.up();
    await plane.call('POST', MAPS, map('m', 'old'));
    assert.equal((await plane.sampan('backup', file)).code, 0);
    const steps: [string, string][] = [
      ['copied', 'new'],
      ['checked', 'new'],
      ['committed', 'old'],
      ['placing', 'old'],
    ];
    for (const [step, text] of steps) {
      const { body } = await plane.call('GET', `${MAPS}/m`);
      await plane.call('PUT', `${MAPS}/m`, { ...body, data: { text: 'new' } });
      // The log stays behind, as after a power cut.
      await plane.stop('SIGKILL');
      const killed = await runProgram([
        'env',
        `SAMPAN_FAILPOINTS=restore.${step}=kill`,
        ...MAIN,
        'restore',
        '--data-dir',
        plane.dataDir,
        file,
      ]);
      assert.notEqual(killed.code, 0, `${step} was passed`);
      assert.equal(killed.stdout, '');
      await plane.up();
      assert.equal((await plane.call('GET', `${MAPS}/m`)).body.data?.['text'], text, step);
    }
  });

  test('what is wrong with a file is said', async () => {
    await using plane = await TestPlane.make();
    const file = join(plane.dataDir, 'letters');
    await writeFile(file, 'not a backup');
    assert.match((await plane.sampan('restore', file)).stderr, /letters: is no backup/);
    assert.match((await plane.sampan('restore', `${file}-2`)).stderr, /letters-2.*ENOENT/);
    assert.match((await plane.sampan('restore')).stderr, /FILE is missing/);
    assert.match((await plane.sampan('backup', file)).stderr, /exists and is no backup/);
    assert.equal(await readFile(file, 'utf8'), 'not a backup');
    assert.ok(!existsSync(join(plane.dataDir, 'state.db.restored')));
  });
});

describe('sampan up --datastore etcd://…', () => {
  let etcd: TestEtcd;
  before(async () => {
    etcd = await startEtcd();
  });
  after(async () => {
    await etcd[Symbol.asyncDispose]();
  });

  test('keeps the cluster in etcd, backs it up as etcd does, and leaves its restore to etcd', async () => {
    await using plane = await TestPlane.make('--datastore', etcd.url);
    await plane.up();
    assert.equal((await plane.call('POST', MAPS, map('m', 'x'))).status, 201);
    assert.match(
      etcd.ctl('get', '--prefix', '/registry', '--keys-only'),
      /^\/registry\/configmaps\/default\/m$/m,
    );
    assert.ok(!existsSync(join(plane.dataDir, 'state.db')));
    const file = join(plane.dataDir, 'snapshot');
    assert.equal((await plane.sampan('backup', file)).code, 0);
    assert.match(etcd.ctl('snapshot', 'status', file), /^[0-9a-f]+, \d+, \d+, /);
    etcd.ctl('snapshot', 'restore', file, `--data-dir=${join(plane.dataDir, 'member')}`);
    const refused = await plane.sampan('restore', file);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /snapshot of an etcd/);
    await plane.stop();
    const cold = await plane.sampan('backup', `${file}-2`, '--datastore', etcd.url);
    assert.equal(cold.code, 0, cold.stderr);
    assert.match(etcd.ctl('snapshot', 'status', `${file}-2`), /^[0-9a-f]+, /);
  });

  test('an address that is none is refused before anything starts', async () => {
    await using plane = await TestPlane.make();
    const mysql = await plane.sampan('up', '--no-node', '--datastore', 'mysql://h');
    assert.match(mysql.stderr, /--datastore "mysql:\/\/h": is no datastore/);
    const ports = await plane.sampan('up', '--no-node', '--datastore', 'etcd://h:99999');
    assert.match(ports.stderr, /"h:99999" is no host:port/);
  });

  test('secrets are encrypted in etcd, and a new key takes over from the old one', async () => {
    await using plane = await TestPlane.make('--datastore', `${etcd.url}?prefix=/enc`);
    const config = join(plane.dataDir, 'encryption.yaml');
    const write = async (...keys: [name: string, byte: number][]): Promise<void> => {
      const list = keys.map(
        ([name, byte]) =>
          `            - {name: ${name}, secret: ${Buffer.alloc(32, byte).toString('base64')}}`,
      );
      await writeFile(
        config,
        `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - aesgcm:
          keys:
${list.join('\n')}
      - identity: {}
`,
      );
    };
    const stored = (): string => etcd.ctl('get', '/enc/registry/secrets/default/s', '--print-value-only');
    await plane.up();
    const secret = { metadata: { name: 's' }, stringData: { password: 'correct horse' } };
    assert.equal((await plane.call('POST', SECRETS, secret)).status, 201);
    assert.match(stored(), /Y29ycmVjdCBob3JzZQ==/);
    await plane.stop();
    for (const keys of [
      [['key1', 1]],
      [
        ['key2', 2],
        ['key1', 1],
      ],
      [['key2', 2]],
    ] as [string, number][][]) {
      await write(...keys);
      await plane.up('--encryption-provider-config', config);
      const { body } = await plane.call('GET', `${SECRETS}/s`);
      assert.equal(body.data?.['password'], 'Y29ycmVjdCBob3JzZQ==');
      const end = performance.now() + 20_000;
      while (!stored().startsWith(`k8s:enc:aesgcm:v1:${keys[0]![0]}:`)) {
        assert.ok(performance.now() < end, 'written anew with the first key');
        await delay(20);
      }
      assert.ok(!stored().includes('Y29ycmVjdCBob3JzZQ'));
      await plane.stop();
    }
    await write(['key3', 3]);
    const refused = await plane.sampan(
      'up',
      '--no-node',
      '--port',
      '0',
      '--datastore',
      `${etcd.url}?prefix=/enc`,
      '--encryption-provider-config',
      config,
    );
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /secrets\/default\/s: is encrypted with aesgcm key "key2"/);
  });
});
