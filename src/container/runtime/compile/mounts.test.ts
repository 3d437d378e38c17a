import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MountConfig } from '../../spec/runtime-config.ts';
import { compileCreate } from './create.ts';
import { assertOrder, context, linesOf, owned, withLinux, withMounts } from './program.test-support.ts';

test('mount options as numbers', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['nosuid,nodev,noexec,ro', 'mount ext4 /dev/x /x 15 -'],
    ['ro,rw,noatime,relatime', 'mount ext4 /dev/x /x 2097152 -'],
    ['sync,dirsync,mand,lazytime,iversion,silent', 'mount ext4 /dev/x /x 41976016 -'],
    ['sync,async,remount,nosymfollow,nodiratime', 'mount ext4 /dev/x /x 2336 -'],
    ['defaults,acl,size=5', 'mount ext4 /dev/x /x 0 acl,size=5'],
  ];
  for (const [options, line] of cases) {
    const given = withMounts({
      destination: '/x',
      type: 'ext4',
      source: '/dev/x',
      options: options.split(','),
    });
    assert.deepEqual(linesOf(given, 'mount mount-attributes'), [line]);
  }
});

test('bind options: of the mount, of all below, and its propagation', () => {
  const cases: readonly (readonly [string, string[]])[] = [
    ['bind', ['bind /s /x one 0 0 0 0 0']],
    ['rbind,ro,nosuid,dev', ['bind /s /x rec 3 4 0 0 0']],
    ['rbind,rro,rnosuid,rexec', ['bind /s /x rec 0 0 3 8 0']],
    ['bind,noatime', ['bind /s /x one 16 112 0 0 0']],
    ['bind,strictatime,atime', ['bind /s /x one 32 112 0 0 0']],
    ['rbind,rnoatime,rstrictatime,rnodiratime', ['bind /s /x rec 0 0 160 112 0']],
    ['rbind,rslave', ['bind /s /x rec 0 0 0 0 540672']],
    ['bind,slave,shared', ['bind /s /x one 0 0 0 0 524288', 'mount-attributes /x one 0 0 0 0 1048576']],
  ];
  for (const [options, lines] of cases) {
    const given = withMounts({ destination: '/x', source: '/s', options: options.split(',') });
    assert.deepEqual(linesOf(given, 'bind mount-attributes'), lines, options);
  }
});

test('a tmpfs is made read-only last, and can begin with what the image has', () => {
  const given = withMounts(
    { destination: 'a', type: 'tmpfs', source: 'tmpfs', options: ['ro', 'size=1k', 'rslave'] },
    { destination: '/b/../c', type: 'tmpfs', options: ['tmpcopyup'] },
  );
  const program = compileCreate(given, context);
  assert.deepEqual(linesOf(given, 'mount mount-copy-up mount-attributes'), [
    'mount tmpfs tmpfs /a 0 size=1k',
    'mount-attributes /a rec 0 0 0 0 540672',
    'mount-copy-up /c 0 -',
    'mount-attributes /a one 1 0 0 0 0',
  ]);
  assertOrder(program, 'mount device symlink mount-attributes pivot');
});

test('in a user namespace the parent opens what is bound; id-mapped mounts it always does', () => {
  const mounts: MountConfig[] = [
    { destination: '/x', source: '/s', options: ['rbind', 'ro'] },
    { destination: '/y', source: '/t', options: ['bind', 'ridmap'] },
  ];
  const program = compileCreate({ ...withLinux(owned), mounts }, context);
  assertOrder(program, 'tree tree tree-id-map clone enter root-bind attach attach');
  const shown = 'tree tree-id-map attach bind';
  assert.deepEqual(linesOf({ ...withLinux(owned), mounts }, shown), [
    'tree 0 /s rec 1 0 0 0 0',
    'tree 1 /t one 0 0 0 0 0',
    'tree-id-map 1 rec map 0 1000 1 0 2000 3',
    'attach 0 /x',
    'attach 1 /y',
  ]);
  const joined = withLinux({ namespaces: [{ type: 'mount' }, { type: 'user', path: '/u' }] });
  assert.deepEqual(linesOf({ ...joined, mounts }, 'tree-id-map'), ['tree-id-map 1 rec namespace /u']);
  assert.deepEqual(linesOf({ ...withLinux(owned), mounts: [mounts[0]!] }, shown, { rootless: true }), [
    'bind /s /x rec 1 0 0 0 0',
  ]);
  const maps = { uidMappings: owned.uidMappings!, gidMappings: owned.gidMappings! };
  assert.deepEqual(
    linesOf(withMounts({ destination: '/z', source: '/z', options: ['bind'], ...maps }), shown),
    ['tree 0 /z one 0 0 0 0 0', 'tree-id-map 0 one map 0 1000 1 0 2000 3', 'attach 0 /z'],
  );
});

test('cgroup mounts on v2, v1 and in between, with a cgroup namespace and without', () => {
  const mount: MountConfig = {
    destination: '/sys/fs/cgroup',
    type: 'cgroup',
    source: 'cgroup',
    options: ['nosuid', 'ro'],
  };
  const own = { ...withLinux({ namespaces: [{ type: 'mount' }, { type: 'cgroup' }] }), mounts: [mount] };
  const shared = { ...withLinux({ namespaces: [{ type: 'mount' }] }), mounts: [mount] };
  const shown = 'mount bind attach mount-attributes';
  assert.deepEqual(linesOf(own, shown), ['mount cgroup2 cgroup /sys/fs/cgroup 3 -']);
  assert.deepEqual(linesOf(shared, shown), ['mount cgroup2 cgroup /sys/fs/cgroup 3 -']);
  const inUser = {
    ...withLinux({ ...owned, namespaces: [{ type: 'mount' }, { type: 'user' }] }),
    mounts: [mount],
  };
  assert.deepEqual(linesOf(inUser, `tree ${shown}`), [
    'tree 0 /sys/fs/cgroup rec 3 0 0 0 0',
    'attach 0 /sys/fs/cgroup',
  ]);
  const hierarchies = [
    { name: 'cpu,cpuacct', path: '/cg/cpu/box', fsType: 'cgroup' as const },
    { name: 'systemd', path: '/cg/systemd/box', fsType: 'cgroup' as const },
    { name: 'unified', path: '/cg/unified/box', fsType: 'cgroup2' as const },
  ];
  assert.deepEqual(linesOf(own, `${shown} symlink`, { hierarchies }).slice(0, 7), [
    'mount tmpfs tmpfs /sys/fs/cgroup 14 mode=755,size=64k',
    'mount cgroup cgroup /sys/fs/cgroup/cpu,cpuacct 15 cpu,cpuacct',
    'mount cgroup cgroup /sys/fs/cgroup/systemd 15 name=systemd',
    'mount cgroup2 cgroup /sys/fs/cgroup/unified 15 -',
    'symlink cpu,cpuacct /sys/fs/cgroup/cpu',
    'symlink cpu,cpuacct /sys/fs/cgroup/cpuacct',
    'mount-attributes /sys/fs/cgroup one 1 0 0 0 0',
  ]);
  assert.deepEqual(linesOf(shared, shown, { hierarchies }), [
    'mount tmpfs tmpfs /sys/fs/cgroup 14 mode=755,size=64k',
    'bind /cg/cpu/box /sys/fs/cgroup/cpu,cpuacct rec 3 0 0 0 0',
    'bind /cg/systemd/box /sys/fs/cgroup/systemd rec 3 0 0 0 0',
    'bind /cg/unified/box /sys/fs/cgroup/unified rec 3 0 0 0 0',
    'mount-attributes /sys/fs/cgroup one 1 0 0 0 0',
  ]);
});

test('devices: the default ones, others in their stead, and none in a /dev of the host’s', () => {
  const devices = [
    { path: '/dev/null', type: 'c', major: 1, minor: 3, fileMode: 0o100600, uid: 5, gid: 6 },
    { path: '/dev/ptmx', type: 'c', major: 5, minor: 2 },
    { path: '/run/fifo', type: 'p' },
    { path: '/dev/raw', type: 'u', major: 9, minor: 8 },
  ];
  const lines = linesOf(withLinux({ devices }), 'device');
  assert.equal(lines[0], 'device /dev/null c 600 1 3 5 6');
  assert.deepEqual(lines.slice(6), ['device /run/fifo p 666 0 0 0 0', 'device /dev/raw c 666 9 8 0 0']);
  const host = withMounts({ destination: '/dev/', source: '/dev', options: ['rbind'] });
  assert.deepEqual(linesOf(host, 'device symlink'), []);
});
