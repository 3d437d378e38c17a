/** The webhooks there are, parsed once for each state of their configurations. */
import { listAt, numberAt, objectAt, objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';
import type { ServerParts } from '../../context.ts';
import { listOf, type Path } from '../lookup.ts';
import { matcherOf, type Matcher } from '../matching/rules.ts';

export interface Webhook {
  /** Of the configuration. */
  readonly configuration: string;
  readonly name: string;
  /** Tells webhooks apart within one configuration. */
  readonly id: string;
  readonly clientConfig: JsonObject;
  readonly matcher: Matcher;
  /** `{name, expression}`: CEL. */
  readonly conditions: readonly JsonObject[];
  readonly failsOpen: boolean;
  readonly timeoutSeconds: number;
  readonly reinvoked: boolean;
  readonly hasSideEffects: boolean;
  readonly versions: readonly string[];
}

const GROUP = 'admissionregistration.k8s.io';

export class Webhooks {
  readonly #path: Path;
  #seen: { readonly prefix: string; readonly change: number; readonly size: number } | undefined;
  #webhooks: readonly Webhook[] = [];

  constructor(resource: 'mutatingwebhookconfigurations' | 'validatingwebhookconfigurations') {
    this.#path = [GROUP, 'v1', resource];
  }

  /** Ordered by their configuration's name; usually none. */
  current(server: ServerParts): readonly Webhook[] {
    const resource = server.resources.find(...this.#path);
    if (resource === undefined) return [];
    const { prefix } = resource;
    const { lastChange: change, size } = server.cache.resource(prefix);
    const seen = this.#seen;
    if (seen?.prefix !== prefix || seen.change !== change || seen.size !== size) {
      this.#seen = { prefix, change, size };
      this.#webhooks = listOf(server, this.#path).flatMap((configuration) =>
        objectsAt(configuration, 'webhooks').map((webhook, index) =>
          parse(webhook, configuration.metadata.name ?? '', index),
        ),
      );
    }
    return this.#webhooks;
  }
}

function parse(webhook: JsonObject, configuration: string, index: number): Webhook {
  const effects = stringAt(webhook, 'sideEffects');
  const name = stringAt(webhook, 'name');
  return {
    configuration,
    name,
    id: `${configuration}/${name}/${index}`,
    clientConfig: objectAt(webhook, 'clientConfig'),
    matcher: matcherOf(webhook),
    conditions: objectsAt(webhook, 'matchConditions'),
    failsOpen: stringAt(webhook, 'failurePolicy') === 'Ignore',
    timeoutSeconds: numberAt(webhook, 'timeoutSeconds') ?? 10,
    reinvoked: stringAt(webhook, 'reinvocationPolicy') === 'IfNeeded',
    hasSideEffects: effects !== 'None' && effects !== 'NoneOnDryRun',
    versions: listAt(webhook, 'admissionReviewVersions') as string[],
  };
}
