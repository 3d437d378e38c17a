/**
 * What a kubelet may do: read what its own pods need, and report on itself and on them
 * (https://kubernetes.io/docs/reference/access-authn-authz/node/, KEP-4601). What an answer here leaves open about the
 * content of a write, the NodeRestriction admission plugin checks.
 */
import type { UserInfo } from '../../../api/transport.ts';
import { ABSTAIN, type Attributes, type Authorizer, type Decision, type KnownRules } from '../authorizer.ts';
import { ruleAllows, type Rule } from '../rules.ts';
import { nodeOf } from './node-identity.ts';
import type { NodeRelations } from './node-relations.ts';

const ALLOW: Decision = { answer: 'allow' };
const LEASES = 'kube-node-lease';

const no = (reason: string): Decision => ({ answer: 'abstain', reason });

type Related = (asked: Attributes) => boolean | Promise<boolean>;

export class NodeAuthorizer implements Authorizer {
  readonly #relations: NodeRelations;
  readonly #rules: readonly Rule[];

  /** `rules` are those of the role system:node: what no relation decides. */
  constructor(relations: NodeRelations, rules: readonly Rule[]) {
    this.#relations = relations;
    this.#rules = rules;
  }

  decide(asked: Attributes): Decision | Promise<Decision> {
    const node = nodeOf(asked.user);
    if (node === undefined) return ABSTAIN;
    if (node === '') return no(`unknown node for user ${JSON.stringify(asked.user.name)}`);
    if (asked.path === undefined) {
      const special = this.#special(node, asked);
      if (special !== undefined) return special;
    }
    return this.#rules.some((rule) => ruleAllows(rule, asked)) ? ALLOW : ABSTAIN;
  }

  /** A node's rules cannot be told without the objects that they depend on. */
  rulesFor(user: UserInfo): KnownRules {
    if (nodeOf(user) === undefined) return { rules: [], incomplete: false };
    return { rules: [], incomplete: true, error: 'node authorizer does not support user rule resolution' };
  }

  #special(node: string, asked: Attributes): Decision | Promise<Decision> | undefined {
    const { namespace, name } = asked;
    const relations = this.#relations;
    switch (`${asked.group}/${asked.resource}`) {
      case '/secrets':
        return readNamespaced(node, asked, () => relations.secret(node, namespace, name));
      case '/configmaps':
        return readNamespaced(node, asked, () => relations.configMap(node, namespace, name));
      case '/persistentvolumeclaims': {
        const related = (): Promise<boolean> => relations.claim(node, namespace, name);
        return asked.subresource === 'status'
          ? updateStatus(node, asked, related)
          : getOne(node, asked, related);
      }
      case '/persistentvolumes':
        return getOne(node, asked, () => relations.volume(node, name));
      case 'resource.k8s.io/resourceclaims':
        return getOne(node, asked, () => relations.resourceClaim(node, namespace, name));
      case 'storage.k8s.io/volumeattachments':
        return getOne(node, asked, () => relations.volumeAttachment(node, name));
      case '/serviceaccounts':
        return serviceAccount(node, asked, () => relations.serviceAccount(node, namespace, name));
      case 'coordination.k8s.io/leases':
        return lease(node, asked);
      case 'storage.k8s.io/csinodes':
        return csiNode(node, asked);
      case 'resource.k8s.io/resourceslices':
        return resourceSlice(node, asked, () => relations.resourceSlice(node, name));
      case '/nodes':
        return ownNode(node, asked);
      case '/pods':
        return pod(node, asked, () => relations.pod(node, namespace, name));
      default:
        return undefined;
    }
  }
}

async function ifRelated(node: string, asked: Attributes, related: Related): Promise<Decision> {
  if (asked.name === '') return no('No Object name found');
  return (await related(asked)) ? ALLOW : no(`no relationship found between node '${node}' and this object`);
}

function getOne(node: string, asked: Attributes, related: Related): Decision | Promise<Decision> {
  if (asked.verb !== 'get') return no('can only get individual resources of this type');
  if (asked.subresource !== '') return no('cannot get subresource');
  return ifRelated(node, asked, related);
}

function readNamespaced(node: string, asked: Attributes, related: Related): Decision | Promise<Decision> {
  if (!['get', 'list', 'watch'].includes(asked.verb)) return no('can only read resources of this type');
  if (asked.subresource !== '') return no('cannot read subresource');
  if (asked.namespace === '') return no('can only read namespaced object of this type');
  return ifRelated(node, asked, related);
}

function updateStatus(node: string, asked: Attributes, related: Related): Decision | Promise<Decision> {
  if (asked.verb !== 'update' && asked.verb !== 'patch') return no('can only get/update/patch this type');
  return ifRelated(node, asked, related);
}

/** Tokens for its pods' accounts; the account itself for credential providers (KEP-4412). */
function serviceAccount(node: string, asked: Attributes, related: Related): Decision | Promise<Decision> {
  if (asked.verb === 'get' && asked.subresource === '') return getOne(node, asked, related);
  if (asked.verb !== 'create' || asked.name === '')
    return no('can only create tokens for individual service accounts');
  if (asked.subresource !== 'token') return no('can only create token subresource of serviceaccount');
  return ifRelated(node, asked, related);
}

const OWN = new Set(['get', 'create', 'update', 'patch', 'delete']);

/** On create the name is not known here: NodeRestriction looks at it. */
function lease(node: string, { verb, namespace, name }: Attributes): Decision {
  if (!OWN.has(verb)) return no('can only get, create, update, patch, or delete a node lease');
  if (namespace !== LEASES) return no(`can only access leases in the "${LEASES}" system namespace`);
  if (verb !== 'create' && name !== node)
    return no('can only access node lease with the same name as the requesting node');
  return ALLOW;
}

function csiNode(node: string, { verb, subresource, name }: Attributes): Decision {
  if (!OWN.has(verb)) return no('can only get, create, update, patch, or delete a CSINode');
  if (subresource !== '') return no('cannot authorize CSINode subresources');
  if (verb !== 'create' && name !== node)
    return no('can only access CSINode with the same name as the requesting node');
  return ALLOW;
}

function resourceSlice(node: string, asked: Attributes, related: Related): Decision | Promise<Decision> {
  if (asked.subresource !== '') return no('cannot authorize ResourceSlice subresources');
  switch (asked.verb) {
    case 'create':
      return ALLOW;
    case 'get':
    case 'update':
    case 'patch':
    case 'delete':
      return ifRelated(node, asked, related);
    case 'list':
    case 'watch':
    case 'deletecollection':
      if (selects(asked, node)) return ALLOW;
      return no('can only list/watch/deletecollection resourceslices with nodeName field selector');
    default:
      return no(
        'only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection',
      );
  }
}

/** A field selector that leaves only what has the node there. */
function selects({ fieldSelector }: Attributes, node: string): boolean {
  return (fieldSelector ?? []).some(
    ({ field, operator, value }) => field === 'spec.nodeName' && operator === '=' && value === node,
  );
}

function ownNode(node: string, { verb, subresource, name }: Attributes): Decision {
  const writes = verb === 'update' || verb === 'patch';
  if (subresource === 'status') return writes ? ALLOW : ABSTAIN;
  if (subresource !== '') return ABSTAIN;
  if (writes || verb === 'create') return ALLOW;
  if (verb !== 'get' && verb !== 'list' && verb !== 'watch') return ABSTAIN;
  if (name === node) return ALLOW;
  return name === ''
    ? no(`node '${node}' cannot read all nodes, only its own Node object`)
    : no(`node '${node}' cannot read '${name}', only its own Node object`);
}

function pod(node: string, asked: Attributes, related: Related): Decision | Promise<Decision> {
  const { verb, subresource, name } = asked;
  if (subresource === 'status') return verb === 'update' || verb === 'patch' ? ALLOW : ABSTAIN;
  if (subresource === 'eviction') return verb === 'create' ? ALLOW : ABSTAIN;
  if (subresource !== '') return ABSTAIN;
  switch (verb) {
    case 'get':
      return ifRelated(node, asked, related);
    case 'list':
    case 'watch':
      if (selects(asked, node)) return ALLOW;
      if (name !== '') return ifRelated(node, asked, related);
      return no('can only list/watch pods with spec.nodeName field selector');
    case 'create':
    case 'delete':
      return ALLOW;
    default:
      return ABSTAIN;
  }
}
