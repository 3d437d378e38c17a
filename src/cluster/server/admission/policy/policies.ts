/** Policies and their bindings, parsed and compiled once for each state of what is stored. */
import { listAt, objectAt, objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';
import type { ServerParts } from '../../context.ts';
import type { KubeObject } from '../../object.ts';
import { listOf, type Path } from '../lookup.ts';
import { matcherOf, type Matcher } from '../matching/rules.ts';

export interface Binding {
  readonly name: string;
  /** Undefined: whatever the policy matches. */
  readonly matcher: Matcher | undefined;
  readonly param: JsonObject | undefined;
  /** Deny, Warn, Audit. */
  readonly actions: readonly string[];
}

export interface Policy {
  readonly name: string;
  readonly spec: JsonObject;
  readonly matcher: Matcher;
  readonly conditions: readonly JsonObject[];
  readonly paramKind: { readonly apiVersion: string; readonly kind: string } | undefined;
  readonly failsOpen: boolean;
  readonly reinvoked: boolean;
  readonly bindings: readonly Binding[];
}

const GROUP = 'admissionregistration.k8s.io';
const NONE: readonly Policy[] = [];

export class Policies {
  readonly #policies: Path;
  readonly #bindings: Path;
  #state = '';
  #current: readonly Policy[] = [];

  constructor(kind: 'validating' | 'mutating') {
    this.#policies = [GROUP, 'v1', `${kind}admissionpolicies`];
    this.#bindings = [GROUP, 'v1', `${kind}admissionpolicybindings`];
  }

  /** Those that are bound, by name; usually none. */
  current(server: ServerParts): readonly Policy[] {
    const policies = server.resources.find(...this.#policies);
    const bindings = server.resources.find(...this.#bindings);
    if (policies === undefined || bindings === undefined) return NONE;
    const caches = [server.cache.resource(policies.prefix), server.cache.resource(bindings.prefix)] as const;
    if (caches[0].size === 0 || caches[1].size === 0) return NONE;
    const state = caches.map(({ lastChange, size }) => `${lastChange} ${size}`).join();
    if (state !== this.#state) {
      this.#state = state;
      const bound = listOf(server, this.#bindings);
      this.#current = listOf(server, this.#policies)
        .map((policy) => parse(policy, bound))
        .filter((policy) => policy.bindings.length > 0);
    }
    return this.#current;
  }
}

function parse(policy: KubeObject, bound: readonly KubeObject[]): Policy {
  const spec = objectAt(policy, 'spec');
  const name = policy.metadata.name ?? '';
  const kind = objectAt(spec, 'paramKind');
  return {
    name,
    spec,
    matcher: matcherOf(objectAt(spec, 'matchConstraints')),
    conditions: objectsAt(spec, 'matchConditions'),
    paramKind:
      stringAt(kind, 'kind') === ''
        ? undefined
        : { apiVersion: stringAt(kind, 'apiVersion'), kind: stringAt(kind, 'kind') },
    failsOpen: stringAt(spec, 'failurePolicy') === 'Ignore',
    reinvoked: stringAt(spec, 'reinvocationPolicy') === 'IfNeeded',
    bindings: bound.filter((binding) => stringAt(binding, 'spec', 'policyName') === name).map(parseBinding),
  };
}

function parseBinding(binding: KubeObject): Binding {
  const spec = objectAt(binding, 'spec');
  const resources = objectAt(spec, 'matchResources');
  const matcher = Object.keys(resources).length === 0 ? undefined : matcherOf(resources);
  // Without rules of its own it narrows by selectors alone.
  const whole =
    matcher !== undefined && matcher.rules.length === 0 ? { ...matcher, rules: [EVERYTHING] } : matcher;
  const param = objectAt(spec, 'paramRef');
  return {
    name: binding.metadata.name ?? '',
    matcher: whole,
    param: Object.keys(param).length === 0 ? undefined : param,
    actions: listAt(spec, 'validationActions') as string[],
  };
}

const EVERYTHING: JsonObject = {
  operations: ['*'],
  apiGroups: ['*'],
  apiVersions: ['*'],
  resources: ['*/*', '*'],
};
