/** Webhooks and policies of admission, and flow control: what guards the API. */
import { getPath, isJsonObject, objectsAt, type JsonObject } from '../json.ts';
import { ensureObject, fill, fillEmpty, isEmpty } from './fill.ts';

const MATCHING: JsonObject = { matchPolicy: 'Equivalent', namespaceSelector: {}, objectSelector: {} };

export function validatingWebhookDefaults(configuration: JsonObject): void {
  for (const webhook of objectsAt(configuration, 'webhooks')) {
    fill(webhook, { failurePolicy: 'Fail', timeoutSeconds: 10, ...MATCHING });
    const service = getPath(webhook, 'clientConfig', 'service');
    if (isJsonObject(service)) fill(service, { port: 443 });
    ruleDefaults(webhook, 'rules');
  }
}

export function mutatingWebhookDefaults(configuration: JsonObject): void {
  validatingWebhookDefaults(configuration);
  for (const webhook of objectsAt(configuration, 'webhooks')) fill(webhook, { reinvocationPolicy: 'Never' });
}

function ruleDefaults(holder: JsonObject, ...keys: readonly string[]): void {
  for (const key of keys) for (const rule of objectsAt(holder, key)) fill(rule, { scope: '*' });
}

/** Validating and mutating ones. */
export function admissionPolicyDefaults(policy: JsonObject): void {
  const spec = ensureObject(policy, 'spec');
  fill(spec, { failurePolicy: 'Fail' });
  matchDefaults(spec['matchConstraints']);
}

export function policyBindingDefaults(binding: JsonObject): void {
  const spec = ensureObject(binding, 'spec');
  matchDefaults(spec['matchResources']);
}

function matchDefaults(match: JsonObject[string]): void {
  if (!isJsonObject(match)) return;
  fill(match, MATCHING);
  ruleDefaults(match, 'resourceRules', 'excludeResourceRules');
}

export function flowSchemaDefaults(schema: JsonObject): void {
  const spec = ensureObject(schema, 'spec');
  if (isEmpty(spec['matchingPrecedence'])) spec['matchingPrecedence'] = 1000;
}

export function priorityLevelDefaults(level: JsonObject): void {
  const spec = ensureObject(level, 'spec');
  const { limited, exempt } = spec;
  if (isJsonObject(exempt)) fill(exempt, { nominalConcurrencyShares: 0, lendablePercent: 0 });
  if (!isJsonObject(limited)) return;
  fill(limited, { nominalConcurrencyShares: 30, lendablePercent: 0 });
  const queuing = getPath(limited, 'limitResponse', 'queuing');
  if (isJsonObject(queuing)) fillEmpty(queuing, { queues: 64, handSize: 8, queueLengthLimit: 50 });
}
