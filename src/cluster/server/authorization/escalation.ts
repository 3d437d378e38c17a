/**
 * Nobody hands out what they do not have: a role may hold only rules that its author holds (or the author may `escalate`),
 * and a binding may name only a role all of whose rules its author holds (or the author may `bind`)
 * (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping).
 */
import { goQuote } from '../../api/field-error.ts';
import { jsonEqual, listAt, stringAt } from '../../api/json.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission/admission.ts';
import { badRequest, forbidden, notFound, qualified, unexplained } from '../failure.ts';
import type { KubeObject } from '../object.ts';
import { isAdministrator } from './administrators.ts';
import { aggregated } from './authorizer.ts';
import { RBAC_GROUP } from './rbac.ts';
import { compacted, rulesOf, ruleText, uncovered, type Rule } from './rules.ts';

/** An aggregated role may come to hold anything. */
const EVERYTHING: readonly Rule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'], resourceNames: [], nonResourceURLs: [] },
  { verbs: ['*'], apiGroups: [], resources: [], resourceNames: [], nonResourceURLs: ['*'] },
];

/** The last of those that change objects: it says no before anybody has looked whether the object is valid. */
export const escalationGuard: AdmissionPlugin = {
  name: 'RBACEscalation',
  handles: ({ resource, operation, user }) =>
    resource.group === RBAC_GROUP && operation !== 'DELETE' && !isAdministrator(user),
  async mutate(request) {
    const { resource, object, old } = request;
    if (object === undefined || (old !== undefined && isOnlyCollected(object, old))) return;
    if (resource.kind.endsWith('Binding')) await checkBinding(request, object);
    else await checkRole(request, object);
  },
};

/** Nothing else has changed than what the garbage collector changes. */
function isOnlyCollected(object: KubeObject, old: KubeObject): boolean {
  const { finalizers, ownerReferences, managedFields } = old.metadata;
  const same = { ...object.metadata, finalizers, ownerReferences, managedFields };
  return jsonEqual(
    { ...object, metadata: same },
    { ...old, metadata: { ...old.metadata, ...{ finalizers, ownerReferences, managedFields } } },
  );
}

async function checkRole(request: AdmissionRequest, object: KubeObject): Promise<void> {
  const { resource, old, namespace, name, addressed = '' } = request;
  // Authorization does not look for a name in a body.
  if (await may(request, 'escalate', { resource: resource.resource, name: addressed, namespace })) return;
  check(request, rulesOf(object));
  if (!isAggregated(object) && !isAggregated(old)) return;
  if (missing(request, EVERYTHING).length > 0)
    throw forbidden(resource, name, 'must have cluster-admin privileges to use the aggregationRule');
}

function isAggregated(role: KubeObject | undefined): boolean {
  return role !== undefined && listAt(role, 'aggregationRule', 'clusterRoleSelectors').length > 0;
}

async function checkBinding(request: AdmissionRequest, object: KubeObject): Promise<void> {
  const { resource, namespace, server } = request;
  const kind = stringAt(object, 'roleRef', 'kind');
  const name = stringAt(object, 'roleRef', 'name');
  const known = kind === 'ClusterRole' || kind === 'Role';
  const role = kind === 'ClusterRole' ? 'clusterroles' : 'roles';
  const group = stringAt(object, 'roleRef', 'apiGroup');
  if (known && (await may(request, 'bind', { group, resource: role, name, namespace }))) return;
  if (!known) throw unexplained(`unsupported role reference kind: ${goQuote(kind)}`);
  if (kind === 'Role' && namespace === '') throw badRequest('Namespace parameter required.');
  if (name === '') throw badRequest('Name parameter required.');
  const rules = server.rbac.roleRules(kind, namespace, name);
  if (rules === undefined) throw notFound(resource, name);
  check(request, rules);
}

async function may(
  { user, server }: AdmissionRequest,
  verb: string,
  on: {
    readonly group?: string;
    readonly resource: string;
    readonly name: string;
    readonly namespace: string;
  },
): Promise<boolean> {
  const asked = { user, verb, group: RBAC_GROUP, version: '*', subresource: '', ...on };
  return (await server.authorizer.decide(asked)).answer === 'allow';
}

function missing({ user, namespace, server }: AdmissionRequest, wanted: readonly Rule[]): readonly Rule[] {
  return uncovered(server.rbac.rulesFor(user, namespace).rules, wanted);
}

function check(request: AdmissionRequest, wanted: readonly Rule[]): void {
  const { user, namespace, name, resource, server } = request;
  const lacking = missing(request, wanted);
  if (lacking.length === 0) return;
  const unknown = server.rbac.missingRoles(user, namespace);
  const groups = user.groups.map((group) => goQuote(group)).join(' ');
  const list = [...new Set(compacted(lacking).map((rule) => ruleText(rule)))].toSorted().join('\n');
  const errors = unknown.map((role) => `${qualified(resource)} ${goQuote(role.name)} not found`);
  const unresolved = errors.length === 0 ? '' : `; resolution errors: [${aggregated(errors)}]`;
  const why = `user ${goQuote(user.name)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${list}${unresolved}`;
  throw forbidden(resource, name, why);
}
