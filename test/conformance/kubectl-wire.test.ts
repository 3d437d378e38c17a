/** The real kubectl over HTTP/2: protobuf, long lists, watches, health, metrics, and what it reads about the API. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { writeAtomically } from '../../src/base/write-atomically.ts';
import { auditPolicy } from '../../src/cluster/server/audit/policy.ts';
import { fileSink } from '../../src/cluster/server/audit/file-sink.ts';
import { loadOrCreatePki } from '../../src/cluster/server/pki.ts';
import { openSqliteStore } from '../../src/cluster/store/sqlite.ts';
import { serveApi } from '../fixtures/api-server.ts';
import { eventually } from '../fixtures/eventually.ts';
import { kubectlFor } from '../fixtures/kubectl.ts';

describe('kubectl on the wire', () => {
  const stack = new AsyncDisposableStack();
  let kubectl: ReturnType<typeof kubectlFor>;
  let auditLog: string;

  before(async () => {
    const dir = await mkdtemp(join(tmpdir(), 'sampan-wire-'));
    stack.defer(() => rm(dir, { recursive: true }));
    auditLog = join(dir, 'audit.log');
    const pki = await loadOrCreatePki({ dir: join(dir, 'pki'), clock: systemClock, names: [] });
    const store = stack.use(await openSqliteStore({ path: join(dir, 'state.db'), clock: systemClock }));
    const parts = { clock: systemClock, random: systemRandom, log: silentLogger };
    const policy = auditPolicy({
      apiVersion: 'audit.k8s.io/v1',
      kind: 'Policy',
      rules: [{ level: 'Metadata', verbs: ['delete'] }],
    });
    const sink = fileSink({ path: auditLog, maxBytes: 1e6, maxBackups: 1, ...parts });
    const api = stack.use(await serveApi({ store, pki, audit: { policy, sinks: [sink] } }));
    const kubeconfig = join(dir, 'kubeconfig');
    writeAtomically(kubeconfig, api.kubeconfig);
    kubectl = kubectlFor(kubeconfig);
  });

  after(() => stack.disposeAsync());

  async function ok(args: readonly string[], input = ''): Promise<string> {
    const { code, stdout, stderr } = await kubectl(args, input);
    assert.equal(code, 0, `kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  test('HTTP/2 is what kubectl speaks', async () => {
    const { stderr } = await kubectl(['get', '--raw', '/version', '-v=8'], '', { GODEBUG: 'http2debug=1' });
    assert.match(stderr, /http2: Transport/);
  });

  test('health, metrics and the documents about the API', async () => {
    assert.match(await ok(['get', '--raw', '/readyz?verbose']), /\[\+\]etcd ok\n[^]*readyz check passed/);
    assert.match(await ok(['get', '--raw', '/metrics']), /^apiserver_request_total\{/m);
    const swagger = JSON.parse(await ok(['get', '--raw', '/openapi/v2'])) as {
      swagger: string;
      definitions: Record<string, unknown>;
    };
    assert.equal(swagger.swagger, '2.0');
    assert.ok('io.k8s.api.core.v1.Pod' in swagger.definitions);
    assert.match(await ok(['explain', 'pod.spec.containers.livenessProbe', '--recursive']), /httpGet/);
  });

  test('commands whose answers are protobuf', async () => {
    await ok(['create', 'configmap', 'typed', '--from-literal=k=v']);
    await ok(['create', 'deployment', 'web', '--image=busybox', '--replicas=0']);
    assert.match(await ok(['describe', 'configmap', 'typed']), /k:\n----\nv\n/);
    assert.match(await ok(['describe', 'deployment', 'web']), /Replicas: +0 desired/);
    assert.match(await ok(['rollout', 'history', 'deployment/web']), /deployment.apps\/web/);
    await ok(['create', 'role', 'r', '--verb=get', '--resource=pods']);
    assert.match(await ok(['auth', 'can-i', '--list']), /\*\.\*/);
  });

  test('a long list, by pages and at once, and by label', async () => {
    const maps = Array.from({ length: 700 }, (_, i) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: `many-${1000 + i}`, labels: { shard: `s${i % 7}` } },
      data: { v: 'x'.repeat(300) },
    }));
    await ok(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: maps }));
    const count = async (...args: string[]): Promise<number> =>
      (await ok(['get', 'configmaps', '--no-headers', ...args]))
        .split('\n')
        .filter((line) => line.startsWith('many-')).length;
    assert.equal(await count(), 700);
    assert.equal(await count('--chunk-size=100'), 700);
    for (let i = 0; i < 2; i++) assert.equal(await count('-l', 'shard=s3'), 100);
    const json = JSON.parse(await ok(['get', 'configmaps', '-o', 'json', '--chunk-size=0'])) as {
      items: unknown[];
    };
    assert.equal(json.items.length >= 700, true);
  });

  test('what is deleted is in the audit log', async () => {
    await ok(['delete', 'configmap', 'typed']);
    await eventually('the delete is in the audit log', async () => {
      const lines = (await readFile(auditLog, 'utf8')).trim().split('\n');
      const events = lines.map((line) => JSON.parse(line) as { stage: string; objectRef: { name: string } });
      return events.some(
        ({ stage, objectRef }) => stage === 'ResponseComplete' && objectRef.name === 'typed',
      );
    });
  });
});
