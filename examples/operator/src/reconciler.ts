/**
 * Brings what is there nearer to what a site asks for. Level-based: it gets a name and looks, and does not care what
 * happened to the object, how often, or whether the operator was running then.
 */
import {
  ApiException,
  CoreV1Api,
  CustomObjectsApi,
  KubernetesObjectApi,
  PatchStrategy,
  setHeaderOptions,
  type KubeConfig,
  type V1Deployment,
} from '@kubernetes/client-node';
import { childrenOf, MANAGER } from './children.ts';
import { recordEvent } from './events.ts';
import { FINALIZER, GROUP, PLURAL, VERSION, type Site } from './site.ts';
import { sameStatus, statusOf } from './status.ts';

const MERGE = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);

export interface ReconcilerOptions {
  readonly kubeconfig: KubeConfig;
  /** The newest deployment that the operator has seen. */
  readonly deployment: (namespace: string, name: string) => V1Deployment | undefined;
}

export class Reconciler {
  readonly #core: CoreV1Api;
  readonly #custom: CustomObjectsApi;
  readonly #objects: KubernetesObjectApi;
  readonly #deployment: ReconcilerOptions['deployment'];

  constructor({ kubeconfig, deployment }: ReconcilerOptions) {
    this.#core = kubeconfig.makeApiClient(CoreV1Api);
    this.#custom = kubeconfig.makeApiClient(CustomObjectsApi);
    this.#objects = KubernetesObjectApi.makeApiClient(kubeconfig);
    this.#deployment = deployment;
  }

  /** `key` is `namespace/name`. A conflict is thrown like any failure: the next try starts from the newer state. */
  async reconcile(key: string): Promise<void> {
    const [namespace = '', name = ''] = key.split('/');
    // Not from the informer: what is decided here must not be older than what was written here.
    const site = await this.#find(namespace, name);
    if (site === undefined) return;
    if (site.metadata.deletionTimestamp !== undefined) return await this.#finalize(site);
    if (!hasFinalizer(site)) {
      // The answer's event brings the site back, and nothing exists of it that the finalizer would miss.
      await this.#setFinalizers(site, [...(site.metadata.finalizers ?? []), FINALIZER]);
      await recordEvent(this.#core, site, {
        type: 'Normal',
        reason: 'Adopted',
        message: 'The site is watched',
      });
      return;
    }
    const { pages, deployment, service } = childrenOf(site);
    await this.#apply(pages);
    await this.#apply(service);
    const applied = await this.#apply(deployment);
    const seen = this.#deployment(namespace, name);
    const newest = seen?.metadata?.generation === applied.metadata?.generation ? (seen ?? applied) : applied;
    await this.#writeStatus(site, newest);
  }

  async #find(namespace: string, name: string): Promise<Site | undefined> {
    try {
      return (await this.#custom.getNamespacedCustomObject({
        ...{ group: GROUP, version: VERSION, plural: PLURAL },
        namespace,
        name,
      })) as Site;
    } catch (error) {
      if (error instanceof ApiException && error.code === 404) return undefined;
      throw error;
    }
  }

  async #apply<T extends { metadata?: { name?: string } }>(object: T): Promise<T> {
    const force = true;
    return await this.#objects.patch(
      object,
      undefined,
      undefined,
      MANAGER,
      force,
      PatchStrategy.ServerSideApply,
    );
  }

  async #writeStatus(site: Site, deployment: V1Deployment): Promise<void> {
    const status = statusOf(site, deployment, new Date());
    if (sameStatus(site.status, status)) return;
    const { name, namespace } = site.metadata;
    // A replacement with the version that was read: never a status about a specification that has gone.
    await this.#custom.replaceNamespacedCustomObjectStatus({
      ...{ group: GROUP, version: VERSION, plural: PLURAL },
      namespace,
      name,
      body: { ...site, status },
      fieldManager: MANAGER,
    });
    const was = site.status?.conditions?.[0]?.status;
    const [condition] = status.conditions ?? [];
    if (condition === undefined || condition.status === was) return;
    const type = condition.status === 'True' ? 'Normal' : 'Warning';
    await recordEvent(this.#core, site, { type, reason: condition.reason, message: condition.message });
  }

  /** Children go by their owner references; what has no owner is done here: the record of sites that were. */
  async #finalize(site: Site): Promise<void> {
    if (!hasFinalizer(site)) return;
    const { name, namespace, uid } = site.metadata;
    const record = { name: `site-${name}-record`, namespace };
    const data = { uid, pages: Object.keys(site.spec.pages).toSorted().join(' ') };
    try {
      await this.#apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: record, data });
    } catch (error) {
      // Where everything ends, nothing can be kept, and the namespace must not wait for us.
      if (!isNamespaceTerminating(error)) throw error;
    }
    await this.#setFinalizers(
      site,
      (site.metadata.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER),
    );
  }

  async #setFinalizers(site: Site, finalizers: readonly string[]): Promise<void> {
    const { name, namespace, resourceVersion } = site.metadata;
    await this.#custom.patchNamespacedCustomObject(
      {
        ...{ group: GROUP, version: VERSION, plural: PLURAL },
        namespace,
        name,
        // A list cannot be merged: the version makes sure that nobody else's finalizer is lost.
        body: { metadata: { finalizers, resourceVersion } },
        fieldManager: MANAGER,
      },
      MERGE,
    );
  }
}

function isNamespaceTerminating(error: unknown): boolean {
  return (
    error instanceof ApiException && error.code === 403 && String(error.body).includes('NamespaceTerminating')
  );
}

function hasFinalizer({ metadata }: Site): boolean {
  return metadata.finalizers?.includes(FINALIZER) ?? false;
}
