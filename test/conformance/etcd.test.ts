/** kubectl on two servers that share an etcd, and etcdctl on what they keep there. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { loadOrCreatePki } from '../../src/cluster/server/pki.ts';
import { openEtcdStore } from '../../src/cluster/store/etcd.ts';
import { serveApi } from '../fixtures/api-server.ts';
import { startEtcd } from '../fixtures/etcd.ts';
import { KUBECTL } from '../fixtures/kubectl.ts';
import { runProgram, type Ran } from '../fixtures/sampan.ts';

test('kubectl writes to one server and reads from the other; etcdctl finds it where Kubernetes has it', async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), 'sampan-conformance-'));
  stack.defer(() => rm(dir, { recursive: true }));
  const etcd = stack.use(await startEtcd());
  const pki = await loadOrCreatePki({ dir: join(dir, 'pki'), clock: systemClock, names: [] });
  const start = async (name: string): Promise<(...args: string[]) => Promise<Ran>> => {
    const parts = { clock: systemClock, random: systemRandom };
    const store = stack.use(await openEtcdStore({ ...parts, endpoints: etcd.endpoints }));
    const authentication = { tokens: new Map() };
    const api = stack.use(await serveApi({ store, pki, sharedStore: true, authentication }));
    const kubeconfig = join(dir, name);
    await writeFile(kubeconfig, api.kubeconfig);
    return (...args) => runProgram([KUBECTL, '--kubeconfig', kubeconfig, ...args]);
  };
  const one = await start('one');
  const two = await start('two');
  const does = async (ran: Promise<Ran>): Promise<string> => {
    const { code, stdout, stderr } = await ran;
    assert.equal(code, 0, stderr);
    return stdout;
  };
  await does(one('create', 'namespace', 'shared'));
  await does(two('-n', 'shared', 'create', 'configmap', 'settings', '--from-literal=colour=red'));
  await does(one('-n', 'shared', 'create', 'service', 'nodeport', 'web', '--tcp=80'));
  await does(two('-n', 'shared', 'patch', 'configmap', 'settings', '-p', '{"data":{"colour":"blue"}}'));
  const colour = await does(
    one('-n', 'shared', 'get', 'configmap', 'settings', '-o', 'jsonpath={.data.colour}'),
  );
  assert.equal(colour, 'blue');
  const version = await does(
    one('-n', 'shared', 'get', 'configmap', 'settings', '-o', 'jsonpath={.metadata.resourceVersion}'),
  );
  const keys = etcd.ctl('get', '--prefix', '/registry', '--keys-only').split('\n');
  for (const key of ['namespaces/shared', 'configmaps/shared/settings', 'services/specs/shared/web'])
    assert.ok(keys.includes(`/registry/${key}`), key);
  const stored = JSON.parse(etcd.ctl('get', '/registry/configmaps/shared/settings', '-w', 'json')) as {
    kvs: { mod_revision: number }[];
  };
  assert.equal(String(stored.kvs[0]?.mod_revision), version, "a resourceVersion is etcd's mod_revision");
  const watching = two('-n', 'shared', 'wait', '--for=delete', 'configmap/settings', '--timeout=30s');
  await does(one('-n', 'shared', 'delete', 'configmap', 'settings'));
  await does(watching);
});
