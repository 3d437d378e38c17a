/** What is there from the start: the first namespaces and the API's own service. */
import { dateOf, rfc3339 } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import { jsonCopy, jsonEqual, listAt } from '../api/json.ts';
import { dayOf } from './authentication/secret-tokens.ts';
import { defaultRbacObjects } from './authorization/default-roles.ts';
import { RBAC_GROUP } from './authorization/rbac.ts';
import type { ServerParts } from './context.ts';
import type { Change } from './writes/registry.ts';
import type { KubeObject } from './object.ts';
import { createOwn } from './writes/own-objects.ts';
import { initialObjects } from './strategies/initial-objects.ts';

const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

export interface FirstAddresses {
  /** The address of `default/kubernetes`. */
  readonly kubernetes: string;
  /** `10.96.0.0/16`. */
  readonly services: string;
}

export async function bootstrap(parts: ServerParts, addresses: FirstAddresses): Promise<void> {
  for (const name of NAMESPACES)
    await ensure(parts, 'namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  await ensure(parts, 'services', {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'kubernetes',
      namespace: 'default',
      labels: { component: 'apiserver', provider: 'kubernetes' },
    },
    spec: {
      type: 'ClusterIP',
      clusterIP: addresses.kubernetes,
      clusterIPs: [addresses.kubernetes],
      ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: 6443 }],
    },
  });
  // From when on it is known which secrets' tokens are used (KEP-2799).
  await ensure(parts, 'configmaps', {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'kube-apiserver-legacy-service-account-token-tracking', namespace: 'kube-system' },
    data: { since: dayOf(dateOf(parts.clock.now())) },
  });
  await Promise.all(
    initialObjects(addresses.services, rfc3339(parts.clock.now())).map(({ group, resource, object }) =>
      createOwn(parts, [group, resource], object),
    ),
  );
}

/** Makes the default roles and bindings, and completes those that are there. */
export async function bootstrapRoles(parts: ServerParts): Promise<void> {
  await Promise.all(
    defaultRbacObjects().map(async (object) => {
      const { kind, metadata } = object;
      const name = `${kind.toLowerCase()}s`;
      const resource = parts.resources.get(RBAC_GROUP, 'v1', name);
      const ref = { namespace: metadata.namespace ?? '', name: metadata.name ?? '' };
      const found = await parts.registry.find(resource, ref);
      // At every start but the first there is nothing to do.
      if (found !== undefined && completed(found.object, object).type === 'keep') return;
      if (found === undefined && (await createOwn(parts, [RBAC_GROUP, name], jsonCopy(object)))) return;
      await parts.registry.modify(resource, ref, { change: (now) => completed(now, object) });
    }),
  );
}

/** What administrators have added stays; what they have taken away comes back, unless they have said not to. */
function completed(found: KubeObject, wanted: KubeObject): Change {
  if (found.metadata.annotations?.['rbac.authorization.kubernetes.io/autoupdate'] === 'false') {
    return { type: 'keep' };
  }
  const object = jsonCopy(found);
  object.metadata.labels = { ...object.metadata.labels, ...wanted.metadata.labels };
  object.metadata.annotations = { ...wanted.metadata.annotations, ...object.metadata.annotations };
  if (wanted['aggregationRule'] !== undefined) object['aggregationRule'] = wanted['aggregationRule'];
  for (const field of ['rules', 'subjects']) {
    const present = listAt(object, field);
    const missing = listAt(wanted, field).filter((item) => !present.some((one) => jsonEqual(one, item)));
    if (missing.length > 0) object[field] = [...present, ...missing];
  }
  return jsonEqual(object, found) ? { type: 'keep' } : { type: 'put', object };
}

/** How often what must be there is looked for: someone may have deleted it. */
const RECONCILE_MS = 10_000;

/** Brings back what someone deletes. */
export function keepBootstrapped(parts: ServerParts, repair: () => Promise<void>): Disposable {
  let timer: Disposable;
  const again = (): void => {
    repair().catch((error: unknown) =>
      parts.log.warn('cannot repair the first objects', { error: errorMessage(error) }),
    );
    timer = parts.clock.after(RECONCILE_MS, again);
  };
  timer = parts.clock.after(RECONCILE_MS, again);
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}

async function ensure(parts: ServerParts, name: string, object: KubeObject): Promise<boolean> {
  return await createOwn(parts, ['', name], object);
}
