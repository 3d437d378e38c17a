/** The served resources: declarations joined with strategies and with where they are stored. */
import { assert } from '../../base/errors.ts';
import { resources as declarations } from '../api/resources.ts';
import { builtinType } from '../api/object-type.ts';
import { apiVersionOf, kindSchema } from '../api/schema.ts';
import { autoscalerConversion } from './encoding/autoscaler-conversion.ts';
import { eventConversion } from './encoding/event-conversion.ts';
import type { Conversion, Resource } from './resource.ts';
import { strategies, type StrategyChoices } from './strategies/index.ts';

/** Where Kubernetes keeps what is not kept under the resource's own name. */
const STORED_AS: Readonly<Record<string, string>> = {
  // Two servers of their own in one program upstream, which keep things by their groups.
  apiservices: 'apiregistration.k8s.io/apiservices',
  customresourcedefinitions: 'apiextensions.k8s.io/customresourcedefinitions',
  nodes: 'minions',
  services: 'services/specs',
  endpoints: 'services/endpoints',
  replicationcontrollers: 'controllers',
  ingresses: 'ingress',
};

const CONVERSIONS: Readonly<Record<string, Conversion>> = {
  'autoscaling/v1/horizontalpodautoscalers': autoscalerConversion,
  'events.k8s.io/v1/events': eventConversion,
};

export class ResourceTable {
  readonly #builtin: readonly Resource[];
  readonly #custom = new Map<string, readonly Resource[]>();
  #all: readonly Resource[] = [];
  /** By group, version and name: a write asks a dozen times, and a text made of the three would be made as often. */
  #byPath: ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, Resource>>> = new Map();
  #generation = 0;
  readonly #listeners = new Set<() => void>();

  constructor(choices: StrategyChoices) {
    const special = strategies(choices);
    this.#builtin = declarations.map((declaration): Resource => {
      const { group, version, resource, kind, storage } = declaration;
      const schema = kindSchema(group, version, kind);
      assert(schema !== undefined, `${group}/${version} ${kind} has a schema`);
      const conversion = CONVERSIONS[`${group}/${version}/${resource}`];
      return {
        declaration,
        group,
        version,
        resource,
        kind,
        apiVersion: apiVersionOf(group, version),
        namespaced: declaration.namespaced,
        type: builtinType(schema),
        prefix: `/registry/${STORED_AS[storage.resource] ?? storage.resource}/`,
        strategy: special[storage.resource] ?? {},
        ...(conversion !== undefined && { conversion }),
      };
    });
    this.#rebuild();
  }

  get all(): readonly Resource[] {
    return this.#all;
  }

  /** Another number whenever something else is served. */
  get generation(): number {
    return this.#generation;
  }

  /** Calls back whenever something else is served. */
  subscribe(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Not by somebody's definition. */
  isBuiltIn(group: string, version: string): boolean {
    return this.#builtin.some((resource) => resource.group === group && resource.version === version);
  }

  /** What a definition adds; replaces what it has added before. */
  set(definition: string, resources: readonly Resource[]): void {
    this.#custom.set(definition, resources);
    this.#rebuild();
  }

  /** What a definition has added. */
  source(definition: string): readonly Resource[] {
    return this.#custom.get(definition) ?? [];
  }

  remove(definition: string): void {
    if (this.#custom.delete(definition)) this.#rebuild();
  }

  #rebuild(): void {
    this.#all = [...this.#builtin, ...[...this.#custom.values()].flat()];
    const groups = new Map<string, Map<string, Map<string, Resource>>>();
    // What is built in comes last: it cannot be defined away.
    for (const item of this.#all.toReversed()) {
      const versions = groups.getOrInsertComputed(item.group, () => new Map());
      versions.getOrInsertComputed(item.version, () => new Map()).set(item.resource, item);
    }
    this.#byPath = groups;
    this.#generation++;
    for (const listener of this.#listeners) listener();
  }

  find(group: string, version: string, resource: string): Resource | undefined {
    return this.#byPath.get(group)?.get(version)?.get(resource);
  }

  /** A resource that is known to be served. */
  get(group: string, version: string, resource: string): Resource {
    const found = this.find(group, version, resource);
    assert(found !== undefined, `${group}/${version} ${resource} is served`);
    return found;
  }
}

export function keyOf(resource: Resource, namespace: string, name: string): string {
  return resource.namespaced ? `${resource.prefix}${namespace}/${name}` : `${resource.prefix}${name}`;
}
