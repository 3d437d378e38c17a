/** Health, metrics and fairness, through the whole chain. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ApiRequest, ApiResponse } from '../api/transport.ts';
import type { Authorizer } from './authorization/authorizer.ts';
import { wholeBody } from './encoding/list-body.ts';
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
