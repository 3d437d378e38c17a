/** The order in which discovery shows groups and versions: clients prefer what comes first. */

export interface Priority {
  /** Of the group among groups. */
  readonly group: number;
  /** Of the version among those of its group. */
  readonly version: number;
}

/** Upstream's numbers; they show in `kubectl get apiservice -o yaml`. */
const BUILT_IN: Readonly<
  Record<string, readonly [group: number, versions: Readonly<Record<string, number>>]>
> = {
  '': [18_000, { v1: 1 }],
  apps: [17_800, { v1: 15 }],
  'events.k8s.io': [17_750, { v1: 15 }],
  'authentication.k8s.io': [17_700, { v1: 15 }],
  'authorization.k8s.io': [17_600, { v1: 15 }],
  autoscaling: [17_500, { v1: 15, v2: 30 }],
  batch: [17_400, { v1: 15 }],
  'certificates.k8s.io': [17_300, { v1: 15, v1beta1: 9 }],
  'networking.k8s.io': [17_200, { v1: 15, v1beta1: 9 }],
  policy: [17_100, { v1: 15 }],
  'rbac.authorization.k8s.io': [17_000, { v1: 15 }],
  'storage.k8s.io': [16_800, { v1: 15, v1beta1: 9 }],
  'admissionregistration.k8s.io': [16_700, { v1: 15, v1beta1: 12 }],
  'apiextensions.k8s.io': [16_700, { v1: 15 }],
  'scheduling.k8s.io': [16_600, { v1: 15 }],
  'coordination.k8s.io': [16_500, { v1: 15, v1beta1: 13 }],
  'node.k8s.io': [16_300, { v1: 15 }],
  'discovery.k8s.io': [16_200, { v1: 15 }],
  'resource.k8s.io': [16_200, { v1: 21, v1beta2: 15, v1beta1: 9 }],
  'flowcontrol.apiserver.k8s.io': [16_100, { v1: 21 }],
  'storagemigration.k8s.io': [15_800, { v1beta1: 9 }],
};

/** Of user-defined resources: after everything that is built in. */
const CUSTOM: Priority = { group: 1000, version: 100 };

export function localPriority(group: string, version: string): Priority {
  const [own, versions] = BUILT_IN[group] ?? [];
  return own === undefined ? CUSTOM : { group: own, version: versions?.[version] ?? 9 };
}

const KUBE_LIKE = /^v(\d+)(?:(alpha|beta)(\d+))?$/;
const STAGES = ['alpha', 'beta', undefined];

/** Newest and most stable first: v10, v2, v1, v11beta2, v3beta1, v12alpha1, foo1, foo10. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [KUBE_LIKE.exec(a), KUBE_LIKE.exec(b)];
  if (left === null || right === null) {
    if (left === null && right === null) return a < b ? -1 : Number(a > b);
    return left === null ? 1 : -1;
  }
  return (
    STAGES.indexOf(right[2]) - STAGES.indexOf(left[2]) ||
    Number(right[1]) - Number(left[1]) ||
    Number(right[3] ?? 0) - Number(left[3] ?? 0)
  );
}
