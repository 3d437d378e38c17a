/**
 * Role-based access control: what bindings give to a user, its groups and its service account
 * (https://kubernetes.io/docs/reference/access-authn-authz/rbac/). Answers from the watch cache; who is bound to what is
 * indexed by subject and made anew only after a binding has changed.
 */
import { objectAt, objectsAt, stringAt } from '../../api/json.ts';
import type { UserInfo } from '../../api/transport.ts';
import type { KubeObject } from '../object.ts';
import type { ResourceCache, WatchCache } from '../cache/watch-cache.ts';
import {
  aggregated,
  type Attributes,
  type Authorizer,
  type Decision,
  type KnownRules,
} from './authorizer.ts';
import { ruleAllows, rulesOf, type Rule } from './rules.ts';

export const RBAC_GROUP = 'rbac.authorization.k8s.io';

interface Grant {
  /** `ClusterRoleBinding "x" of ClusterRole "y" to Group "z"` */
  readonly text: string;
  readonly roleKey: string;
  readonly ofCluster: boolean;
}

type GrantsBySubject = ReadonlyMap<string, readonly Grant[]>;

const NO_GRANTS: GrantsBySubject = new Map();

interface Named {
  readonly prefix: string;
}

export interface RbacResources {
  readonly roles: Named;
  readonly clusterRoles: Named;
  readonly roleBindings: Named;
  readonly clusterRoleBindings: Named;
}

export interface MissingRole {
  readonly ofCluster: boolean;
  readonly name: string;
}

export class Rbac implements Authorizer, Disposable {
  readonly #roles: ResourceCache;
  readonly #clusterRoles: ResourceCache;
  readonly #roleBindings: ResourceCache;
  readonly #clusterRoleBindings: ResourceCache;
  readonly #resources: RbacResources;
  readonly #rules = new WeakMap<KubeObject, readonly Rule[]>();
  readonly #stack = new DisposableStack();
  #cluster: GrantsBySubject | undefined;
  #namespaces = new Map<string, GrantsBySubject>();

  constructor(cache: WatchCache, resources: RbacResources) {
    this.#resources = resources;
    this.#roles = cache.resource(resources.roles.prefix);
    this.#clusterRoles = cache.resource(resources.clusterRoles.prefix);
    this.#roleBindings = cache.resource(resources.roleBindings.prefix);
    this.#clusterRoleBindings = cache.resource(resources.clusterRoleBindings.prefix);
    this.#stack.use(this.#clusterRoleBindings.subscribe(() => (this.#cluster = undefined)));
    this.#stack.use(
      this.#roleBindings.subscribe(({ current }) => {
        this.#namespaces.delete(current.object.metadata.namespace ?? '');
      }),
    );
  }

  decide(asked: Attributes): Decision {
    for (const { ofCluster, roleKey, text } of this.#grants(asked.user, asked.namespace)) {
      for (const rule of this.#rulesAt(ofCluster, roleKey) ?? []) {
        if (ruleAllows(rule, asked)) return { answer: 'allow', reason: `RBAC: allowed by ${text}` };
      }
    }
    const missing = this.missingRoles(asked.user, asked.namespace);
    return missing.length === 0
      ? { answer: 'abstain' }
      : { answer: 'abstain', reason: `RBAC: ${notFoundText(missing)}` };
  }

  /** Everything that the user may do there: cluster-wide rules, and with a namespace that namespace's. */
  rulesFor(user: UserInfo, namespace: string): KnownRules {
    const missing = this.missingRoles(user, namespace);
    return {
      // A role that is not there gives nothing.
      rules: this.#grants(user, namespace).flatMap(
        ({ ofCluster, roleKey }) => this.#rulesAt(ofCluster, roleKey) ?? [],
      ),
      incomplete: false,
      ...(missing.length > 0 && { error: notFoundText(missing) }),
    };
  }

  /** The rules of a role that a binding may name; undefined when it does not exist. */
  roleRules(kind: string, namespace: string, name: string): readonly Rule[] | undefined {
    return this.#rulesAt(kind === 'ClusterRole', this.#roleKey(kind, namespace, name));
  }

  #grants(user: UserInfo, namespace: string): readonly Grant[] {
    const subjects = subjectsOf(user);
    const found: Grant[] = [];
    const add = (grants: GrantsBySubject): void => {
      if (grants.size === 0) return;
      for (const subject of subjects) for (const grant of grants.get(subject) ?? []) found.push(grant);
    };
    add(this.#clusterGrants());
    if (namespace !== '') add(this.#namespaceGrants(namespace));
    return found;
  }

  /** What the user's bindings name and nobody has made: for people who wonder. */
  missingRoles(user: UserInfo, namespace: string): readonly MissingRole[] {
    const missing: MissingRole[] = [];
    for (const { ofCluster, roleKey } of this.#grants(user, namespace)) {
      if (this.#rulesAt(ofCluster, roleKey) !== undefined) continue;
      missing.push({ ofCluster, name: roleKey.slice(roleKey.lastIndexOf('/') + 1) });
    }
    return missing;
  }

  #rulesAt(ofCluster: boolean, key: string): readonly Rule[] | undefined {
    const role = (ofCluster ? this.#clusterRoles : this.#roles).get(key)?.object;
    if (role === undefined) return undefined;
    let rules = this.#rules.get(role);
    if (rules === undefined) this.#rules.set(role, (rules = rulesOf(role)));
    return rules;
  }

  #clusterGrants(): GrantsBySubject {
    const { prefix } = this.#resources.clusterRoleBindings;
    return (this.#cluster ??= this.#index(
      this.#clusterRoleBindings.list(prefix).map(({ object }) => object),
    ));
  }

  #namespaceGrants(namespace: string): GrantsBySubject {
    const known = this.#namespaces.get(namespace);
    if (known !== undefined) return known;
    const { prefix } = this.#resources.roleBindings;
    const bindings = this.#roleBindings.list(`${prefix}${namespace}/`);
    // Not remembered: anybody may name namespaces that are not there.
    if (bindings.length === 0) return NO_GRANTS;
    const grants = this.#index(bindings.map(({ object }) => object));
    this.#namespaces.set(namespace, grants);
    return grants;
  }

  #index(bindings: readonly KubeObject[]): GrantsBySubject {
    const grants = new Map<string, Grant[]>();
    for (const binding of bindings) {
      const role = objectAt(binding, 'roleRef');
      const { name = '', namespace = '' } = binding.metadata;
      const kind = stringAt(role, 'kind');
      const roleName = stringAt(role, 'name');
      const roleKey = this.#roleKey(kind, namespace, roleName);
      const where = namespace === '' ? name : `${name}/${namespace}`;
      for (const subject of objectsAt(binding, 'subjects')) {
        const [key, who] = subjectKey(subject, namespace);
        const grant: Grant = {
          text: `${binding.kind} "${where}" of ${kind} "${roleName}" to ${who}`,
          roleKey,
          ofCluster: kind === 'ClusterRole',
        };
        const list = grants.get(key);
        if (list === undefined) grants.set(key, [grant]);
        else list.push(grant);
      }
    }
    return grants;
  }

  #roleKey(kind: string, namespace: string, name: string): string {
    return kind === 'ClusterRole'
      ? `${this.#resources.clusterRoles.prefix}${name}`
      : `${this.#resources.roles.prefix}${namespace}/${name}`;
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

function notFoundText(missing: readonly MissingRole[]): string {
  return aggregated(
    missing.map(
      ({ ofCluster, name }) =>
        `${ofCluster ? 'clusterrole' : 'role'}.${RBAC_GROUP} ${JSON.stringify(name)} not found`,
    ),
  );
}

function subjectsOf({ name, groups }: UserInfo): readonly string[] {
  return [`User ${name}`, ...groups.map((group) => `Group ${group}`)];
}

/** How it is looked up, and how it is called. A service account is the user that its tokens stand for. */
function subjectKey(subject: Readonly<Record<string, unknown>>, namespace: string): [string, string] {
  const kind = String(subject['kind']);
  const name = String(subject['name']);
  if (kind !== 'ServiceAccount') return [`${kind} ${name}`, `${kind} "${name}"`];
  const of =
    typeof subject['namespace'] === 'string' && subject['namespace'] !== ''
      ? subject['namespace']
      : namespace;
  return [`User system:serviceaccount:${of}:${name}`, `ServiceAccount "${name}/${of}"`];
}
