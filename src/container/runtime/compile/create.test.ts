import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RuntimeConfig } from '../../spec/runtime-config.ts';
import type { SeccompProgram } from '../seccomp/compile-seccomp.ts';
import { compileCreate } from './create.ts';
import { compileExec } from './exec.ts';
import {
  assertOrder,
  config,
  context,
  linesOf,
  owned,
  process,
  text,
  TYPES,
  withLinux,
  withProcess,
} from './program.test-support.ts';

test('the whole program of a small container', () => {
  const small = config({
    hostname: 'box',
    root: { path: 'rootfs', readonly: true },
    process: {
      ...process,
      terminal: true,
      consoleSize: { height: 24, width: 80 },
      noNewPrivileges: true,
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1024, hard: 2 ** 64 }],
      capabilities: {
        bounding: ['CAP_KILL'],
        effective: ['CAP_KILL'],
        permitted: ['CAP_KILL', 'CAP_OF_TOMORROW'],
      },
    },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      {
        destination: '/dev',
        type: 'tmpfs',
        source: 'tmpfs',
        options: ['nosuid', 'strictatime', 'mode=755', 'ro'],
      },
      { destination: '/data', type: 'bind', source: 'data', options: ['rbind', 'ro', 'rprivate'] },
    ],
    linux: {
      namespaces: [...TYPES, 'cgroup' as const].map((type) => ({ type })),
      maskedPaths: ['/proc/kcore'],
      readonlyPaths: ['/proc/sys/'],
      sysctl: { 'net.ipv4.conf.eth0/1.rp_filter': '1' },
    },
  });
  assert.deepEqual(text(compileCreate(small, context)), [
    'listen /run/box',
    'cgroup /cg/box/cgroup.procs',
    'clone mnt pid net ipc uts',
    'rlimit 7 1024 18446744073709551615',
    'enter',
    'keyring _ses.box',
    'unshare-cgroup',
    'loopback',
    'hostname box',
    'propagation rslave',
    'root-bind /bundle/rootfs',
    'mount proc proc /proc 0 -',
    'mount tmpfs tmpfs /dev 16777218 mode=755',
    'bind /bundle/data /data rec 1 0 0 0 278528',
    'device /dev/null c 666 1 3 0 0',
    'device /dev/zero c 666 1 5 0 0',
    'device /dev/full c 666 1 7 0 0',
    'device /dev/random c 666 1 8 0 0',
    'device /dev/urandom c 666 1 9 0 0',
    'device /dev/tty c 666 5 0 0 0',
    'symlink pts/ptmx /dev/ptmx',
    'symlink /proc/self/fd /dev/fd',
    'symlink /proc/self/fd/0 /dev/stdin',
    'symlink /proc/self/fd/1 /dev/stdout',
    'symlink /proc/self/fd/2 /dev/stderr',
    'symlink /proc/kcore /dev/core',
    'console 24 80 bind',
    'session',
    'cwd /',
    'mount-attributes /dev one 1 0 0 0 0',
    'remount-readonly /',
    'sysctl net/ipv4/conf/eth0.1/rp_filter 1',
    'readonly /proc/sys',
    'mask /proc/kcore -',
    'pivot',
    'umask 22',
    'environment PATH=/bin',
    'cwd /',
    'ids 0 0 set-groups',
    'home',
    'arguments sh',
    'no-new-privileges',
    'bounding 0000000000000020',
    'identity',
    'capabilities 0000000000000020 0000000000000020 0000000000000000 0000000000000000',
    'find-program',
    'created',
    'exec',
  ]);
});

test('namespaces: new, joined, and the runtime’s own', () => {
  const mixed = withLinux({
    namespaces: [
      { type: 'pid', path: '/proc/5/ns/pid' },
      { type: 'mount' },
      { type: 'time' },
      { type: 'cgroup', path: '/proc/5/ns/cgroup' },
    ],
    timeOffsets: { monotonic: { secs: -5 }, boottime: { secs: 7, nanosecs: 9 } },
  });
  assert.deepEqual(linesOf(mixed, 'join clone time-offset unshare-cgroup loopback'), [
    'join pid /proc/5/ns/pid 0',
    'join cgroup /proc/5/ns/cgroup 0',
    'time-offset monotonic -5 0',
    'time-offset boottime 7 9',
    'clone mnt time',
  ]);
  const none = withLinux({ namespaces: [] });
  assert.deepEqual(linesOf(none, 'clone propagation root-bind pivot chroot'), [
    'clone',
    'root-bind /bundle/rootfs',
    'chroot /bundle/rootfs',
  ]);
  assert.deepEqual(linesOf(config(), 'pivot move-root', { noPivot: true }), ['move-root']);
});

test('id maps, by whom they are written, and what follows for groups', () => {
  const root = withLinux(owned);
  const shown = 'deny-setgroups id-map ids';
  assert.deepEqual(linesOf(root, shown), [
    'id-map uid file 0 1000 1',
    'id-map gid file 0 2000 3',
    'ids 0 0 set-groups',
  ]);
  assert.deepEqual(linesOf(root, shown, { rootless: true }), [
    'deny-setgroups',
    'id-map uid file 0 1000 1',
    'id-map gid file 0 2000 3',
    'ids 0 0 keep-groups',
  ]);
  assert.deepEqual(linesOf(root, shown, { rootless: true, idMapBy: 'helper' }), [
    'id-map uid helper 0 1000 1',
    'id-map gid helper 0 2000 3',
    'ids 0 0 set-groups',
  ]);
  assert.throws(
    () => compileCreate(config(), { ...context, rootless: true }),
    /^PlatformError: linux.namespaces: an ordinary user/,
  );
});

test('propagation of the host’s mounts first, of the root last', () => {
  const cases: readonly (readonly [string, string[]])[] = [
    ['', ['propagation rslave']],
    ['private', ['propagation private']],
    ['rslave', ['propagation rslave']],
    ['shared', ['propagation shared', 'root-propagation shared']],
    ['runbindable', ['propagation rprivate', 'root-propagation runbindable']],
  ];
  for (const [rootfsPropagation, lines] of cases) {
    assert.deepEqual(linesOf(withLinux({ rootfsPropagation }), 'propagation root-propagation'), lines);
  }
  const unsafe = { ...context, noPivot: true };
  assert.throws(
    () => compileCreate(withLinux({ rootfsPropagation: 'rprivate' }), unsafe),
    /not safe without pivot_root/,
  );
});

test('hooks in their order, with their state, where runc has them', () => {
  const hook = (name: string) => [{ path: `/h/${name}`, args: [name, 'x'], env: ['E=1'], timeout: 2 }];
  const given = config({
    hooks: {
      prestart: hook('a'),
      createRuntime: hook('b'),
      createContainer: hook('c'),
      startContainer: [{ path: '/h/d' }],
      poststart: hook('e'),
      poststop: hook('f'),
    },
  });
  assert.deepEqual(
    linesOf(given, 'enter leave hook-state hook root-bind pivot created exec', { environment: ['C=1'] }),
    [
      'enter',
      'root-bind /bundle/rootfs',
      'leave',
      'hook-state {"ociVersion":"1.2.0","id":"box","status":"created","pid": ,"bundle":"/bundle"} /bundle',
      'hook hooks.prestart[0] /h/a 2000 2 a x E=1',
      'hook-state {"ociVersion":"1.2.0","id":"box","status":"creating","pid": ,"bundle":"/bundle"} /bundle',
      'hook hooks.createRuntime[0] /h/b 2000 2 b x E=1',
      'enter',
      'hook-state {"ociVersion":"1.2.0","id":"box","status":"creating","pid": ,"bundle":"/bundle"}',
      'hook hooks.createContainer[0] /h/c 2000 2 c x E=1',
      'pivot',
      'created',
      'hook-state {"ociVersion":"1.2.0","id":"box","status":"created","pid": ,"bundle":"/bundle"}',
      'hook hooks.startContainer[0] /h/d 0 1 /h/d PATH=/bin',
      'exec',
    ],
  );
});

const filter: SeccompProgram = { filter: Buffer.from('0600000000ff7f00', 'hex'), flags: 4 };

test('seccomp: early where only CAP_SYS_ADMIN may, late where anybody may', () => {
  const seccomp = { ...context, seccomp: filter };
  assertOrder(compileCreate(config(), seccomp), 'pivot seccomp bounding identity capabilities created exec');
  const late = compileCreate(withProcess({ noNewPrivileges: true }), seccomp);
  assertOrder(late, 'no-new-privileges bounding identity capabilities created seccomp exec');
  assert.deepEqual(linesOf(config(), 'seccomp', { seccomp: filter }), ['seccomp 4 0600000000ff7f00']);
});

test('a seccomp agent is connected to by the parent, and told of the process', () => {
  const seccomp = { ...filter, flags: 8, listener: { path: '/a.sock', metadata: 'm' } };
  assert.deepEqual(linesOf(config(), 'seccomp-listener seccomp clone', { seccomp }), [
    'seccomp-listener /a.sock',
    'clone mnt pid net ipc uts',
    'seccomp 8 0600000000ff7f00 {"ociVersion":"1.2.0","fds":["seccompFd"],"pid": ,"metadata":"m","state":{"ociVersion":"1.2.0","id":"box","status":"creating","bundle":"/bundle"}}',
  ]);
});

test('attributes of the process', () => {
  const given: RuntimeConfig = {
    ...withProcess({
      user: { uid: 7, gid: 8, additionalGids: [9, 10], umask: 0o27 },
      env: ['A=1', 'HOME=', 'A=2'],
      cwd: '/x//y/',
      oomScoreAdj: 5,
      scheduler: { policy: 'SCHED_FIFO', priority: 3, flags: ['SCHED_FLAG_RESET_ON_FORK'] },
      ioPriority: { class: 'IOPRIO_CLASS_BE', priority: 4 },
      apparmorProfile: 'profile',
      selinuxLabel: 'label',
      capabilities: { ambient: ['CAP_NET_RAW'], inheritable: ['CAP_CHOWN'] },
    }),
    domainname: 'example',
    linux: {
      namespaces: [{ type: 'uts' }, { type: 'mount' }],
      personality: { domain: 'LINUX32' },
      mountLabel: 'x',
      maskedPaths: ['/y'],
    },
  };
  const shown =
    'domainname oom-score-adj personality scheduler io-priority umask environment cwd ids home apparmor-profile selinux-label bounding capabilities mask';
  assert.deepEqual(linesOf(given, shown), [
    'oom-score-adj 5 strict',
    'domainname example',
    'mask /y context="x"',
    'personality 8',
    'scheduler 1 1 0 3 0 0 0',
    'io-priority 16388',
    'umask 27',
    'environment A=2',
    'cwd /x/y',
    'ids 7 8 set-groups 9 10',
    'home',
    'apparmor-profile profile',
    'selinux-label label',
    'bounding 0000000000000000',
    'capabilities 0000000000000000 0000000000000000 0000000000000001 0000000000002000',
  ]);
});

test('what the caller asked the front for', () => {
  const parent = {
    type: 'front' as const,
    stateFolder: '/run/box',
    preserveFds: 2,
    consoleTo: { type: 'socket' as const, path: '/c.sock' },
    askForCgroup: true,
  };
  assert.deepEqual(
    linesOf(withProcess({ terminal: true }), 'preserve-fds console-to listen cgroup ask console keyring', {
      parent,
      procsFiles: [],
      noNewKeyring: true,
    }),
    ['preserve-fds 2', 'console-to socket /c.sock', 'listen /run/box', 'ask cgroup', 'console 0 0 bind'],
  );
  const { process: _, ...without } = config();
  assert.deepEqual(text(compileCreate(without, context)).slice(-3), ['pivot', 'created', 'exec']);
});

test('one process more', () => {
  const program = compileExec(
    {
      ...process,
      terminal: true,
      noNewPrivileges: true,
      execCPUAffinity: { initial: '0', final: '0-1' },
      rlimits: [{ type: 'RLIMIT_CORE', soft: 0, hard: 0 }],
      oomScoreAdj: 1,
    },
    config(),
    {
      id: 'box',
      pid: 77,
      startTime: '1234',
      consoleTo: { type: 'relay' },
      procsFiles: ['/cg/box/cgroup.procs'],
      seccomp: filter,
      state: context.state,
      wait: true,
    },
  );
  assert.deepEqual(text(program), [
    'console-to relay',
    'cpu-affinity 0',
    'join-process 77 1234',
    'cgroup /cg/box/cgroup.procs',
    'clone',
    'rlimit 4 0 0',
    'oom-score-adj 1 strict',
    'enter',
    'cpu-affinity 0-1',
    'keyring _ses.box',
    'console 0 0 -',
    'session',
    'umask 22',
    'environment PATH=/bin',
    'cwd / there',
    'ids 0 0 set-groups',
    'home',
    'arguments sh',
    'no-new-privileges',
    'bounding 0000000000000000',
    'identity',
    'capabilities 0000000000000000 0000000000000000 0000000000000000 0000000000000000',
    'find-program',
    'seccomp 4 0600000000ff7f00',
    'exec',
    'wait',
  ]);
});
