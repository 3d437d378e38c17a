import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { isPlatformError } from '../../base/errors.ts';
import type * as v1 from '../cri/generated/types.ts';
import type { ContainerSpec } from '../runtime/runtime.ts';
import type { ImageConfig } from '../spec/image.ts';
import { containerSpec } from './container-spec.ts';
import { resolvConf } from './etc-files.ts';
import type { SandboxRecord } from './records.ts';
import { signalNumber, stopSignalOf } from './signals.ts';

function build(
  config: v1.ContainerConfig,
  image: ImageConfig['config'] = {},
  pod: v1.PodSandboxConfig = {},
): ContainerSpec {
  const sandbox: SandboxRecord = {
    id: 'sandbox1',
    phase: 'ready',
    config: { metadata: { uid: 'u-1' }, hostname: 'web', ...pod },
    runtimeHandler: '',
    createdAt: 0,
    ips: [],
    namespaces: { net: 1, ipc: 2, uts: 3, pid: 4 },
  };
  return containerSpec({
    id: 'c1',
    sandbox,
    sandboxPid: 77,
    config: { command: ['x'], ...config },
    image: { architecture: 'amd64', os: 'linux', config: image, rootfs: { type: 'layers', diff_ids: [] } },
    root: { key: 'c1', lowerDirs: ['/l'], upperDir: '/u', workDir: '/w' },
    logPath: '/log/main.log',
    etcFiles: [{ source: '/s/hosts', destination: '/etc/hosts' }],
  });
}

const args = (config: v1.ContainerConfig): readonly string[] | undefined =>
  build(config, { Entrypoint: ['e'], Cmd: ['c'] }).process?.args;

test('command and args override entrypoint and cmd as Kubernetes has it', () => {
  assert.deepEqual(args({ command: [] }), ['e', 'c']);
  assert.deepEqual(args({ command: [], args: ['a'] }), ['e', 'a']);
  assert.deepEqual(args({ command: ['x'] }), ['x']);
  assert.deepEqual(args({ command: ['x'], args: ['a'] }), ['x', 'a']);
  assert.throws(
    () => build({ command: [] }),
    (error) => isPlatformError(error, 'invalid'),
  );
});

test('the environment is the image’s, overridden by name', () => {
  const envs = [
    { key: 'B', value: Buffer.from('2=two') },
    { key: 'C', value: Buffer.from('') },
  ];
  const env = build({ envs }, { Env: ['A=1', 'B=1'] }).process?.env;
  assert.deepEqual(env, ['HOSTNAME=web', 'A=1', 'B=2=two', 'C=']);
});

const user = (security: v1.LinuxContainerSecurityContext, imageUser = ''): string | undefined =>
  build({ linux: { securityContext: security } }, { User: imageUser }).process?.user;

test('the user is the pod’s, else the image’s', () => {
  assert.equal(user({}), '');
  assert.equal(user({}, 'app:web'), 'app:web');
  assert.equal(user({ runAsUser: { value: 0 } }, 'app'), '0');
  assert.equal(user({ runAsUser: { value: 5 }, runAsGroup: { value: 6 } }), '5:6');
  assert.equal(user({ runAsGroup: { value: 6 } }, 'app:web'), 'app:6');
  assert.equal(user({ runAsUsername: 'bob' }), 'bob');
});

test('namespaces are joined by path and inode', () => {
  const join = build({ linux: { securityContext: { namespaceOptions: { pid: 'CONTAINER' } } } }).join;
  assert.deepEqual(join, {
    net: { path: '/proc/77/ns/net', inode: 1 },
    ipc: { path: '/proc/77/ns/ipc', inode: 2 },
    uts: { path: '/proc/77/ns/uts', inode: 3 },
  });
  assert.equal(build({}).join?.pid?.inode, 4);
});

test('a pod on the host’s network joins no network namespace and has the host’s name', () => {
  const host = { linux: { securityContext: { namespaceOptions: { network: 'NODE' } } } } as const;
  const spec = build({}, {}, host);
  assert.equal(spec.hostNetwork, true);
  assert.equal(spec.join?.net, undefined);
  assert.equal(spec.hostname, hostname());
});

test('a pod’s own mount of an /etc file wins; relative paths are refused by field', () => {
  const mounts = [{ containerPath: '/etc/hosts', hostPath: '/pod/hosts', readonly: true }];
  assert.deepEqual(build({ mounts }).mounts, [
    { source: '/pod/hosts', destination: '/etc/hosts', readonly: true },
  ]);
  assert.throws(
    () => build({ mounts: [{ containerPath: 'etc', hostPath: '/x' }] }),
    /mounts\.containerPath "etc"/,
  );
});

test('limits: zero means none, and there is no limit of processes by default', () => {
  const linux = { resources: { cpuQuota: 50_000, cpuShares: 0, memoryLimitInBytes: 1 << 20 } };
  assert.deepEqual(build({ linux }).resources, {
    cpuQuota: 50_000,
    cpuPeriod: 100_000,
    memoryLimit: 1 << 20,
  });
});

test('signals by any of their names', () => {
  assert.deepEqual(
    ['SIGTERM', 'term', '15', 'SIGRTMIN+3', 'SIGRTMINPLUS3', 'SIGRTMAX-2'].map(signalNumber),
    [15, 15, 15, 37, 37, 62],
  );
  assert.throws(
    () => signalNumber('SIGNOPE'),
    (error) => isPlatformError(error, 'invalid'),
  );
  assert.throws(() => signalNumber('99'), /not a signal/);
  assert.deepEqual(
    [
      stopSignalOf(undefined, undefined),
      stopSignalOf('RUNTIME_DEFAULT', 'SIGINT'),
      stopSignalOf('SIGHUP', 'SIGINT'),
    ],
    [15, 2, 1],
  );
});

test('resolv.conf says what was asked for', () => {
  const dns = { servers: ['10.0.0.1'], searches: ['a.b', 'b'], options: ['ndots:5'] };
  assert.equal(resolvConf(dns), 'search a.b b\nnameserver 10.0.0.1\noptions ndots:5\n');
  assert.equal(resolvConf({}), undefined);
});
