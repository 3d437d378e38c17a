import assert from 'node:assert/strict';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import type { Pod, Volume } from '../api/generated/core-v1.ts';
import { writeAtomically } from './atomic-writer.ts';
import type { PodReferences } from './container-env.ts';
import { volumePayload, type Payload } from './volume-payload.ts';
import { prepareVolumes, resolveSubPath } from './volumes.ts';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'volumes-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

const references: PodReferences = {
  configMap: async (name) =>
    name === 'conf' ? { data: { a: '1', b: '2' }, binaryData: { bin: 'AAE=' } } : undefined,
  secret: async (name) => (name === 'sec' ? { data: { key: 'c2VjcmV0' } } : undefined),
};
const token = async ({ audience }: { audience: string }) => `token for ${audience}`;
const facts = {
  nodeName: 'n',
  hostIp: '192.0.2.1',
  podIps: [],
  allocatable: { cpu: 2000, memoryBytes: 2 ** 30 },
};
const pod: Pod = {
  metadata: { name: 'p', namespace: 'ns', uid: 'u', labels: { b: 'x', a: 'y"z' } },
  spec: {},
};

async function payload(volume: Volume): Promise<Record<string, string>> {
  const files = await volumePayload(volume, { pod, facts, references, token });
  return Object.fromEntries(
    [...files!].map(([path, { data }]) => [path, Buffer.from(data).toString('latin1')]),
  );
}

test('config maps, secrets, the downward API and their projection become files', async () => {
  assert.deepEqual(await payload({ configMap: { name: 'conf' } }), { a: '1', b: '2', bin: '\u0000\u0001' });
  const items = [{ key: 'a', path: 'deep/er' }];
  assert.deepEqual(await payload({ configMap: { name: 'conf', items } }), { 'deep/er': '1' });
  assert.deepEqual(await payload({ secret: { secretName: 'sec' } }), { key: 'secret' });
  const labels = [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }];
  assert.deepEqual(await payload({ downwardAPI: { items: labels } }), { labels: 'a="y\\"z"\nb="x"' });
  const sources = [{ configMap: { name: 'conf', items } }, { secret: { name: 'sec' } }];
  assert.deepEqual(await payload({ projected: { sources } }), { 'deep/er': '1', key: 'secret' });
});

test('what is missing fails, unless it is optional; paths stay inside', async () => {
  await assert.rejects(payload({ configMap: { name: 'none' } }), /configmap "none" not found/);
  assert.deepEqual(await payload({ configMap: { name: 'none', optional: true } }), {});
  const key = { name: 'conf', items: [{ key: 'z', path: 'z' }] };
  await assert.rejects(payload({ configMap: key }), /non-existent key z/);
  for (const path of ['../x', '/x', 'a/../b', '..data', '']) {
    await assert.rejects(
      payload({ configMap: { name: 'conf', items: [{ key: 'a', path }] } }),
      /must be relative/,
    );
  }
});

test('a volume changes as one: a new folder, one link moved, old ones gone', async (t) => {
  const root = join(await folder(t), 'v');
  const random = seededRandom(1);
  const files = (entries: Record<string, string>): Payload =>
    new Map(Object.entries(entries).map(([path, text]) => [path, { data: Buffer.from(text), mode: 0o640 }]));
  assert.equal(await writeAtomically(root, files({ a: '1', 'd/b': '2' }), { random }), true);
  const first = await readlink(join(root, '..data'));
  assert.equal(await readFile(join(root, 'd', 'b'), 'utf8'), '2');
  assert.equal((await stat(join(root, 'a'))).mode & 0o777, 0o640);
  assert.equal(await writeAtomically(root, files({ a: '1', 'd/b': '2' }), { random }), false);
  assert.equal(await writeAtomically(root, files({ a: '3', c: '4' }), { random }), true);
  const second = await readlink(join(root, '..data'));
  assert.notEqual(first, second);
  assert.deepEqual((await readdir(root)).toSorted(), [second, '..data', 'a', 'c'].toSorted());
  assert.equal(await readFile(join(root, 'a'), 'utf8'), '3');
});

test('volumes are made below the pod, host paths are checked by type', async (t) => {
  const podsDir = await folder(t);
  const volumes: Volume[] = [
    { name: 'tmp', emptyDir: {} },
    { name: 'host', hostPath: { path: podsDir, type: 'Directory' } },
  ];
  const given = { facts, references, token };
  const folders = { podsDir, random: seededRandom(1) };
  const paths = await prepareVolumes(folders, { pod: { ...pod, spec: { volumes } }, ...given });
  assert.equal(paths.get('tmp'), join(podsDir, 'u/volumes/kubernetes.io~empty-dir/tmp'));
  assert.equal((await stat(paths.get('tmp')!)).mode & 0o777, 0o777);
  assert.equal(paths.get('host'), podsDir);
  const wrong = [{ name: 'host', hostPath: { path: podsDir, type: 'File' } }];
  const unknown = [{ name: 'disk', iscsi: {} as never }];
  const memory = [{ name: 'm', emptyDir: { medium: 'Memory' } }];
  for (const volumes of [wrong, unknown, memory]) {
    await assert.rejects(
      prepareVolumes(folders, { pod: { ...pod, spec: { volumes } }, ...given }),
      /MountVolume.SetUp failed/,
    );
  }
});

test('a token is a file of its own user, beside what else is projected', async (t) => {
  const podsDir = await folder(t);
  const folders = { podsDir, random: seededRandom(1) };
  const projected = {
    sources: [
      { serviceAccountToken: { path: 'token', audience: 'vault' } },
      { configMap: { name: 'conf', items: [{ key: 'a', path: 'ca.crt' }] } },
    ],
  };
  const volumes: Volume[] = [{ name: 'access', projected }];
  const mount = async (spec: Pod['spec']): Promise<string> => {
    const given = { facts, references, token };
    return (await prepareVolumes(folders, { pod: { ...pod, spec: { ...spec, volumes } }, ...given })).get(
      'access',
    )!;
  };
  const open = await mount({ containers: [{ name: 'c' }] });
  assert.equal(await readFile(join(open, 'token'), 'utf8'), 'token for vault');
  assert.equal(await readFile(join(open, 'ca.crt'), 'utf8'), '1');
  assert.equal((await stat(join(open, 'token'))).mode & 0o777, 0o644);
  await rm(podsDir, { recursive: true });
  const uid = process.getuid!();
  const closed = await mount({ containers: [{ name: 'c', securityContext: { runAsUser: uid } }] });
  const file = await stat(join(closed, 'token'));
  assert.deepEqual([file.mode & 0o777, file.uid], [0o600, uid]);
  assert.equal((await stat(join(closed, 'ca.crt'))).mode & 0o777, 0o644);
});

test('sources that are not there are refused by name', async () => {
  const volume = { projected: { sources: [{ clusterTrustBundle: { path: 'x' } }] } } as Volume;
  await assert.rejects(payload(volume), /projected volume source clusterTrustBundle is not supported/);
});

test('a subPath is made, and never leads through a link that a container could have planted', async (t) => {
  const root = await folder(t);
  await chmod(root, 0o755);
  assert.equal(await resolveSubPath(root, 'a/b'), join(root, 'a/b'));
  await writeFile(join(root, 'file'), '');
  assert.equal(await resolveSubPath(root, 'file'), join(root, 'file'));
  await symlink('/etc', join(root, 'link'));
  await mkdir(join(root, 'a'), { recursive: true });
  await symlink('/etc', join(root, 'a', 'link'));
  for (const path of ['../x', '/etc', 'link', 'link/passwd', 'a/link/passwd', 'file/x']) {
    await assert.rejects(resolveSubPath(root, path), /subPath/, path);
  }
});

test('a subPath into a config map leads to the real file', async (t) => {
  const podsDir = await folder(t);
  const volumes: Volume[] = [{ name: 'c', configMap: { name: 'conf' } }];
  const folders = { podsDir, random: seededRandom(1) };
  const given = { facts, references, token };
  const paths = await prepareVolumes(folders, { pod: { ...pod, spec: { volumes } }, ...given });
  assert.equal(await readFile(await resolveSubPath(paths.get('c')!, 'a'), 'utf8'), '1');
});
