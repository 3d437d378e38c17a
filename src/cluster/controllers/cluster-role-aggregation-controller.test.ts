import assert from 'node:assert/strict';
import test from 'node:test';
import { clusterRoles } from '../client/kinds.ts';
import { createClusterRoleAggregationController } from './cluster-role-aggregation-controller.ts';
import { running } from './testing/running.ts';

const part = (name: string, verb: string, labels: Record<string, string>) => ({
  metadata: { name, labels },
  rules: [{ apiGroups: [''], resources: ['pods'], verbs: [verb] }],
});

test('an aggregated role follows the roles that its selectors match', async () => {
  await using plane = running({
    create: (environment) => [createClusterRoleAggregationController(environment)],
    before: (api) => {
      api.put(clusterRoles, part('b', 'list', { to: 'x' }));
      api.put(clusterRoles, part('a', 'get', { to: 'x' }));
      api.put(clusterRoles, part('other', 'delete', { to: 'y' }));
      api.put(clusterRoles, {
        metadata: { name: 'all' },
        aggregationRule: { clusterRoleSelectors: [{ matchLabels: { to: 'x' } }] },
        rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }],
      });
    },
  });
  const verbs = () => plane.api.read(clusterRoles, { name: 'all' })?.rules?.map((rule) => rule.verbs?.[0]);
  await plane.until('both rules', () => verbs()?.join() === 'get,list');
  await plane.client.create(clusterRoles, part('c', 'watch', { to: 'x' }));
  await plane.until('the third rule', () => verbs()?.join() === 'get,list,watch');
  await plane.client.delete(clusterRoles, { name: 'a' });
  await plane.until('one less', () => verbs()?.join() === 'list,watch');
  await plane.quiet();
  assert.equal(verbs()?.join(), 'list,watch');
});
