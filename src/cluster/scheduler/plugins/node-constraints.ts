/** The three smallest filters. */
import type { Plugin } from '../framework.ts';
import { tolerates } from './taint-toleration.ts';

/** A pod that names its node runs there or nowhere. */
export const nodeName: Plugin = {
  name: 'NodeName',
  wakesOn: ['node-added'],
  filter(pod, node) {
    const wanted = pod.pod.spec?.nodeName ?? '';
    return wanted === '' || wanted === node.name
      ? undefined
      : ["node(s) didn't match the requested node name"];
  },
};

const UNSCHEDULABLE = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** A cordoned node takes no pod but those that tolerate the taint which says so. */
export const nodeUnschedulable: Plugin = {
  name: 'NodeUnschedulable',
  wakesOn: ['node-added', 'node-taints'],
  filter(pod, node) {
    if (node.node?.spec?.unschedulable !== true) return undefined;
    const tolerated = pod.pod.spec?.tolerations?.some((toleration) => tolerates(toleration, UNSCHEDULABLE));
    return tolerated === true ? undefined : ['node(s) were unschedulable'];
  },
};

/** Each host port is had once per address and protocol. */
export const nodePorts: Plugin = {
  name: 'NodePorts',
  wakesOn: ['node-added', 'pod-removed'],
  filter(pod, node) {
    return pod.hostPorts.some((port) => node.portTaken(port))
      ? ["node(s) didn't have free ports for the requested pod ports"]
      : undefined;
  },
};
