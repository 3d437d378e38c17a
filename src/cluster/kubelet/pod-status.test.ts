import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerState, ContainerStatus, Pod } from '../api/generated/core-v1.ts';
import { emptyPod } from './observed.ts';
import { podPhase, podStatus } from './pod-status.ts';

const running: ContainerState = { running: {} };
const waiting: ContainerState = { waiting: { reason: 'ContainerCreating' } };
const ended = (exitCode: number): ContainerState => ({ terminated: { exitCode } });
const crashed: ContainerStatus = { state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: ended(1) };
const of = (state: ContainerState, extra: Partial<ContainerStatus> = {}): ContainerStatus => ({
  state,
  ...extra,
});

interface Case {
  readonly policy: string;
  readonly regular: readonly ContainerStatus[];
  readonly init?: readonly ContainerStatus[];
  readonly sidecar?: boolean;
  readonly terminating?: boolean;
  readonly phase: string;
}

const cases: readonly Case[] = [
  { policy: 'Always', regular: [of(waiting)], phase: 'Pending' },
  { policy: 'Always', regular: [of(running), of(waiting)], phase: 'Pending' },
  { policy: 'Always', regular: [of(running), crashed], phase: 'Running' },
  { policy: 'Always', regular: [crashed], phase: 'Running' },
  { policy: 'Always', regular: [of(ended(0))], phase: 'Running' },
  { policy: 'OnFailure', regular: [of(ended(0)), of(ended(0))], phase: 'Succeeded' },
  { policy: 'OnFailure', regular: [of(ended(1))], phase: 'Running' },
  { policy: 'Never', regular: [of(ended(1)), of(ended(0))], phase: 'Failed' },
  { policy: 'Never', regular: [of(ended(1)), of(running)], phase: 'Running' },
  { policy: 'Always', init: [of(running)], regular: [of(waiting)], phase: 'Pending' },
  { policy: 'Never', init: [of(ended(1))], regular: [of(waiting)], phase: 'Failed' },
  { policy: 'Always', init: [of(ended(1))], regular: [of(waiting)], phase: 'Pending' },
  {
    policy: 'Always',
    init: [of(running, { started: true })],
    sidecar: true,
    regular: [of(running)],
    phase: 'Running',
  },
  { policy: 'Always', terminating: true, regular: [of(running)], phase: 'Running' },
  { policy: 'Always', terminating: true, regular: [of(ended(0))], phase: 'Succeeded' },
  { policy: 'Always', terminating: true, regular: [of(ended(143))], phase: 'Failed' },
];

for (const [index, one] of cases.entries()) {
  test(`phase ${index}: ${one.policy} is ${one.phase}`, () => {
    const pod: Pod = {
      spec: {
        restartPolicy: one.policy,
        initContainers: (one.init ?? []).map(() => (one.sidecar === true ? { restartPolicy: 'Always' } : {})),
      },
    };
    const { init = [], regular, terminating = false } = one;
    assert.equal(podPhase(pod, { init, regular, terminating }), one.phase);
  });
}

const knowledge = {
  waiting: () => undefined,
  started: () => true,
  ready: () => true,
  terminationMessage: () => undefined,
};

test('a new pod: all conditions with their reasons, and times that stay', () => {
  const pod: Pod = {
    metadata: { uid: 'u', generation: 1 },
    spec: { containers: [{ name: 'a', image: 'i' }], initContainers: [{ name: 'b', image: 'i' }] },
    status: {
      conditions: [{ type: 'PodScheduled', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }],
    },
  };
  const observed = emptyPod({ uid: 'u', name: 'p', namespace: 'n' });
  const context = { observed, knowledge, nodeMemoryBytes: 2 ** 30, hostIp: '192.0.2.1', terminating: false };
  const first = podStatus(pod, { ...context, now: Date.UTC(2026, 0, 2) });
  const brief = (status: typeof first) =>
    status.conditions?.map((one) => `${one.type}=${one.status} ${one.reason ?? ''}`.trim());
  assert.deepEqual(brief(first), [
    'PodReadyToStartContainers=False',
    'Initialized=False ContainersNotInitialized',
    'Ready=False ContainersNotReady',
    'ContainersReady=False ContainersNotReady',
    'PodScheduled=True',
  ]);
  assert.equal(first.conditions?.at(-1)?.lastTransitionTime, '2026-01-01T00:00:00Z');
  assert.equal(first.containerStatuses?.[0]?.state?.waiting?.reason, 'PodInitializing');
  const second = podStatus({ ...pod, status: first }, { ...context, now: Date.UTC(2026, 0, 3) });
  assert.deepEqual(second, first);
});

test('a readiness gate holds the pod back, not its containers', () => {
  const observed = {
    ...emptyPod({ uid: 'u', name: 'p', namespace: 'n' }),
    sandboxes: [{ id: 's', state: 'ready', attempt: 0, createdAt: 1, ips: ['10.0.0.1'] }] as const,
    containers: [
      {
        id: 'c',
        name: 'a',
        sandboxId: 's',
        state: 'running',
        restartCount: 0,
        hash: '',
        createdAt: 1,
        startedAt: 1,
        finishedAt: 0,
        exitCode: 0,
        reason: '',
        message: '',
        image: 'i',
        imageId: 'x',
      },
    ] as const,
  };
  const gate: Pod = { spec: { containers: [{ name: 'a' }], readinessGates: [{ conditionType: 'lb' }] } };
  const context = {
    observed,
    knowledge,
    nodeMemoryBytes: 2 ** 30,
    hostIp: '192.0.2.1',
    terminating: false,
    now: 0,
  };
  const status = (pod: Pod, type: string) =>
    podStatus(pod, context).conditions?.find((condition) => condition.type === type)?.status;
  assert.deepEqual([status(gate, 'Ready'), status(gate, 'ContainersReady')], ['False', 'True']);
  const open: Pod = { ...gate, status: { conditions: [{ type: 'lb', status: 'True' }] } };
  assert.equal(status(open, 'Ready'), 'True');
});
