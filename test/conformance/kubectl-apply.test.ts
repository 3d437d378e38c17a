/** What kubectl changes and how: apply on either side, diff, edit, patch, replace, and what it says when it may not. */
import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startTestControlPlane, type TestControlPlane } from '../fixtures/control-plane.ts';
import { KUBECTL, type KubectlResult } from '../fixtures/kubectl.ts';

const configMap = (name: string, data: string, labels = '{}'): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, labels: ${labels}}\ndata: ${data}\n`;

const deployment = (name: string, image: string): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: 0
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec: {containers: [{name: web, image: "${image}", env: [{name: A, value: "1"}]}]}
`;

interface Manager {
  readonly manager: string;
  readonly operation: string;
  readonly subresource?: string;
}

describe('kubectl changes things', () => {
  let plane: TestControlPlane;
  let edits = 0;

  before(async () => {
    plane = await startTestControlPlane();
  });

  after(() => plane[Symbol.asyncDispose]());

  /** `manager operation subresource` of each entry. */
  async function managers(what: string): Promise<readonly string[]> {
    const object = JSON.parse(await plane.ok(`get ${what} -o json --show-managed-fields`)) as {
      metadata: { managedFields: readonly Manager[] };
    };
    return object.metadata.managedFields
      .map(({ manager, operation, subresource = '' }) => `${manager} ${operation} ${subresource}`.trimEnd())
      .toSorted();
  }

  /** `kubectl edit` with a shell script for an editor; the file is its first argument. */
  async function edit(script: string, ...args: readonly string[]): Promise<KubectlResult> {
    const editor = join(plane.dir, `editor-${edits++}`);
    await writeFile(editor, `#!/bin/sh\n${script}\n`);
    await chmod(editor, 0o755);
    return await plane.kubectl(['edit', ...args], '', { KUBE_EDITOR: editor, TMPDIR: plane.dir });
  }

  test('apply --server-side: a conflict names its fields and managers, force takes them over', async () => {
    const apply = 'apply --server-side -f -';
    const first = configMap('ssa', '{a: "1", b: "2"}', '{l: one}');
    assert.equal(await plane.ok(apply, first), 'configmap/ssa serverside-applied\n');
    const second = configMap('ssa', '{a: "3", b: "4"}', '{l: two}');
    const conflict = await plane.refused(`${apply} --field-manager=other`, second);
    assert.match(
      conflict,
      /^error: Apply failed with 3 conflicts: conflicts with "kubectl":\n- \.data\.a\n- \.data\.b\n- \.metadata\.labels\.l\nPlease review/,
    );
    assert.equal(
      await plane.ok(`${apply} --field-manager=other --force-conflicts`, second),
      'configmap/ssa serverside-applied\n',
    );
    assert.deepEqual(await managers('cm/ssa'), ['other Apply']);
    await plane.ok('label cm ssa m=1');
    assert.deepEqual(await managers('cm/ssa'), ['kubectl-label Update', 'other Apply']);
    assert.match(
      await plane.refused(apply, configMap('ssa', '{a: "3"}', '{m: "2"}')),
      /conflict with "kubectl-label" using v1: \.metadata\.labels\.m\n/,
    );
    // The same value as the other's is no conflict: then both own it, and neither takes it away alone.
    await plane.ok(apply, configMap('ssa', '{a: "3"}'));
    await plane.ok(`${apply} --field-manager=other`, configMap('ssa', '{b: "4"}'));
    assert.equal(await plane.ok('get cm ssa -o jsonpath={.data}'), '{"a":"3","b":"4"}');
    await plane.ok(apply, configMap('ssa', '{}'));
    assert.equal(await plane.ok('get cm ssa -o jsonpath={.data}'), '{"b":"4"}');
  });

  test('apply --server-side takes over from the client side, and back', async () => {
    await plane.ok('apply -f -', configMap('moved', '{a: "1", b: "1"}'));
    assert.deepEqual(await managers('cm/moved'), ['kubectl-client-side-apply Update']);
    await plane.ok('apply --server-side -f -', configMap('moved', '{a: "2"}'));
    assert.equal(await plane.ok('get cm moved -o jsonpath={.data}'), '{"a":"2"}');
    assert.deepEqual(await managers('cm/moved'), ['kubectl Apply', 'kubectl-last-applied Apply']);
    await plane.ok('apply -f -', configMap('moved', '{c: "1"}'));
    assert.equal(await plane.ok('get cm moved -o jsonpath={.data}'), '{"c":"1"}');
    assert.match(await plane.ok('apply view-last-applied cm/moved'), /^data:\n {2}c: "1"$/m);
  });

  test('apply --server-side on status, and a manager of each subresource', async () => {
    await plane.ok('apply --server-side -f -', deployment('parts', 'busybox:1'));
    await plane.ok('scale deploy parts --replicas=0 --current-replicas=0');
    await plane.ok([
      'patch',
      'deploy',
      'parts',
      '--subresource=scale',
      '--type=merge',
      '-p',
      '{"spec":{"replicas":1}}',
    ]);
    const found = await managers('deploy/parts');
    assert.ok(found.includes('kubectl Apply'), found.join());
    assert.ok(found.includes('kubectl-patch Update scale'), found.join());
    assert.match(
      await plane.refused('apply --server-side -f -', deployment('parts', 'busybox:1')),
      /Apply failed with 1 conflict: conflict with "kubectl-patch" with subresource "scale" using apps\/v1: \.spec\.replicas\n/,
    );
  });

  test('diff: 0 without a difference, 1 with one, on both sides; more than 1 for a failure', async () => {
    await plane.ok('apply -f -', deployment('differing', 'busybox:1'));
    for (const side of [[], ['--server-side', '--force-conflicts']]) {
      // What is applied on the server's side has no annotations of kubectl's own making: that is a difference at first.
      if (side.length > 0)
        await plane.ok(['apply', ...side, '-f', '-'], deployment('differing', 'busybox:1'));
      const same = await plane.kubectl(['diff', ...side, '-f', '-'], deployment('differing', 'busybox:1'));
      assert.deepEqual([same.code, same.stdout], [0, ''], same.stderr);
      const other = await plane.kubectl(['diff', ...side, '-f', '-'], deployment('differing', 'busybox:2'));
      assert.equal(other.code, 1, other.stderr);
      assert.match(other.stdout, /^-\s+image: busybox:1\n\+\s+image: busybox:2$/m);
      assert.match(other.stdout, /^- {2}generation: \d\n\+ {2}generation: \d$/m);
    }
    const created = await plane.kubectl(['diff', '-f', '-'], configMap('not-there', '{a: b}'));
    assert.equal(created.code, 1, created.stderr);
    assert.match(created.stdout, /^\+kind: ConfigMap$/m);
    assert.doesNotMatch(created.stdout, /resourceVersion/);
    assert.ok((await plane.kubectl(['diff', '-f', '/nonexistent'])).code > 1);
    assert.match(await plane.refused('get cm not-there'), /NotFound/);
  });

  test('edit: changed, unchanged, changed by another meanwhile, refused, of the status', async () => {
    await plane.ok('create -f -', configMap('edited', '{a: "1"}'));
    const first = await edit(`sed -i 's/a: "1"/a: "2"/' "$1"`, 'cm', 'edited');
    assert.deepEqual([first.code, first.stdout], [0, 'configmap/edited edited\n'], first.stderr);
    assert.match((await edit('true', 'cm', 'edited')).stderr, /Edit cancelled, no changes made/);
    // Somebody else writes while the editor is open: the patch of another field goes through, and keeps theirs.
    const other = `${KUBECTL} --kubeconfig ${plane.kubeconfig} label cm edited meanwhile=yes >/dev/null`;
    const second = await edit(`${other}; sed -i 's/a: "2"/a: "3"/' "$1"`, 'cm', 'edited');
    assert.equal(second.code, 0, second.stderr);
    assert.equal(await plane.ok('get cm edited -o jsonpath={.data.a}/{.metadata.labels.meanwhile}'), '3/yes');
    await plane.ok('create -f -', deployment('edited', 'busybox:1'));
    const wrong = await edit(`sed -i 's/replicas: 0/replicas: two/' "$1"`, 'deploy', 'edited');
    assert.equal(wrong.code, 1);
    const spec = await edit(`sed -i 's/image: busybox:1/image: ""/' "$1"`, 'deploy', 'edited');
    assert.match(spec.stderr, /deployments\.apps "edited" is invalid/);
    const volume = { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/x' } };
    const kind = { apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: 'edited' } };
    await plane.ok('create -f -', JSON.stringify({ ...kind, spec: volume }));
    const script = `sed -i 's/^  phase: Pending/&\\n  message: by hand/; s/storage: 1Gi/storage: 2Gi/' "$1"`;
    const status = await edit(script, 'pv', 'edited', '--subresource=status');
    assert.equal(status.code, 0, status.stderr);
    const read = '{.status.message}/{.spec.capacity.storage}';
    assert.equal(await plane.ok(['get', 'pv', 'edited', '-o', `jsonpath=${read}`]), 'by hand/1Gi');
  });

  test('patch: all types, of subresources, and what is wrong with one', async () => {
    await plane.ok('create -f -', deployment('patched', 'busybox:1'));
    const patch = (type: string, text: string, ...more: readonly string[]): string[] => [
      ...['patch', 'deploy', 'patched', `--type=${type}`, '-p', text],
      ...more,
    ];
    const container = (text: string): string => `{"spec":{"template":{"spec":{"containers":[${text}]}}}}`;
    const names = '{.spec.template.spec.containers[*].name}';
    await plane.ok(patch('strategic', container('{"name":"side","image":"x"}')));
    assert.equal(await plane.ok(`get deploy patched -o jsonpath=${names}`), 'side web');
    await plane.ok(patch('strategic', container('{"name":"side","$patch":"delete"}')));
    assert.equal(await plane.ok(`get deploy patched -o jsonpath=${names}`), 'web');
    assert.match(await plane.ok(patch('merge', '{}')), /patched \(no change\)/);
    await plane.ok(patch('json', '[{"op":"add","path":"/metadata/labels","value":{"a":"b"}}]'));
    assert.equal(
      await plane.ok(patch('merge', '{"spec":{"replicas":1}}', '--subresource=scale')),
      'scale.autoscaling/patched patched\n',
    );
    await plane.ok(patch('merge', '{"status":{"collisionCount":3}}', '--subresource=status'));
    const read = '{.metadata.labels.a}/{.spec.replicas}/{.status.collisionCount}';
    assert.equal(await plane.ok(`get deploy patched -o jsonpath=${read}`), 'b/1/3');

    const failed = 'The request is invalid: the server rejected our request due to an error in our request\n';
    assert.equal(
      await plane.refused(patch('json', '[{"op":"test","path":"/spec/replicas","value":9}]')),
      failed,
    );
    assert.equal(await plane.refused(patch('json', '[{"op":"remove","path":"/spec/nosuch"}]')), failed);
    assert.match(
      await plane.refused(patch('strategic', '{"spec":{"replicas":"two"}}')),
      /patch: Invalid value: "map\[spec:map\[replicas:two\]\]": unrecognized type: int32/,
    );
    assert.match(
      await plane.refused(patch('merge', '{"spec":{"replicas":"two"}}')),
      /patch: Invalid value: "\{.*\}": json: cannot unmarshal string into Go struct field DeploymentSpec\.spec\.replicas of type int32/,
    );
    assert.match(
      await plane.refused(patch('merge', '{"spec":{"selector":{"matchLabels":{"app":"x"}}}}')),
      /\* spec\.selector: Invalid value: \{"matchLabels":\{"app":"x"\}\}: field is immutable/,
    );
    const unknown = await plane.kubectl(patch('merge', '{"spec":{"nosuch":1}}'));
    assert.deepEqual([unknown.code, unknown.stderr], [0, 'Warning: unknown field "spec.nosuch"\n']);
    assert.match(
      await plane.refused(['patch', 'deploy', 'absent', '-p', '{}']),
      /deployments\.apps "absent" not found/,
    );
  });

  test('--validate: strict refuses, warn warns, ignore says nothing', async () => {
    const wrong = (name: string): string => `${configMap(name, '{a: b}')}nosuch: {x: 1}\n`;
    assert.match(
      await plane.refused('apply --validate=strict -f -', wrong('strict')),
      /^Error from server \(BadRequest\): error when creating "STDIN": ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "nosuch"\n$/,
    );
    for (const [level, warning] of [
      ['warn', 'Warning: unknown field "nosuch"\n'],
      ['ignore', ''],
    ]) {
      const { code, stdout, stderr } = await plane.kubectl(
        ['create', `--validate=${level}`, '-f', '-'],
        wrong(level!),
      );
      assert.deepEqual([code, stdout, stderr], [0, `configmap/${level} created\n`, warning]);
    }
    const pod = `apiVersion: v1
kind: Pod
metadata: {name: Bad_Name, labels: {a: "x y"}}
spec:
  restartPolicy: Sometimes
  containers: [{name: x, image: web, imagePullPolicy: Maybe, ports: [{containerPort: 0}]}]
  volumes: [{name: v}]
`;
    const said = await plane.refused('create -f -', pod);
    for (const line of [
      /^The Pod "Bad_Name" is invalid: $/m,
      /^\* metadata\.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of/m,
      /^\* metadata\.labels: Invalid value: "x y": a valid label must be an empty string or consist of/m,
      /^\* spec\.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"$/m,
      /^\* spec\.containers\[0\]\.imagePullPolicy: Unsupported value: "Maybe": supported values: "Always", "IfNotPresent", "Never"$/m,
      /^\* spec\.containers\[0\]\.ports\[0\]\.containerPort: Required value$/m,
    ]) {
      assert.match(said, line);
    }
    assert.match(
      await plane.refused('create -f -', 'apiVersion: v9\nkind: Pod\nmetadata: {name: x}\n'),
      /no matches for kind "Pod" in version "v9"/,
    );
  });

  test('the name of what is wrong is known when kubectl sends protobuf', async () => {
    assert.match(
      await plane.refused(['create', 'cronjob', 'tick', '--image=busybox', '--schedule=never']),
      /CronJob\.batch "tick" is invalid: spec\.schedule: Invalid value: "never": expected exactly 5 fields, found 1: \[never\]/,
    );
  });

  test('replace: of the same version, of a stale one, with --force as a new object', async () => {
    await plane.ok('create -f -', configMap('replaced', '{a: "1"}'));
    const stale = await plane.ok('get cm replaced -o yaml');
    await plane.ok('replace -f -', stale.replace('a: "1"', 'a: "2"'));
    assert.match(
      await plane.refused('replace -f -', stale),
      /\(Conflict\).*Operation cannot be fulfilled on configmaps "replaced": the object has been modified; please apply your changes to the latest version and try again/,
    );
    const uid = 'get cm replaced -o jsonpath={.metadata.uid}';
    const before = await plane.ok(uid);
    assert.equal(
      await plane.ok('replace --force -f -', configMap('replaced', '{a: "3"}')),
      'configmap "replaced" deleted from default namespace\nconfigmap/replaced replaced\n',
    );
    assert.notEqual(await plane.ok(uid), before);
  });

  test('--dry-run=server fills everything in and keeps nothing', async () => {
    const shown = await plane.ok('run dry --image=busybox --dry-run=server -o yaml');
    assert.match(shown, /^ {2}serviceAccountName: default$/m);
    assert.match(shown, /^ {2}uid: /m);
    assert.doesNotMatch(shown, /resourceVersion/);
    assert.match(await plane.refused('get pod dry'), /pods "dry" not found/);
    await plane.ok('create -f -', configMap('dry', '{a: "1"}'));
    await plane.ok('delete cm dry --dry-run=server');
    await plane.ok('label cm dry a=b --dry-run=server');
    assert.equal(await plane.ok('get cm dry -o jsonpath={.metadata.labels.a}'), '');
    assert.match(await plane.refused('create cm dry --dry-run=server'), /configmaps "dry" already exists/);
  });
});
