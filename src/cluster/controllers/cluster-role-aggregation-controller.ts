import { jsonEqual, type JsonObject, type JsonValue } from '../api/json.ts';
import { selectorFromObject } from '../api/selector.ts';
import type { ClusterRole } from '../api/generated/rbac-v1.ts';
import type { Controller } from '../client/contract.ts';
import { clusterRoles } from '../client/kinds.ts';
import type { ControllerEnvironment } from './environment.ts';
import { enqueues, queueController } from './queue-controller.ts';

/** Gives roles with an aggregationRule the rules of all cluster roles that its selectors match. */
export function createClusterRoleAggregationController(environment: ControllerEnvironment): Controller {
  const { client, informers } = environment;
  const roles = informers.informer(clusterRoles);

  const aggregating = (): string[] =>
    roles
      .list()
      .flatMap(({ aggregationRule, metadata }) =>
        aggregationRule === undefined ? [] : [metadata?.name ?? ''],
      );

  async function reconcile(name: string): Promise<void> {
    const role = roles.get(name);
    if (role?.aggregationRule === undefined) return;
    const rules = aggregatedRules(role, roles.list());
    if (jsonEqual((role.rules ?? []) as unknown as JsonValue, rules as unknown as JsonValue)) return;
    await client.update(clusterRoles, { ...role, rules });
  }

  return queueController({
    name: 'clusterrole-aggregation-controller',
    environment,
    // Any role may be part of any aggregated one, before or after its labels changed; there are few.
    sources: [enqueues(roles, () => aggregating())],
    reconcile,
  });
}

type Rules = NonNullable<ClusterRole['rules']>;

/** In the order of the contributing roles' names, each rule once. */
export function aggregatedRules(role: ClusterRole, roles: readonly ClusterRole[]): Rules {
  const selectors = (role.aggregationRule?.clusterRoleSelectors ?? []).map((selector) =>
    selectorFromObject(selector as unknown as JsonObject),
  );
  const contributors = roles
    .filter(({ metadata }) => metadata?.name !== role.metadata?.name)
    .filter(({ metadata }) => selectors.some((selector) => selector.matches(metadata?.labels ?? {})))
    .toSorted((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1));
  const seen = new Set<string>();
  return contributors
    .flatMap(({ rules = [] }) => rules)
    .filter((rule) => {
      const text = JSON.stringify(rule);
      if (seen.has(text)) return false;
      seen.add(text);
      return true;
    });
}
