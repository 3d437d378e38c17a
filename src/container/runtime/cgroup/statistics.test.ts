import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { statisticsReplacer } from './cgroup.ts';
import { IntelRdtGroup } from './intel-rdt.ts';
import { parseList } from './statistics-files.ts';
import { statisticsV1 } from './statistics-v1.ts';
import { statisticsV2 } from './statistics-v2.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sampan-statistics-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function files(contents: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(contents)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value, statisticsReplacer));

test('v2: everything that events --stats prints', () => {
  const pressure =
    'some avg10=1.50 avg60=0.25 avg300=0.00 total=42\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n';
  files({
    'cpu.stat':
      'usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 5\nnr_throttled 2\nthrottled_usec 9\n',
    'cpu.pressure': pressure,
    'memory.stat': 'anon 100\nfile 4096\n',
    'memory.current': '5000\n',
    'memory.max': '10000\n',
    'memory.peak': '6000\n',
    'memory.swap.current': '1\n',
    'memory.swap.max': '20\n',
    'pids.current': '3\n',
    'pids.max': 'max\n',
    'io.stat': '8:0 rbytes=4096 wbytes=0 rios=1 wios=2 dbytes=0 dios=0\n',
  });
  const some = { avg10: 1.5, avg60: 0.25, avg300: 0, total: 42 };
  const full = { avg10: 0, avg60: 0, avg300: 0, total: 7 };
  const flags = {
    cpu_exclusive: 0,
    mem_hardwall: 0,
    mem_exclusive: 0,
    memory_migrate: 0,
    memory_spread_page: 0,
    memory_spread_slab: 0,
    memory_pressure: 0,
    sched_load_balance: 0,
    sched_relax_domain_level: 0,
  };
  assert.deepEqual(json(statisticsV2(folder)), {
    cpu: {
      usage: { total: 30_000, kernel: 10_000, user: 20_000 },
      throttling: { periods: 5, throttledPeriods: 2, throttledTime: 9000 },
      psi: { some, full },
    },
    cpuset: flags,
    memory: {
      cache: 4096,
      usage: { limit: 10_000, usage: 5000, max: 6000, failcnt: 0 },
      swap: { limit: 10_020, usage: 5001, failcnt: 0 },
      kernel: { limit: 0, failcnt: 0 },
      kernelTCP: { limit: 0, failcnt: 0 },
      raw: { anon: 100, file: 4096 },
    },
    pids: { current: 3 },
    blkio: {
      ioServiceBytesRecursive: [
        { major: 8, op: 'Read', value: 4096 },
        { major: 8, op: 'Write' },
      ],
      ioServicedRecursive: [
        { major: 8, op: 'Read', value: 1 },
        { major: 8, op: 'Write', value: 2 },
      ],
    },
    hugetlb: {},
    intel_rdt: {},
  });
});

test('v2: no limit is printed as the number that readers expect, to the last digit', () => {
  files({ 'memory.stat': 'file 0\n', 'memory.current': '1\n', 'memory.max': 'max\n' });
  const text = JSON.stringify(statisticsV2(folder), statisticsReplacer);
  assert.match(text, /"usage":\{"limit":18446744073709551615,/);
});

test('v2: without controllers there is what can be counted', () => {
  files({ 'cgroup.procs': '10\n11\n' });
  assert.deepEqual(statisticsV2(folder).pids, { current: 2 });
});

test('v1: processors, block devices and huge pages', () => {
  files({
    'cpu.stat': 'nr_periods 4\nnr_throttled 1\nthrottled_time 123\n',
    'cpuacct.stat': 'user 7\nsystem 3\n',
    'cpuacct.usage': '9999\n',
    'cpuacct.usage_percpu': '9000 999 \n',
    'cpuacct.usage_all': 'cpu user system\n0 8000 1000\n1 900 99\n',
    'pids.current': '2\n',
    'pids.max': '50\n',
    'blkio.bfq.io_serviced_recursive': 'Total 0\n',
    'blkio.throttle.io_serviced_recursive': '8:0 Read 5\n8:0 Total 5\nTotal 5\n',
    'blkio.throttle.io_service_bytes_recursive': '8:0 Read 4096\nTotal 4096\n',
    'cpuset.cpus': '0-1,3\n',
  });
  const stats = statisticsV1(() => folder);
  assert.deepEqual(stats.cpu, {
    usage: {
      total: 9999,
      percpu: [9000, 999],
      percpu_kernel: [1000, 99],
      percpu_user: [8000, 900],
      kernel: 30_000_000,
      user: 70_000_000,
    },
    throttling: { periods: 4, throttledPeriods: 1, throttledTime: 123 },
  });
  assert.deepEqual(stats.pids, { current: 2, limit: 50 });
  assert.deepEqual(stats.cpuset.cpus, [0, 1, 3]);
  assert.deepEqual(stats.blkio, {
    ioServicedRecursive: [
      { major: 8, op: 'Read', value: 5 },
      { major: 8, op: 'Total', value: 5 },
    ],
    ioServiceBytesRecursive: [{ major: 8, op: 'Read', value: 4096 }],
  });
});

test('v1: a container without cgroups has zeros', () => {
  const stats = statisticsV1(() => undefined);
  assert.deepEqual(stats.pids, {});
  assert.deepEqual(stats.memory.usage, { limit: 0, failcnt: 0 });
});

test('lists of numbers', () => {
  assert.deepEqual(parseList('0,2-4'), [0, 2, 3, 4]);
  assert.deepEqual(parseList(''), []);
});

test('intelRdt: a group is made, written to, measured and removed', () => {
  files({
    schemata: 'L3:0=fff;1=fff\nMB:0=100\n',
    'info/L3/cbm_mask': 'fff\n',
    'info/L3/min_cbm_bits': '1\n',
    'info/L3/num_closids': '16\n',
    'info/last_cmd_status': 'ok\n',
  });
  const group = new IntelRdtGroup({ group: 'box', owned: true, mustExist: false }, folder);
  using undo = new DisposableStack();
  group.create(undo);
  assert.deepEqual(group.tasksFiles, [join(folder, 'box/tasks')]);
  // The kernel makes the files of a group; here they are made by hand.
  files({ 'box/schemata': '    L3:0=0ff;1=fff\n    MB:0=100\n' });
  assert.deepEqual(group.stats(), {
    l3_cache_info: { cbm_mask: 'fff', min_cbm_bits: 1, num_closids: 16 },
    l3_cache_schema_root: 'L3:0=fff;1=fff',
    l3_cache_schema: 'L3:0=0ff;1=fff',
    schemata: ['L3:0=0ff;1=fff', 'MB:0=100'],
  });
  rmSync(join(folder, 'box/schemata'));
  group.remove();
  assert.deepEqual(new IntelRdtGroup({ group: 'box', owned: true, mustExist: false }, folder).stats(), {});
});

test('intelRdt: without resctrl, without the group, or refused by it: each is named', () => {
  const place = { group: 'gold', owned: false, mustExist: true };
  using undo = new DisposableStack();
  const create = (more: object, mount: string | undefined): void =>
    new IntelRdtGroup({ ...place, ...more }, mount).create(undo);
  assert.throws(() => create({}, undefined), {
    code: 'unsupported',
    message: /^linux\.intelRdt: no resctrl/,
  });
  assert.throws(() => create({}, folder), { code: 'not-found', message: /^linux\.intelRdt\.closID: .*gold/ });
  files({ 'info/last_cmd_status': 'Mask out of range\n' });
  // A plain folder has no file `schemata`.
  assert.throws(() => create({ mustExist: false, schemata: ['L3:0=0'] }, folder), {
    message: /^linux\.intelRdt: .*\(Mask out of range\)$/,
  });
});
