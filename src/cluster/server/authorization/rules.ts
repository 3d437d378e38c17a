/** RBAC rules: what one allows, and whether some rules allow all that another does. */
import { goQuote } from '../../api/field-error.ts';
import { listAt, objectsAt, type JsonObject } from '../../api/json.ts';
import type { Attributes } from './authorizer.ts';

/** rbac.authorization.k8s.io/v1 PolicyRule. */
export interface Rule {
  readonly verbs: readonly string[];
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames: readonly string[];
  readonly nonResourceURLs: readonly string[];
}

const strings = (rule: JsonObject, name: string): readonly string[] => listAt(rule, name) as string[];

export function rulesOf(role: JsonObject): readonly Rule[] {
  return objectsAt(role, 'rules').map((rule) => ({
    verbs: strings(rule, 'verbs'),
    apiGroups: strings(rule, 'apiGroups'),
    resources: strings(rule, 'resources'),
    resourceNames: strings(rule, 'resourceNames'),
    nonResourceURLs: strings(rule, 'nonResourceURLs'),
  }));
}

export function ruleAllows(rule: Rule, asked: Attributes): boolean {
  if (!includes(rule.verbs, asked.verb)) return false;
  if (asked.path !== undefined) return rule.nonResourceURLs.some((url) => urlCovers(url, asked.path!));
  const { group, resource, subresource, name } = asked;
  if (!includes(rule.apiGroups, group)) return false;
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  if (!rule.resources.some((given) => resourceCovers(given, full))) return false;
  return rule.resourceNames.length === 0 || rule.resourceNames.includes(name);
}

const includes = (list: readonly string[], value: string): boolean =>
  list.includes('*') || list.includes(value);

/** `*`, `pods/log`, and `*` + `/scale` for the subresource of anything. */
function resourceCovers(given: string, asked: string): boolean {
  if (given === '*' || given === asked) return true;
  return (
    given.startsWith('*/') &&
    asked.endsWith(given.slice(1)) &&
    asked.indexOf('/') === asked.length - given.length + 1
  );
}

/** `*` at the end stands for anything. */
function urlCovers(given: string, asked: string): boolean {
  return given === '*' || given === asked || (given.endsWith('*') && asked.startsWith(given.slice(0, -1)));
}

/** The parts of `wanted` that `owned` does not allow; none means that they may be given away. */
export function uncovered(owned: readonly Rule[], wanted: readonly Rule[]): readonly Rule[] {
  return wanted
    .flatMap((rule) => atoms(rule))
    .filter((atom) => !owned.some((rule) => ruleCovers(rule, atom)));
}

/** A rule for each combination of its groups, resources, verbs and names. */
function atoms(rule: Rule): Rule[] {
  const none = { apiGroups: [], resources: [], resourceNames: [], nonResourceURLs: [] };
  const names = rule.resourceNames.length === 0 ? [[]] : rule.resourceNames.map((name) => [name]);
  const resources = rule.apiGroups.flatMap((group) =>
    rule.resources.flatMap((resource) =>
      rule.verbs.flatMap((verb) =>
        names.map((resourceNames) => ({
          verbs: [verb],
          apiGroups: [group],
          resources: [resource],
          resourceNames,
          nonResourceURLs: [],
        })),
      ),
    ),
  );
  const urls = rule.nonResourceURLs.flatMap((url) =>
    rule.verbs.map((verb) => ({ ...none, verbs: [verb], nonResourceURLs: [url] })),
  );
  return [...resources, ...urls];
}

/** One rule for all that is about the same resource (and the same name of it), with the verbs of each. */
export function compacted(parts: readonly Rule[]): readonly Rule[] {
  const bySubject = new Map<string, Rule>();
  const others: Rule[] = [];
  for (const part of parts) {
    if (part.nonResourceURLs.length > 0) {
      others.push(part);
      continue;
    }
    const { apiGroups, resources, resourceNames } = part;
    const subject = JSON.stringify([apiGroups, resources, resourceNames]);
    const verbs = [...(bySubject.get(subject)?.verbs ?? []), ...part.verbs];
    bySubject.set(subject, { ...part, verbs });
  }
  return [...others, ...bySubject.values()];
}

function ruleCovers(owner: Rule, atom: Rule): boolean {
  const verb = atom.verbs[0]!;
  if (!includes(owner.verbs, verb)) return false;
  const url = atom.nonResourceURLs[0];
  if (url !== undefined) return owner.nonResourceURLs.some((given) => urlCovers(given, url));
  return (
    includes(owner.apiGroups, atom.apiGroups[0]!) &&
    owner.resources.some((given) => resourceCovers(given, atom.resources[0]!)) &&
    (owner.resourceNames.length === 0 ||
      (atom.resourceNames.length > 0 && owner.resourceNames.includes(atom.resourceNames[0]!)))
  );
}

/** `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`, as refusals list them. */
export function ruleText(rule: Rule): string {
  const list = (values: readonly string[]): string => `[${values.map((value) => goQuote(value)).join(' ')}]`;
  const parts = [
    ...(rule.apiGroups.length > 0 ? [`APIGroups:${list(rule.apiGroups)}`] : []),
    ...(rule.resources.length > 0 ? [`Resources:${list(rule.resources)}`] : []),
    ...(rule.nonResourceURLs.length > 0 ? [`NonResourceURLs:${list(rule.nonResourceURLs)}`] : []),
    ...(rule.resourceNames.length > 0 ? [`ResourceNames:${list(rule.resourceNames)}`] : []),
    `Verbs:${list(rule.verbs)}`,
  ];
  return `{${parts.join(', ')}}`;
}
