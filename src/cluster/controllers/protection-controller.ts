/**
 * Storage that is in use outlives its deletion: a finalizer holds it until nobody uses it any more (KEP-2872, "Storage
 * Object in Use Protection"). Admission puts the finalizer on what is new; here it comes onto what is older, and off.
 */
import type { ApiObject, Controller, ResourceType } from '../client/contract.ts';
import { refOf } from './claiming.ts';
import type { ControllerEnvironment } from './environment.ts';
import { keyOf, queueController, subscribes, type Source } from './queue-controller.ts';

export interface ProtectionOptions<T extends ApiObject> {
  /** The controller's. */
  readonly name: string;
  readonly type: ResourceType<T>;
  readonly finalizer: string;
  /** Caches of users; their events name the keys of what they use. */
  readonly users: readonly Source[];
  /** Somebody uses it, as far as the caches know. */
  readonly isUsed: (object: T) => boolean;
  /** Asked before the finalizer goes, where the caches may lag behind. */
  readonly isUsedIndeed?: (object: T) => Promise<boolean>;
}

export function createProtectionController<T extends ApiObject>(
  environment: ControllerEnvironment,
  options: ProtectionOptions<T>,
): Controller {
  const { client, informers } = environment;
  const { name, type, finalizer, users, isUsed, isUsedIndeed = async () => false } = options;
  const cache = informers.informer(type);

  const needsWork = ({ metadata }: T): boolean => {
    const held = metadata?.finalizers?.includes(finalizer) ?? false;
    return (metadata?.deletionTimestamp !== undefined) === held;
  };

  async function reconcile(key: string): Promise<void> {
    const object = cache.get(key);
    if (object === undefined || !needsWork(object)) return;
    const { finalizers = [], deletionTimestamp, uid, resourceVersion } = object.metadata ?? {};
    if (deletionTimestamp !== undefined && (isUsed(object) || (await isUsedIndeed(object)))) return;
    const wanted =
      deletionTimestamp === undefined
        ? [...finalizers, finalizer]
        : finalizers.filter((other) => other !== finalizer);
    // Lists are replaced whole, so it must still be the object that we saw.
    const body = { metadata: { uid, resourceVersion, finalizers: wanted.length === 0 ? null : wanted } };
    await client.patch(type, refOf(object), { type: 'merge', body });
  }

  return queueController({
    name,
    environment,
    sources: [
      subscribes(cache, (queue) => {
        const look = (object: T): void => {
          if (needsWork(object)) queue.add(keyOf(object));
        };
        return { added: look, updated: look };
      }),
      ...users,
    ],
    reconcile,
  });
}
