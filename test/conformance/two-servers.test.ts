/** Two servers of one cluster, as a user starts them: one etcd, one set of keys, and controllers that take turns. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startEtcd, type TestEtcd } from '../fixtures/etcd.ts';
import { eventually } from '../fixtures/eventually.ts';
import { kubectlFor } from '../fixtures/kubectl.ts';
import { runProgram, SAMPAN } from '../fixtures/sampan.ts';

describe('two servers on one etcd', () => {
  let dir: string;
  let etcd: TestEtcd;
  const names = ['one', 'two'];

  const sampan = async (command: string, name: string, ...args: readonly string[]): Promise<string> => {
    const ran = await runProgram([SAMPAN, command, '--data-dir', join(dir, name), ...args]);
    assert.equal(ran.code, 0, `${command} ${name}: ${ran.stderr}`);
    return ran.stdout;
  };

  const ok = async (name: string, ...args: readonly string[]): Promise<string> => {
    const ran = await kubectlFor(join(dir, name, 'kubeconfig'))(args);
    assert.equal(ran.code, 0, `${name}: kubectl ${args.join(' ')}: ${ran.stderr}`);
    return ran.stdout;
  };

  const pidOf = async (name: string): Promise<number> => {
    const { daemon } = JSON.parse(await sampan('status', name, '-o', 'json')) as { daemon: { pid: number } };
    return daemon.pid;
  };

  const leader = (name: string, lease: string): Promise<string> =>
    ok(name, 'get', 'lease', '-n', 'kube-system', lease, '-o', 'jsonpath={.spec.holderIdentity}');

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sampan-two-'));
    etcd = await startEtcd();
    const shared = ['--datastore', etcd.url, '--pki', join(dir, 'pki'), '--service-cidr', '10.111.0.0/16'];
    for (const name of names) await sampan('up', name, '--no-node', '--port', '0', '--detach', ...shared);
  });

  after(async () => {
    for (const name of names) await sampan('down', name);
    await etcd[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  test('each takes the tokens and the keys of the other', async () => {
    await eventually('the account', async () =>
      (await ok('two', 'get', 'serviceaccounts')).includes('default'),
    );
    const token = await ok('one', 'create', 'token', 'default');
    const kubectl = kubectlFor(join(dir, 'two', 'kubeconfig'));
    const reviewed = await kubectl(
      ['create', '-f', '-', '-o', 'jsonpath={.status.user.username}'],
      JSON.stringify({
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token: token.trim() },
      }),
    );
    assert.equal(reviewed.stdout, 'system:serviceaccount:default:default', reviewed.stderr);
    assert.match(await ok('two', 'get', 'service', 'kubernetes'), /10\.111\.0\.1/);
  });

  test('the controllers of one work; when it dies, those of the other', async () => {
    await ok('two', 'create', 'deployment', 'web', '--image=localhost/none', '--replicas=3');
    const pods = async (name: string): Promise<number> =>
      (await ok(name, 'get', 'pods', '-l', 'app=web', '-o', 'name')).split('\n').filter(Boolean).length;
    await eventually('three pods', async () => (await pods('one')) === 3);
    const first = await leader('one', 'kube-controller-manager');
    assert.notEqual(await leader('one', 'kube-scheduler'), '');
    const events = await ok('one', 'get', 'events', '-o', 'jsonpath={.items[*].reason}');
    assert.equal(events.split(' ').filter((reason) => reason === 'SuccessfulCreate').length, 3, events);
    // The one that was started first has taken it.
    process.kill(await pidOf('one'), 'SIGKILL');
    await ok('two', 'scale', 'deployment', 'web', '--replicas=5');
    await eventually('five pods', async () => (await pods('two')) === 5, 60_000);
    assert.notEqual(await leader('two', 'kube-controller-manager'), first);
  });
});
