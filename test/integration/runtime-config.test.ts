/** What a configuration asks for, field by field, is what its process finds: compiled, and executed by the kernel. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { compileCreate } from '../../src/container/runtime/compile/create.ts';
import { parseRuntimeConfig } from '../../src/container/runtime/config/validate.ts';
import { encodeProgram } from '../../src/container/runtime/program/program-text.ts';
import { compileSeccomp } from '../../src/container/runtime/seccomp/compile-seccomp.ts';
import { ShimConnection } from '../../src/container/runtime/shim-connection.ts';
import { startShim } from '../../src/container/runtime/shim-process.ts';
import type { LinuxConfig, ProcessConfig, RuntimeConfig } from '../../src/container/spec/runtime-config.ts';
import { RuntimeFixture, SHIM, streamOf } from '../fixtures/runtime-fixture.ts';

type Changes = Omit<Partial<RuntimeConfig>, 'process' | 'linux'> & {
  readonly process?: Partial<ProcessConfig>;
  readonly linux?: LinuxConfig;
};

const TYPES = ['pid', 'network', 'mount', 'ipc', 'uts', 'cgroup'] as const;
const OWN = TYPES.map((type) => ({ type }));
const PROC = { destination: '/proc', type: 'proc', source: 'proc' };
const DEV = { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] };

/** The script's output in a container of this configuration, which is checked as one from outside is. */
async function outputOf(box: RuntimeFixture, script: string, changes: Changes): Promise<string> {
  const folder = mkdtempSync(join(box.dir, 'shim-'));
  const [rootfs] = box.root.lowerDirs;
  const text = JSON.stringify({
    ociVersion: '1.2.0',
    root: { path: rootfs },
    mounts: [PROC, DEV],
    ...changes,
    process: {
      user: { uid: 0, gid: 0 },
      args: ['sh', '-c', script],
      env: ['PATH=/bin'],
      cwd: '/',
      capabilities: { bounding: ALL, effective: ALL, permitted: ALL },
      ...changes.process,
    },
    linux: { namespaces: OWN, ...changes.linux },
  });
  const config = parseRuntimeConfig(text, 'config.json');
  const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
  const profile = config.linux?.seccomp;
  const program = compileCreate(config, {
    id: 'box',
    bundle: box.dir,
    rootless: false,
    parent: {
      type: 'shim',
      output: { type: 'log', terminal: false, input: 'empty', path: join(folder, 'log') },
      init: 'become',
    },
    root: { type: 'path', path: rootfs! },
    procsFiles: [],
    hierarchies: [],
    ...(profile === undefined ? {} : { seccomp: compileSeccomp(profile, { arch }) }),
    state: (status) => ({ ociVersion: '1.2.0', id: 'box', status, bundle: box.dir }),
  });
  writeFileSync(join(folder, 'program'), encodeProgram(program));
  await startShim({
    shimPath: SHIM,
    folder,
    containerId: 'box',
    foreground: false,
    environment: {},
  });
  using connection = (await ShimConnection.open(join(folder, 'shim.sock')))!;
  const ended = connection.request('wait');
  await connection.request('start');
  await ended;
  await connection.ended;
  const log = readFileSync(join(folder, 'log'), 'utf8');
  assert.equal(streamOf(log, 'stderr'), '');
  return streamOf(log, 'stdout');
}

const ALL = 'CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_ADMIN SYS_ADMIN SYS_NICE MKNOD'
  .split(' ')
  .map((name) => `CAP_${name}`);

/** By mount point: options, and the optional fields with the propagation. */
const mountsIn = (text: string): Map<string, string> =>
  new Map(
    text
      .trim()
      .split('\n')
      .map((line) => {
        const [, , , , path = '', options = '', ...rest] = line.split(' ');
        return [path, `${options} ${rest.slice(0, rest.indexOf('-')).join(' ')}`.trim()];
      }),
  );

test('bind mounts: options of the mount, of all below, and propagation', async () => {
  await using box = new RuntimeFixture();
  mkdirSync(join(box.dir, 'data/inner'), { recursive: true });
  const bind = (destination: string, ...options: string[]) => ({ destination, source: 'data', options });
  const output = await outputOf(box, 'cat /proc/self/mountinfo', {
    mounts: [
      PROC,
      DEV,
      bind('/a', 'rbind', 'ro', 'nosuid', 'nodev', 'noexec', 'private'),
      bind('/b', 'bind', 'noatime', 'nodiratime'),
      bind('/c', 'rbind', 'rro', 'rstrictatime', 'rshared'),
      bind('/d', 'rbind', 'rslave', 'rshared'),
      { destination: '/e', type: 'tmpfs', source: 'x', options: ['ro', 'size=1m', 'nosymfollow'] },
      { destination: '/f', type: 'tmpfs', options: ['unbindable', 'nosuid', 'noexec', 'noatime'] },
    ],
  });
  const mounts = mountsIn(output);
  assert.match(mounts.get('/a')!, /^ro,nosuid,nodev,noexec,relatime$/);
  assert.match(mounts.get('/b')!, /^rw,noatime,nodiratime( |$)/);
  assert.match(mounts.get('/c')!, /^ro shared:\d+/);
  assert.match(mounts.get('/d')!, /^rw,relatime shared:\d+/);
  assert.match(mounts.get('/e')!, /^ro,(relatime,)?nosymfollow|^ro,nosymfollow/);
  assert.match(mounts.get('/f')!, /^rw,nosuid,noexec,noatime unbindable$/);
});

test('a tmpfs begins with what the image has, with its owners and modes', async () => {
  await using box = new RuntimeFixture();
  const folder = join(box.root.lowerDirs[0]!, 'srv');
  mkdirSync(join(folder, 'sub'), { recursive: true });
  writeFileSync(join(folder, 'sub/file'), 'content');
  chownSync(join(folder, 'sub/file'), 7, 8);
  chmodSync(join(folder, 'sub/file'), 0o640);
  const script = 'cat /srv/sub/file; stat -c " %u %g %a" /srv/sub/file; echo changed > /srv/sub/file';
  const output = await outputOf(box, script, {
    mounts: [PROC, DEV, { destination: '/srv', type: 'tmpfs', options: ['tmpcopyup'] }],
  });
  assert.equal(output, 'content 7 8 640\n');
  assert.equal(readFileSync(join(folder, 'sub/file'), 'utf8'), 'content');
});

const USER: LinuxConfig = {
  namespaces: [...OWN, { type: 'user' }],
  uidMappings: [{ containerID: 0, hostID: 100_000, size: 1000 }],
  gidMappings: [{ containerID: 0, hostID: 200_000, size: 1000 }],
};

/** What a caller does to a bundle for a user namespace: its root is the namespace's root's, and can be reached. */
function giveTo(box: RuntimeFixture, user: number, group: number): void {
  execFileSync('chown', ['-R', `${user}:${group}`, box.root.lowerDirs[0]!]);
  chmodSync(box.dir, 0o755);
}

test('a user namespace of its own, with mounts that its ids could not reach', async () => {
  await using box = new RuntimeFixture();
  const secret = join(box.dir, 'secret');
  mkdirSync(secret, { mode: 0o700 });
  mkdirSync(join(secret, 'shared'));
  writeFileSync(join(secret, 'shared/file'), 'reached\n');
  giveTo(box, 100_000, 200_000);
  const script =
    'cat /proc/self/uid_map /proc/self/gid_map; cat /m/file; id -u; ls -ln /m/file | cut -d" " -f3-8; test -c /dev/null && echo null';
  const output = await outputOf(box, script, {
    mounts: [PROC, DEV, { destination: '/m', source: join(secret, 'shared'), options: ['rbind', 'ro'] }],
    linux: USER,
  });
  assert.deepEqual(output.trim().split(/\s+/).slice(0, 8), [
    '0',
    '100000',
    '1000',
    '0',
    '200000',
    '1000',
    'reached',
    '0',
  ]);
  assert.match(output, /65534.*\nnull\n$/s);
});

test('an id-mapped mount shows the owners that it maps to', async () => {
  await using box = new RuntimeFixture();
  const folder = join(box.dir, 'owned');
  mkdirSync(folder);
  writeFileSync(join(folder, 'file'), '');
  chownSync(join(folder, 'file'), 5, 6);
  const mounts = [
    PROC,
    DEV,
    {
      destination: '/m',
      source: folder,
      options: ['bind'],
      uidMappings: [{ containerID: 0, hostID: 1000, size: 100 }],
      gidMappings: [{ containerID: 0, hostID: 2000, size: 100 }],
    },
  ];
  assert.equal(await outputOf(box, 'stat -c "%u %g" /m/file', { mounts }), '1005 2006\n');
  const own = { destination: '/m', source: folder, options: ['rbind', 'ridmap'] };
  giveTo(box, 100_000, 200_000);
  const inside = await outputOf(box, 'stat -c "%u %g" /m/file', { mounts: [PROC, DEV, own], linux: USER });
  assert.equal(inside, '5 6\n');
});

test('time offsets, host and domain name, sysctls', async () => {
  await using box = new RuntimeFixture();
  const script =
    'cat /proc/self/timens_offsets; hostname; cat /proc/sys/kernel/domainname /proc/sys/kernel/shmmax /proc/sys/net/ipv4/ip_forward';
  const output = await outputOf(box, script, {
    hostname: 'one',
    domainname: 'two.example',
    linux: {
      namespaces: [...OWN, { type: 'time' }],
      timeOffsets: { monotonic: { secs: 3600 }, boottime: { secs: 7200, nanosecs: 5 } },
      sysctl: { 'kernel.shmmax': '4096', 'net.ipv4.ip_forward': '1' },
    },
  });
  assert.deepEqual(output.trim().split(/\s+/), [
    ...['monotonic', '3600', '0', 'boottime', '7200', '5'],
    ...['one', 'two.example', '4096', '1'],
  ]);
});

test('attributes of the process', async () => {
  await using box = new RuntimeFixture();
  const script = [
    'id',
    'umask',
    'echo "$HOME $A"',
    'pwd',
    'ulimit -Sc; ulimit -Hc',
    'uname -m',
    'grep -E "^(Cap|NoNewPrivs)" /proc/self/status | cut -f2 | tr "\\n" " "; echo',
    'ionice -p $$',
    'cut -d" " -f19,41 /proc/$$/stat',
  ].join('\n');
  const output = await outputOf(box, script, {
    process: {
      user: { uid: 1000, gid: 1001, umask: 0o27, additionalGids: [2000] },
      env: ['PATH=/bin', 'A=1', 'A=2'],
      cwd: '/made/now',
      rlimits: [{ type: 'RLIMIT_CORE', soft: 0, hard: 512 }],
      noNewPrivileges: true,
      capabilities: {
        bounding: ['CAP_KILL'],
        permitted: ['CAP_KILL'],
        inheritable: ['CAP_KILL'],
        ambient: ['CAP_KILL'],
      },
      scheduler: { policy: 'SCHED_BATCH', nice: 5 },
      ioPriority: { class: 'IOPRIO_CLASS_BE', priority: 6 },
    },
    linux: { personality: { domain: 'LINUX' } },
  });
  const kill = '0000000000000020';
  assert.deepEqual(output.trimEnd().split('\n'), [
    'uid=1000(app) gid=1001(web) groups=2000(logs)',
    '0027',
    '/home/app 2',
    '/made/now',
    '0',
    '1',
    process.arch === 'arm64' ? 'aarch64' : 'x86_64',
    `${kill} ${kill} ${kill} ${kill} ${kill} 1 `,
    'best-effort: prio 6',
    '5 3',
  ]);
});

test('devices, links, masks and what is read-only', async () => {
  await using box = new RuntimeFixture();
  const script = [
    'stat -c "%F %t %T %a %u" /dev/null /dev/zero /dev/fifo',
    'readlink /dev/fd; readlink /dev/ptmx',
    'wc -c < /etc/group; ls /home; touch /var/x 2>&1; touch /new 2>&1',
  ].join('\n');
  const output = await outputOf(box, script, {
    root: { path: box.root.lowerDirs[0]!, readonly: true },
    linux: {
      devices: [{ path: '/dev/fifo', type: 'p', fileMode: 0o600, uid: 7 }],
      maskedPaths: ['/etc/group', '/home', '/not/there'],
      readonlyPaths: ['/var'],
    },
  });
  assert.deepEqual(output.trimEnd().split('\n'), [
    'character special file 1 3 666 0',
    'character special file 1 5 666 0',
    'fifo 0 0 600 7',
    '/proc/self/fd',
    'pts/ptmx',
    '0',
    'touch: /var/x: Read-only file system',
    'touch: /new: Read-only file system',
  ]);
});

for (const noNewPrivileges of [true, false]) {
  test(`a filter is in force, ${noNewPrivileges ? 'with' : 'without'} no_new_privs`, async () => {
    await using box = new RuntimeFixture();
    const output = await outputOf(box, 'mkdir /tmp/x 2>&1; grep Seccomp: /proc/self/status', {
      process: { noNewPrivileges },
      linux: {
        seccomp: {
          defaultAction: 'SCMP_ACT_ALLOW',
          syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 }],
        },
      },
    });
    assert.match(output, /Function not implemented\nSeccomp:\t2\n/);
  });
}

test('hooks read the state, in order, inside and outside', async () => {
  await using box = new RuntimeFixture();
  const log = join(box.dir, 'hooks');
  const outside = (name: string) => ({
    path: '/bin/sh',
    args: ['sh', '-c', `echo "${name} $(pwd)" >> ${log}; cat >> ${log}; echo >> ${log}`],
    env: ['PATH=/bin:/usr/bin'],
  });
  const output = await outputOf(box, 'cat /started', {
    hooks: {
      prestart: [outside('prestart')],
      createRuntime: [outside('createRuntime')],
      createContainer: [outside('createContainer')],
      startContainer: [
        { path: '/bin/sh', args: ['sh', '-c', 'cat > /started; echo " $HOOK" >> /started'], env: ['HOOK=1'] },
      ],
    },
  });
  const lines = readFileSync(log, 'utf8').trim().split('\n');
  const states = [1, 3, 5].map((index) => JSON.parse(lines[index]!) as { status: string; pid: number });
  const names = [0, 2, 4].map((index) => lines[index]);
  assert.deepEqual(names.slice(0, 2), [`prestart ${box.dir}`, `createRuntime ${box.dir}`]);
  assert.match(names[2]!, /^createContainer \//);
  assert.deepEqual(
    states.map(({ status }) => status),
    ['created', 'creating', 'creating'],
  );
  assert.ok(states[0]!.pid > 1);
  assert.match(output, /"status":"created","pid":\d+,"bundle":"[^"]+"\} 1\n$/);
});

test('the root is shared when asked for, and nobody’s peer otherwise', async () => {
  await using box = new RuntimeFixture();
  const rootIn = (text: string): string => mountsIn(text).get('/') ?? '';
  const shared = await outputOf(box, 'cat /proc/self/mountinfo', { linux: { rootfsPropagation: 'rshared' } });
  assert.match(rootIn(shared), / shared:\d+$/);
  const own = await outputOf(box, 'cat /proc/self/mountinfo', {});
  assert.doesNotMatch(rootIn(own), /shared/);
});
