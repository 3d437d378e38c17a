/** What kubectl sees of another server behind ours: one API. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { systemClock } from '../../src/base/clock.ts';
import { writeAtomically } from '../../src/base/write-atomically.ts';
import type { JsonObject } from '../../src/cluster/api/json.ts';
import { TestBackend } from '../../src/cluster/server/aggregation/testing/backend.ts';
import { openMemoryStore } from '../../src/cluster/store/memory.ts';
import { serveApi } from '../fixtures/api-server.ts';
import { eventually } from '../fixtures/eventually.ts';
import { kubectlFor } from '../fixtures/kubectl.ts';

const METRICS = '/apis/metrics.k8s.io/v1beta1';
const FLUNDERS = '/apis/wardle.example.com/v1alpha1/namespaces/default/flunders';
const FLUNDER: JsonObject = {
  apiVersion: 'wardle.example.com/v1alpha1',
  kind: 'Flunder',
  metadata: { name: 'one', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' },
};

describe('kubectl and a server behind ours', () => {
  const stack = new AsyncDisposableStack();
  let kubectl: ReturnType<typeof kubectlFor>;
  let backend: TestBackend;

  before(async () => {
    const dir = await mkdtemp(join(tmpdir(), 'sampan-aggregation-'));
    stack.defer(() => rm(dir, { recursive: true }));
    backend = stack.use(await TestBackend.open());
    const pki = backend.asking;
    const store = stack.use(await openMemoryStore({ clock: systemClock }));
    const api = stack.use(
      await serveApi({
        store,
        pki,
        proxyClient: pki.frontProxyClient,
        clientTrust: { clientCa: pki.ca.cert, requestHeaderCa: pki.frontProxyCa.cert },
      }),
    );
    const kubeconfig = join(dir, 'kubeconfig');
    writeAtomically(kubeconfig, api.kubeconfig);
    kubectl = kubectlFor(kubeconfig);
    const metrics = backend.apiService({ group: 'metrics.k8s.io', version: 'v1beta1' });
    const named = { ...metrics, metadata: { name: 'v1beta1.metrics.k8s.io' } };
    serveMetrics();
    for (const object of [backend.service(), backend.apiService(), named])
      await ok(['create', '-f', '-'], JSON.stringify(object));
    for (const name of ['v1alpha1.wardle.example.com', 'v1beta1.metrics.k8s.io'])
      await ok(['wait', '--for=condition=Available', `apiservice/${name}`, '--timeout=20s']);
  });

  after(() => stack.disposeAsync());

  function serveMetrics(): void {
    backend.answerJson(METRICS, {
      kind: 'APIResourceList',
      apiVersion: 'v1',
      groupVersion: 'metrics.k8s.io/v1beta1',
      resources: [
        { name: 'nodes', singularName: '', namespaced: false, kind: 'NodeMetrics', verbs: ['get', 'list'] },
      ],
    });
    backend.answerJson(`${METRICS}/nodes`, {
      kind: 'NodeMetricsList',
      apiVersion: 'metrics.k8s.io/v1beta1',
      metadata: {},
      items: [
        {
          metadata: { name: 'n1' },
          timestamp: '2026-01-01T00:00:00Z',
          window: '20s',
          usage: { cpu: '250m', memory: '512Mi' },
        },
      ],
    });
  }

  async function ok(args: readonly string[], input = ''): Promise<string> {
    const { code, stdout, stderr } = await kubectl(args, input);
    assert.equal(code, 0, `kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  test('APIServices are listed with who serves them', async () => {
    const lines = (await ok(['get', 'apiservices'])).split('\n');
    assert.match(lines[0]!, /^NAME +SERVICE +AVAILABLE +AGE$/);
    assert.ok(lines.some((line) => /^v1\. +Local +True +\S+$/.test(line)));
    assert.ok(
      lines.some((line) => /^v1alpha1\.wardle\.example\.com +default\/sample-api +True +\S+$/.test(line)),
    );
    assert.match(await ok(['api-versions']), /^wardle\.example\.com\/v1alpha1$/m);
    assert.match(
      await ok(['api-resources', '--api-group=wardle.example.com']),
      /^flunders +fl +wardle\.example\.com\/v1alpha1 +true +Flunder$/m,
    );
  });

  test('its resources are like any other', async () => {
    backend.answerJson(FLUNDERS, {
      kind: 'FlunderList',
      apiVersion: 'wardle.example.com/v1alpha1',
      metadata: {},
      items: [FLUNDER],
    });
    assert.match(await ok(['get', 'fl']), /^one +\S+$/m);
    backend.answers.set(`${FLUNDERS}/one`, (message, response) => {
      response.writeHead(message.method === 'GET' ? 404 : 200, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({
          kind: 'Status',
          apiVersion: 'v1',
          status: 'Failure',
          message: 'flunders.wardle.example.com "one" not found',
          reason: 'NotFound',
          code: 404,
        }),
      );
    });
    const { code, stderr } = await kubectl(['get', 'flunder', 'one']);
    assert.equal(code, 1);
    assert.match(stderr, /^Error from server \(NotFound\): flunders\.wardle\.example\.com "one" not found$/m);
    assert.equal(backend.asked(FLUNDERS).at(-1)?.headers['x-remote-user'], 'kubernetes-admin');
    const refused = await kubectl(['get', 'flunders', '--as=jane']);
    assert.match(
      refused.stderr,
      /User "jane" cannot list resource "flunders" in API group "wardle\.example\.com"/,
    );
  });

  test('top reads metrics from it', async () => {
    const node = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'n1' },
      status: { allocatable: { cpu: '1', memory: '1Gi' }, capacity: { cpu: '1', memory: '1Gi' } },
    };
    await ok(['create', '-f', '-'], JSON.stringify(node));
    await ok(['patch', 'node', 'n1', '--subresource=status', '--type=merge', '-p', JSON.stringify(node)]);
    assert.match(await ok(['top', 'nodes']), /^n1 +250m +25% +512Mi +50% *$/m);
  });

  test('while it is away the rest goes on', async () => {
    await backend.stop();
    await ok(['annotate', 'service', 'sample-api', 'touched=yes']);
    await ok([
      'wait',
      '--for=condition=Available=False',
      'apiservice/v1alpha1.wardle.example.com',
      '--timeout=20s',
    ]);
    assert.match(
      await ok(['get', 'apiservice', 'v1alpha1.wardle.example.com']),
      /False \(FailedDiscoveryCheck\)/,
    );
    // Of what is stale kubectl shows nothing.
    await eventually('discovery says that it is stale', async () => {
      const shown = await ok(['api-resources', '--cached=false']);
      return shown.includes('deployments') && !shown.includes('flunders');
    });
    const { stderr } = await kubectl(['get', '--raw', FLUNDERS]);
    assert.match(
      stderr,
      /^Error from server \(ServiceUnavailable\): the server is currently unable to handle/m,
    );
    await ok(['get', 'configmaps']);
  });
});
