/** AuthorizationConfiguration (apiserver.config.k8s.io): which authorizers there are, in which order (KEP-3221). */
import { CelError } from '../../api/cel/program.ts';
import type { Program } from '../../api/cel/program.ts';
import {
  duplicate,
  fieldErrorsError,
  invalid,
  required,
  unsupported,
  type FieldError,
} from '../../api/field-error.ts';
import { objectAt, objectsAt, stringAt, type JsonObject } from '../../api/json.ts';
import { decodeConfiguration, durationMs, type Fields } from '../configuration/decode-configuration.ts';
import { compileCondition } from './webhook/match-conditions.ts';

export type AuthorizerEntry =
  | { readonly type: 'Node' | 'RBAC' | 'AlwaysAllow' | 'AlwaysDeny' }
  | WebhookEntry;

export interface WebhookEntry {
  readonly type: 'Webhook';
  readonly name: string;
  /** An absolute path. */
  readonly kubeconfig: string;
  readonly timeoutMs: number;
  readonly authorizedMs: number;
  readonly unauthorizedMs: number;
  readonly version: 'v1' | 'v1beta1';
  readonly failurePolicy: 'NoOpinion' | 'Deny';
  readonly conditions: readonly Program[];
}

const SHAPE: Fields = {
  fields: {
    authorizers: {
      listOf: {
        fields: {
          type: 'string',
          name: 'string',
          webhook: {
            fields: {
              authorizedTTL: 'duration',
              cacheAuthorizedRequests: 'bool',
              unauthorizedTTL: 'duration',
              cacheUnauthorizedRequests: 'bool',
              timeout: 'duration',
              subjectAccessReviewVersion: 'string',
              matchConditionSubjectAccessReviewVersion: 'string',
              failurePolicy: 'string',
              connectionInfo: { fields: { type: 'string', kubeConfigFile: 'string' } },
              matchConditions: { listOf: { fields: { expression: 'string' } } },
            },
          },
        },
      },
    },
  },
};
const KIND = {
  kind: 'AuthorizationConfiguration',
  versions: ['v1', 'v1beta1', 'v1alpha1'],
  shape: SHAPE,
};

const TYPES = ['AlwaysAllow', 'AlwaysDeny', 'Node', 'RBAC', 'Webhook'] as const;
const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const MAX_CONDITIONS = 64;
const AUTHORIZED_MS = 5 * 60_000;
const UNAUTHORIZED_MS = 30_000;
const MAX_TIMEOUT_MS = 30_000;

/** Throws `invalid` with every field that is wrong. */
export async function parseAuthorizationConfiguration(
  bytes: Uint8Array,
): Promise<readonly AuthorizerEntry[]> {
  const entries = objectsAt(await decodeConfiguration(bytes, KIND), 'authorizers');
  const errors: FieldError[] = [];
  if (entries.length === 0) {
    errors.push(required('authorizers', 'at least one authorization mode must be defined'));
  }
  const seen = { types: new Set<string>(), names: new Set<string>() };
  const parsed = entries.flatMap((entry, i) => parseEntry(entry, { at: `authorizers[${i}]`, errors, seen }));
  if (errors.length > 0) throw fieldErrorsError(errors);
  return parsed;
}

interface Parsing {
  readonly at: string;
  readonly errors: FieldError[];
  readonly seen: { readonly types: Set<string>; readonly names: Set<string> };
}

function parseEntry(entry: JsonObject, { at, errors, seen }: Parsing): AuthorizerEntry[] {
  const type = TYPES.find((one) => one === entry['type']);
  const name = stringAt(entry, 'name');
  if (type === undefined) {
    const given = stringAt(entry, 'type');
    errors.push(given === '' ? required(`${at}.type`) : unsupported(`${at}.type`, given, TYPES));
    return [];
  }
  if (type !== 'Webhook' && seen.types.has(type)) {
    errors.push(duplicate(`${at}.type`, type));
    return [];
  }
  seen.types.add(type);
  if (name === '') errors.push(required(`${at}.name`));
  else if (seen.names.has(name)) errors.push(duplicate(`${at}.name`, name));
  else if (!NAME.test(name) || name.length > 253) {
    const why =
      "authorizer name is invalid: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    errors.push(invalid(`${at}.name`, name, why));
  } else if (type !== 'Webhook' && name !== type.toLowerCase()) {
    const why = `expected name ${type.toLowerCase()} for authorizer ${type} instead of ${name}`;
    errors.push(invalid(`${at}.name`, name, why));
  }
  seen.names.add(name);
  if (type !== 'Webhook') {
    if (entry['webhook'] === undefined || entry['webhook'] === null) return [{ type }];
    errors.push(invalid(`${at}.webhook`, 'non-null', 'may only be specified when type=Webhook'));
    return [];
  }
  if (entry['webhook'] === undefined || entry['webhook'] === null) {
    errors.push(required(`${at}.webhook`, 'required when type=Webhook'));
    return [];
  }
  return [{ type, name, ...parseWebhook(objectAt(entry, 'webhook'), at, errors) }];
}

/** Upstream leaves `webhook` out of the paths; so do these. */
function parseWebhook(
  webhook: JsonObject,
  at: string,
  errors: FieldError[],
): Omit<WebhookEntry, 'type' | 'name'> {
  const time = (field: string): number => durationMs(stringAt(webhook, field) || '0s', `${at}.${field}`);
  const timeoutMs = time('timeout');
  if (timeoutMs === 0) errors.push(required(`${at}.timeout`));
  else if (timeoutMs > MAX_TIMEOUT_MS || timeoutMs < 0) {
    errors.push(invalid(`${at}.timeout`, stringAt(webhook, 'timeout'), 'must be > 0s and <= 30s'));
  }
  const kept = (field: string, fallback: number): number => {
    const ms = time(field) || fallback;
    if (ms < 0) errors.push(invalid(`${at}.${field}`, stringAt(webhook, field), 'must be > 0s'));
    return ms;
  };
  const authorizedMs = kept('authorizedTTL', AUTHORIZED_MS);
  const unauthorizedMs = kept('unauthorizedTTL', UNAUTHORIZED_MS);
  const choice = <T extends string>(field: string, choices: readonly T[]): T => {
    const given = stringAt(webhook, field);
    const found = choices.find((one) => one === given);
    if (found === undefined) {
      errors.push(given === '' ? required(`${at}.${field}`) : unsupported(`${at}.${field}`, given, choices));
    }
    return found ?? choices[0]!;
  };
  return {
    kubeconfig: connection(objectAt(webhook, 'connectionInfo'), `${at}.connectionInfo`, errors),
    timeoutMs,
    authorizedMs: webhook['cacheAuthorizedRequests'] === false ? 0 : authorizedMs,
    unauthorizedMs: webhook['cacheUnauthorizedRequests'] === false ? 0 : unauthorizedMs,
    version: choice('subjectAccessReviewVersion', ['v1', 'v1beta1']),
    failurePolicy: choice('failurePolicy', ['NoOpinion', 'Deny']),
    conditions: conditionsOf(webhook, at, errors),
  };
}

function connection(info: JsonObject, at: string, errors: FieldError[]): string {
  const type = stringAt(info, 'type');
  const file = stringAt(info, 'kubeConfigFile');
  if (type === '') errors.push(required(`${at}.type`));
  // There is no cluster around this server that it could find its webhooks in.
  else if (type !== 'KubeConfigFile') errors.push(unsupported(`${at}.type`, type, ['KubeConfigFile']));
  else if (file === '') errors.push(required(`${at}.kubeConfigFile`));
  else if (!file.startsWith('/'))
    errors.push(invalid(`${at}.kubeConfigFile`, file, 'must be an absolute path'));
  return file;
}

function conditionsOf(webhook: JsonObject, at: string, errors: FieldError[]): readonly Program[] {
  const conditions = objectsAt(webhook, 'matchConditions');
  const version = stringAt(webhook, 'matchConditionSubjectAccessReviewVersion');
  const field = `${at}.matchConditionSubjectAccessReviewVersion`;
  if (version === '' && conditions.length > 0) {
    errors.push(required(field, 'required if match conditions are specified'));
  } else if (version !== '' && version !== 'v1') errors.push(unsupported(field, version, ['v1']));
  if (conditions.length > MAX_CONDITIONS) {
    const detail = `must have at most ${MAX_CONDITIONS} items`;
    errors.push({ type: 'Too many', field: `${at}.matchConditions`, value: conditions.length, detail });
    return [];
  }
  const seen = new Set<string>();
  return conditions.flatMap((condition, i) => {
    const path = `${at}.matchConditions[${i}].expression`;
    const text = stringAt(condition, 'expression');
    if (text.trim() === '') errors.push(required(path));
    else if (seen.has(text)) errors.push(duplicate(path, text));
    else {
      seen.add(text);
      try {
        return [compileCondition(text)];
      } catch (error) {
        if (!(error instanceof CelError)) throw error;
        errors.push(invalid(path, text, error.message));
      }
    }
    return [];
  });
}
