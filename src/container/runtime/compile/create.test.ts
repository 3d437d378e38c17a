import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LinuxConfig, MountConfig, ProcessConfig, RuntimeConfig } from '../../spec/runtime-config.ts';
import type { Instruction } from '../program/instructions.ts';
import type { SeccompProgram } from '../seccomp/compile-seccomp.ts';
import type { CreateContext } from './context.ts';
import { compileCreate } from './create.ts';
import { compileExec } from './exec.ts';

const context: CreateContext = {
  id: 'box',
  bundle: '/bundle',
  rootless: false,
  parent: { type: 'front', stateFolder: '/run/box' },
  root: { type: 'path', path: '/bundle/rootfs' },
  procsFiles: ['/cg/box/cgroup.procs'],
  hierarchies: [{ name: '', path: '/cg/box', fsType: 'cgroup2' }],
  state: (status) => ({ ociVersion: '1.2.0', id: 'box', status, bundle: '/bundle' }),
  hasKcore: true,
};

const process: ProcessConfig = { user: { uid: 0, gid: 0 }, args: ['sh'], env: ['PATH=/bin'], cwd: '/' };
const TYPES = ['pid', 'network', 'mount', 'ipc', 'uts'] as const;

function config(changes: Partial<RuntimeConfig> = {}): RuntimeConfig {
  return {
    ociVersion: '1.2.0',
    root: { path: 'rootfs' },
    process,
    linux: { namespaces: TYPES.map((type) => ({ type })) },
    ...changes,
  };
}

const withLinux = (linux: LinuxConfig): RuntimeConfig =>
  config({ linux: { namespaces: TYPES.map((type) => ({ type })), ...linux } });
const withProcess = (changes: Partial<ProcessConfig>): RuntimeConfig =>
  config({ process: { ...process, ...changes } });
const withMounts = (...mounts: MountConfig[]): RuntimeConfig => config({ mounts });

const text = (program: readonly Instruction[]): string[] =>
  program.map(({ opcode, args }) => [opcode, ...args.map((arg) => (arg === '' ? '-' : arg))].join(' '));

/** The lines of these opcodes. */
function linesOf(given: RuntimeConfig, opcodes: string, changes: Partial<CreateContext> = {}): string[] {
  const wanted = new Set(opcodes.split(' '));
  return text(compileCreate(given, { ...context, ...changes }).filter(({ opcode }) => wanted.has(opcode)));
}

function assertOrder(program: readonly Instruction[], opcodes: string): void {
  const all = program.map(({ opcode }) => opcode as string);
  let at = 0;
  for (const opcode of opcodes.split(' ')) {
    const found = all.indexOf(opcode, at);
    assert.ok(found >= 0, `${opcode} after ${all.slice(0, at).join(' ')}`);
    at = found + 1;
  }
}

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
    'clone mnt pid net ipc uts',
    'cgroup /cg/box/cgroup.procs',
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

const owned: LinuxConfig = {
  namespaces: [...TYPES, 'user' as const].map((type) => ({ type })),
  uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
  gidMappings: [{ containerID: 0, hostID: 2000, size: 3 }],
};

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
      'hook-state {"ociVersion":"1.2.0","id":"box","status":"creating","pid": ,"bundle":"/bundle"} /bundle',
      'hook hooks.prestart[0] /h/a 2000 2 a x E=1',
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
    'clone',
    'cgroup /cg/box/cgroup.procs',
    'rlimit 4 0 0',
    'oom-score-adj 1 strict',
    'enter',
    'cpu-affinity 0-1',
    'keyring _ses.box',
    'console 0 0 -',
    'session',
    'umask 22',
    'environment PATH=/bin',
    'cwd /',
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
