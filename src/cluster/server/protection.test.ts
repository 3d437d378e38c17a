/** Health, metrics, fairness and audit, through the whole chain. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { PlatformError } from '../../base/errors.ts';
import { ManualClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import type { JsonObject } from '../api/json.ts';
import type { ApiRequest, ApiResponse } from '../api/transport.ts';
import type { AuditSink } from './audit/audit.ts';
import { auditPolicy, parseAuditPolicy } from './audit/policy.ts';
import { fileSink } from './audit/file-sink.ts';
import { blockingWebhookSink, webhookSink } from './audit/webhook-sink.ts';
import type { Authorizer } from './authorization/authorizer.ts';
import { wholeBody } from './list-body.ts';
import { ADMIN, configMap, TestServer } from './testing/test-server.ts';

const anyone: Authorizer = { decide: async () => ({ answer: 'allow' }) };

const MAPS = '/api/v1/namespaces/default/configmaps';

async function textOf(
  api: TestServer,
  url: string,
  headers: ApiRequest['headers'] = {},
): Promise<[number, string]> {
  const { status, body } = await api.raw('GET', url, { headers });
  return [status, Buffer.from(await wholeBody(body)).toString('utf8')];
}

test('health: all together, by name, verbose, with exclusions, and failing', async () => {
  let broken = false;
  const check = (): void => {
    if (broken) throw new Error('no disk');
  };
  await using api = await TestServer.open({ healthChecks: [{ name: 'disk', live: false, check }] });
  assert.deepEqual(await textOf(api, '/healthz'), [200, 'ok']);
  assert.deepEqual(await textOf(api, '/readyz/disk'), [200, 'ok']);
  assert.equal((await textOf(api, '/livez/disk'))[0], 404);
  assert.equal((await textOf(api, '/healthz/disk'))[0], 404);
  const [, verbose] = await textOf(api, '/readyz?verbose');
  assert.match(verbose, /^\[\+\]ping ok\n[^]*\[\+\]disk ok\nreadyz check passed\n$/);
  broken = true;
  for (const hook of ['start-apiextensions-controllers', 'bootstrap-controller', 'rbac/bootstrap-roles'])
    assert.ok(verbose.includes(`[+]poststarthook/${hook} ok\n`), hook);
  const [status, failing] = await textOf(api, '/readyz');
  assert.equal(status, 500);
  assert.match(failing, /\[-\]disk failed: reason withheld\nreadyz check failed\n$/);
  assert.equal((await textOf(api, '/livez'))[0], 200);
  const [excluded, text] = await textOf(api, '/readyz?verbose&exclude=disk&exclude=nothing');
  assert.equal(excluded, 200);
  assert.match(
    text,
    /\[\+\]disk excluded: ok\nwarn: some health checks cannot be excluded: no matches for "nothing"\n/,
  );
});

test('metrics count requests, objects and watchers', async () => {
  await using api = await TestServer.open();
  await api.create(MAPS, configMap('a'));
  await api.call('GET', `${MAPS}/none`);
  const watch = await api.watch(`${MAPS}?watch=1`);
  await watch.next();
  const [, text] = await textOf(api, '/metrics');
  const line = (start: string): string => text.split('\n').find((each) => each.startsWith(start)) ?? start;
  assert.match(
    line('apiserver_request_total{verb="POST",dry_run="",group="",version="v1",resource="configmaps"'),
    /scope="namespace",component="apiserver",code="201"\} 1$/,
  );
  assert.match(
    line('apiserver_request_total{verb="GET",dry_run="",group="",version="v1",resource="configmaps"'),
    /code="404"\} 1$/,
  );
  assert.match(line('apiserver_request_duration_seconds_count{verb="POST"'), / 1$/);
  // The server has one of its own, since when it keeps track of tokens.
  assert.match(line('apiserver_storage_objects{resource="configmaps"}'), / 2$/);
  assert.match(line('apiserver_registered_watchers{group="",version="v1",kind="ConfigMap"}'), / 1$/);
  assert.match(line('apiserver_longrunning_requests{verb="WATCH",group="",version="v1"'), / 1$/);
  assert.match(line('apiserver_response_sizes_count{verb="GET",group="",version="v1"'), / 1$/);
  const plugin = 'apiserver_admission_controller_admission_duration_seconds_count';
  assert.match(
    line(`${plugin}{name="NamespaceLifecycle",operation="CREATE",rejected="false",type="admit"}`),
    / 1$/,
  );
  const step = 'apiserver_admission_step_admission_duration_seconds_count';
  assert.match(line(`${step}{operation="CREATE",rejected="false",type="admit"}`), / 1$/);
  watch.stop();
  assert.equal(await watch.next(), undefined);
  const [, after] = await textOf(api, '/metrics');
  assert.match(after, /apiserver_longrunning_requests\{verb="WATCH",[^}]*component="apiserver"\} 0\n/);
});

test('metrics tell of checks, of what is deprecated, and of what admission refuses', async () => {
  await using api = await TestServer.open();
  await textOf(api, '/readyz');
  await api.call('GET', '/api/v1/namespaces/default/endpoints');
  await api.call('DELETE', '/api/v1/namespaces/kube-system');
  const [, text] = await textOf(api, '/metrics');
  assert.match(text, /kubernetes_healthcheck\{type="readyz",name="ping"\} 1\n/);
  const [, slis] = await textOf(api, '/metrics/slis');
  assert.match(
    slis,
    /^# HELP kubernetes_healthcheck [^]*\nkubernetes_healthcheck\{type="readyz",name="ping"\} 1\n/,
  );
  assert.doesNotMatch(slis, /apiserver_/);
  assert.match(text, /kubernetes_healthchecks_total\{type="readyz",name="etcd",status="success"\} 1\n/);
  assert.match(
    text,
    /apiserver_requested_deprecated_apis\{group="",version="v1",resource="endpoints",subresource="",removed_release=""\} 1\n/,
  );
  assert.match(
    text,
    /apiserver_admission_step_admission_duration_seconds_count\{operation="DELETE",rejected="true",type="[a-z]+"\} 1\n/,
  );
});

test('answers for people: indented, or YAML', async () => {
  await using api = await TestServer.open();
  await api.create(MAPS, configMap('a', { k: 'v' }));
  const [, pretty] = await textOf(api, `${MAPS}/a?pretty=true`);
  assert.match(pretty, /^\{\n {2}"kind": "ConfigMap",\n/);
  assert.match((await textOf(api, MAPS, { 'user-agent': 'curl/8.0' }))[1], /\n {2}"items": \[\n/);
  assert.doesNotMatch((await textOf(api, `${MAPS}?pretty=false`, { 'user-agent': 'curl/8.0' }))[1], /\n {2}/);
  const { headers, body } = await api.raw('GET', `${MAPS}/a`, { headers: { accept: 'application/yaml' } });
  assert.equal(headers['content-type'], 'application/yaml');
  assert.match(Buffer.from(body as Uint8Array).toString('utf8'), /^kind: ConfigMap\n[^]*\ndata:\n {2}k: v\n/);
});

test('fairness: who is exempt passes, others wait for seats, and are told to come back', async () => {
  const held = Promise.withResolvers<void>();
  const slow = {
    decide: async ({ name }: { name: string }) => {
      if (name === 'slow') await held.promise;
      return { answer: 'allow' } as const;
    },
  };
  // Of eight seats, global-default has one.
  await using api = await TestServer.open({ authorizers: [slow], flowControl: { totalSeats: 8 } });
  const user = { name: 'bob', groups: ['system:authenticated'] };
  const get = async (name: string, who = user): Promise<number> =>
    (await api.server.handle({ method: 'GET', url: `${MAPS}/${name}`, headers: {} }, who)).status;
  const first = get('slow');
  const second = get('other');
  assert.equal(await get('other', ADMIN as typeof user), 404);
  const [, metrics] = await textOf(api, '/metrics');
  assert.match(
    metrics,
    /apiserver_flowcontrol_current_inqueue_requests\{priority_level="global-default"\} 1\n/,
  );
  await api.clock.advance(15_000);
  assert.equal(await second, 429);
  const third = get('other');
  held.resolve();
  assert.deepEqual([await first, await third], [404, 404]);
  const answer = await api.server.handle({ method: 'GET', url: MAPS, headers: {} }, user);
  assert.match(answer.headers['x-kubernetes-pf-flowschema-uid'] ?? '', /^[0-9a-f-]{36}$/);
});

class Recorder implements AuditSink {
  readonly events: JsonObject[] = [];
  record(event: JsonObject): void {
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
  for (let i = 0; i < 100; i++) void sink.record({ i, text: 'x'.repeat(80) });
  await sink[Symbol.asyncDispose]();
  const files = (await readdir(dir)).toSorted();
  assert.equal(files.length, 3);
  const last = (await readFile(join(dir, 'audit.log'), 'utf8')).trim().split('\n').at(-1) ?? '';
  assert.equal((JSON.parse(last) as { i: number }).i, 99);
  await rm(dir, { recursive: true });
});

const counts = (lists: readonly JsonObject[]): number[] =>
  lists.map(({ items }) => (items as unknown[]).length);

test('the audit file lets go of what is too old', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sampan-audit-'));
  const clock = new ManualClock();
  const path = join(dir, 'audit.log');
  const about = { path, maxBytes: 100, maxBackups: 0, maxAgeMs: 86_400_000, clock, log: silentLogger };
  const sink = fileSink(about);
  const write = async (): Promise<string[]> => {
    await sink.record({ text: 'x'.repeat(90) });
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
  const post = async (list: JsonObject): Promise<void> => {
    const failure = failures.shift();
    if (failure !== undefined) throw failure;
    lists.push(list);
  };
  const hook = webhookSink({ post, clock, log: silentLogger, maxBatch: 3, maxWaitMs: 1000 });
  for (let i = 0; i < 4; i++) void hook.record({ i });
  await clock.advance(1000);
  assert.deepEqual(lists, []);
  await clock.advance(10_000);
  assert.deepEqual(counts(lists), [3, 1]);
  failures = [new PlatformError('unavailable', 'no', { details: { status: 400 } })];
  for (let i = 0; i < 3; i++) void hook.record({ i });
  await clock.advance(100_000);
  assert.deepEqual(counts(lists), [3, 1]);
  // Who stops sends what there is, once.
  failures = Array.from({ length: 9 }, () => new Error('nobody answers'));
  void hook.record({ i: 9 });
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
  const post = async (list: JsonObject): Promise<void> => {
    if (broken) throw new Error('nobody answers');
    lists.push(list);
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

test('a request that takes too long is told so; what lasts may last', async () => {
  const stuck = Promise.withResolvers<void>();
  const plugin = {
    name: 'Stuck',
    handles: ({ name }: { readonly name: string }) => name === 'stuck',
    mutate: async () => await stuck.promise,
  };
  await using api = await TestServer.open({ admission: [plugin], limits: { requestMs: 5000 } });
  const watch = await api.watch(`${MAPS}?watch=1`);
  for (const [query, ms] of [
    ['', 5000],
    ['?timeout=2s', 2000],
    ['?timeout=1h', 5000],
  ] as const) {
    const answer = api.call('POST', `${MAPS}${query}`, configMap('stuck'));
    let over = false;
    void answer.then(() => (over = true));
    for (let i = 0; i < 20; i++) await Promise.resolve();
    await api.clock.advance(ms - 1);
    assert.equal(over, false);
    await api.clock.advance(1);
    const { status, body } = await answer;
    assert.equal(status, 504);
    assert.equal(body.reason, 'Timeout');
    assert.equal(body.message, 'Timeout: request did not complete within the allotted timeout');
  }
  const odd = await api.call('GET', `${MAPS}?timeout=soon`);
  assert.equal(odd.status, 400);
  assert.equal(
    odd.body.message,
    'invalid timeout specified in the request URL - time: invalid duration "soon"',
  );
  await api.create(MAPS, configMap('a'));
  assert.deepEqual(await watch.summary(1), ['ADDED a']);
  watch.stop();
  stuck.resolve();
});

test('without fairness so many requests run at once, reading and writing apart; administrators always', async () => {
  const stuck = Promise.withResolvers<void>();
  const plugin = {
    name: 'Stuck',
    handles: ({ name }: { readonly name: string }) => name.startsWith('stuck'),
    mutate: async () => await stuck.promise,
  };
  const inFlight = { reading: 1, writing: 1 };
  await using api = await TestServer.open({ admission: [plugin], inFlight, authorizers: [anyone] });
  const alice = { name: 'alice', groups: ['system:authenticated'] };
  const post = async (name: string, user = alice): Promise<ApiResponse> =>
    await api.server.handle(
      { method: 'POST', url: MAPS, headers: {}, body: Buffer.from(JSON.stringify(configMap(name))) },
      user,
    );
  const first = post('stuck-1');
  const second = await post('b');
  assert.equal(second.status, 429);
  assert.equal(second.headers['retry-after'], '1');
  assert.equal((await post('c', ADMIN as typeof alice)).status, 201);
  assert.equal((await api.server.handle({ method: 'GET', url: MAPS, headers: {} }, alice)).status, 200);
  stuck.resolve();
  assert.equal((await first).status, 201);
  assert.equal((await post('b')).status, 201);
});

test('events vanish after their time', async () => {
  await using api = await TestServer.open({ limits: { eventSeconds: 60 } });
  const events = '/api/v1/namespaces/default/events';
  await api.create(events, {
    metadata: { name: 'e' },
    involvedObject: { kind: 'Pod', namespace: 'default', name: 'p' },
    reason: 'Test',
    type: 'Normal',
  });
  await api.clock.advance(59_000);
  assert.equal((await api.call('GET', `${events}/e`)).status, 200);
  await api.clock.advance(120_000);
  assert.equal((await api.call('GET', `${events}/e`)).status, 404);
});
