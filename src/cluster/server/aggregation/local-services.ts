/**
 * Keeps an APIService for each group and version that this server answers for itself: those that are built in from the
 * start, those of definitions as long as they are there. What somebody has taken the label off is his.
 */
import { errorMessage, isPlatformError } from '../../../base/errors.ts';
import { jsonEqual, type JsonObject } from '../../api/json.ts';
import type { ServerParts } from '../context.ts';
import { authored } from '../writes/authorship.ts';
import type { KubeObject } from '../object.ts';
import type { Resource } from '../resource.ts';
import { open, prepareCreate } from '../writes/writing.ts';
import { REGISTRATION_GROUP, type ApiServices } from './api-services.ts';
import { localPriority } from './priorities.ts';

const MANAGED = 'kube-aggregator.kubernetes.io/automanaged';
const RETRY_MS = 1000;

export class LocalServices implements AsyncDisposable {
  readonly #parts: ServerParts;
  readonly #resource: Resource;
  readonly #stack = new DisposableStack();
  #working: Promise<void> = Promise.resolve();
  #waiting = false;
  #stopped = false;
  #complete = false;

  constructor(parts: ServerParts, services: ApiServices) {
    this.#parts = parts;
    this.#resource = parts.resources.get(REGISTRATION_GROUP, 'v1', 'apiservices');
    this.#stack.use(parts.resources.subscribe(() => this.reconcile()));
    this.#stack.use(services.subscribe(() => this.reconcile()));
  }

  /** True once all of them have been there. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Resolves when what was to be done so far is done. */
  settled(): Promise<void> {
    return this.#working;
  }

  /** Looks once more, after what it is doing. */
  reconcile(): void {
    if (this.#waiting || this.#stopped) return;
    this.#waiting = true;
    this.#working = this.#afterwards(this.#working);
  }

  async #afterwards(previous: Promise<void>): Promise<void> {
    await previous;
    this.#waiting = false;
    if (this.#stopped) return;
    try {
      await this.#write();
      this.#complete = true;
    } catch (error) {
      this.#parts.log.warn('cannot register what is served here', { error: errorMessage(error) });
      this.#stack.use(this.#parts.clock.after(RETRY_MS, () => this.reconcile()));
    }
  }

  /** Everything at once: the store writes it in one batch. */
  async #write(): Promise<void> {
    const wanted = this.#wanted();
    const present = this.#parts.cache.resource(this.#resource.prefix);
    const found = new Map(
      present.list(present.prefix).map(({ object }) => [object.metadata.name ?? '', object]),
    );
    const missing = [...wanted].filter(([name]) => !found.has(name));
    const changed = [...found].filter(([name, object]) => {
      const managed = object.metadata.labels?.[MANAGED];
      return managed !== undefined && !isAsWanted(object, wanted.get(name));
    });
    await Promise.all([
      ...missing.map(([, object]) => this.#create(object)),
      ...changed.map(([name]) => this.#change(name, wanted.get(name))),
    ]);
  }

  #wanted(): ReadonlyMap<string, KubeObject> {
    const { resources } = this.#parts;
    const wanted = new Map<string, KubeObject>();
    for (const { group, version } of resources.all) {
      const name = `${version}.${group}`;
      if (group === REGISTRATION_GROUP || wanted.has(name)) continue;
      const { group: groupPriorityMinimum, version: versionPriority } = localPriority(group, version);
      wanted.set(name, {
        apiVersion: `${REGISTRATION_GROUP}/v1`,
        kind: 'APIService',
        metadata: {
          name,
          labels: { [MANAGED]: resources.isBuiltIn(group, version) ? 'onstart' : 'true' },
        },
        spec: { ...(group !== '' && { group }), version, groupPriorityMinimum, versionPriority },
      });
    }
    return wanted;
  }

  async #create(object: KubeObject): Promise<void> {
    const resource = this.#resource;
    const author = authored(resource, {
      manager: 'kube-apiserver',
      subresource: '',
      clock: this.#parts.clock,
    });
    const ready = await prepareCreate(resource, object, {
      ...this.#parts,
      namespace: '',
      gate: open,
      author,
    });
    try {
      await this.#parts.registry.create(resource, ready);
    } catch (error) {
      // Another server, or somebody by hand.
      if (!isPlatformError(error, 'already-exists')) throw error;
    }
  }

  async #change(name: string, wanted: KubeObject | undefined): Promise<void> {
    try {
      await this.#parts.registry.modify(
        this.#resource,
        { namespace: '', name },
        {
          change: (object) => {
            if (object.metadata.labels?.[MANAGED] === undefined) return { type: 'keep' };
            if (wanted === undefined) return { type: 'delete' };
            const labels = { ...object.metadata.labels, ...wanted.metadata.labels };
            return {
              type: 'put',
              object: { ...object, metadata: { ...object.metadata, labels }, spec: specOf(wanted) },
            };
          },
        },
      );
    } catch (error) {
      if (!isPlatformError(error, 'not-found')) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#stack.dispose();
    await this.#working;
  }
}

function isAsWanted(object: KubeObject, wanted: KubeObject | undefined): boolean {
  if (wanted === undefined) return false;
  const label = object.metadata.labels?.[MANAGED] === wanted.metadata.labels?.[MANAGED];
  return label && jsonEqual(specOf(object), specOf(wanted));
}

function specOf({ spec }: KubeObject): JsonObject {
  return { ...spec };
}
