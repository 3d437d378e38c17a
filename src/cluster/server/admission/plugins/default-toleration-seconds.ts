import { objectAt, objectsAt, type JsonObject } from '../../../api/json.ts';
import type { AdmissionPlugin } from '../admission.ts';
import { isFor } from '../lookup.ts';

const TAINTS = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];
const SECONDS = 300;

/** Pods that do not say otherwise stay for five minutes on a node that is away. */
export const defaultTolerationSeconds: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  handles: (request) =>
    isFor(request, '', 'pods') && (request.operation === 'CREATE' || request.operation === 'UPDATE'),
  mutate({ object }) {
    const tolerations = objectsAt(object, 'spec', 'tolerations');
    const missing = TAINTS.filter((key) => !tolerations.some((one) => tolerates(one, key)));
    if (missing.length === 0 || object === undefined) return;
    const added = missing.map((key) => ({
      key,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: SECONDS,
    }));
    object.spec = { ...objectAt(object, 'spec'), tolerations: [...tolerations, ...added] };
  },
};

function tolerates(toleration: JsonObject, taint: string): boolean {
  const { key = '', effect = '' } = toleration;
  return (key === taint || key === '') && (effect === 'NoExecute' || effect === '');
}
