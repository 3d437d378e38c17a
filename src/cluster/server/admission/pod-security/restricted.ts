import { getPath, listAt, objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';
import { badSeccomp, isGoodSeccomp, procMount, RELAXED } from './baseline.ts';
import {
  containers,
  containersOf,
  hasOwnUsers,
  isWindows,
  nameOf,
  quoted,
  setters,
  sorted,
  type Check,
  type PodParts,
  type Violation,
} from './check.ts';

type Test = (pod: PodParts) => Violation | undefined;

const unlessWindows =
  (check: Test): Test =>
  (pod) =>
    isWindows(pod) ? undefined : check(pod);
const unlessOwnUsers =
  (check: Test): Test =>
  (pod) =>
    hasOwnUsers(pod) ? undefined : check(pod);

function escalation(pod: PodParts): Violation | undefined {
  const bad = containersOf(pod)
    .filter((one) => getPath(one, 'securityContext', 'allowPrivilegeEscalation') !== false)
    .map(nameOf);
  if (bad.length === 0) return undefined;
  return {
    reason: 'allowPrivilegeEscalation != false',
    detail: `${containers(bad)} must set securityContext.allowPrivilegeEscalation=false`,
  };
}

function capabilities(pod: PodParts): Violation | undefined {
  const added: string[] = [];
  const keeping: string[] = [];
  const adding: string[] = [];
  for (const container of containersOf(pod)) {
    const of = (field: string): string[] =>
      listAt(container, 'securityContext', 'capabilities', field) as string[];
    if (!of('drop').includes('ALL')) keeping.push(nameOf(container));
    const wrong = of('add').filter((one) => one !== 'NET_BIND_SERVICE');
    if (wrong.length > 0) adding.push(nameOf(container));
    added.push(...wrong);
  }
  const details = [
    ...(keeping.length > 0
      ? [`${containers(keeping)} must set securityContext.capabilities.drop=["ALL"]`]
      : []),
    ...(adding.length > 0
      ? [
          `${containers(adding)} must not include ${quoted(sorted(added))} in securityContext.capabilities.add`,
        ]
      : []),
  ];
  return details.length === 0
    ? undefined
    : { reason: 'unrestricted capabilities', detail: details.join('; ') };
}

const VOLUMES = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
];

function volumes({ spec }: PodParts): Violation | undefined {
  const bad = objectsAt(spec, 'volumes').filter(
    (volume) => !VOLUMES.some((kind) => getPath(volume, kind) !== undefined),
  );
  if (bad.length === 0) return undefined;
  const kindOf = (volume: JsonObject): string =>
    Object.keys(volume).find((key) => key !== 'name') ?? 'unknown';
  const names = bad.map((volume) => stringAt(volume, 'name'));
  const kinds = sorted(bad.map(kindOf));
  const [volume, uses, kind] =
    names.length === 1
      ? ['volume', 'uses', 'type']
      : ['volumes', 'use', kinds.length === 1 ? 'type' : 'types'];
  return {
    reason: 'restricted volume types',
    detail: `${volume} ${quoted(names)} ${uses} restricted volume ${kind} ${quoted(kinds)}`,
  };
}

/** Containers that leave something to the pod, which leaves it open. */
function silent(pod: PodParts, path: readonly string[], good: (value: unknown) => boolean): string[] {
  if (good(getPath(pod.spec, 'securityContext', ...path))) return [];
  return containersOf(pod)
    .filter((container) => getPath(container, 'securityContext', ...path) === undefined)
    .map(nameOf);
}

function nonRoot(pod: PodParts): Violation | undefined {
  const reason = 'runAsNonRoot != true';
  const bad = setters(pod, ['runAsNonRoot'], (value) => value === false);
  if (bad.length > 0) {
    return { reason, detail: `${bad.join(' and ')} must not set securityContext.runAsNonRoot=false` };
  }
  const names = silent(pod, ['runAsNonRoot'], (value) => value === true);
  if (names.length === 0) return undefined;
  return { reason, detail: `pod or ${containers(names)} must set securityContext.runAsNonRoot=true` };
}

function user(pod: PodParts): Violation | undefined {
  const bad = setters(pod, ['runAsUser'], (value) => value === 0);
  if (bad.length === 0) return undefined;
  return { reason: 'runAsUser=0', detail: `${bad.join(' and ')} must not set runAsUser=0` };
}

function seccomp(pod: PodParts): Violation | undefined {
  const bad = badSeccomp(pod);
  if (bad !== undefined) return bad;
  const podType = getPath(pod.spec, 'securityContext', 'seccompProfile', 'type');
  const names = isGoodSeccomp(podType) ? [] : silent(pod, ['seccompProfile'], () => false);
  if (names.length === 0) return undefined;
  const detail = `pod or ${containers(names)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`;
  return { reason: 'seccompProfile', detail };
}

export const restrictedChecks: readonly Check[] = [
  {
    id: 'allowPrivilegeEscalation',
    level: 'restricted',
    versions: [
      [8, escalation],
      [25, unlessWindows(escalation)],
    ],
  },
  {
    id: 'capabilities_restricted',
    level: 'restricted',
    overrides: ['capabilities_baseline'],
    versions: [
      [22, capabilities],
      [25, unlessWindows(capabilities)],
    ],
  },
  // Here pods in user namespaces may not do more.
  {
    id: 'procMount_restricted',
    level: 'restricted',
    overrides: ['procMount'],
    versions: [[RELAXED, procMount]],
  },
  { id: 'restrictedVolumes', level: 'restricted', overrides: ['hostPathVolumes'], versions: [[0, volumes]] },
  {
    id: 'runAsNonRoot',
    level: 'restricted',
    versions: [
      [0, nonRoot],
      [RELAXED, unlessOwnUsers(nonRoot)],
    ],
  },
  {
    id: 'runAsUser',
    level: 'restricted',
    versions: [
      [23, user],
      [RELAXED, unlessOwnUsers(user)],
    ],
  },
  {
    id: 'seccompProfile_restricted',
    level: 'restricted',
    overrides: ['seccompProfile_baseline'],
    versions: [
      [19, seccomp],
      [25, unlessWindows(seccomp)],
    ],
  },
];
