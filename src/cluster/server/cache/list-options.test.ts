/** What may not be asked of a list or a watch, in upstream's words; and whose deletes answer with what they took away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TestServer, type Answer } from '../testing/test-server.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const MATCH = 'resourceVersionMatch: Forbidden: resourceVersionMatch';
const OPTIONS = 'ListOptions.meta.k8s.io "" is invalid: ';
const token = (fields: unknown): string => Buffer.from(JSON.stringify(fields)).toString('base64url');
const v = 'meta.k8s.io/v1';
const BAD_TOKEN = 'invalid continue token: continue key is not valid: ';

const REFUSED: readonly (readonly [query: string, status: number, message: string])[] = [
  ['limit=', 400, 'strconv.ParseInt: parsing "": invalid syntax'],
  ['limit=1.5', 400, 'strconv.ParseInt: parsing "1.5": invalid syntax'],
  [`limit=${'9'.repeat(20)}`, 400, `strconv.ParseInt: parsing "${'9'.repeat(20)}": value out of range`],
  ['timeoutSeconds=abc', 400, 'strconv.ParseInt: parsing "abc": invalid syntax'],
  [
    'resourceVersion=abc',
    400,
    'invalid resource version: resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax',
  ],
  ['resourceVersionMatch=Exact', 422, `${OPTIONS}${MATCH} is forbidden unless resourceVersion is provided`],
  [
    'resourceVersion=0&resourceVersionMatch=Exact',
    422,
    `${OPTIONS}${MATCH} "exact" is forbidden for resourceVersion "0"`,
  ],
  [
    'resourceVersion=1&resourceVersionMatch=Twist',
    422,
    `${OPTIONS}resourceVersionMatch: Unsupported value: "Twist": supported values: "Exact", "NotOlderThan", ""`,
  ],
  [
    'sendInitialEvents=true',
    422,
    `${OPTIONS}sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list`,
  ],
  [
    'watch=1&sendInitialEvents=true&allowWatchBookmarks=true',
    422,
    `${OPTIONS}resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan`,
  ],
  [
    'watch=1&continue=abc',
    422,
    `${OPTIONS}resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided`,
  ],
  [
    'watch=1&resourceVersion=-5',
    500,
    'resourceVersion: Invalid value: "-5": strconv.ParseUint: parsing "-5": invalid syntax',
  ],
  [
    `continue=${token({ v, rv: 5, start: 'a\0' })}&resourceVersion=5`,
    400,
    'specifying resource version is not allowed when using continue',
  ],
  ['continue=x', 400, `${BAD_TOKEN}illegal base64 data at input byte 0`],
  ['continue=ab=', 400, `${BAD_TOKEN}illegal base64 data at input byte 2`],
  ['continue=abc', 400, `${BAD_TOKEN}invalid character 'i' looking for beginning of value`],
  [
    `continue=${token({ v: 'x/v2', rv: 5, start: 'a' })}`,
    400,
    `${BAD_TOKEN}server does not recognize this encoded version x/v2`,
  ],
  [
    `continue=${token({ v, rv: 0, start: 'a' })}`,
    400,
    `${BAD_TOKEN}incorrect encoded start resourceVersion (version ${v})`,
  ],
  [`continue=${token({ v, rv: 5, start: '' })}`, 400, `${BAD_TOKEN}encoded start key empty (version ${v})`],
  [`continue=${token({ v, rv: 5, start: '../../a' })}`, 400, `${BAD_TOKEN}../../a`],
  [
    'fieldSelector=data.k%3Dv',
    400,
    '"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"',
  ],
  ['fieldSelector=metadata.name%3Da%5Cb', 400, 'invalid field selector: invalid escape sequence: \\b'],
  ['fieldSelector=metadata.name%3Da%3Db', 400, 'invalid field selector: unescaped character in value: 61'],
];

test('what may not be asked of a list', async () => {
  await using api = await TestServer.open();
  for (const [query, status, message] of REFUSED) {
    const { status: got, body } = await api.call('GET', `${MAPS}?${query}`);
    assert.deepEqual([got, body.message], [status, message], query);
  }
});

test('booleans are true unless they say otherwise, negative limits are none, the cache knows no pages', async () => {
  await using api = await TestServer.open();
  for (const name of ['a', 'b']) await api.create(MAPS, { metadata: { name } });
  for (const query of ['limit=-1', 'resourceVersion=0&limit=1', 'watch=False', 'watch=0']) {
    const { status, body } = await api.call('GET', `${MAPS}?${query}`);
    assert.deepEqual([status, body.items?.length, body.metadata['continue']], [200, 2, undefined], query);
  }
  const watch = await api.watch(`${MAPS}?watch=yes&resourceVersion=0`);
  assert.deepEqual(await watch.summary(2), ['ADDED a', 'ADDED b']);
  watch.stop();
});

test('a collection is deleted page by page', async () => {
  await using api = await TestServer.open();
  for (const name of ['a', 'b', 'c']) await api.create(MAPS, { metadata: { name } });
  const { status, body } = await api.call('DELETE', `${MAPS}?limit=2`);
  assert.deepEqual([status, body.items?.length, body.metadata['remainingItemCount']], [200, 2, 1]);
  const refused = await api.call('DELETE', `${MAPS}?resourceVersionMatch=Exact`);
  assert.equal(refused.status, 422);
});

test('older kinds answer a delete with a Status, others with what is gone', async () => {
  await using api = await TestServer.open();
  for (const [url, kind, object] of [
    ['/api/v1/nodes', 'Status', {}],
    [MAPS, 'Status', {}],
    ['/apis/storage.k8s.io/v1/storageclasses', 'StorageClass', { provisioner: 'example.com/p' }],
    ['/api/v1/namespaces/default/resourcequotas', 'ResourceQuota', {}],
  ] as const) {
    await api.create(url, { metadata: { name: 'one' }, ...object });
    assert.equal((await api.call('DELETE', `${url}/one`)).body.kind, kind, url);
  }
});

test('what rows carry is of no interest but for a table', async () => {
  await using api = await TestServer.open();
  const path = '/api/v1/namespaces/default/configmaps?includeObject=Twist';
  const as = (kind: string): Promise<Answer> =>
    api.call('GET', path, undefined, { accept: `application/json;as=${kind};v=v1;g=meta.k8s.io` });
  assert.equal((await as('PartialObjectMetadataList')).status, 200);
  assert.equal((await api.call('GET', path)).status, 200);
  assert.equal(
    (await as('Table')).body.message,
    `Unable to convert to Table as requested: includeObject: Invalid value: "Twist": must be 'Metadata', 'Object', 'None', or empty`,
  );
});
