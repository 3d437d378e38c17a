/**
 * Nobody hands out what they do not have: a role may hold only rules that its author holds (or the author may `escalate`),
 * and a binding may name only a role all of whose rules its author holds (or the author may `bind`)
 * (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping).
 */
import { getPath, jsonEqual, stringAt } from '../../api/json.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission/admission.ts';
import { forbidden, notFound } from '../failure.ts';
import { isAdministrator } from './administrators.ts';
import { RBAC_GROUP } from './rbac.ts';
import { rulesOf, ruleText, uncovered, type Rule } from './rules.ts';

/** An aggregated role may come to hold anything. */
const EVERYTHING: readonly Rule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'], resourceNames: [], nonResourceURLs: [] },
  { verbs: ['*'], apiGroups: [], resources: [], resourceNames: [], nonResourceURLs: ['*'] },
];

export const escalationGuard: AdmissionPlugin = {
  name: 'RBACEscalation',
  handles: ({ resource, operation, user }) =>
    resource.group === RBAC_GROUP && operation !== 'DELETE' && !isAdministrator(user),
  async validate(request) {
    const { resource, object, old } = request;
    if (object === undefined) return;
    if (resource.kind.endsWith('Binding')) {
      if (old !== undefined && jsonEqual(old['subjects'], object['subjects'])) return;
      await checkBinding(request);
    } else {
      const same = ['rules', 'aggregationRule'].every((field) => jsonEqual(old?.[field], object[field]));
      if (old === undefined || !same) await checkRole(request);
    }
  },
};

async function checkRole(request: AdmissionRequest): Promise<void> {
  const { resource, object, namespace, name } = request;
  if (await may(request, 'escalate', { resource: resource.resource, name, namespace })) return;
  const aggregates = getPath(object, 'aggregationRule') !== undefined;
  check(request, aggregates ? EVERYTHING : rulesOf(object!));
}

async function checkBinding(request: AdmissionRequest): Promise<void> {
  const { object, namespace, server } = request;
  const kind = stringAt(object, 'roleRef', 'kind');
  const name = stringAt(object, 'roleRef', 'name');
  const resource = kind === 'ClusterRole' ? 'clusterroles' : 'roles';
  if (await may(request, 'bind', { resource, name, namespace })) return;
  const rules = server.rbac.roleRules(kind, namespace, name);
  if (rules === undefined) throw notFound({ group: RBAC_GROUP, resource }, name);
  check(request, rules);
}

async function may(
  { user, server }: AdmissionRequest,
  verb: string,
  on: { readonly resource: string; readonly name: string; readonly namespace: string },
): Promise<boolean> {
  const asked = { user, verb, group: RBAC_GROUP, version: 'v1', subresource: '', ...on };
  return (await server.authorizer.decide(asked)).answer === 'allow';
}

function check({ user, namespace, name, resource, server }: AdmissionRequest, wanted: readonly Rule[]): void {
  const missing = uncovered(server.rbac.rulesFor(user, namespace).rules, wanted);
  if (missing.length === 0) return;
  const groups = user.groups.map((group) => JSON.stringify(group)).join(' ');
  const list = missing.map((rule) => ruleText(rule)).join('\n');
  const why = `user ${JSON.stringify(user.name)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${list}`;
  throw forbidden(resource, name, why);
}
