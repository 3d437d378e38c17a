import assert from 'node:assert/strict';
import test from 'node:test';
import { seededRandom } from '../../base/random.ts';
import type { Pod, Service } from '../api/generated/core-v1.ts';
import type { EndpointSlice } from '../api/generated/discovery-v1.ts';
import {
  HEADLESS,
  MANAGED_BY,
  MANAGER,
  MAX_ENDPOINTS,
  planEndpointSlices,
  SERVICE_NAME,
} from './endpoint-slice-planner.ts';
import { planEndpoints } from './endpoints-planner.ts';
import { backendsOf } from './service-backends.ts';

const service: Service = {
  metadata: { name: 'web', namespace: 'default', uid: 'svc', labels: { team: 'a' } },
  spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
};

interface PodShape {
  readonly ready?: boolean;
  readonly port?: number;
  readonly leaving?: boolean;
  readonly phase?: string;
  readonly ip?: string;
}

function pod(i: number, shape: PodShape = {}): Pod {
  const {
    ready = true,
    port = 8080,
    leaving = false,
    phase = 'Running',
    ip = `10.0.${i >> 8}.${i & 255}`,
  } = shape;
  return {
    metadata: {
      name: `p${String(i).padStart(4, '0')}`,
      namespace: 'default',
      uid: `uid-${i}`,
      labels: { app: 'web' },
      deletionTimestamp: leaving ? '2026-01-01T00:00:00Z' : undefined,
    },
    spec: { nodeName: 'n1', containers: [{ name: 'c', ports: [{ name: 'http', containerPort: port }] }] },
    status: { phase, podIP: ip, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  };
}

let names = 0;
/** The slices after the plan, as a server would hold them. */
function apply(of: Service, pods: readonly Pod[], slices: readonly EndpointSlice[]): EndpointSlice[] {
  const plan = planEndpointSlices({
    service: of,
    backends: backendsOf(of, pods),
    slices,
    zoneOf: () => 'z1',
  });
  const updated = new Map(plan.update.map((slice) => [slice.metadata?.name, slice]));
  return [
    ...slices
      .filter((slice) => !plan.remove.includes(slice))
      .map((slice) => updated.get(slice.metadata?.name) ?? slice),
    ...plan.create.map((slice) => ({ ...slice, metadata: { ...slice.metadata, name: `s${names++}` } })),
  ];
}

function writes(pods: readonly Pod[], slices: readonly EndpointSlice[]): readonly number[] {
  const backends = backendsOf(service, pods);
  const plan = planEndpointSlices({ service, backends, slices, zoneOf: () => 'z1' });
  return [plan.create.length, plan.update.length, plan.remove.length];
}

test('a slice carries what readers look for', () => {
  const [slice, ...others] = apply(service, [pod(1)], []);
  assert.equal(others.length, 0);
  assert.deepEqual(slice?.metadata?.labels, { team: 'a', [SERVICE_NAME]: 'web', [MANAGED_BY]: MANAGER });
  assert.equal(slice?.metadata?.ownerReferences?.[0]?.uid, 'svc');
  assert.equal(slice?.addressType, 'IPv4');
  assert.deepEqual(slice?.ports, [{ name: 'http', protocol: 'TCP', port: 8080, appProtocol: undefined }]);
  assert.deepEqual(slice?.endpoints, [
    {
      addresses: ['10.0.0.1'],
      conditions: { ready: true, serving: true, terminating: false },
      hostname: undefined,
      nodeName: 'n1',
      zone: 'z1',
      targetRef: { kind: 'Pod', namespace: 'default', name: 'p0001', uid: 'uid-1' },
    },
  ]);
});

test('conditions tell ready, serving and terminating apart', () => {
  const conditions = (of: Service, shape: PodShape): unknown =>
    apply(of, [pod(1, shape)], [])[0]?.endpoints?.[0]?.conditions;
  assert.deepEqual(conditions(service, { ready: false }), {
    ready: false,
    serving: false,
    terminating: false,
  });
  assert.deepEqual(conditions(service, { leaving: true }), {
    ready: false,
    serving: true,
    terminating: true,
  });
  const published = { ...service, spec: { ...service.spec, publishNotReadyAddresses: true } };
  assert.deepEqual(conditions(published, { ready: false }), {
    ready: true,
    serving: false,
    terminating: false,
  });
});

test('pods without address, finished ones and strangers are no endpoints', () => {
  const stranger = pod(4);
  stranger.metadata!.labels = { app: 'db' };
  const pods = [pod(1, { ip: '' }), pod(2, { phase: 'Succeeded' }), pod(3, { phase: 'Failed' }), stranger];
  assert.deepEqual(apply(service, pods, [])[0]?.endpoints, [], 'an empty slice says that there are none');
  assert.deepEqual(backendsOf({ spec: {} }, pods), []);
});

test('pods that name their port differently get slices of their own', () => {
  const slices = apply(service, [pod(1), pod(2, { port: 9090 }), pod(3)], []);
  assert.deepEqual(
    slices.map((slice) => [slice.ports?.[0]?.port, slice.endpoints?.length]),
    [
      [8080, 2],
      [9090, 1],
    ],
  );
});

test('a headless service is marked; it needs no ports', () => {
  const headless: Service = { ...service, spec: { selector: { app: 'web' }, clusterIP: 'None' } };
  const [slice] = apply(headless, [pod(1)], []);
  assert.equal(slice?.metadata?.labels?.[HEADLESS], '');
  assert.deepEqual(slice?.ports, []);
  assert.equal(slice?.endpoints?.length, 1);
});

test('nothing is written when nothing changed, and one slice for one pod', () => {
  const pods = Array.from({ length: 250 }, (_, i) => pod(i));
  const slices = apply(service, pods, []);
  assert.deepEqual(
    slices.map((slice) => slice.endpoints?.length),
    [100, 100, 50],
  );
  assert.deepEqual(writes(pods, slices), [0, 0, 0]);
  assert.deepEqual(writes([...pods, pod(250)], slices), [0, 1, 0]);
  assert.deepEqual(writes(pods.slice(1), slices), [0, 1, 0]);
  // One goes and one comes: the slice that is written anyway takes it.
  assert.deepEqual(writes([...pods.slice(1), pod(250)], slices), [0, 1, 0]);
  assert.deepEqual(writes([], slices), [0, 1, 2]);
});

test('however pods come and go, the slices show them, once each, and stay within bounds', () => {
  const random = seededRandom(11);
  let slices: EndpointSlice[] = [];
  let present = new Set<number>();
  for (let round = 0; round < 200; round++) {
    const next = new Set([...present].filter(() => random.next() < 0.9));
    const arriving = Math.floor(random.next() * 60);
    for (let i = 0; i < arriving; i++) next.add(Math.floor(random.next() * 600));
    present = next;
    const pods = [...present].map((i) => pod(i, { port: i % 3 === 0 ? 9090 : 8080 }));
    slices = apply(service, pods, slices);
    const shown = slices.flatMap((slice) => (slice.endpoints ?? []).map((each) => each.targetRef?.uid ?? ''));
    assert.deepEqual(shown.toSorted(), pods.map((each) => each.metadata!.uid!).toSorted());
    assert.ok(slices.every((slice) => (slice.endpoints ?? []).length <= MAX_ENDPOINTS));
    assert.deepEqual(writes(pods, slices), [0, 0, 0]);
  }
});

test('the older object has ready and unready addresses, and no terminating ones', () => {
  const pods = [pod(2), pod(1), pod(3, { ready: false }), pod(4, { leaving: true })];
  const endpoints = planEndpoints(service, backendsOf(service, pods), undefined);
  const [subset] = endpoints?.subsets ?? [];
  assert.deepEqual(
    subset?.addresses?.map(({ ip }) => ip),
    ['10.0.0.1', '10.0.0.2'],
  );
  assert.deepEqual(
    subset?.notReadyAddresses?.map(({ ip }) => ip),
    ['10.0.0.3'],
  );
  assert.equal(subset?.ports?.[0]?.port, 8080);
  assert.equal(planEndpoints(service, backendsOf(service, pods.toReversed()), endpoints), undefined);
  assert.deepEqual(planEndpoints(service, [], endpoints)?.subsets, []);
});
