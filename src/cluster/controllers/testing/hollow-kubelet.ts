import type { Pod } from '../../api/generated/core-v1.ts';
import type { Running } from './running.ts';
import { pods } from '../../client/kinds.ts';
import { rfc3339 } from '../../../base/clock.ts';
import { isPodReady } from '../pod-state.ts';

/** Does to the pods of a fake API what nodes would: pods named by `starts` get ready, terminating ones go. */
export function runNodes(plane: Running, starts: (pod: Pod) => boolean = () => true): void {
  for (const pod of plane.api.all(pods)) {
    const { name = '', namespace = 'default', deletionTimestamp } = pod.metadata ?? {};
    if (deletionTimestamp !== undefined) plane.api.remove(pods, { name, namespace });
    else if (!isPodReady(pod) && starts(pod)) makeReady(plane, pod);
  }
}

export function makeReady(plane: Running, pod: Pod): void {
  const lastTransitionTime = rfc3339(plane.clock.now());
  plane.api.put(pods, {
    ...pod,
    spec: { ...pod.spec, nodeName: 'n1' },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True', lastTransitionTime }] },
  });
}
