/** Pods and nodes for tests, with only what a test says. */
import type { Node, NodeSpec, Pod, PodSpec, Taint } from '../../api/generated/core-v1.ts';
import { NodeInfo } from '../node-info.ts';
import { podInfoOf, type PodInfo } from '../pod-info.ts';

export interface NodeShape {
  readonly labels?: Record<string, string>;
  readonly taints?: Taint[];
  readonly spec?: NodeSpec;
  /** Replaces the default: 4 cores, 8 GiB, 110 pods. */
  readonly allocatable?: Record<string, string>;
}

export function testNode(name: string, shape: NodeShape = {}): Node {
  return {
    metadata: { name, labels: shape.labels },
    spec: { ...shape.spec, ...(shape.taints && { taints: shape.taints }) },
    status: { allocatable: shape.allocatable ?? { cpu: '4', memory: '8Gi', pods: '110' } },
  };
}

/** A pod of default-scheduler with one container; `requests` are that container's. */
export function testPod(name: string, requests?: Record<string, string>, spec: PodSpec = {}): Pod {
  return {
    metadata: { name, namespace: 'default', uid: `uid-${name}` },
    spec: {
      schedulerName: 'default-scheduler',
      containers: [{ name: 'main', ...(requests && { resources: { requests } }) }],
      ...spec,
    },
    status: { phase: 'Pending' },
  };
}

export function nodeInfo(name: string, shape: NodeShape = {}, pods: readonly Pod[] = []): NodeInfo {
  const info = new NodeInfo(name);
  info.setNode(testNode(name, shape));
  for (const pod of pods) info.add(podInfoOf(pod));
  return info;
}

export function podInfo(spec: PodSpec = {}, requests?: Record<string, string>): PodInfo {
  return podInfoOf(testPod('pod', requests, spec));
}
