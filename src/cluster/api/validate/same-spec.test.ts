/** Changes beside a spec that is the very object that is stored. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyDefaults } from '../defaults.ts';
import { fieldErrorText } from '../field-error.ts';
import { jsonCopy, type JsonObject } from '../json.ts';
import { kindSchema } from '../schema.ts';
import { validateCreate, validateUpdate } from '../validate.ts';

const template: JsonObject = {
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image: 'i' }] },
};
const replicated: JsonObject = { selector: { matchLabels: { app: 'web' } }, template };

const KINDS: readonly (readonly [group: string, kind: string, spec: JsonObject])[] = [
  ['', 'Pod', { containers: [{ name: 'c', image: 'i' }] }],
  ['', 'ReplicationController', { selector: { app: 'web' }, template }],
  ['apps', 'Deployment', replicated],
  ['apps', 'ReplicaSet', replicated],
];

interface Case {
  readonly old: JsonObject;
  /** Complaints about the old object with this metadata and its spec: the very one, or another that is the same. */
  readonly told: (metadata: JsonObject, spec?: JsonObject) => readonly string[];
}

function made(group: string, name: string, spec: JsonObject): Case {
  const schema = kindSchema(group, 'v1', name);
  assert.ok(schema);
  const old = applyDefaults(schema, {
    metadata: { name: 'n', namespace: 'default', labels: { a: 'b' } },
    spec: jsonCopy(spec),
  });
  assert.deepEqual(validateCreate(schema, old), []);
  return {
    old,
    told: (metadata, other = old['spec'] as JsonObject) =>
      validateUpdate(
        schema,
        { ...old, metadata: { ...(old['metadata'] as JsonObject), ...metadata }, spec: other },
        { old },
      ).map((error) => `${error.field}: ${fieldErrorText(error)}`),
  };
}

const CHANGES: readonly JsonObject[] = [
  {},
  { labels: { a: 'c' } },
  { labels: { 'a b': 'c' } },
  { annotations: { note: 'x' }, finalizers: ['nobody'] },
  { name: 'other', generation: -1 },
  { namespace: 'Other' },
];

/** They mean something for the containers, and are nothing that comes later. */
const PROFILES: readonly JsonObject[] = [
  { annotations: { 'container.apparmor.security.beta.kubernetes.io/nobody': 'unconfined' } },
  { annotations: { 'seccomp.security.alpha.kubernetes.io/pod': 'wrong' } },
  { annotations: { 'kubernetes.io/config.mirror': 'x' } },
  { annotations: { 'controller.kubernetes.io/pod-deletion-cost': '1.5' } },
];

for (const [group, kind, spec] of KINDS) {
  test(`${kind}: whether the spec is the stored one or its copy makes no difference`, () => {
    const { old, told } = made(group, kind, spec);
    for (const metadata of [...CHANGES, ...PROFILES]) {
      const copy = jsonCopy(old['spec'] as JsonObject);
      assert.deepEqual(told(metadata), told(metadata, copy), JSON.stringify(metadata));
    }
    assert.equal(told({ labels: { 'a b': 'c' } }).length, 1);
  });

  test(`${kind}: a spec that is stored is not judged again, one that is sent is`, () => {
    const { old, told } = made(group, kind, spec);
    const stored = old['spec'] as { template?: { spec: JsonObject } } & JsonObject;
    // What an older server may have taken.
    (stored.template?.spec ?? stored)['restartPolicy'] = 'Sometimes';
    assert.deepEqual(told({ labels: { a: 'c' } }), []);
    assert.ok(told({ labels: { a: 'c' } }, jsonCopy(stored)).length > 0);
  });
}

test('where a binding has put a pod is judged although its spec is not', () => {
  const { old, told } = made('', 'Pod', { containers: [{ name: 'c', image: 'i' }] });
  (old['spec'] as JsonObject)['nodeName'] = 'No_Node';
  const complaints = told({ labels: { a: 'c' } });
  assert.equal(complaints.length, 1);
  assert.match(complaints[0]!, /^spec\.nodeName: Invalid value: "No_Node": a lowercase RFC 1123 subdomain/);
  assert.deepEqual(complaints, told({ labels: { a: 'c' } }, jsonCopy(old['spec'] as JsonObject)));
});
