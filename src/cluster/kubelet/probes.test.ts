import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { ManualClock, systemClock } from '../../base/clock.ts';
import type { Container, Pod, Probe } from '../api/generated/core-v1.ts';
import { runProbe, escapedPath } from './probe.ts';
import { nextProbeState, Probes, type ProbeState } from './probes.ts';
import { RestartBackoff } from './restart-backoff.ts';

test('a verdict changes after as many equal outcomes as the threshold says', () => {
  const probe: Probe = { successThreshold: 2, failureThreshold: 3 };
  let state: ProbeState = { verdict: 'unknown', last: undefined, run: 0 };
  const verdicts = [true, true, false, false, true, false, false, false, true, true].map((success) => {
    state = nextProbeState(state, success, probe);
    return state.verdict[0];
  });
  assert.equal(verdicts.join(''), 'ussssssffs');
});

function setUp(container: Container, was: { ready?: boolean } = {}) {
  const clock = new ManualClock();
  const outcomes: Record<string, boolean> = {};
  const tried: string[] = [];
  const changes: string[] = [];
  const events: string[] = [];
  const probes = new Probes({
    clock,
    tools: { clock },
    run: async (probe) => {
      const path = probe.httpGet?.path ?? '';
      tried.push(path);
      return { success: outcomes[path] ?? false, message: 'no' };
    },
    changed: (uid) => changes.push(uid),
    event: (_pod, _type, reason, message) => events.push(`${reason} ${message}`),
  });
  const pod: Pod = { metadata: { uid: 'u' } };
  const running = {
    containerId: 'c',
    container,
    podIp: '10.0.0.1',
    startedAt: clock.now(),
    wasReady: was.ready === true,
    wasStarted: false,
  };
  probes.observe(pod, [running]);
  return { clock, outcomes, tried, changes, events, probes, pod, running };
}

const get = (path: string, extra: Partial<Probe> = {}): Probe => ({ httpGet: { path, port: 80 }, ...extra });

test('without probes a running container is started and ready', () => {
  const { probes } = setUp({});
  assert.deepEqual([probes.started('c'), probes.ready('c'), probes.livenessFailed('c')], [true, true, false]);
});

test('readiness: after the initial delay, every period, changes are told', async () => {
  const { clock, outcomes, tried, changes, probes } = setUp({
    readinessProbe: get('/r', { initialDelaySeconds: 5, periodSeconds: 2 }),
  });
  await clock.advance(4999);
  assert.deepEqual([tried.length, probes.ready('c')], [0, false]);
  outcomes['/r'] = true;
  await clock.advance(1);
  assert.deepEqual([tried.length, probes.ready('c'), changes], [1, true, ['u']]);
  outcomes['/r'] = false;
  await clock.advance(4000);
  assert.equal(probes.ready('c'), true);
  await clock.advance(2000);
  assert.deepEqual([probes.ready('c'), changes.length], [false, 2]);
});

test('startup holds the others back, then readiness follows at once', async () => {
  const { clock, outcomes, tried, probes } = setUp({
    startupProbe: get('/s', { periodSeconds: 10, failureThreshold: 3 }),
    livenessProbe: get('/l'),
    readinessProbe: get('/r'),
  });
  await clock.advance(15_000);
  assert.deepEqual([...new Set(tried)], ['/s']);
  assert.deepEqual([probes.started('c'), probes.ready('c')], [false, false]);
  Object.assign(outcomes, { '/s': true, '/r': true, '/l': true });
  await clock.advance(5001);
  assert.deepEqual([probes.started('c'), probes.ready('c')], [true, true]);
  tried.length = 0;
  await clock.advance(60_000);
  assert.ok(!tried.includes('/s'));
});

test('startup and liveness failures', async () => {
  const startup = setUp({ startupProbe: get('/s', { periodSeconds: 1 }) });
  await startup.clock.advance(2500);
  assert.equal(startup.probes.startupFailed('c'), true);
  const liveness = setUp({ livenessProbe: get('/l', { periodSeconds: 1 }) });
  await liveness.clock.advance(2500);
  assert.equal(liveness.probes.livenessFailed('c'), true);
  assert.deepEqual(new Set(liveness.events), new Set(['Unhealthy Liveness probe failed: no']));
});

test('an adopted container keeps its readiness until a probe says otherwise', async () => {
  const { clock, probes } = setUp({ readinessProbe: get('/r', { periodSeconds: 1 }) }, { ready: true });
  assert.equal(probes.ready('c'), true);
  await clock.advance(2500);
  assert.equal(probes.ready('c'), false);
});

test('a container that is gone is probed no more', async () => {
  const { clock, tried, probes, pod } = setUp({ livenessProbe: get('/l') });
  await clock.advance(1);
  probes.observe(pod, []);
  tried.length = 0;
  await clock.advance(60_000);
  assert.equal(tried.length, 0);
});

test('a probe that cannot run is told and counts as passed', () => {
  const { events, probes } = setUp({ readinessProbe: { exec: { command: ['true'] } } });
  assert.match(events[0] ?? '', /^ProbeUnsupported readiness probe of container/);
  assert.equal(probes.ready('c'), true);
});

test('http and tcp probes against a real server', async (t) => {
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/ok' && request.headers['x-a'] === 'b' ? 204 : 500;
    if (request.url === '/drop') request.socket.destroy();
    else if (request.url !== '/hang') response.end('x');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const container: Container = { name: 'c', ports: [{ name: 'web', containerPort: port }] };
  const target = { containerId: 'c', container, podIp: '127.0.0.1' };
  const tools = { clock: systemClock };
  const httpHeaders = [{ name: 'X-A', value: 'b' }];
  const run = (probe: Probe) => runProbe(probe, target, tools);
  const at = `http://127.0.0.1:${port}`;
  assert.equal((await run({ httpGet: { path: '/ok', port: 'web', httpHeaders } })).success, true);
  assert.equal(
    (await run({ httpGet: { path: '/bad', port } })).message,
    'HTTP probe failed with statuscode: 500',
  );
  assert.equal((await run({ httpGet: { path: '/drop', port } })).message, `Get "${at}/drop": EOF`);
  assert.equal(
    (await run({ httpGet: { path: '/ok', port, scheme: 'HTTPS' } })).message,
    `Get "https://127.0.0.1:${port}/ok": http: server gave HTTP response to HTTPS client`,
  );
  assert.match((await run({ httpGet: { path: '/ok', port: 'none' } })).message, /couldn't find port/);
  assert.equal((await run({ tcpSocket: { port } })).success, true);
  const clock = new ManualClock();
  const hanging = runProbe({ httpGet: { path: '/hang', port } }, target, { clock });
  await clock.advance(1000);
  assert.equal(
    (await hanging).message,
    `Get "${at}/hang": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
  );
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  const refused = `dial tcp 127.0.0.1:${port}: connect: connection refused`;
  assert.equal((await run({ tcpSocket: { port } })).message, refused);
  assert.equal((await run({ httpGet: { path: '/ok', port } })).message, `Get "${at}/ok": ${refused}`);
});

test('restarts: at once, then 10 s doubling to 5 min, forgotten after 10 min without trouble', async () => {
  const clock = new ManualClock();
  const backoff = new RestartBackoff(clock);
  const waits: number[] = [];
  for (let i = 0; i < 8; i++) {
    const since = clock.now();
    const left = backoff.remaining('k', since);
    waits.push(left / 1000);
    await clock.advance(left);
    backoff.next('k', since);
  }
  assert.deepEqual(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
  await clock.advance(700_000);
  const since = clock.now();
  backoff.next('k', since);
  assert.equal(backoff.remaining('k', since) / 1000, 10);
});

test('the path of an HTTP probe is escaped once', () => {
  assert.equal(escapedPath('/a b?q=ü'), '/a%20b?q=%C3%BC');
  assert.equal(escapedPath('/a%20b?q=%C3%BC'), '/a%20b?q=%C3%BC');
  assert.equal(escapedPath('/100%'), '/100%25');
});
