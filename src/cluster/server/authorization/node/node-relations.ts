/**
 * What is related to a node: the pods bound to it, and by them what they name. The objects in the watch cache are the graph;
 * only two ways through it that would otherwise mean looking at everything are kept beside it: which pods a node has,
 * and which persistent volumes name a secret. They begin with the first question and cost one look at each change after it.
 */
import { yieldToLoop } from '../../../../base/yield-to-loop.ts';
import { objectAt, stringAt } from '../../../api/json.ts';
import type { KubeObject } from '../../object.ts';
import type { CachedObject, ResourceCache, WatchCache } from '../../cache/watch-cache.ts';
import { podReferences, volumeSecretKeys, type PodReferences } from './pod-references.ts';

interface Stored {
  readonly prefix: string;
}

export interface NodeResources {
  readonly pods: Stored;
  readonly persistentVolumes: Stored;
  readonly volumeAttachments: Stored;
  readonly resourceSlices: Stored;
}

/** Objects that are decoded in one go. */
const SLICE = 200;

export class NodeRelations implements Disposable {
  readonly #pods: Held;
  readonly #volumes: Held;
  readonly #attachments: Held;
  readonly #slices: Held;
  readonly #references = new WeakMap<CachedObject, PodReferences>();
  readonly #podsByNode = new Grouped();
  readonly #volumesBySecret = new Grouped();
  readonly #stack = new DisposableStack();
  #filling: Promise<void> | undefined;

  constructor(cache: WatchCache, resources: NodeResources) {
    const held = ({ prefix }: Stored): Held => ({ prefix, cache: cache.resource(prefix) });
    this.#pods = held(resources.pods);
    this.#volumes = held(resources.persistentVolumes);
    this.#attachments = held(resources.volumeAttachments);
    this.#slices = held(resources.resourceSlices);
  }

  pod(node: string, namespace: string, name: string): boolean {
    const found = this.#pods.cache.get(`${this.#pods.prefix}${namespace}/${name}`);
    return found !== undefined && stringAt(found.object, 'spec', 'nodeName') === node;
  }

  async serviceAccount(node: string, namespace: string, name: string): Promise<boolean> {
    return await this.#somePod(node, namespace, ({ serviceAccount }) => serviceAccount === name);
  }

  async configMap(node: string, namespace: string, name: string): Promise<boolean> {
    return await this.#somePod(node, namespace, ({ configMaps }) => configMaps.has(name));
  }

  async claim(node: string, namespace: string, name: string): Promise<boolean> {
    return await this.#somePod(node, namespace, ({ claims }) => claims.has(name));
  }

  async resourceClaim(node: string, namespace: string, name: string): Promise<boolean> {
    return await this.#somePod(node, namespace, ({ resourceClaims }) => resourceClaims.has(name));
  }

  /** Named by a pod, or by a persistent volume that a pod has claimed. */
  async secret(node: string, namespace: string, name: string): Promise<boolean> {
    if (await this.#somePod(node, namespace, ({ secrets }) => secrets.has(name))) return true;
    for (const key of this.#volumesBySecret.of(`${namespace}/${name}`)) {
      if (await this.#claimed(node, this.#volumes.cache.get(key))) return true;
    }
    return false;
  }

  async volume(node: string, name: string): Promise<boolean> {
    return await this.#claimed(node, this.#volumes.cache.get(`${this.#volumes.prefix}${name}`));
  }

  volumeAttachment(node: string, name: string): boolean {
    const found = this.#attachments.cache.get(`${this.#attachments.prefix}${name}`);
    return found !== undefined && stringAt(found.object, 'spec', 'nodeName') === node;
  }

  resourceSlice(node: string, name: string): boolean {
    const found = this.#slices.cache.get(`${this.#slices.prefix}${name}`);
    return found !== undefined && stringAt(found.object, 'spec', 'nodeName') === node;
  }

  async #claimed(node: string, volume: CachedObject | undefined): Promise<boolean> {
    if (volume === undefined) return false;
    const claim = objectAt(volume.object, 'spec', 'claimRef');
    return await this.claim(node, stringAt(claim, 'namespace'), stringAt(claim, 'name'));
  }

  async #somePod(
    node: string,
    namespace: string,
    names: (references: PodReferences) => boolean,
  ): Promise<boolean> {
    await (this.#filling ??= this.#fill());
    const prefix = `${this.#pods.prefix}${namespace}/`;
    for (const key of this.#podsByNode.of(node)) {
      if (!key.startsWith(prefix)) continue;
      const pod = this.#pods.cache.get(key);
      if (pod === undefined) continue;
      let references = this.#references.get(pod);
      if (references === undefined) this.#references.set(pod, (references = podReferences(pod.peek())));
      if (names(references)) return true;
    }
    return false;
  }

  async #fill(): Promise<void> {
    const follow = ({ prefix, cache }: Held, take: (key: string, object?: KubeObject) => void) => {
      // Watchers that select by field look at the same decoded object.
      this.#stack.use(
        cache.subscribe(({ current, deleted }) =>
          deleted ? take(current.key) : take(current.key, current.object),
        ),
      );
      return { cache, prefix, take };
    };
    const followed = [
      follow(this.#pods, (key, pod) => {
        const node = stringAt(pod, 'spec', 'nodeName');
        this.#podsByNode.put(key, node === '' ? [] : [node]);
      }),
      follow(this.#volumes, (key, volume) =>
        this.#volumesBySecret.put(key, volume === undefined ? [] : volumeSecretKeys(volume)),
      ),
    ];
    for (const { cache, prefix, take } of followed) {
      const all = cache.list(prefix);
      for (let from = 0; from < all.length; from += SLICE) {
        for (const { key } of all.slice(from, from + SLICE)) {
          // As it is by now: it may have changed, or gone, since the list was taken.
          const object = cache.get(key);
          if (object !== undefined) take(key, object.peek());
        }
        await yieldToLoop();
      }
    }
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

interface Held extends Stored {
  readonly cache: ResourceCache;
}

/** Keys by the groups that they are in. */
class Grouped {
  readonly #keys = new Map<string, Set<string>>();
  readonly #groups = new Map<string, readonly string[]>();

  of(group: string): Iterable<string> {
    return this.#keys.get(group) ?? [];
  }

  put(key: string, groups: readonly string[]): void {
    const before = this.#groups.get(key) ?? [];
    if (before.length === groups.length && before.every((group, i) => group === groups[i])) return;
    for (const group of before) {
      const keys = this.#keys.get(group);
      keys?.delete(key);
      if (keys?.size === 0) this.#keys.delete(group);
    }
    for (const group of groups) {
      const keys = this.#keys.get(group);
      if (keys === undefined) this.#keys.set(group, new Set([key]));
      else keys.add(key);
    }
    if (groups.length === 0) this.#groups.delete(key);
    else this.#groups.set(key, groups);
  }
}
