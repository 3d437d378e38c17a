import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../api/generated/core-v1.ts';
import type { ObservedContainer, ObservedPod } from './observed.ts';
import { computePodActions, type ContainerKnowledge } from './pod-actions.ts';

const knowledge: ContainerKnowledge = {
  hashOf: () => 'h',
  livenessFailed: () => false,
  startupFailed: () => false,
  started: () => true,
  resizeNeedsRestart: () => false,
  owesStart: () => false,
};

function pod(restartPolicy: string, names: string[], initContainers: Container[] = []): Pod {
  return { spec: { restartPolicy, initContainers, containers: names.map((name) => ({ name })) } };
}

function container(
  name: string,
  state: ObservedContainer['state'],
  extra: Partial<ObservedContainer> = {},
): ObservedContainer {
  return {
    id: `id-${name}`,
    name,
    sandboxId: 's0',
    state,
    restartCount: 0,
    hash: 'h',
    createdAt: 1,
    startedAt: 1,
    finishedAt: state === 'exited' ? 2 : 0,
    exitCode: 0,
    reason: '',
    message: '',
    image: '',
    imageId: '',
    ...extra,
  };
}

function observed(
  containers: ObservedContainer[],
  sandbox: 'ready' | 'not-ready' | 'absent' = 'ready',
): ObservedPod {
  const sandboxes =
    sandbox === 'absent' ? [] : [{ id: 's0', state: sandbox, attempt: 0, createdAt: 1, ips: [] }];
  return { uid: 'u', name: 'p', namespace: 'n', sandboxes, containers };
}

interface Case {
  readonly name: string;
  readonly pod: Pod;
  readonly observed: ObservedPod;
  readonly knowledge?: Partial<ContainerKnowledge>;
  readonly sandbox: string;
  readonly start?: readonly string[];
  readonly kill?: readonly string[];
}

const init: Container[] = [{ name: 'i' }, { name: 'j' }];
const side: Container[] = [{ name: 's', restartPolicy: 'Always' }, { name: 'j' }];
const failed = { exitCode: 1 };

const cases: readonly Case[] = [
  { name: 'nothing yet', pod: pod('Always', ['a']), observed: observed([], 'absent'), sandbox: 'create' },
  {
    name: 'nothing yet, Never',
    pod: pod('Never', ['a']),
    observed: observed([], 'absent'),
    sandbox: 'create',
  },
  {
    name: 'all start',
    pod: pod('Always', ['a', 'b']),
    observed: observed([]),
    sandbox: 'keep',
    start: ['a', 'b'],
  },
  {
    name: 'all run',
    pod: pod('Always', ['a']),
    observed: observed([container('a', 'running')]),
    sandbox: 'keep',
  },
  {
    name: 'Always restarts success',
    pod: pod('Always', ['a']),
    observed: observed([container('a', 'exited')]),
    sandbox: 'keep',
    start: ['a'],
  },
  {
    name: 'OnFailure restarts failure',
    pod: pod('OnFailure', ['a', 'b']),
    observed: observed([container('a', 'exited', failed), container('b', 'exited')]),
    sandbox: 'keep',
    start: ['a'],
  },
  {
    name: 'OnFailure is over when all succeeded',
    pod: pod('OnFailure', ['a']),
    observed: observed([container('a', 'exited')]),
    sandbox: 'kill',
  },
  {
    name: 'Never keeps the sandbox while one runs',
    pod: pod('Never', ['a', 'b']),
    observed: observed([container('a', 'exited', failed), container('b', 'running')]),
    sandbox: 'keep',
  },
  {
    name: 'Never is over when all have ended',
    pod: pod('Never', ['a']),
    observed: observed([container('a', 'exited', failed)]),
    sandbox: 'kill',
  },
  {
    name: 'a created container is made again',
    pod: pod('Always', ['a']),
    observed: observed([container('a', 'created')]),
    sandbox: 'keep',
    start: ['a'],
  },
  {
    name: 'an unknown container is killed before anything else',
    pod: pod('Always', ['a']),
    observed: observed([container('a', 'unknown')]),
    sandbox: 'keep',
    kill: ['a'],
  },
  {
    name: 'a changed image replaces the container',
    pod: pod('Always', ['a']),
    observed: observed([container('a', 'running', { hash: 'other' })]),
    sandbox: 'keep',
    start: ['a'],
    kill: ['a'],
  },
  {
    name: 'failed liveness replaces the container',
    pod: pod('Always', ['a']),
    observed: observed([container('a', 'running')]),
    knowledge: { livenessFailed: () => true },
    sandbox: 'keep',
    start: ['a'],
    kill: ['a'],
  },
  {
    name: 'failed startup under Never only kills',
    pod: pod('Never', ['a']),
    observed: observed([container('a', 'running')]),
    knowledge: { startupFailed: () => true },
    sandbox: 'keep',
    kill: ['a'],
  },
  {
    name: 'first init container',
    pod: pod('Always', ['a'], init),
    observed: observed([]),
    sandbox: 'keep',
    start: ['i'],
  },
  {
    name: 'init container still runs',
    pod: pod('Always', ['a'], init),
    observed: observed([container('i', 'running')]),
    sandbox: 'keep',
  },
  {
    name: 'second init container',
    pod: pod('Always', ['a'], init),
    observed: observed([container('i', 'exited')]),
    sandbox: 'keep',
    start: ['j'],
  },
  {
    name: 'init container failed, tried again',
    pod: pod('OnFailure', ['a'], init),
    observed: observed([container('i', 'exited', failed)]),
    sandbox: 'keep',
    start: ['i'],
  },
  {
    name: 'init container failed under Never',
    pod: pod('Never', ['a'], init),
    observed: observed([container('i', 'exited', failed)]),
    sandbox: 'kill',
  },
  {
    name: 'after the init containers',
    pod: pod('Always', ['a'], init),
    observed: observed([container('i', 'exited'), container('j', 'exited')]),
    sandbox: 'keep',
    start: ['a'],
  },
  {
    name: 'init containers are not looked at once a regular one has begun',
    pod: pod('Always', ['a'], init),
    observed: observed([container('a', 'running')]),
    sandbox: 'keep',
  },
  {
    name: 'sidecar first',
    pod: pod('Always', ['a'], side),
    observed: observed([]),
    sandbox: 'keep',
    start: ['s'],
  },
  {
    name: 'sidecar not started yet holds the rest',
    pod: pod('Always', ['a'], side),
    observed: observed([container('s', 'running')]),
    knowledge: { started: () => false },
    sandbox: 'keep',
  },
  {
    name: 'sidecar started, next init container',
    pod: pod('Always', ['a'], side),
    observed: observed([container('s', 'running')]),
    sandbox: 'keep',
    start: ['j'],
  },
  {
    name: 'a dead sidecar is restarted beside the running containers',
    pod: pod('Never', ['a'], side),
    observed: observed([container('s', 'exited', failed), container('a', 'running')]),
    sandbox: 'keep',
    start: ['s'],
  },
  {
    name: 'a sidecar does not keep a finished pod',
    pod: pod('Never', ['a'], side),
    observed: observed([container('s', 'running'), container('a', 'exited')]),
    sandbox: 'kill',
  },
  {
    name: 'dead sandbox with something running is taken down',
    pod: pod('Always', ['a']),
    observed: observed([container('a', 'running')], 'not-ready'),
    sandbox: 'kill',
  },
  {
    name: 'dead sandbox is replaced',
    pod: pod('Always', ['a']),
    observed: observed([container('a', 'exited')], 'not-ready'),
    sandbox: 'create',
  },
  {
    name: 'dead sandbox of a finished pod stays',
    pod: pod('OnFailure', ['a']),
    observed: observed([container('a', 'exited')], 'not-ready'),
    sandbox: 'none',
  },
  {
    name: 'dead sandbox under Never is not replaced',
    pod: pod('Never', ['a', 'b']),
    observed: observed([container('a', 'exited', failed)], 'not-ready'),
    sandbox: 'none',
  },
];

for (const one of cases) {
  test(one.name, () => {
    const actions = computePodActions(one.pod, one.observed, { ...knowledge, ...one.knowledge });
    assert.equal(actions.sandbox, one.sandbox);
    assert.deepEqual(actions.toStart, actions.sandbox === 'kill' ? actions.toStart : (one.start ?? []));
    assert.deepEqual(
      actions.toKill.map(({ name }) => name),
      one.kill ?? [],
    );
  });
}

test('two ready sandboxes: both go', () => {
  const sandbox = { state: 'ready', createdAt: 1, ips: [] } as const;
  const two = {
    ...observed([]),
    sandboxes: [
      { ...sandbox, id: 's1', attempt: 1 },
      { ...sandbox, id: 's0', attempt: 0 },
    ],
  };
  assert.deepEqual(computePodActions(pod('Always', ['a']), two, knowledge).sandbox, 'kill');
});
