import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TestServer, configMap } from '../testing/test-server.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const MERGE = { 'content-type': 'application/merge-patch+json' };
const APPLY = { 'content-type': 'application/apply-patch+yaml' };

/** Method, path and query, body, headers; the answer's code and message. */
type Case = readonly [
  'POST' | 'PUT' | 'PATCH' | 'DELETE',
  string,
  unknown,
  Record<string, string>,
  number,
  string,
];

const BOTH = 'orphanDependents and deletionPropagation cannot be both set';

const CASES: readonly Case[] = [
  [
    'PATCH',
    '/a',
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } },
    APPLY,
    422,
    'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
  ],
  [
    'PATCH',
    '/a?force=true',
    {},
    MERGE,
    422,
    'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
  ],
  [
    'PUT',
    '/a?fieldManager=a%0Ab',
    configMap('a'),
    {},
    422,
    'UpdateOptions.meta.k8s.io "" is invalid: fieldManager: Invalid value: "a\\nb": invalid character U+000A (at position 1)',
  ],
  [
    'POST',
    '?dryRun=Some',
    configMap('b'),
    {},
    422,
    'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"',
  ],
  [
    'DELETE',
    '/a',
    { orphanDependents: true, propagationPolicy: 'Foreground' },
    {},
    422,
    `DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "Foreground": ${BOTH}`,
  ],
  [
    'DELETE',
    '/a?propagationPolicy=Sideways',
    undefined,
    {},
    422,
    'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan", "nil"',
  ],
  [
    'DELETE',
    '',
    { dryRun: ['Some'] },
    {},
    422,
    'DeleteOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"',
  ],
  [
    'PATCH',
    '/a?fieldManager=m',
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', managedFields: [{ manager: 'x' }] } },
    APPLY,
    400,
    'metadata.managedFields must be nil',
  ],
  [
    'PATCH',
    '/new?fieldManager=m',
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'new', uid: 'x' } },
    APPLY,
    409,
    'Operation cannot be fulfilled on configmaps "new": uid mismatch: the provided object specified uid x, and no existing object was found',
  ],
];

for (const [method, where, body, headers, code, message] of CASES) {
  test(`${method} ${where || 'collection'}: ${message}`, async () => {
    await using server = await TestServer.open();
    const made = await server.create(MAPS, configMap('a'));
    const answer = await server.call(method, MAPS + where, body, headers);
    assert.deepEqual([answer.status, answer.body.message], [code, message]);
    const after = await server.call('GET', MAPS);
    const [left] = after.body.items ?? [];
    assert.deepEqual(
      [after.body.items?.length, left?.metadata.resourceVersion],
      [1, made.metadata.resourceVersion],
    );
  });
}

test('a manager may have a name of 128 bytes', async () => {
  await using server = await TestServer.open();
  const named = (length: number): string => `${MAPS}?fieldManager=${'m'.repeat(length)}`;
  assert.equal((await server.call('POST', named(128), configMap('a'))).status, 201);
  const { status, body } = await server.call('POST', named(129), configMap('b'));
  assert.equal(status, 422);
  assert.match(body.message ?? '', /^CreateOptions.meta.k8s.io "" is invalid: fieldManager: Too long: /);
});
