/**
 * Quotas of namespaces. What a write takes is added to the quota's status by compare-and-swap before the write, so that
 * any number of writers together never take more than there is; a write that fails gives it back.
 */
import { isPlatformError, PlatformError } from '../../../../base/errors.ts';
import { getPath, objectAt } from '../../../api/json.ts';
import { recordUpdate } from '../../../api/managed-fields/managed-fields.ts';
import { addQuantities, formatQuantity, type Quantity } from '../../../api/quantity.ts';
import { quantities, type Amounts } from '../../../api/quota/pod-amounts.ts';
import {
  chargesUpdates,
  inScope,
  isTerminating,
  mayUse,
  unspecified,
  usageOf,
  type GroupResource,
} from '../../../api/quota/usage.ts';
import { authored } from '../../writes/authorship.ts';
import type { KubeObject } from '../../object.ts';
import type { Resource } from '../../resource.ts';
import type { AdmissionPlugin, AdmissionRequest, Undo } from '../admission.ts';
import { listOf, refused, type Path } from '../lookup.ts';

const QUOTAS: Path = ['', 'v1', 'resourcequotas'];

export const resourceQuota: AdmissionPlugin = {
  name: 'ResourceQuota',
  handles({ operation, resource, subresource, namespace, server }) {
    if (!resource.namespaced || resource.resource === 'events') return false;
    if (operation === 'CREATE' ? subresource !== '' : operation !== 'UPDATE') return false;
    if (operation === 'UPDATE') {
      if (!chargesUpdates(resource)) return false;
      if (subresource !== '' && (resource.resource !== 'pods' || subresource !== 'resize')) return false;
    }
    return listOf(server, QUOTAS, namespace).length > 0;
  },
  async validate(request) {
    const { server, namespace, object, old, resource, dryRun } = request;
    const quotas = server.resources.find(...QUOTAS);
    if (object === undefined || quotas === undefined) return undefined;
    if (isMinorUpdate(request)) return undefined;
    const taken: { readonly name: string; readonly amounts: Amounts }[] = [];
    const giveBack: Undo = async () => {
      for (const { name, amounts } of taken.splice(0).toReversed()) {
        await change(request, quotas, { name, amounts: negative(amounts) });
      }
    };
    try {
      for (const quota of listOf(server, QUOTAS, namespace)) {
        if (!concerns(resource, object, quota)) continue;
        const limited = new Set(Object.keys(objectAt(quota, 'spec', 'hard')));
        const name = quota.metadata.name ?? '';
        const silent = resource.resource === 'pods' ? unspecified(object, limited) : undefined;
        if (silent !== undefined) throw refused(request, `failed quota: ${name}: ${silent}`);
        const amounts = cost(resource, { object, old, quota });
        if (amounts.size === 0) continue;
        const held = await take(request, quotas, { name, amounts, dryRun });
        if (held && !dryRun) taken.push({ name, amounts });
      }
    } catch (error) {
      await giveBack();
      throw error;
    }
    return giveBack;
  },
};

/** What a pod takes is another thing when it is resized, or when other quotas are to pay for it. */
function isMinorUpdate({ resource, subresource, object, old }: AdmissionRequest): boolean {
  if (resource.resource !== 'pods' || subresource !== '' || object === undefined || old === undefined)
    return false;
  return isTerminating(old) === isTerminating(object);
}

/** The quota limits something that this object uses. */
function concerns(resource: GroupResource, object: KubeObject, quota: KubeObject): boolean {
  const hard = objectAt(quota, 'spec', 'hard');
  if (!inScope(resource, object, quota)) return false;
  return (
    [...usageOf(resource, object).keys()].some((name) => hard[name] !== undefined) ||
    isCompute(resource, hard)
  );
}

/** A pod that says nothing of what it needs is still a matter of a quota that limits compute. */
function isCompute({ group, resource }: GroupResource, hard: object): boolean {
  return (
    group === '' &&
    resource === 'pods' &&
    Object.keys(hard).some((name) => /^((requests|limits)\.)?(cpu|memory)$/.test(name))
  );
}

/** What the write adds, of what the quota limits; an update never gives anything back. */
function cost(
  resource: GroupResource,
  { object, old, quota }: { object: KubeObject; old: KubeObject | undefined; quota: KubeObject },
): Amounts {
  const before = old !== undefined && inScope(resource, old, quota) ? usageOf(resource, old) : undefined;
  const hard = objectAt(quota, 'spec', 'hard');
  const found = new Map<string, Quantity>();
  for (const [name, amount] of usageOf(resource, object)) {
    if (hard[name] === undefined) continue;
    const nano = amount.nano - (before?.get(name)?.nano ?? 0n);
    if (nano > 0n) found.set(name, { ...amount, nano });
  }
  return found;
}

function negative(amounts: Amounts): Amounts {
  return new Map([...amounts].map(([name, amount]) => [name, { ...amount, nano: -amount.nano }]));
}

interface Charge {
  readonly name: string;
  readonly amounts: Amounts;
  readonly dryRun?: boolean;
}

/** Adds to what is used; false when the quota has gone meanwhile. Throws when there is not enough. */
async function take(request: AdmissionRequest, quotas: Resource, charge: Charge): Promise<boolean> {
  return await change(request, quotas, { ...charge, limited: true });
}

async function change(
  request: AdmissionRequest,
  quotas: Resource,
  { name, amounts, dryRun = false, limited = false }: Charge & { readonly limited?: boolean },
): Promise<boolean> {
  const { server, namespace } = request;
  const { clock } = server;
  const author = authored(quotas, { manager: 'kube-apiserver', subresource: 'status', clock });
  try {
    await server.registry.modify(
      quotas,
      { namespace, name },
      {
        dryRun,
        change: (quota) => {
          const hard = quantities(getPath(quota, 'spec', 'hard'));
          const used = usedOf(request, quota, hard);
          if (limited) check(request, name, { hard, used, amounts });
          for (const [resource, amount] of amounts) {
            const sum = addQuantities(used.get(resource) ?? { nano: 0n, format: amount.format }, amount);
            used.set(resource, sum.nano < 0n ? { ...sum, nano: 0n } : sum);
          }
          const status = { ...quota.status, hard: quota.spec?.['hard'] ?? {}, used: texts(used) };
          const object = { ...quota, metadata: { ...quota.metadata }, status };
          recordUpdate(quota, object, author);
          return { type: 'put', object };
        },
      },
    );
    return true;
  } catch (error) {
    if (error instanceof PlatformError && isPlatformError(error, 'not-found')) return false;
    throw error;
  }
}

function check(
  request: AdmissionRequest,
  name: string,
  { hard, used, amounts }: { hard: Amounts; used: Amounts; amounts: Amounts },
): void {
  const exceeded = [...amounts].filter(([resource, amount]) => {
    const limit = hard.get(resource);
    return limit !== undefined && (used.get(resource)?.nano ?? 0n) + amount.nano > limit.nano;
  });
  if (exceeded.length === 0) return;
  const show = (from: Amounts): string =>
    exceeded
      .map(([resource]) => resource)
      .toSorted()
      .map(
        (resource) => `${resource}=${formatQuantity(from.get(resource) ?? { nano: 0n, format: 'decimal' })}`,
      )
      .join(',');
  throw refused(
    request,
    `exceeded quota: ${name}, requested: ${show(amounts)}, used: ${show(used)}, limited: ${show(hard)}`,
  );
}

function texts(amounts: Amounts): Record<string, string> {
  return Object.fromEntries([...amounts].map(([name, amount]) => [name, formatQuantity(amount)]));
}

/** What the status says is used; what it does not say yet is counted. */
function usedOf(request: AdmissionRequest, quota: KubeObject, hard: Amounts): Map<string, Quantity> {
  const said = quantities(getPath(quota, 'status', 'used'));
  const used = new Map([...said].filter(([name]) => hard.has(name)));
  const unknown = [...hard.keys()].filter((name) => !used.has(name));
  if (unknown.length === 0) return used;
  const total = counted(request, quota, new Set(unknown));
  for (const name of unknown) used.set(name, total.get(name) ?? { nano: 0n, format: 'decimal' });
  return used;
}

function counted(
  { server, namespace }: AdmissionRequest,
  quota: KubeObject,
  wanted: ReadonlySet<string>,
): Map<string, Quantity> {
  const total = new Map<string, Quantity>();
  const seen = new Set<string>();
  for (const resource of server.resources.all) {
    if (!resource.namespaced || resource.declaration.virtual || seen.has(resource.prefix)) continue;
    // Several versions are one set of objects; their usage is told by the one they are stored in.
    if (resource.conversion !== undefined || !mayUse(resource, wanted)) continue;
    seen.add(resource.prefix);
    for (const object of listOf(server, [resource.group, resource.version, resource.resource], namespace)) {
      if (!inScope(resource, object, quota)) continue;
      for (const [name, amount] of usageOf(resource, object)) {
        if (!wanted.has(name)) continue;
        const present = total.get(name);
        total.set(name, present === undefined ? amount : addQuantities(present, amount));
      }
    }
  }
  return total;
}
