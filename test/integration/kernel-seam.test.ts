/** The seam on a real kernel. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cgroupHost } from '../../src/kernel/cgroup.ts';
import { linuxKernel } from '../../src/kernel/linux.ts';
import { preflight } from '../../src/kernel/preflight.ts';
import { RouteNetlink } from '../../src/kernel/rtnetlink.ts';
import { address, syscall, trySyscall } from '../../src/kernel/syscall.ts';
import { eventually, Sandbox } from './network-fixture.ts';

const kernel = linuxKernel();

test('a pidfd follows a process to its end and no further', async () => {
  const child = spawn('sleep', ['1000']);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const pidfd = kernel.pidfdOpen(child.pid ?? 0);
  assert.equal(kernel.pidfdAlive(pidfd), true);
  kernel.pidfdSendSignal(pidfd, 9);
  await ended;
  assert.equal(kernel.pidfdAlive(pidfd), false);
  assert.throws(() => kernel.pidfdSendSignal(pidfd, 9), { code: 'not-found' });
  assert.throws(() => kernel.pidfdOpen(child.pid ?? 0), { code: 'not-found', message: /pidfd_open: ESRCH/ });
  kernel.close(pidfd);
});

test('a lock has one holder', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sampan-seam-'));
  const [one, two] = [0, 1].map(() => openSync(join(folder, 'lock'), 'a')) as [number, number];
  assert.equal(kernel.tryLock(one), true);
  assert.equal(kernel.tryLock(two), false);
  closeSync(one);
  assert.equal(kernel.tryLock(two), true);
  closeSync(two);
  rmSync(folder, { recursive: true });
});

test('unmount takes a mount away once; statfs tells what is free', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sampan-seam-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,nr_inodes=100', 'tmpfs', folder]);
  const TMPFS_MAGIC = 0x0102_1994;
  const facts = kernel.statfs(folder);
  assert.equal(facts.type, TMPFS_MAGIC);
  assert.equal(facts.freeBytes, 1 << 20);
  assert.ok(facts.freeInodes > 90 && facts.freeInodes <= 100);
  assert.equal(kernel.unmountDetached(folder), true);
  assert.equal(kernel.unmountDetached(folder), false);
  assert.equal(kernel.unmountDetached(join(folder, 'none')), false);
  assert.throws(() => kernel.statfs(join(folder, 'none')), { code: 'not-found' });
  rmSync(folder, { recursive: true });
});

test('a netlink socket can be opened in another namespace and the thread comes home', async () => {
  await using sandbox = await Sandbox.start();
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  const before = descriptors();
  {
    using home = new RouteNetlink(kernel);
    const links = home.links().map(({ name }) => name);
    using inside = new RouteNetlink(kernel, sandbox.netns);
    assert.equal(inside.link('lo')?.up, false);
    using again = new RouteNetlink(kernel);
    assert.deepEqual(
      again.links().map(({ name }) => name),
      links,
    );
    assert.throws(() => new RouteNetlink(kernel, '/proc/0/ns/net'), { code: 'not-found' });
  }
  assert.equal(descriptors(), before);
});

test('the seam refuses what it cannot pass on', () => {
  assert.throws(() => trySyscall('close', 1.5), TypeError);
  assert.throws(() => address([] as unknown as Uint8Array), TypeError);
  assert.throws(() => syscall('close', 1 << 20), { message: 'close: EBADF' });
});

test('a cgroup limits, kills what forks, and goes', async () => {
  const host = cgroupHost();
  const parent = `/sampan-test-${randomBytes(4).toString('hex')}`;
  try {
    const cgroup = host.create(`${parent}/pod/c`, {
      memoryLimit: 64 << 20,
      pidsLimit: 20,
      cpuShares: 512,
      cpuQuota: 50_000,
    });
    assert.deepEqual(host.list(parent), [`${parent}/pod`]);
    const child = spawn('sh', ['-c', 'read go; while :; do sleep 1000 & sleep 0.01; done'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    for (const file of cgroup.procsFiles) writeFileSync(file, String(child.pid));
    child.stdin.write('go\n');
    await eventually('it has forked', () => cgroup.pids().length > 5);
    assert.ok(cgroup.stats().pids > 5);
    await cgroup.kill();
    assert.deepEqual(cgroup.pids(), []);
  } finally {
    await host.remove(parent);
    await host.remove(parent);
  }
  assert.deepEqual(host.list(parent), []);
});

test('this machine passes its own preflight', () => {
  assert.deepEqual(preflight(), []);
});
