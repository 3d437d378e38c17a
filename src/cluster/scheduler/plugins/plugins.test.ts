import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createClient } from '../../client/client.ts';
import { pods } from '../../client/kinds.ts';
import { createFakeApi } from '../../client/testing/fake-api.ts';
import type { NodeSelectorRequirement, PodSpec, Toleration } from '../../api/generated/core-v1.ts';
import { PodState, type FilterPlugin, type Reasons, type ScorePlugin } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';
import { podInfoOf, type PodInfo } from '../pod-info.ts';
import { nodeInfo, podInfo, testPod, type NodeShape } from '../testing/objects.ts';
import { balancedAllocation } from './balanced-allocation.ts';
import { defaultBinder } from './default-binder.ts';
import { nodeAffinity } from './node-affinity.ts';
import { nodeName } from './node-name.ts';
import { nodePorts } from './node-ports.ts';
import { nodeResourcesFit } from './node-resources-fit.ts';
import { nodeUnschedulable } from './node-unschedulable.ts';
import { prioritySort } from './priority-sort.ts';
import { taintToleration } from './taint-toleration.ts';
import { tolerates } from './tolerations.ts';

/** What the plugin says of the node; undefined when it will do. */
function ask(plugin: FilterPlugin, pod: PodInfo, node: NodeInfo): Reasons | undefined {
  const state = new PodState();
  const result = plugin.preFilter?.(pod, state);
  if (result?.kind === 'skip') return undefined;
  if (result?.kind === 'reject') return result.reasons;
  if (result?.kind === 'only' && !result.nodes.has(node.name)) return ['not among the only nodes'];
  return plugin.filter(pod, node, state);
}

/** Normalized scores, one a node; undefined when the plugin leaves them all alike. */
function rank(plugin: ScorePlugin, pod: PodInfo, nodes: readonly NodeInfo[]): number[] | undefined {
  const state = new PodState();
  if (plugin.preScore?.(pod, nodes, state) === false) return undefined;
  const scores = nodes.map((node) => plugin.score(pod, node, state));
  plugin.normalize?.(scores);
  return scores;
}

suite('PrioritySort', () => {
  test('puts the higher priority first and leaves equals alone', () => {
    const low = podInfo({ priority: 1 });
    const high = podInfo({ priority: 9 });
    assert.ok(prioritySort.compare(high, low) < 0);
    assert.ok(prioritySort.compare(low, high) > 0);
    assert.equal(prioritySort.compare(low, podInfo({ priority: 1 })), 0);
    assert.ok(prioritySort.compare(podInfo({ priority: -1 }), podInfo()) > 0);
  });
});

suite('NodeName', () => {
  test('lets a pod that names a node onto that node only', () => {
    assert.equal(ask(nodeName, podInfo(), nodeInfo('a')), undefined);
    assert.equal(ask(nodeName, podInfo({ nodeName: 'a' }), nodeInfo('a')), undefined);
    const refused = ["node(s) didn't match the requested node name"];
    assert.deepEqual(ask(nodeName, podInfo({ nodeName: 'a' }), nodeInfo('b')), refused);
  });
});

suite('NodeUnschedulable', () => {
  const cordoned = nodeInfo('a', { spec: { unschedulable: true } });
  const key = 'node.kubernetes.io/unschedulable';
  test('keeps pods off cordoned nodes', () => {
    assert.deepEqual(ask(nodeUnschedulable, podInfo(), cordoned), ['node(s) were unschedulable']);
    assert.equal(ask(nodeUnschedulable, podInfo(), nodeInfo('b')), undefined);
  });
  test('lets those through that tolerate the taint it stands for', () => {
    const of = (toleration: Toleration): PodInfo => podInfo({ tolerations: [toleration] });
    assert.equal(ask(nodeUnschedulable, of({ key, operator: 'Exists' }), cordoned), undefined);
    assert.equal(ask(nodeUnschedulable, of({ operator: 'Exists' }), cordoned), undefined);
    assert.ok(ask(nodeUnschedulable, of({ key, operator: 'Exists', effect: 'NoExecute' }), cordoned));
  });
});

suite('tolerations', () => {
  const taint = { key: 'k', value: 'v', effect: 'NoSchedule' };
  const cases: [Toleration, boolean][] = [
    [{ key: 'k', operator: 'Equal', value: 'v', effect: 'NoSchedule' }, true],
    [{ key: 'k', value: 'v' }, true],
    [{ key: 'k', value: 'w' }, false],
    [{ key: 'k' }, false],
    [{ key: 'k', operator: 'Exists' }, true],
    [{ key: 'other', operator: 'Exists' }, false],
    [{ operator: 'Exists' }, true],
    [{ operator: 'Exists', effect: 'NoSchedule' }, true],
    [{ operator: 'Exists', effect: 'NoExecute' }, false],
    [{ operator: 'Equal', value: 'v' }, false],
    [{ key: 'k', operator: 'Like', value: 'v' }, false],
  ];
  for (const [toleration, expected] of cases) {
    test(`${JSON.stringify(toleration)} ${expected ? 'meets' : 'does not meet'} k=v:NoSchedule`, () =>
      assert.equal(tolerates(toleration, taint), expected));
  }
});

suite('TaintToleration', () => {
  const tainted = (...effects: string[]): NodeInfo =>
    nodeInfo('a', { taints: effects.map((effect, i) => ({ key: `k${i}`, value: 'v', effect })) });
  test('names the first taint that is not tolerated', () => {
    const pod = podInfo({ tolerations: [{ key: 'k0', operator: 'Exists' }] });
    assert.equal(ask(taintToleration, pod, tainted('NoSchedule')), undefined);
    const reasons = ['node(s) had untolerated taint {k1: v}'];
    assert.deepEqual(ask(taintToleration, pod, tainted('NoSchedule', 'NoExecute')), reasons);
  });
  test('does not filter by PreferNoSchedule, but scores by it', () => {
    const pod = podInfo({ tolerations: [{ key: 'k0', operator: 'Exists', effect: 'NoSchedule' }] });
    assert.equal(ask(taintToleration, pod, tainted('PreferNoSchedule')), undefined);
    const nodes = [
      nodeInfo('b'),
      tainted('PreferNoSchedule'),
      tainted('PreferNoSchedule', 'PreferNoSchedule'),
    ];
    assert.deepEqual(rank(taintToleration, pod, nodes), [100, 50, 0]);
    const tolerant = podInfo({ tolerations: [{ operator: 'Exists' }] });
    assert.deepEqual(rank(taintToleration, tolerant, nodes), [100, 100, 100]);
    assert.equal(rank(taintToleration, pod, [nodeInfo('b')]), undefined);
  });
});

suite('NodeAffinity', () => {
  const node = nodeInfo('n1', { labels: { zone: 'a', cores: '8', text: 'x' } });
  const REFUSED = ["node(s) didn't match Pod's node affinity/selector"];
  const required = (...terms: object[]): PodSpec => ({
    affinity: {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } },
    },
  });
  const asks = (spec: PodSpec): Reasons | undefined => ask(nodeAffinity, podInfo(spec), node);

  test('nodeSelector wants every label', () => {
    assert.equal(asks({}), undefined);
    assert.equal(asks({ nodeSelector: { zone: 'a' } }), undefined);
    assert.equal(asks({ nodeSelector: { zone: 'a', cores: '8' } }), undefined);
    assert.deepEqual(asks({ nodeSelector: { zone: 'b' } }), REFUSED);
    assert.deepEqual(asks({ nodeSelector: { zone: 'a', constructor: '' } }), REFUSED);
  });

  const cases: [NodeSelectorRequirement, boolean][] = [
    [{ key: 'zone', operator: 'In', values: ['b', 'a'] }, true],
    [{ key: 'zone', operator: 'In', values: ['b'] }, false],
    [{ key: 'none', operator: 'In', values: ['b'] }, false],
    [{ key: 'zone', operator: 'NotIn', values: ['b'] }, true],
    [{ key: 'zone', operator: 'NotIn', values: ['a'] }, false],
    [{ key: 'none', operator: 'NotIn', values: ['a'] }, true],
    [{ key: 'zone', operator: 'Exists' }, true],
    [{ key: 'none', operator: 'Exists' }, false],
    [{ key: 'none', operator: 'DoesNotExist' }, true],
    [{ key: 'zone', operator: 'DoesNotExist' }, false],
    [{ key: 'cores', operator: 'Gt', values: ['7'] }, true],
    [{ key: 'cores', operator: 'Gt', values: ['8'] }, false],
    [{ key: 'cores', operator: 'Lt', values: ['9'] }, true],
    [{ key: 'cores', operator: 'Lt', values: ['8'] }, false],
    [{ key: 'text', operator: 'Gt', values: ['1'] }, false],
    [{ key: 'none', operator: 'Lt', values: ['1'] }, false],
    [{ key: 'cores', operator: 'Gt', values: ['x'] }, false],
    [{ key: 'cores', operator: 'Gt', values: [] }, false],
    [{ key: 'cores', operator: 'Near', values: ['8'] }, false],
  ];
  for (const [requirement, expected] of cases) {
    test(`${JSON.stringify(requirement)}: ${expected}`, () =>
      assert.deepEqual(asks(required({ matchExpressions: [requirement] })), expected ? undefined : REFUSED));
  }

  test('terms are alternatives, requirements of one term are not; an empty term matches nothing', () => {
    const yes = { key: 'zone', operator: 'Exists' };
    const no = { key: 'none', operator: 'Exists' };
    assert.equal(asks(required({ matchExpressions: [no] }, { matchExpressions: [yes] })), undefined);
    assert.deepEqual(asks(required({ matchExpressions: [yes, no] })), REFUSED);
    assert.deepEqual(asks(required({})), REFUSED);
    assert.deepEqual(asks(required()), REFUSED);
    assert.deepEqual(
      asks({ ...required({ matchExpressions: [yes] }), nodeSelector: { zone: 'b' } }),
      REFUSED,
    );
  });

  test('a term that names its node narrows the search to it', () => {
    const named = (...values: string[]): object => ({
      matchFields: [{ key: 'metadata.name', operator: 'In', values }],
    });
    const pre = (spec: PodSpec): unknown => nodeAffinity.preFilter?.(podInfo(spec), new PodState());
    assert.deepEqual(pre(required(named('n1'), named('n2'))), { kind: 'only', nodes: new Set(['n1', 'n2']) });
    assert.equal(
      pre(required(named('n1'), { matchExpressions: [{ key: 'zone', operator: 'Exists' }] })),
      undefined,
    );
    const twice = [{ key: 'metadata.name', operator: 'In', values: ['n2'] }];
    const conflict = { matchFields: [...twice, { key: 'metadata.name', operator: 'In', values: ['n1'] }] };
    assert.deepEqual(pre(required(conflict)), { kind: 'reject', reasons: ['pod affinity terms conflict'] });
    assert.equal(asks(required(named('n1'))), undefined);
    const not = { matchFields: [{ key: 'metadata.name', operator: 'NotIn', values: ['n1'] }] };
    assert.deepEqual(asks(required(not)), REFUSED);
  });

  test('preferences add up and are stretched to the best node', () => {
    const prefer = (weight: number, key: string): object => ({
      weight,
      preference: { matchExpressions: [{ key, operator: 'Exists' }] },
    });
    const pod = podInfo({
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [prefer(30, 'a'), prefer(10, 'b'), prefer(0, 'c')],
        },
      },
    });
    const nodes = [{ a: '', b: '' }, { b: '' }, { c: '' }].map((labels: Record<string, string>) =>
      nodeInfo('n', { labels }),
    );
    assert.deepEqual(rank(nodeAffinity, pod, nodes), [100, 25, 0]);
    assert.equal(rank(nodeAffinity, podInfo(), nodes), undefined);
  });
});

suite('NodePorts', () => {
  const using = (hostPort: number, more: { hostIP?: string; protocol?: string } = {}): PodSpec => ({
    containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort, ...more }] }],
  });
  const node = nodeInfo('n', {}, [
    testPod('any', undefined, using(80)),
    testPod('one', undefined, using(90, { hostIP: '10.0.0.1' })),
  ]);
  const cases: [PodSpec, boolean][] = [
    [using(80), false],
    [using(80, { hostIP: '10.0.0.1' }), false],
    [using(80, { protocol: 'UDP' }), true],
    [using(81), true],
    [using(90), false],
    [using(90, { hostIP: '10.0.0.1' }), false],
    [using(90, { hostIP: '10.0.0.2' }), true],
    [using(0), true],
    [{ containers: [], initContainers: [{ name: 'once', ports: [{ hostPort: 80 }] }] }, true],
    [
      { containers: [], initContainers: [{ name: 's', restartPolicy: 'Always', ports: [{ hostPort: 80 }] }] },
      false,
    ],
  ];
  for (const [spec, free] of cases) {
    test(`${JSON.stringify(spec)}: ${free ? 'free' : 'taken'}`, () => {
      const expected = free ? undefined : ["node(s) didn't have free ports for the requested pod ports"];
      assert.deepEqual(ask(nodePorts, podInfo(spec), node), expected);
    });
  }
  test('a port is free again when its last user has gone', () => {
    const pod = podInfoOf(testPod('user', undefined, using(70)));
    const node = nodeInfo('n');
    node.add(pod);
    assert.ok(ask(nodePorts, podInfo(using(70)), node));
    node.remove(pod);
    assert.equal(ask(nodePorts, podInfo(using(70)), node), undefined);
  });
});

suite('NodeResourcesFit', () => {
  const shape = (allocatable: Record<string, string>): NodeShape => ({
    allocatable: { pods: '10', cpu: '2', memory: '1Gi', 'ephemeral-storage': '1Gi', ...allocatable },
  });
  const full = nodeInfo('n', shape({ 'example.com/gpu': '1' }), [
    testPod('a', { cpu: '1500m', memory: '1Gi', 'example.com/gpu': '1', 'ephemeral-storage': '1Gi' }),
  ]);
  test('names everything there is too little of', () => {
    const asks = (requests: Record<string, string>): unknown =>
      ask(nodeResourcesFit, podInfo({}, requests), full);
    assert.equal(asks({ cpu: '500m' }), undefined);
    assert.deepEqual(asks({ cpu: '501m' }), ['Insufficient cpu']);
    assert.deepEqual(asks({ memory: '1', 'ephemeral-storage': '1' }), [
      'Insufficient memory',
      'Insufficient ephemeral-storage',
    ]);
    assert.deepEqual(asks({ 'example.com/gpu': '1' }), ['Insufficient example.com/gpu']);
    assert.deepEqual(asks({ 'example.com/other': '1' }), ['Insufficient example.com/other']);
  });
  test('a pod that asks for nothing fits an overfull node, until it has too many pods', () => {
    const over = nodeInfo('n', shape({ cpu: '1' }), [testPod('a', { cpu: '2' })]);
    assert.equal(ask(nodeResourcesFit, podInfo(), over), undefined);
    assert.deepEqual(ask(nodeResourcesFit, podInfo({}, { cpu: '0' }), over), undefined);
    const one = nodeInfo('n', shape({ pods: '1' }), [testPod('a')]);
    assert.deepEqual(ask(nodeResourcesFit, podInfo(), one), ['Too many pods']);
    assert.deepEqual(ask(nodeResourcesFit, podInfo(), nodeInfo('bare', { allocatable: {} })), [
      'Too many pods',
    ]);
  });
  test('prefers the emptier node, counting pods without requests too', () => {
    const pod = podInfo({}, { cpu: '1', memory: '512Mi' });
    const nodes = [
      nodeInfo('empty', shape({})),
      nodeInfo('used', shape({}), [testPod('a', { cpu: '500m', memory: '256Mi' })]),
      nodeInfo('quiet', shape({}), [testPod('b')]),
      nodeInfo('no-cpu', { allocatable: { pods: '1', memory: '1Gi' } }),
    ];
    assert.deepEqual(rank(nodeResourcesFit, pod, nodes), [50, 25, 37, 50]);
  });
});

suite('NodeResourcesBalancedAllocation', () => {
  test('prefers even use of cpu and memory; pods that request nothing do not care', () => {
    const node = (cpu: string, memory: string): NodeInfo => nodeInfo('n', { allocatable: { cpu, memory } });
    const pod = podInfo({}, { cpu: '1', memory: '1Gi' });
    const nodes = [node('2', '2Gi'), node('4', '1Gi'), node('0', '1Gi'), node('500m', '512Mi')];
    assert.deepEqual(rank(balancedAllocation, pod, nodes), [100, 62, 100, 100]);
    assert.equal(rank(balancedAllocation, podInfo(), nodes), undefined);
  });
});

suite('DefaultBinder', () => {
  test('posts a Binding and passes a refusal on', async () => {
    const api = createFakeApi();
    const pod = podInfoOf(api.put(pods, testPod('web')));
    const binder = defaultBinder(createClient({ transport: api }));
    await binder.bind(pod, 'n1');
    assert.equal(api.read(pods, { namespace: 'default', name: 'web' })?.spec?.nodeName, 'n1');
    await assert.rejects(binder.bind(pod, 'n2'), { code: 'conflict' });
  });
});
