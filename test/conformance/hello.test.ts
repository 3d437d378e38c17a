/** The whole thread, as a new user walks it: a Deployment becomes processes that kubectl and curl reach. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { KUBECTL } from '../fixtures/kubectl.ts';
import { eventually } from '../fixtures/eventually.ts';
import { ROOT, TestCluster } from '../fixtures/sampan.ts';

const MANIFEST = readFileSync(join(ROOT, 'examples/hello/hello.yaml'), 'utf8');
const URL_ON_LOOPBACK = 'http://127.0.0.1:30080';

interface PodLine {
  readonly name: string;
  readonly uid: string;
  readonly containerId: string;
  readonly restarts: number;
}

describe('examples/hello on a one-node cluster', () => {
  let cluster: TestCluster;

  before(async () => {
    cluster = new TestCluster();
    await cluster.packExample();
    await cluster.up();
    await cluster.ok(['apply', '-f', '-'], MANIFEST);
    await cluster.ok(['rollout', 'status', 'deployment/hello', '--timeout=60s']);
  });

  after(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  async function readyPods(): Promise<PodLine[]> {
    const list = JSON.parse(await cluster.ok(['get', 'pods', '-l', 'app=hello', '-o', 'json'])) as {
      items: {
        metadata: { name: string; uid: string; deletionTimestamp?: string };
        status: { containerStatuses?: { containerID: string; restartCount: number; ready: boolean }[] };
      }[];
    };
    return list.items
      .filter(
        ({ metadata, status }) =>
          metadata.deletionTimestamp === undefined && status.containerStatuses?.[0]?.ready,
      )
      .map(({ metadata, status }) => ({
        name: metadata.name,
        uid: metadata.uid,
        containerId: status.containerStatuses![0]!.containerID,
        restarts: status.containerStatuses![0]!.restartCount,
      }));
  }

  test('kubectl get shows the node and the pods with their addresses', async () => {
    assert.match(await cluster.ok(['get', 'nodes', '-o', 'wide']), /Ready\s+\S*\s+\S+\s+v1\.36\.\d+/);
    const pods = await cluster.ok(['get', 'pods', '-o', 'wide']);
    assert.equal(
      pods.match(/^hello-\w+-\w+\s+1\/1\s+Running\s+0\s+\S+\s+10\.\d+\.\d+\.\d+/gm)?.length,
      2,
      pods,
    );
  });

  test('twenty requests to the node port reach both pods, on loopback and on the node address', async () => {
    for (const url of [URL_ON_LOOPBACK, `http://${cluster.netns.nodeIp}:30080`]) {
      const seen = new Set<string>();
      for (let i = 0; i < 20; i++) {
        const { code, stdout, stderr } = await cluster.curl(url);
        assert.equal(code, 0, stderr);
        seen.add(stdout.trim());
      }
      assert.equal(seen.size, 2, `${url}: ${[...seen].join(', ')}`);
    }
  });

  test('the cluster address answers too', async () => {
    const ip = await cluster.ok(['get', 'service', 'hello', '-o', 'jsonpath={.spec.clusterIP}']);
    assert.match((await cluster.curl(`http://${ip}`)).stdout, /^hello from hello-/);
  });

  test('scale adds pods and takes them away', async () => {
    await cluster.ok(['scale', 'deployment', 'hello', '--replicas=3']);
    await eventually('three ready pods', async () => (await readyPods()).length === 3);
    await cluster.ok(['scale', 'deployment', 'hello', '--replicas=2']);
    await eventually(
      'two pods',
      async () =>
        (await cluster.ok(['get', 'pods', '-l', 'app=hello', '-o', 'name'])).trim().split('\n').length === 2,
      60_000,
    );
  });

  test('an environment change rolls out without one failed request', async () => {
    const stop = new AbortController();
    const results: string[] = [];
    const failures: string[] = [];
    const load = (async () => {
      while (!stop.signal.aborted) {
        const { code, stdout, stderr } = await cluster.curl(URL_ON_LOOPBACK);
        if (code === 0) results.push(stdout);
        else failures.push(stderr);
      }
    })();
    try {
      await cluster.ok(['set', 'env', 'deployment/hello', 'GREETING=bonjour']);
      await cluster.ok(['rollout', 'status', 'deployment/hello', '--timeout=90s']);
      await eventually('the new greeting', () => results.at(-1)?.startsWith('bonjour'));
    } finally {
      stop.abort();
      await load;
    }
    assert.deepEqual(failures, []);
    assert.ok(
      results.some((line) => line.startsWith('hello')),
      'the load saw the old pods too',
    );
  });

  test('a deleted pod is replaced', async () => {
    const [victim] = await readyPods();
    await cluster.ok(['delete', 'pod', victim!.name, '--wait=false']);
    await eventually('two ready pods without the deleted one', async () => {
      const pods = await readyPods();
      return pods.length === 2 && pods.every(({ uid }) => uid !== victim!.uid);
    });
  });

  test('kubectl logs -f shows what is there and what comes', async () => {
    const [pod] = await readyPods();
    const follow = spawn('nsenter', [
      `--net=/run/netns/${cluster.netns.name}`,
      '--',
      KUBECTL,
      '--kubeconfig',
      join(cluster.dataDir, 'kubeconfig'),
      'logs',
      '-f',
      pod!.name,
    ]);
    let text = '';
    follow.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await eventually('the first line', () => text.includes('listens on 8080'));
    await cluster.ok(['delete', 'pod', pod!.name, '--wait=false']);
    await eventually('a line written later', () => text.includes('leaves in'));
    await eventually('the end of the stream', () => follow.exitCode !== null, 60_000);
    assert.equal(follow.exitCode, 0);
  });

  test('kill -9 of the daemon: containers run on, the next up finds them', async () => {
    const before = await eventually('two ready pods', async () => {
      const pods = await readyPods();
      return pods.length === 2 && pods;
    });
    const { daemon } = JSON.parse((await cluster.sampan('status', '-o', 'json')).stdout) as {
      daemon: { pid: number };
    };
    process.kill(daemon.pid, 'SIGKILL');
    await eventually('the daemon is gone', async () => (await cluster.sampan('status')).code === 3);
    assert.match(
      (await cluster.curl(`http://${cluster.netns.nodeIp}:30080`)).stdout,
      /from hello-/,
      'pods answer without a daemon',
    );
    await cluster.up();
    const after = await eventually('the same pods', async () => {
      const pods = await readyPods();
      return pods.length === 2 && pods;
    });
    const byName = (a: PodLine, b: PodLine): number => a.name.localeCompare(b.name);
    assert.deepEqual(after.toSorted(byName), before.toSorted(byName));
    await eventually('an answer on loopback', async () => (await cluster.curl(URL_ON_LOOPBACK)).code === 0);
    assert.match(await cluster.ok(['logs', after[0]!.name]), /listens on 8080/);
  });

  test('a bad manifest gets the usual message with the path of the field', async () => {
    const unknown = await cluster.kubectl(
      ['apply', '-f', '-'],
      MANIFEST.replace('replicas: 2', 'replicaz: 2'),
    );
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /strict decoding error: unknown field "spec\.replicaz"/);
    const missing = await cluster.kubectl(
      ['apply', '-f', '-'],
      MANIFEST.replace('image: localhost/hello:latest', 'image: ""').replace(
        'name: hello\n  labels',
        'name: bad\n  labels',
      ),
    );
    assert.equal(missing.code, 1);
    assert.match(
      missing.stderr,
      /The Deployment "bad" is invalid: spec\.template\.spec\.containers\[0\]\.image: Required value/,
    );
  });

  test('deleting the deployment takes everything with it', async () => {
    await cluster.ok(['delete', 'deployment,service', 'hello', '--timeout=60s']);
    await eventually(
      'no pods',
      async () => (await cluster.ok(['get', 'pods,replicasets', '-l', 'app=hello', '-o', 'name'])) === '',
      60_000,
    );
  });
});
