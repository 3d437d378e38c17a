import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourcesConfig } from '../../spec/runtime-config.ts';
import { v1Writes } from './resources-v1.ts';
import { ioWeight, v2Writes } from './resources-v2.ts';
import type { ResourceWrite } from './resource-write.ts';

/** `file=value`, with what follows when the file is not there. */
function show(write: ResourceWrite): string {
  const { file, value, optional, otherwise, verify, unlessUsed } = write;
  const notes = [
    ...(optional === true ? ['if there'] : []),
    ...(verify === true ? ['verified'] : []),
    ...(unlessUsed === undefined ? [] : [`unless ${unlessUsed} are used`]),
    ...(otherwise === undefined ? [] : [`or ${show(otherwise)}`]),
  ];
  return [`${file}=${value}`, ...notes].join(' ');
}

const MEMORY = { limit: 1000, reservation: 500, swap: 3000 };
const device = { major: 8, minor: 0 };

const CASES: readonly (readonly [
  name: string,
  resources: ResourcesConfig,
  v1: readonly string[] | RegExp,
  v2: readonly string[] | RegExp,
])[] = [
  ['nothing', {}, [], []],
  ['empty parts', { memory: {}, cpu: {}, blockIO: {}, network: {}, hugepageLimits: [] }, [], []],
  [
    'zeros of engines',
    { memory: { limit: 0 }, cpu: { shares: 0, quota: 0 }, blockIO: { weight: 0 } },
    [],
    [],
  ],
  [
    'memory',
    { memory: MEMORY },
    ['memory.limit_in_bytes=1000', 'memory.memsw.limit_in_bytes=3000', 'memory.soft_limit_in_bytes=500'],
    ['memory.swap.max=2000', 'memory.max=1000', 'memory.low=500'],
  ],
  [
    'no swap',
    { memory: { limit: 1000, swap: 1000 } },
    ['memory.limit_in_bytes=1000', 'memory.memsw.limit_in_bytes=1000'],
    ['memory.swap.max=0 if there', 'memory.max=1000'],
  ],
  [
    'memory without limits',
    { memory: { limit: -1 } },
    ['memory.limit_in_bytes=-1', 'memory.memsw.limit_in_bytes=-1 if there'],
    ['memory.swap.max=max if there', 'memory.max=max'],
  ],
  [
    'unlimited swap',
    { memory: { limit: 1000, swap: -1 } },
    ['memory.limit_in_bytes=1000', 'memory.memsw.limit_in_bytes=-1'],
    ['memory.swap.max=max if there', 'memory.max=1000'],
  ],
  [
    'a check before memory is taken away',
    { memory: { limit: 1000, swap: 3000, checkBeforeUpdate: true } },
    ['memory.limit_in_bytes=1000', 'memory.memsw.limit_in_bytes=3000'],
    ['memory.swap.max=2000 unless 3000 are used', 'memory.max=1000 unless 1000 are used'],
  ],
  [
    'swap below the limit',
    { memory: { limit: 2, swap: 1 } },
    /^invalid memory\.swap/,
    /^invalid memory\.swap/,
  ],
  ['swap without a limit', { memory: { swap: 1 } }, /^invalid memory\.swap/, /^invalid memory\.swap/],
  [
    'kernel memory',
    { memory: { kernel: 5 } },
    ['memory.kmem.limit_in_bytes=5 verified'],
    /^unsupported memory\.kernel:/,
  ],
  ['no limit of kernel memory', { memory: { kernel: -1 } }, [], []],
  [
    'kernel memory of TCP',
    { memory: { kernelTCP: 5 } },
    ['memory.kmem.tcp.limit_in_bytes=5'],
    /^unsupported memory\.kernelTCP:/,
  ],
  ['swappiness', { memory: { swappiness: 0 } }, ['memory.swappiness=0'], /^unsupported memory\.swappiness:/],
  ['no swappiness', { memory: { swappiness: -1 } }, [], []],
  [
    'too much swappiness',
    { memory: { swappiness: 101 } },
    /^invalid memory\.swappiness: 101/,
    /^unsupported memory\.swappiness:/,
  ],
  [
    'no OOM killer',
    { memory: { disableOOMKiller: true } },
    ['memory.oom_control=1'],
    /^unsupported memory\.disableOOMKiller:/,
  ],
  ['an OOM killer', { memory: { disableOOMKiller: false } }, [], []],
  ['a hierarchy', { memory: { useHierarchy: true } }, ['memory.use_hierarchy=1'], []],
  [
    'no hierarchy',
    { memory: { useHierarchy: false } },
    ['memory.use_hierarchy=0'],
    /^unsupported memory\.useHierarchy:/,
  ],
  [
    'processors',
    { cpu: { shares: 1024, quota: 50_000, period: 200_000, burst: 10_000, cpus: '0-1', mems: '0' } },
    [
      'cpu.shares=1024',
      'cpu.cfs_period_us=200000',
      'cpu.cfs_quota_us=50000',
      'cpu.cfs_burst_us=10000',
      'cpuset.cpus=0-1',
      'cpuset.mems=0',
    ],
    ['cpu.weight=100', 'cpu.max=50000 200000', 'cpu.max.burst=10000', 'cpuset.cpus=0-1', 'cpuset.mems=0'],
  ],
  ['no quota', { cpu: { quota: -1 } }, ['cpu.cfs_quota_us=-1'], ['cpu.max=max 100000']],
  ['a period alone', { cpu: { period: 5000 } }, ['cpu.cfs_period_us=5000'], ['cpu.max=max 5000']],
  ['idle', { cpu: { idle: 1, shares: 10 } }, ['cpu.shares=10', 'cpu.idle=1'], ['cpu.idle=1']],
  ['no burst', { cpu: { burst: 0 } }, ['cpu.cfs_burst_us=0'], ['cpu.max.burst=0']],
  ['too few shares', { cpu: { shares: 1 } }, /^invalid cpu\.shares: 1 is not/, ['cpu.weight=1']],
  [
    'real time',
    { cpu: { realtimeRuntime: 5, realtimePeriod: 10 } },
    ['cpu.rt_period_us=10', 'cpu.rt_runtime_us=5'],
    /^unsupported cpu\.realtimeRuntime:/,
  ],
  ['pids', { pids: { limit: 7 } }, ['pids.max=7'], ['pids.max=7']],
  ['any number of pids', { pids: { limit: -1 } }, ['pids.max=max'], ['pids.max=max']],
  ['no limit of pids', { pids: { limit: 0 } }, [], []],
  [
    'weights of devices',
    { blockIO: { weight: 10, weightDevice: [{ ...device, weight: 1000 }] } },
    [
      'blkio.weight=10 or blkio.bfq.weight=10',
      'blkio.weight_device=8:0 1000 or blkio.bfq.weight_device=8:0 1000',
    ],
    ['io.bfq.weight=10 or io.weight=1', 'io.bfq.weight=8:0 1000 or io.weight=8:0 10000'],
  ],
  [
    'leaf weights',
    { blockIO: { leafWeight: 20, weightDevice: [{ ...device, leafWeight: 30 }] } },
    ['blkio.leaf_weight=20', 'blkio.leaf_weight_device=8:0 30'],
    /^unsupported blockIO\.leafWeight:/,
  ],
  ['too light', { blockIO: { weight: 9 } }, /^invalid blockIO\.weight: 9/, /^invalid blockIO\.weight: 9/],
  [
    'throttles',
    {
      blockIO: {
        throttleReadBpsDevice: [{ ...device, rate: 1 }],
        throttleWriteBpsDevice: [{ ...device, rate: 2 }],
        throttleReadIOPSDevice: [{ ...device, rate: 3 }],
        throttleWriteIOPSDevice: [{ ...device, rate: 0 }],
      },
    },
    [
      'blkio.throttle.read_bps_device=8:0 1',
      'blkio.throttle.write_bps_device=8:0 2',
      'blkio.throttle.read_iops_device=8:0 3',
      'blkio.throttle.write_iops_device=8:0 0',
    ],
    ['io.max=8:0 rbps=1', 'io.max=8:0 wbps=2', 'io.max=8:0 riops=3', 'io.max=8:0 wiops=max'],
  ],
  [
    'huge pages',
    { hugepageLimits: [{ pageSize: '2MB', limit: 4096 }] },
    ['hugetlb.2MB.limit_in_bytes=4096', 'hugetlb.2MB.rsvd.limit_in_bytes=4096 if there'],
    ['hugetlb.2MB.max=4096', 'hugetlb.2MB.rsvd.max=4096 if there'],
  ],
  [
    'pages of no size',
    { hugepageLimits: [{ pageSize: '2/MB', limit: 1 }] },
    /^invalid hugepageLimits\[0\]\.pageSize/,
    /^invalid hugepageLimits\[0\]\.pageSize/,
  ],
  [
    'network',
    { network: { classID: 0x10001, priorities: [{ name: 'eth0', priority: 5 }] } },
    ['net_cls.classid=65537', 'net_prio.ifpriomap=eth0 5'],
    /^unsupported network\.classID:/,
  ],
  [
    'RDMA',
    { rdma: { mlx5_1: { hcaHandles: 3, hcaObjects: 0 } } },
    ['rdma.max=mlx5_1 hca_handle=3 hca_object=0'],
    ['rdma.max=mlx5_1 hca_handle=3 hca_object=0'],
  ],
  ['RDMA without a number', { rdma: { mlx5_1: {} } }, /^invalid rdma\.mlx5_1/, /^invalid rdma\.mlx5_1/],
  [
    'files by name',
    { unified: { 'memory.high': '100', 'io.max': '8:0 rbps=1\n8:16 rbps=2\n' } },
    /^unsupported unified\["memory\.high"\]/,
    ['memory.high=100', 'io.max=8:0 rbps=1', 'io.max=8:16 rbps=2'],
  ],
  [
    'a file elsewhere',
    { unified: { '../x.y': '1' } },
    /^unsupported/,
    /^invalid unified\["\.\.\/x\.y"\]: must be a file name, without slashes/,
  ],
  [
    'a file of nobody',
    { unified: { nothing: '1' } },
    /^unsupported/,
    /^invalid unified\["nothing"\]: must have/,
  ],
];

for (const [name, resources, v1, v2] of CASES) {
  for (const [version, writesOf, want] of [
    ['v1', v1Writes, v1],
    ['v2', v2Writes, v2],
  ] as const) {
    test(`resources on ${version}: ${name}`, () => {
      if (want instanceof RegExp) {
        assert.throws(
          () => writesOf(resources),
          (error: Error & { code?: string }) => {
            assert.match(error.message, /^linux\.resources\./);
            assert.match(`${error.code} ${error.message.slice('linux.resources.'.length)}`, want);
            return true;
          },
        );
        return;
      }
      const writes = writesOf(resources);
      assert.deepEqual(writes.map(show), want);
      for (const { file, controller, field } of writes) {
        assert.ok(file.startsWith(`${controller}.`), `${file} is a file of ${controller}`);
        assert.match(field, /^linux\.resources\.\w+/);
      }
    });
  }
}

test('weights of v1 map onto all of v2’s range', () => {
  assert.deepEqual([10, 500, 1000].map(ioWeight), [1, 4950, 10_000]);
});
