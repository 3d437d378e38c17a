/** The pod security standards, enforced, audited and warned about as a namespace's labels say. */
import { fieldErrorsError } from '../../../api/field-error.ts';
import { getPath, isJsonObject, objectsAt, stringAt } from '../../../api/json.ts';
import type { KubeObject } from '../../object.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts';
import { listOf, objectNamed, refused } from '../lookup.ts';
import type { PodParts } from './check.ts';
import {
  levelText,
  policyOf,
  RANK,
  violations,
  violationText,
  type LevelVersion,
  type Policy,
} from './policy.ts';

/** Where each kind keeps its pod: the path of the template, or of the pod itself. */
const TEMPLATES: Readonly<Record<string, readonly string[]>> = {
  '/pods': [],
  '/podtemplates': ['template'],
  '/replicationcontrollers': ['spec', 'template'],
  'apps/replicasets': ['spec', 'template'],
  'apps/deployments': ['spec', 'template'],
  'apps/statefulsets': ['spec', 'template'],
  'apps/daemonsets': ['spec', 'template'],
  'batch/jobs': ['spec', 'template'],
  'batch/cronjobs': ['spec', 'jobTemplate', 'spec', 'template'],
};

/** More pods than this are not looked at when a namespace becomes stricter. */
const MAX_PODS = 3000;

const isNamespace = ({ resource }: AdmissionRequest): boolean =>
  resource.group === '' && resource.resource === 'namespaces';

const keyOf = ({ resource }: AdmissionRequest): string => `${resource.group}/${resource.resource}`;

export const podSecurity: AdmissionPlugin = {
  name: 'PodSecurity',
  handles(request) {
    const { operation, subresource } = request;
    if (operation !== 'CREATE' && operation !== 'UPDATE') return false;
    if (isNamespace(request)) return subresource === '';
    if (TEMPLATES[keyOf(request)] === undefined) return false;
    const isOfPod = keyOf(request) === '/pods' && /^(ephemeralcontainers|resize)$/.test(subresource);
    // Where all is allowed nobody has to look at the object, which may be wide.
    return (subresource === '' || isOfPod) && !allows(policyFor(request));
  },
  validate(request) {
    if (isNamespace(request)) return checkNamespace(request);
    const { object, old } = request;
    if (object === undefined) return;
    const policy = policyFor(request);
    const isPod = keyOf(request) === '/pods';
    if (isPod && old !== undefined && !changesMuch(object, old)) return;
    const parts = partsOf(object, TEMPLATES[keyOf(request)] ?? []);
    if (parts !== undefined) checkPod(request, { parts, policy, enforce: isPod });
  },
};

function policyFor({ server, namespace }: AdmissionRequest): Policy {
  const space = objectNamed(server, ['', 'v1', 'namespaces'], { name: namespace });
  return policyOf(space?.metadata.labels).policy;
}

function allows({ enforce, audit, warn }: Policy): boolean {
  return [enforce, audit, warn].every(({ level }) => level === 'privileged');
}

function partsOf(object: KubeObject, path: readonly string[]): PodParts | undefined {
  const holder = getPath(object, ...path);
  const spec = getPath(holder, 'spec');
  if (!isJsonObject(spec)) return undefined;
  const annotations = getPath(holder, 'metadata', 'annotations');
  return { spec, annotations: isJsonObject(annotations) ? (annotations as Record<string, string>) : {} };
}

function checkPod(
  request: AdmissionRequest,
  { parts, policy, enforce }: { parts: PodParts; policy: Policy; enforce: boolean },
): void {
  const found = enforce ? violations(policy.enforce, parts) : [];
  const would = (level: LevelVersion): string | undefined => {
    const all = violations(level, parts);
    return all.length === 0
      ? undefined
      : `would violate PodSecurity "${levelText(level)}": ${violationText(all)}`;
  };
  const audited = would(policy.audit);
  if (audited !== undefined) request.audit?.('pod-security.kubernetes.io/audit-violations', audited);
  if (enforce) request.audit?.('pod-security.kubernetes.io/enforce-policy', levelText(policy.enforce));
  if (found.length > 0) {
    throw refused(request, `violates PodSecurity "${levelText(policy.enforce)}": ${violationText(found)}`);
  }
  const warned = would(policy.warn);
  if (warned !== undefined) request.warn(warned);
}

/** Most of a running pod cannot change; what can matters only here. */
function changesMuch(pod: KubeObject, old: KubeObject): boolean {
  const annotation = (of: KubeObject, key: string): string | undefined => of.metadata.annotations?.[key];
  const differs = (key: string): boolean => annotation(pod, key) !== annotation(old, key);
  if (differs('seccomp.security.alpha.kubernetes.io/pod')) return true;
  return ['containers', 'initContainers', 'ephemeralContainers'].some((list) => {
    const [now, before] = [objectsAt(pod, 'spec', list), objectsAt(old, 'spec', list)];
    return (
      now.length !== before.length ||
      now.some((container) => {
        const name = stringAt(container, 'name');
        const previous = before.find((one) => stringAt(one, 'name') === name);
        return (
          previous === undefined ||
          previous['image'] !== container['image'] ||
          differs(`container.seccomp.security.alpha.kubernetes.io/${name}`)
        );
      })
    );
  });
}

function checkNamespace(request: AdmissionRequest): void {
  const { object, old, name, server, warn } = request;
  const now = policyOf(object?.metadata.labels);
  const before = old === undefined ? undefined : policyOf(old.metadata.labels);
  const complaint = JSON.stringify(now.errors);
  if (now.errors.length > 0 && complaint !== JSON.stringify(before?.errors ?? [])) {
    throw fieldErrorsError(now.errors);
  }
  if (before === undefined) return;
  const [next, last] = [now.policy.enforce, before.policy.enforce];
  if (next.level === 'privileged' || levelText(next) === levelText(last)) return;
  if (next.minor === last.minor && RANK[next.level] <= RANK[last.level]) return;
  for (const text of existing(name, next, listOf(server, ['', 'v1', 'pods'], name))) warn(text);
}

/** What is there already and would not be let in any more. */
function existing(namespace: string, level: LevelVersion, pods: readonly KubeObject[]): readonly string[] {
  const names = new Map<string, string[]>();
  for (const pod of pods.slice(0, MAX_PODS)) {
    const parts = partsOf(pod, []);
    const reasons = parts === undefined ? [] : violations(level, parts).map(({ reason }) => reason);
    if (reasons.length === 0) continue;
    const key = reasons.join(', ');
    names.set(key, [...(names.get(key) ?? []), pod.metadata.name ?? '']);
  }
  const texts = [...names].map(([reasons, found]) => {
    const first = found.toSorted()[0] ?? '';
    const others = found.length - 1;
    const more = others === 0 ? '' : others === 1 ? ' (and 1 other pod)' : ` (and ${others} other pods)`;
    return `${first}${more}: ${reasons}`;
  });
  const head = `existing pods in namespace "${namespace}" violate the new PodSecurity enforce level "${levelText(level)}"`;
  const cut = `new PodSecurity enforce level only checked against the first ${MAX_PODS} of ${pods.length} existing pods`;
  return [...(pods.length > MAX_PODS ? [cut] : []), ...(texts.length > 0 ? [head] : []), ...texts.toSorted()];
}
