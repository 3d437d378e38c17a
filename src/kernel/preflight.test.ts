import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlatformError } from '../base/errors.ts';
import { preflight, type MachineFacts } from './preflight.ts';
import { recordingKernel } from './recording.ts';

const good = (): MachineFacts => ({
  release: '6.1.0-18-amd64',
  status: 'Name:\tnode\nCapEff:\t000001ffffffffff\n',
  filesystems: 'nodev\tproc\nnodev\toverlay\n\text4\n',
  loadable: () => false,
  hasNamespace: () => true,
  checkCgroups: () => {},
  kernel: recordingKernel(),
});

test('a machine that has everything has no problem', () => {
  assert.deepEqual(preflight(good()), []);
  assert.deepEqual(preflight({ ...good(), filesystems: '', loadable: () => true }), []);
  assert.deepEqual(preflight({ ...good(), release: '5.12.0' }), []);
});

test('each lack is one line that says what to do', () => {
  const kernel = recordingKernel();
  kernel.fail('request', 'EOPNOTSUPP');
  const problems = preflight({
    ...good(),
    kernel,
    release: '5.9.16',
    filesystems: 'nodev\tproc\n',
    hasNamespace: (name) => name !== 'cgroup',
    checkCgroups: () => {
      throw new PlatformError('unsupported', 'no cgroup controller pids is mounted', { hint: 'mount it' });
    },
  });
  assert.deepEqual(
    problems.map(({ what }) => what),
    [
      'Linux 5.9.16 is too old: 5.12 is needed',
      'this kernel has no overlay file system',
      'this kernel has no cgroup namespaces',
      'no cgroup controller pids is mounted',
      'nftables does not answer: request: EOPNOTSUPP',
    ],
  );
  for (const { what, hint } of problems) assert.ok(hint !== '' && !`${what}${hint}`.includes('\n'));
});

test('without root the packet filter is not asked', () => {
  const problems = preflight({ ...good(), status: 'CapEff:\t0000000000000000\n' });
  assert.deepEqual(
    problems.map(({ what }) => what),
    ['not allowed to manage containers: CAP_SYS_ADMIN and CAP_NET_ADMIN missing'],
  );
});
