/**
 * The API server as users have it (the bundle, every handler on, durable writes), beside what kube-apiserver 1.20 with etcd
 * 3.4 did on two cores of a 2.5 GHz Xeon, or beside a running one: `node bench/apiserver.ts [SECONDS] [--peer PORT --peer-token
 * TOKEN]`; wants wrk. A peer is asked the same just before, in the same run. Only ratios of one machine count: compare two
 * versions in turns.
 */
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Server } from './apiserver-process.ts';
import { benchPod, Driver, lua, type Load, type Target } from './apiserver-load.ts';
import { measureFanOut } from './apiserver-watches.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { peer: { type: 'string' }, 'peer-token': { type: 'string', default: '' } },
});
const SECONDS = Number(positionals[0] ?? 8);
const NS = 'bench';
const PODS = `/api/v1/namespaces/${NS}/pods`;
const LISTED = '/api/v1/namespaces/bench-list/pods';
const JSON_BODY = `h['content-type'] = 'application/json'`;

/** Requests per second of kube-apiserver, and how many times that we want. */
const ANCHORS: Readonly<Record<string, readonly [theirs: number, times: number]>> = {
  'create pod': [845, 3],
  'get pod': [2300, 2.5],
  'merge-patch pod': [494, 4],
  'delete pod': [439, 4],
  'list 3,000 pods': [7.7, 5],
  'list 300 of 3,000 by label': [12, 10],
};

if (!existsSync('/usr/bin/wrk')) {
  process.stderr.write('bench: wrk is missing; on Debian: apt-get install wrk time\n');
  process.exit(1);
}
await measureRequests();
await measureWatches();
await measureSize();

function say(what: string, figure: string, wanted: string, met: boolean): void {
  process.stdout.write(`${met ? '✓' : '✗'} ${what.padEnd(36)} ${figure.padEnd(52)} ${wanted}\n`);
}

/** `rates` are the peer's, when one ran. */
function report(what: string, { rate, p50, p99, busy }: Load, { cpuMs, rates }: Measured): void {
  const [recorded, times] = ANCHORS[what]!;
  const theirs = rates?.get(what) ?? recorded;
  const ratio = rate / theirs;
  const latency = `p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)} ms`;
  const floor = busy > 0.7 ? '≥ ' : '';
  const cost = `${cpuMs.toFixed(2)} ms of cpu each`;
  say(
    what,
    `${floor}${rate.toFixed(0)} /s (${ratio.toFixed(1)} ×), ${latency}, ${cost}`,
    `≥ ${times} × ${theirs < 100 ? theirs.toFixed(1) : theirs.toFixed(0)}`,
    ratio >= times,
  );
}

interface Measured {
  readonly cpuMs: number;
  readonly rates: ReadonlyMap<string, number> | undefined;
}

async function measureRequests(): Promise<void> {
  const rates = options.peer === undefined ? undefined : await peerRates(Number(options.peer));
  await using server = new Server();
  await server.start();
  await delay(3000);
  const idle = server.resident();
  say('resident, idle', `${idle.toFixed(0)} MB`, '≤ 120 MB', idle <= 120);
  await sendLoads(server, async (what, send) => {
    const before = server.cpuSeconds();
    const load = await send();
    report(what, load, { cpuMs: ((server.cpuSeconds() - before) * 1000) / (load.rate * SECONDS), rates });
  });
}

async function peerRates(port: number): Promise<ReadonlyMap<string, number>> {
  const rates = new Map<string, number>();
  await sendLoads({ port, token: options['peer-token'] }, async (what, send) => {
    rates.set(what, (await send()).rate);
  });
  return rates;
}

/** `measure` gets each load in turn, prepared, and sends it. */
async function sendLoads(
  target: Target,
  measure: (what: string, send: () => Promise<Load>) => Promise<void>,
): Promise<void> {
  using driver = new Driver(target);
  await driver.namespace(NS);
  await driver.namespace('bench-list');
  const run = (what: string, connections: number, format: string): Promise<void> =>
    measure(what, () => driver.wrk(format, { connections, seconds: SECONDS }));
  const body = lua(JSON.stringify(benchPod('@NAME@')));
  await run(
    'create pod',
    32,
    `${JSON_BODY} local b = string.gsub(${body}, '@NAME@', 'w'..tid..'-'..i) return wrk.format('POST', '${PODS}', h, b)`,
  );
  await run('get pod', 32, `return wrk.format('GET', '${PODS}/w'..tid..'-'..(2 + i % 500), h)`);
  await run(
    'merge-patch pod',
    32,
    `h['content-type'] = 'application/merge-patch+json' return wrk.format('PATCH', '${PODS}/w'..tid..'-'..(2 + i % 500), h, '{"metadata":{"labels":{"touched":"t'..i..'"}}}')`,
  );
  await run(
    'delete pod',
    32,
    `return wrk.format('DELETE', '${PODS}/w'..tid..'-'..(i + 1)..'?gracePeriodSeconds=0', h)`,
  );
  await driver.each(3000, async (i) => {
    await driver.call('POST', LISTED, benchPod(`p-${i}`, { shard: `s${i % 10}` }));
  });
  await run('list 3,000 pods', 8, `return wrk.format('GET', '${LISTED}', h)`);
  await run(
    'list 300 of 3,000 by label',
    8,
    `return wrk.format('GET', '${LISTED}?labelSelector=shard%3Ds3', h)`,
  );
}

async function measureWatches(): Promise<void> {
  for (const load of [
    { watchers: 100, events: 50, turns: 30 },
    { watchers: 1000, events: 20, turns: 15 },
  ]) {
    const { watchers, events, turns } = load;
    const { ours, bare, ratio, rate, p99 } = await measureFanOut(load);
    say(
      `watch fan-out ${watchers} × ${events * turns}`,
      `${ours.toFixed(1)} µs of cpu an event, bare ${bare.toFixed(1)} (${ratio.toFixed(2)} ×), ${rate.toFixed(0)} /s`,
      '≤ 0.5 × encoding for each',
      ratio <= 0.5,
    );
    say(`create under ${watchers} watchers, p99`, `${p99.toFixed(0)} ms`, '≤ 250 ms', p99 <= 250);
  }
}

/** 10,000 and then 50,000 pods of 2 kB: 2,180 bytes with all that the server adds. */
async function measureSize(): Promise<void> {
  await using server = new Server();
  await server.start();
  let made = 0;
  const fill = async (count: number): Promise<void> => {
    using driver = new Driver(server);
    await driver.namespace(NS);
    const from = made;
    await driver.each(count - from, async (i) => {
      await driver.call('POST', PODS, benchPod(`f-${from + i}`));
    });
    made = count;
  };
  await fill(10_000);
  await server.stop();
  const times: number[] = [];
  for (let i = 0; i < 3; i++) {
    times.push(await server.start());
    await server.stop();
  }
  const start = times.toSorted((a, b) => a - b)[1]!;
  say('start to ready, 10,000 objects', `${(start / 1000).toFixed(2)} s`, '≤ 0.8 s', start <= 800);
  await server.start();
  await fill(50_000);
  await delay(5000);
  const resident = server.resident();
  say('resident, 50,000 pods of 2 kB', `${resident.toFixed(0)} MB`, '≤ 400 MB', resident <= 400);
  using driver = new Driver(server);
  // The slowest answer of a small get beside lists of everything says how long the loop was held.
  const gets: number[] = [];
  const state = { listing: true };
  const lists = (async () => {
    for (let i = 0; i < 3; i++) await driver.call('GET', '/api/v1/pods');
    state.listing = false;
  })();
  while (state.listing) {
    const begin = performance.now();
    await driver.call('GET', '/version');
    gets.push(performance.now() - begin);
  }
  await lists;
  const worst = gets.toSorted((a, b) => a - b)[Math.floor(gets.length * 0.99)] ?? Number.NaN;
  say(
    'a get while 50,000 pods are listed, p99',
    `${worst.toFixed(1)} ms`,
    'both share this driver',
    worst <= 50,
  );
}
