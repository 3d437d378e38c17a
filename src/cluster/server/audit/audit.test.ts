/** What is recorded of requests, through the whole chain, and where it goes. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { ManualClock } from '../../../base/clock.ts';
import { PlatformError } from '../../../base/errors.ts';
import { silentLogger } from '../../../base/log.ts';
import { objectAt, stringAt, type JsonObject } from '../../api/json.ts';
import { wholeBody } from '../encoding/list-body.ts';
import { configMap, TestServer } from '../testing/test-server.ts';
import { threads } from '../testing/threads.ts';
import type { AuditEvent, AuditSink } from './audit.ts';
import { fileSink } from './file-sink.ts';
import { auditPolicy, parseAuditPolicy } from './policy.ts';
import { blockingWebhookSink, webhookSink } from './webhook-sink.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const PROTOBUF = 'application/vnd.kubernetes.protobuf';

function event(of: JsonObject): AuditEvent {
  return { stage: 'ResponseComplete', line: Buffer.from(`${JSON.stringify(of)}\n`) };
}

const counts = (lists: readonly JsonObject[]): number[] =>
  lists.map(({ items }) => (items as unknown[]).length);

/** Told of events, each a line of its own. */
class Recorder implements AuditSink {
  readonly events: JsonObject[] = [];
  record({ stage, line }: AuditEvent): void {
    const text = Buffer.from(line).toString();
    assert.equal(text.indexOf('\n'), text.length - 1);
    const event = JSON.parse(text) as JsonObject;
    assert.equal(event['stage'], stage);
    this.events.push(event);
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}

test('audit: the first rule that matches says how much is recorded', async () => {
  const recorder = new Recorder();
  const policy = auditPolicy({
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules: [
      { level: 'None', resources: [{ group: '', resources: ['secrets'] }] },
      {
        level: 'RequestResponse',
        verbs: ['create'],
        omitManagedFields: true,
        resources: [{ group: '', resources: ['configmaps'] }],
      },
      { level: 'Metadata', omitStages: [], namespaces: ['default'] },
      { level: 'None' },
    ],
  });
  await using api = await TestServer.open({ audit: { policy, sinks: [recorder] } });
  await api.create(MAPS, configMap('a', { k: 'v' }));
  await api.call('GET', '/api/v1/namespaces/default/secrets');
  await api.call('GET', `${MAPS}/none`, undefined, { 'impersonate-user': 'alice', 'user-agent': 'test' });
  await api.call('GET', '/api/v1/nodes');
  const [created, refused] = recorder.events as unknown as {
    stage: string;
    level: string;
    user: { username: string };
    impersonatedUser?: { username: string };
    objectRef: object;
    responseStatus: { code: number; reason?: string };
    requestObject?: { data: object };
    responseObject?: { metadata: object };
    annotations: Record<string, string>;
  }[];
  assert.equal(recorder.events.length, 2);
  assert.deepEqual(
    [created?.stage, created?.level, created?.responseStatus.code],
    ['ResponseComplete', 'RequestResponse', 201],
  );
  assert.deepEqual(created?.requestObject?.data, { k: 'v' });
  assert.equal('managedFields' in (created?.responseObject?.metadata ?? {}), false);
  assert.equal(created?.annotations['authorization.k8s.io/decision'], 'allow');
  assert.deepEqual(refused?.objectRef, {
    resource: 'configmaps',
    namespace: 'default',
    name: 'none',
    apiVersion: 'v1',
  });
  assert.deepEqual(
    [refused?.user.username, refused?.impersonatedUser?.username],
    ['kubernetes-admin', 'alice'],
  );
  assert.deepEqual([refused?.responseStatus.code, refused?.responseStatus.reason], [403, 'Forbidden']);
  assert.equal(refused?.responseObject, undefined);
});

test('audit: a watch is recorded when it begins and when it ends; a bad policy is refused', async () => {
  const recorder = new Recorder();
  const text = 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n  verbs: [watch]\n';
  const policy = await parseAuditPolicy(Buffer.from(text));
  await using api = await TestServer.open({ audit: { policy, sinks: [recorder] } });
  const watch = await api.watch(`${MAPS}?watch=1`);
  watch.stop();
  assert.equal(await watch.next(), undefined);
  assert.deepEqual(
    recorder.events.map(({ stage }) => stage),
    ['RequestReceived', 'ResponseStarted', 'ResponseComplete'],
  );
  await assert.rejects(parseAuditPolicy(Buffer.from(text.replace('Metadata', 'All'))), /rules\[0\]\.level/);
});

test('the audit file is rotated', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sampan-audit-'));
  const clock = new ManualClock();
  const sink = fileSink({
    path: join(dir, 'audit.log'),
    maxBytes: 2000,
    maxBackups: 2,
    clock,
    log: silentLogger,
  });
  for (let i = 0; i < 100; i++) void sink.record(event({ i, text: 'x'.repeat(80) }));
  await sink[Symbol.asyncDispose]();
  const files = (await readdir(dir)).toSorted();
  assert.equal(files.length, 3);
  const last = (await readFile(join(dir, 'audit.log'), 'utf8')).trim().split('\n').at(-1) ?? '';
  assert.equal((JSON.parse(last) as { i: number }).i, 99);
  await rm(dir, { recursive: true });
});

test('the audit file lets go of what is too old', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sampan-audit-'));
  const clock = new ManualClock();
  const path = join(dir, 'audit.log');
  const about = { path, maxBytes: 100, maxBackups: 0, maxAgeMs: 86_400_000, clock, log: silentLogger };
  const sink = fileSink(about);
  const write = async (): Promise<string[]> => {
    await sink.record(event({ text: 'x'.repeat(90) }));
    await sink[Symbol.asyncDispose]();
    return (await readdir(dir)).toSorted();
  };
  await write();
  assert.equal((await write()).length, 2);
  await clock.advance(2 * 86_400_000);
  const files = await write();
  assert.equal(files.length, 2);
  assert.match(files[0] ?? '', /^audit-2026-01-03T/);
  await rm(dir, { recursive: true });
});

test('the audit webhook gets batches and is tried again, unless it refuses for good', async () => {
  const clock = new ManualClock();
  const lists: JsonObject[] = [];
  let failures: Error[] = [new PlatformError('unavailable', 'busy', { details: { status: 503 } })];
  const post = async (list: Uint8Array): Promise<void> => {
    const failure = failures.shift();
    if (failure !== undefined) throw failure;
    lists.push(JSON.parse(Buffer.from(list).toString()) as JsonObject);
  };
  const hook = webhookSink({ post, clock, log: silentLogger, maxBatch: 3, maxWaitMs: 1000 });
  for (let i = 0; i < 4; i++) void hook.record(event({ i }));
  await clock.advance(1000);
  assert.deepEqual(lists, []);
  await clock.advance(10_000);
  assert.deepEqual(counts(lists), [3, 1]);
  failures = [new PlatformError('unavailable', 'no', { details: { status: 400 } })];
  for (let i = 0; i < 3; i++) void hook.record(event({ i }));
  await clock.advance(100_000);
  assert.deepEqual(counts(lists), [3, 1]);
  // Who stops sends what there is, once.
  failures = Array.from({ length: 9 }, () => new Error('nobody answers'));
  void hook.record(event({ i: 9 }));
  await hook[Symbol.asyncDispose]();
  assert.equal(failures.length, 8);
});

test('a blocking audit webhook holds requests up; a strict one fails those it cannot record', async () => {
  const policy = auditPolicy({
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    rules: [{ level: 'Metadata', verbs: ['create'] }],
  });
  const lists: JsonObject[] = [];
  let broken = false;
  const post = async (list: Uint8Array): Promise<void> => {
    if (broken) throw new Error('nobody answers');
    lists.push(JSON.parse(Buffer.from(list).toString()) as JsonObject);
  };
  for (const strict of [false, true]) {
    broken = false;
    lists.length = 0;
    const sink = blockingWebhookSink({ post, log: silentLogger, strict });
    await using api = await TestServer.open({ audit: { policy, sinks: [sink] } });
    await api.create(MAPS, configMap('a'));
    assert.deepEqual(counts(lists), [1, 1]);
    broken = true;
    const answer = await api.call('POST', MAPS, configMap('b'));
    assert.equal(answer.status, strict ? 500 : 201);
    if (strict) assert.equal(answer.body.message, 'Internal error occurred: failed to store audit event');
    assert.equal((await api.call('GET', `${MAPS}/b`)).status, strict ? 404 : 200);
  }
});

function everything(more: object = {}): ReturnType<typeof auditPolicy> {
  const rules = [{ level: 'RequestResponse', ...more }];
  return auditPolicy({
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules,
  });
}

const wide = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`key-${i}`, 'a']));

/** What is recorded of requests with bodies in all forms, without what differs from server to server. */
async function story(policy: ReturnType<typeof auditPolicy>, limits: { readonly wideValues: number }) {
  const recorder = new Recorder();
  await using api = await TestServer.open({ audit: { policy, sinks: [recorder] }, limits });
  const map = (name: string): object => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    ...(configMap(name, wide(2000)) as object),
  });
  const send = (
    method: 'POST' | 'PUT' | 'PATCH',
    url: string,
    type: string,
    body: string | Uint8Array,
  ): Promise<unknown> => api.raw(method, url, { headers: { 'content-type': type }, body: Buffer.from(body) });
  await send('POST', MAPS, 'application/json', JSON.stringify(map('json')));
  await send('POST', MAPS, 'application/json', JSON.stringify(map('indented'), undefined, 2));
  const yaml = Object.keys(wide(2000))
    .map((key) => `  ${key}: a`)
    .join('\n');
  await send('POST', MAPS, 'application/yaml', `metadata:\n  name: yaml\ndata:\n${yaml}\n`);
  await send(
    'PATCH',
    `${MAPS}/applied?fieldManager=x`,
    'application/apply-patch+yaml',
    `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: applied\ndata:\n${yaml}\n`,
  );
  const { body } = await api.raw('GET', `${MAPS}/json`, { headers: { accept: PROTOBUF } });
  await send('PUT', `${MAPS}/json`, PROTOBUF, await wholeBody(body));
  await send('POST', MAPS, 'application/json', 'x'.repeat(20_000));
  await send('POST', MAPS, 'application/json', `{"a\n":${'[1,\n'.repeat(3000)}`);
  await send(
    'POST',
    MAPS,
    'application/json',
    JSON.stringify({
      ...map('bad'),
      data: Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`/${i}`, ''])),
    }),
  );
  for (const accept of [
    'application/json',
    PROTOBUF,
    'application/yaml',
    'application/json;as=Table;v=v1;g=meta.k8s.io',
  ]) {
    const answer = await api.raw('GET', MAPS, { headers: { accept } });
    const last = recorder.events.at(-1);
    assert.equal((await wholeBody(answer.body)).length > 40_000 || accept.includes('Table'), true);
    assert.equal(
      stringAt(last, 'responseObject', 'kind'),
      accept.includes('Table') ? 'Table' : 'ConfigMapList',
    );
  }
  await api.call('DELETE', `${MAPS}/json`);
  await api.call('DELETE', MAPS);
  return recorder.events.map(({ auditID: _id, annotations: _annotations, ...rest }) => {
    const text = JSON.stringify(rest).replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '-');
    return JSON.parse(text) as JsonObject;
  });
}

for (const omitManagedFields of [false, true]) {
  test(`audit: wide bodies are told as all others, in one line, ${omitManagedFields ? 'without' : 'with'} owners`, async () => {
    const policy = everything({ omitManagedFields, resources: [{ group: '', resources: ['configmaps'] }] });
    using seen = threads();
    const events = await story(policy, { wideValues: 1000 });
    assert.equal(seen.started.length, 1);
    const alone = await story(policy, { wideValues: Infinity });
    assert.deepEqual(events, alone);
    const [json, indented, yaml, applied, , proto, text, cut, bad, listed] = events;
    for (const [one, name] of [
      [json, 'json'],
      [indented, 'indented'],
      [yaml, 'yaml'],
      [applied, 'applied'],
      [proto, 'json'],
    ] as const) {
      assert.deepEqual(objectAt(one, 'requestObject', 'data'), wide(2000), name);
      assert.equal(stringAt(one, 'requestObject', 'metadata', 'name'), name);
      assert.deepEqual(objectAt(one, 'responseObject', 'data'), wide(2000), name);
      assert.equal('managedFields' in objectAt(one, 'responseObject', 'metadata'), !omitManagedFields, name);
    }
    for (const one of [text, cut]) {
      assert.equal(one!['requestObject'], undefined);
      assert.equal(stringAt(one, 'responseStatus', 'reason'), 'BadRequest');
    }
    assert.equal(stringAt(bad, 'responseStatus', 'reason'), 'Invalid');
    assert.equal(stringAt(bad, 'responseObject', 'kind'), 'Status');
    assert.equal(JSON.stringify(listed).includes('managedFields'), !omitManagedFields);
    assert.deepEqual(listed!['responseStatus'], { metadata: {}, code: 200 });
  });
}

test('audit: a long list in JSON is told as it is', async () => {
  using seen = threads();
  const recorder = new Recorder();
  await using api = await TestServer.open({ audit: { policy: everything(), sinks: [recorder] } });
  for (let i = 0; i < 70; i++) await api.create(MAPS, configMap(`m${i}`, wide(200)));
  const { body } = await api.call('GET', MAPS);
  assert.deepEqual(recorder.events.at(-1)?.['responseObject'], body);
  assert.ok(JSON.stringify(body).length > 300_000);
  assert.equal(seen.started.length, 0);
});

test('audit: what goes through a connection is not told', async () => {
  const recorder = new Recorder();
  await using api = await TestServer.open({ audit: { policy: everything(), sinks: [recorder] } });
  await api.call('POST', '/api/v1/namespaces/default/services/none/proxy/login', { password: 'secret' });
  assert.equal(recorder.events.length, 1);
  assert.doesNotMatch(JSON.stringify(recorder.events), /secret/);
});

test('audit: a thread that dies costs an event the body, not the request', async () => {
  using seen = threads();
  const recorder = new Recorder();
  await using api = await TestServer.open({ audit: { policy: everything(), sinks: [recorder] } });
  await api.create(MAPS, configMap('a', wide(2000)));
  const [thread] = seen.started;
  // oxlint-disable-next-line typescript/unbound-method
  const { postMessage } = thread!;
  thread!.postMessage = (message: { readonly kind: string }, ...more) => {
    if (message.kind === 'recording') void thread!.terminate();
    else postMessage.call(thread, message, ...(more as []));
  };
  const answer = await api.call('PUT', `${MAPS}/a`, configMap('a', wide(2001)));
  assert.equal(answer.status, 200);
  assert.equal(recorder.events.at(-1)?.['requestObject'], undefined);
});

test('requests wait for an audit file that is far behind', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sampan-audit-'));
  const path = join(dir, 'audit.log');
  await using sink = fileSink({
    path,
    maxBytes: 1e9,
    maxBackups: 0,
    clock: new ManualClock(),
    log: silentLogger,
  });
  const long = event({ text: 'x'.repeat(3_000_000) });
  const waits = Array.from({ length: 12 }, () => sink.record(long));
  assert.deepEqual(
    waits.map((one) => one !== undefined),
    [...Array<boolean>(6).fill(false), ...Array<boolean>(6).fill(true)],
  );
  for (const one of waits) await one;
  assert.equal((await readFile(path)).length, 12 * long.line.length);
  await rm(dir, { recursive: true });
});
