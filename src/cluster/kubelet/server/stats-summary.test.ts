import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ready, setUp } from '../../../../test/fixtures/kubelet.ts';

interface Summary {
  readonly node: { readonly nodeName: string };
  readonly pods: readonly {
    readonly podRef: object;
    readonly containers: readonly object[];
    readonly memory: { readonly time: string };
  }[];
}

test('/stats/summary: the pods that run, with the sums of their containers', async (t) => {
  const setup = await setUp(t);
  setup.start();
  setup.runtime.memoryInUse = 1000;
  const container = { image: 'app:1', imagePullPolicy: 'IfNotPresent' };
  setup.addPod({ containers: ['a', 'b'].map((name) => ({ name, ...container })) });
  await setup.until('ready', () => ready(setup.pod()));
  const ask = async (path: string) => {
    const answer = await setup.kubelet().api.request({ method: 'GET', url: path, headers: {} });
    return { status: answer.status, text: Buffer.from(answer.body as Uint8Array).toString('utf8') };
  };
  const summary = JSON.parse((await ask('/stats/summary')).text) as Summary;
  assert.equal(summary.node.nodeName, 'node-1');
  const [pod, ...others] = summary.pods;
  assert.deepEqual(others, []);
  assert.deepEqual(pod?.podRef, { name: 'web', namespace: 'default', uid: setup.pod()!.metadata!.uid });
  assert.equal(pod?.containers.length, 2);
  assert.deepEqual(pod?.memory, { time: pod?.memory.time, usageBytes: 2000, workingSetBytes: 0 });
  assert.equal((await ask('/stats/other')).status, 404);
});
