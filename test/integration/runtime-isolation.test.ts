import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { RuntimeFixture, until } from '../fixtures/runtime-fixture.ts';

test('a container has namespaces of its own, PID 1 and its host name', async () => {
  await using box = new RuntimeFixture();
  const kinds = ['pid', 'mnt', 'uts', 'ipc', 'net', 'cgroup'];
  const script = `for n in ${kinds.join(' ')}; do readlink /proc/self/ns/$n; done; hostname; echo $$; cat /proc/1/comm`;
  const { stdout, state } = await box.sh(script);
  const lines = stdout.trim().split('\n');
  for (const [index, kind] of kinds.entries()) {
    assert.match(lines[index]!, new RegExp(`^${kind}:`));
    assert.notEqual(lines[index], readlinkSync(`/proc/self/ns/${kind}`));
  }
  assert.deepEqual(lines.slice(kinds.length), ['box', '2', 'sampan-init']);
  assert.equal(state.exitCode, 0);
});

test('writes stay in the upper folder', async () => {
  await using box = new RuntimeFixture();
  await box.sh('echo hi > /new; rm /etc/group; mkdir -p /a/b');
  assert.equal(readFileSync(join(box.root.upperDir, 'new'), 'utf8'), 'hi\n');
  assert.ok(!existsSync(join(box.root.lowerDirs[0]!, 'new')));
  assert.ok(existsSync(join(box.root.lowerDirs[0]!, 'etc/group')));
});

test('privileges are Docker’s defaults', async () => {
  await using box = new RuntimeFixture();
  const { stdout } = await box.sh(
    'grep -E "^(Cap|NoNew)" /proc/self/status; umask; ls /proc/self/fd | wc -l',
  );
  assert.match(stdout, /CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n/);
  assert.match(stdout, /CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\n0022\n/);
});

test('capabilities are added and dropped, and ALL is all', async () => {
  await using box = new RuntimeFixture();
  const caps = 'grep CapEff /proc/self/status';
  const changed = await box.sh(caps, { capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] } });
  assert.match(changed.stdout, /0000000000001000/);
  const privileged = await box.sh(`${caps}; cat /proc/self/status | grep NoNew`, { privileged: true });
  assert.match(
    privileged.stdout,
    new RegExp(/CapBnd:\s+(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]!),
  );
  assert.match(privileged.stdout, /NoNewPrivs:\t0/);
});

test('masked and read-only paths, and devices', async () => {
  await using box = new RuntimeFixture();
  const { stdout, stderr } = await box.sh(
    'wc -c < /proc/timer_list; ls /sys/firmware | wc -l; echo 1 > /proc/sys/kernel/panic || echo denied;' +
      'mkdir /sys/fs/cgroup/memory/x || mkdir /sys/fs/cgroup/x || echo denied;' +
      'echo x > /dev/null && head -c 3 /dev/zero | wc -c; stat -c %a /dev/null; ls /sys/fs/cgroup | wc -l',
  );
  assert.match(stdout, /^0\n0\ndenied\ndenied\n3\n666\n/);
  assert.match(stderr, /Read-only file system/);
});

test('a read-only root, with its mounts still writable', async () => {
  await using box = new RuntimeFixture();
  const script = 'echo x > /y || echo denied; echo x > /dev/shm/y && echo shm';
  const { stdout } = await box.sh(script, { readonlyRoot: true });
  assert.equal(stdout, 'denied\nshm\n');
});

test('bind mounts: files, folders, read-only, and no way out through a link', async () => {
  await using box = new RuntimeFixture();
  const host = join(box.dir, 'host');
  mkdirSync(join(host, 'folder'), { recursive: true });
  writeFileSync(join(host, 'file'), 'from the host\n');
  symlinkSync('/', join(box.root.lowerDirs[0]!, 'outside'));
  symlinkSync('../../../../../../..', join(box.root.lowerDirs[0]!, 'up'));
  const { stdout } = await box.sh(
    'cat /made/for/it; echo x > /rw/y; echo x > /ro/y || echo denied; ls /escape1 /escape2',
    {
      mounts: [
        { source: join(host, 'file'), destination: '/made/for/it', readonly: true },
        { source: join(host, 'folder'), destination: '/rw' },
        { source: join(host, 'folder'), destination: '/ro', readonly: true },
        { source: join(host, 'folder'), destination: '/outside/escape1' },
        { source: join(host, 'folder'), destination: '/up/escape2' },
      ],
    },
  );
  assert.equal(stdout, 'from the host\ndenied\n/escape1:\ny\n\n/escape2:\ny\n');
  assert.ok(existsSync(join(host, 'folder/y')));
  assert.ok(!existsSync('/escape1') && !existsSync('/escape2'));
});

test('an image whose /proc is a link is refused', async () => {
  await using box = new RuntimeFixture();
  symlinkSync('/tmp', join(box.root.lowerDirs[0]!, 'proc'));
  await assert.rejects(box.sh('true'), /step \d+ \(mount\): .*\/?proc/);
});

test('users by name and number, groups, home and working folder', async () => {
  await using box = new RuntimeFixture();
  const who = 'id -u; id -g; id -G; echo $HOME; pwd; grep CapEff /proc/self/status';
  const byName = await box.sh(who, { user: { user: 'app', cwd: '/made/here', additionalGids: [3000] } });
  assert.equal(
    byName.stdout,
    '1000\n1000\n1000 2000 2001 3000\n/home/app\n/made/here\nCapEff:\t0000000000000000\n',
  );
  const byNumber = await box.sh('id -u; id -g; echo $HOME', { user: { user: '4242:7' } });
  assert.equal(byNumber.stdout, '4242\n7\n/\n');
  await assert.rejects(
    box.sh('true', { user: { user: 'nobody-here' } }),
    /unable to find user nobody-here: no matching/,
  );
});

test('a container joins its sandbox’s namespaces, and not those of a later process', async () => {
  await using box = new RuntimeFixture();
  const { process: _none, ...sandboxSpec } = box.spec([], { id: 'sandbox', hostname: 'pod' });
  const sandbox = await box.runtime.create(sandboxSpec);
  await box.runtime.start('sandbox');
  const joined = Object.fromEntries(
    (['net', 'ipc', 'uts'] as const).map((kind) => {
      const path = `/proc/${sandbox.pid}/ns/${kind}`;
      return [kind, { path, inode: Number(/\d+/.exec(readlinkSync(path))![0]) }];
    }),
  );
  const script = 'hostname; for n in net ipc uts; do readlink /proc/self/ns/$n; done';
  const { stdout } = await box.sh(script, { join: joined });
  const want = ['net', 'ipc', 'uts'].map((kind) => `${kind}:[${joined[kind]!.inode}]`);
  assert.deepEqual(stdout.trim().split('\n'), ['pod', ...want]);
  const stale = { net: { path: joined['net']!.path, inode: 1 } };
  await assert.rejects(box.sh('true', { join: stale }), /its holder has ended/);
  await box.runtime.kill('sandbox', 15);
  assert.equal((await box.runtime.wait('sandbox')).exitCode, 0);
});

test('limits hold: memory and pids', async () => {
  await using box = new RuntimeFixture();
  const oom = await box.sh('dd if=/dev/zero of=/dev/null bs=200M count=1', {
    resources: { memoryLimit: 32 << 20 },
  });
  assert.equal(oom.state.exitCode, 137);
  assert.equal(oom.state.oomKilled, true);
  const pids = await box.sh('for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; echo forked', {
    resources: { pidsLimit: 5 },
  });
  assert.match(pids.stderr, /fork/);
  assert.equal(pids.state.oomKilled, false);
});

test('nobody outside sees a mount, and the root is gone with the container', async () => {
  await using box = new RuntimeFixture();
  await box.runtime.create(box.spec(['sleep', '60'], { id: 'seen' }));
  assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(box.dir));
  await box.runtime.delete('seen');
  await until('the shim to end', () => box.shims().length === 0);
});
