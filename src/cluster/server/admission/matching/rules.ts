/** Which requests a webhook or a policy is asked about: RuleWithOperations, selectors, match policy. */
import { listAt, objectsAt, stringAt, textOf, type JsonObject } from '../../../api/json.ts';
import { selectorFromObject, type Selector } from '../../../api/selector.ts';
import type { LabelSelector } from '../../../api/generated/meta-v1.ts';
import { notFound } from '../../failure.ts';
import type { Resource } from '../../resource.ts';
import type { AdmissionRequest } from '../admission.ts';
import { objectNamed } from '../lookup.ts';

export interface Matcher {
  readonly rules: readonly JsonObject[];
  /** Requests that one of these names is about are left out. */
  readonly excluded: readonly JsonObject[];
  readonly equivalent: boolean;
  readonly namespaces: Selector;
  readonly objects: Selector;
}

/** Of a webhook (`rules`) or of matchResources (`resourceRules`, `excludeResourceRules`). */
export function matcherOf(from: JsonObject): Matcher {
  const selector = (field: string): Selector => selectorFromObject((from[field] ?? {}) as LabelSelector);
  return {
    rules: [...objectsAt(from, 'rules'), ...objectsAt(from, 'resourceRules')],
    excluded: objectsAt(from, 'excludeResourceRules'),
    equivalent: stringAt(from, 'matchPolicy') !== 'Exact',
    namespaces: selector('namespaceSelector'),
    objects: selector('objectSelector'),
  };
}

/** Who could lock everybody out, themselves included, is never asked about itself. */
const EXEMPT: ReadonlySet<string> = new Set([
  'validatingwebhookconfigurations',
  'mutatingwebhookconfigurations',
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
]);

export function isExempt({ resource }: AdmissionRequest): boolean {
  return resource.group === 'admissionregistration.k8s.io' && EXEMPT.has(resource.resource);
}

/** The resource, in the version that a rule names, as which the request matches; undefined when it does not. */
export function matches(request: AdmissionRequest, matcher: Matcher): Resource | undefined {
  if (!matchesNamespace(request, matcher.namespaces) || !matchesObject(request, matcher.objects))
    return undefined;
  const { resource, server } = request;
  const named = (rules: readonly JsonObject[]): Resource | undefined => {
    if (rules.some((rule) => ruleMatches(rule, request, resource))) return resource;
    if (!matcher.equivalent) return undefined;
    const others = server.resources.all.filter(
      (other) => other.prefix === resource.prefix && other !== resource && !other.declaration.virtual,
    );
    return others.find((other) => rules.some((rule) => ruleMatches(rule, request, other)));
  };
  return named(matcher.excluded) === undefined ? named(matcher.rules) : undefined;
}

const has = (list: readonly unknown[], value: string): boolean => list.includes('*') || list.includes(value);

export function ruleMatches(
  rule: JsonObject,
  { operation, subresource, name }: AdmissionRequest,
  resource: Resource,
): boolean {
  const names = listAt(rule, 'resourceNames');
  return (
    has(listAt(rule, 'operations'), operation) &&
    has(listAt(rule, 'apiGroups'), resource.group) &&
    has(listAt(rule, 'apiVersions'), resource.version) &&
    inScope(stringAt(rule, 'scope'), resource) &&
    listAt(rule, 'resources').some((one) => namesResource(textOf(one), resource.resource, subresource)) &&
    (names.length === 0 || names.includes(name))
  );
}

function inScope(scope: string, { namespaced }: Resource): boolean {
  if (scope === '' || scope === '*') return true;
  return (scope === 'Namespaced') === namespaced;
}

function namesResource(rule: string, resource: string, subresource: string): boolean {
  const [named = '', sub = ''] = rule.split('/');
  return (
    (named === '*' || named === resource) && (sub === subresource || (sub === '*' && rule.includes('/')))
  );
}

function matchesNamespace(request: AdmissionRequest, selector: Selector): boolean {
  if (selector.requirements.length === 0) return true;
  const { resource, namespace, object, old, server, operation } = request;
  if (resource.group === '' && resource.resource === 'namespaces') {
    const subject = operation === 'DELETE' ? old : object;
    return selector.matches(subject?.metadata.labels);
  }
  if (!resource.namespaced) return true;
  const found = objectNamed(server, ['', 'v1', 'namespaces'], { name: namespace });
  if (found === undefined) throw notFound({ group: '', resource: 'namespaces' }, namespace);
  return selector.matches(found.metadata.labels);
}

function matchesObject({ object, old }: AdmissionRequest, selector: Selector): boolean {
  if (selector.requirements.length === 0) return true;
  return [object, old].some((one) => one !== undefined && selector.matches(one.metadata?.labels));
}
