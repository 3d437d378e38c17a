import assert from 'node:assert/strict';
import test from 'node:test';
import type { Pod } from '../api/generated/core-v1.ts';
import { endpoints, endpointSlices, pods, services } from '../client/kinds.ts';
import { createEndpointSliceController } from './endpoint-slice-controller.ts';
import { createEndpointsController } from './endpoints-controller.ts';
import type { ControllerEnvironment } from './environment.ts';
import { running } from './testing/running.ts';

const create = (environment: ControllerEnvironment) => [
  createEndpointSliceController(environment),
  createEndpointsController(environment),
];

const metadata = { name: 'web', namespace: 'default' };
const web = { metadata, spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] } };

function pod(name: string, ip: string, ready: boolean): Pod {
  return {
    metadata: { name, namespace: 'default', labels: { app: 'web' } },
    spec: { nodeName: 'n1', containers: [{ name: 'c' }] },
    status: {
      phase: 'Running',
      podIP: ip,
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  };
}

test('slices follow pods from unready to ready to gone, and go with the service', async () => {
  await using plane = running({ create, before: (api) => void api.put(services, web) });
  const { api } = plane;
  const ready = (): string =>
    api
      .all(endpointSlices)
      .flatMap((slice) => slice.endpoints ?? [])
      .filter((endpoint) => endpoint.conditions?.ready === true)
      .map((endpoint) => endpoint.addresses?.[0])
      .toSorted()
      .join();
  const legacy = (): string =>
    (api.read(endpoints, metadata)?.subsets ?? [])
      .flatMap((each) => each.addresses ?? [])
      .map(({ ip }) => ip)
      .join();
  await plane.until('an empty slice', () => api.all(endpointSlices).length === 1);
  api.put(pods, pod('a', '10.0.0.1', true));
  api.put(pods, pod('b', '10.0.0.2', false));
  await plane.until('one ready endpoint', () => ready() === '10.0.0.1' && legacy() === '10.0.0.1');
  api.put(pods, pod('b', '10.0.0.2', true));
  await plane.until('two', () => ready() === '10.0.0.1,10.0.0.2' && legacy() === '10.0.0.1,10.0.0.2');
  api.remove(pods, { name: 'a' });
  await plane.until('the other', () => ready() === '10.0.0.2' && legacy() === '10.0.0.2');
  await plane.quiet();
  assert.equal(api.all(endpointSlices).length, 1, 'the empty slice was filled, not joined');
  await plane.client.delete(services, metadata);
  await plane.until('all to go', () => api.all(endpointSlices).length + api.all(endpoints).length === 0);
});

test('a slice that someone deletes comes back; those of other managers are left alone', async () => {
  await using plane = running({
    create,
    before: (api) => {
      api.put(services, web);
      api.put(endpointSlices, {
        metadata: { name: 'foreign', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
        addressType: 'IPv4',
        endpoints: [{ addresses: ['192.0.2.1'] }],
      });
    },
  });
  const ours = () => plane.api.all(endpointSlices).find((slice) => slice.metadata?.name !== 'foreign');
  await plane.until('our slice', () => ours() !== undefined);
  await plane.quiet();
  const before = ours()?.metadata;
  await plane.client.delete(endpointSlices, { name: before?.name ?? '', namespace: 'default' });
  await plane.until('a new slice', () => ![undefined, before?.uid].includes(ours()?.metadata?.uid));
  await plane.quiet();
  assert.equal(plane.api.all(endpointSlices).length, 2);
});

test('an idle service costs no writes', async () => {
  await using plane = running({ create, before: (api) => void api.put(services, web) });
  await plane.until('the slice', () => plane.api.all(endpointSlices).length === 1);
  await plane.quiet();
  const before = plane.api.requests.length;
  const kept = plane.api.put(pods, pod('x', '', false));
  plane.api.put(pods, { ...kept, status: { ...kept.status, message: 'still starting' } });
  await plane.quiet();
  assert.deepEqual(plane.api.requests.slice(before), []);
});
