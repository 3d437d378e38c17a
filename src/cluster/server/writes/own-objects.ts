/** Objects that the server writes by itself, without a request and without admission. */
import { isPlatformError } from '../../../base/errors.ts';
import { authored } from './authorship.ts';
import type { ServerParts } from '../context.ts';
import type { KubeObject } from '../object.ts';
import type { Ref } from './registry.ts';
import { open, prepareCreate } from './writing.ts';

/** Group and plural name; always of version v1. */
export type OwnKind = readonly [group: string, resource: string];

/** Makes the object, with its status, unless one of its name is there; true when it has made it. */
export async function createOwn(
  parts: ServerParts,
  [group, name]: OwnKind,
  object: KubeObject,
): Promise<boolean> {
  const resource = parts.resources.get(group, 'v1', name);
  const ref = refOf(object);
  if ((await parts.registry.find(resource, ref)) !== undefined) return false;
  try {
    // As if a client had sent it: with the fields that upstream's types always have.
    const sent = resource.type.decode(object).object as KubeObject;
    const { status } = sent;
    const prepared = await prepareCreate(resource, sent, {
      namespace: ref.namespace,
      gate: open,
      ...parts,
      author: authored(resource, { manager: 'kube-apiserver', subresource: '', clock: parts.clock }),
    });
    await parts.registry.create(resource, status === undefined ? prepared : { ...prepared, status });
    return true;
  } catch (error) {
    if (isPlatformError(error, 'already-exists')) return false;
    throw error;
  }
}

/** Makes the object, or gives the one that is there its content; labels that others have added stay. */
export async function putOwn(parts: ServerParts, kind: OwnKind, object: KubeObject): Promise<void> {
  if (await createOwn(parts, kind, structuredClone(object))) return;
  const [group, name] = kind;
  const { metadata, ...content } = object;
  await parts.registry.modify(parts.resources.get(group, 'v1', name), refOf(object), {
    change: (old) => ({
      type: 'put',
      object: {
        ...old,
        ...content,
        metadata: { ...old.metadata, labels: { ...old.metadata.labels, ...metadata.labels } },
      },
    }),
  });
}

/** Labels the object if it is still there. */
export async function labelOwn(
  { registry, resources }: Pick<ServerParts, 'registry' | 'resources'>,
  [group, name]: OwnKind,
  { object, labels }: { readonly object: KubeObject; readonly labels: Readonly<Record<string, string>> },
): Promise<void> {
  try {
    await registry.modify(resources.get(group, 'v1', name), refOf(object), {
      change: (old) => ({
        type: 'put',
        object: { ...old, metadata: { ...old.metadata, labels: { ...old.metadata.labels, ...labels } } },
      }),
    });
  } catch (error) {
    if (!isPlatformError(error, 'not-found')) throw error;
  }
}

/** Removes the object if it is there and `doomed` says so. */
export async function removeOwn(
  parts: ServerParts,
  [group, name]: OwnKind,
  { ref, doomed }: { ref: Ref; doomed: (object: KubeObject) => boolean },
): Promise<void> {
  try {
    await parts.registry.modify(parts.resources.get(group, 'v1', name), ref, {
      change: (object) => (doomed(object) ? { type: 'delete' } : { type: 'keep' }),
    });
  } catch (error) {
    if (!isPlatformError(error, 'not-found')) throw error;
  }
}

function refOf({ metadata }: KubeObject): Ref {
  return { namespace: metadata.namespace ?? '', name: metadata.name ?? '' };
}
