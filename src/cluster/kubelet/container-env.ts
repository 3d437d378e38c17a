import { PlatformError } from '../../base/errors.ts';
import type { ConfigMap, Container, EnvVar, Pod, Secret } from '../api/generated/core-v1.ts';
import { expand } from './expansion.ts';
import { fieldValue, resourceValue, type PodFacts } from './field-ref.ts';

/** What the API knows that a pod may refer to. `undefined`: there is no such object. */
export interface PodReferences {
  configMap(name: string): Promise<ConfigMap | undefined>;
  secret(name: string): Promise<Secret | undefined>;
}

export interface EnvironmentInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly facts: PodFacts;
  readonly references: PodReferences;
  readonly serviceEnv: ReadonlyMap<string, string>;
}

/**
 * The environment of one container: service variables, then envFrom in order, then env in order, each able to refer
 * to what came before it. `invalid` (the waiting reason CreateContainerConfigError) when something required is missing.
 */
export async function containerEnvironment(input: EnvironmentInput): Promise<ReadonlyMap<string, string>> {
  const fixed = new Map<string, string>();
  for (const source of input.container.envFrom ?? []) {
    const prefix = source.prefix ?? '';
    for (const [key, value] of await sourceEntries(source, input)) fixed.set(prefix + key, value);
  }
  const result = new Map([...input.serviceEnv, ...fixed]);
  for (const variable of input.container.env ?? []) {
    const name = variable.name ?? '';
    const value = await variableValue(variable, input, result);
    if (value !== undefined) result.set(name, value);
  }
  return result;
}

type EnvFrom = NonNullable<Container['envFrom']>[number];

async function sourceEntries(source: EnvFrom, input: EnvironmentInput): Promise<[string, string][]> {
  if (source.configMapRef !== undefined) {
    const { name = '', optional = false } = source.configMapRef;
    const object = await input.references.configMap(name);
    if (object === undefined && !optional) throw missingObject('configmap', name);
    return Object.entries(object?.data ?? {});
  }
  if (source.secretRef !== undefined) {
    const { name = '', optional = false } = source.secretRef;
    const object = await input.references.secret(name);
    if (object === undefined && !optional) throw missingObject('secret', name);
    return Object.entries(object?.data ?? {}).map(([key, value]) => [key, decode(value)]);
  }
  return [];
}

async function variableValue(
  variable: EnvVar,
  input: EnvironmentInput,
  known: ReadonlyMap<string, string>,
): Promise<string | undefined> {
  const from = variable.valueFrom;
  if (from === undefined) return expand(variable.value ?? '', (name) => known.get(name));
  if (from.fieldRef !== undefined) return fieldValue(from.fieldRef, input.pod, input.facts);
  if (from.resourceFieldRef !== undefined) {
    return resourceValue(from.resourceFieldRef, input.pod, {
      container: input.container,
      facts: input.facts,
    });
  }
  if (from.configMapKeyRef !== undefined) {
    const { name = '', key = '', optional = false } = from.configMapKeyRef;
    const object = await input.references.configMap(name);
    if (object === undefined && !optional) throw missingObject('configmap', name);
    const value = object?.data?.[key];
    if (value === undefined && !optional) throw missingKey('ConfigMap', name, key, input.pod);
    return value;
  }
  if (from.secretKeyRef !== undefined) {
    const { name = '', key = '', optional = false } = from.secretKeyRef;
    const object = await input.references.secret(name);
    if (object === undefined && !optional) throw missingObject('secret', name);
    const value = object?.data?.[key];
    if (value === undefined && !optional) throw missingKey('Secret', name, key, input.pod);
    return value === undefined ? undefined : decode(value);
  }
  throw new PlatformError('invalid', `env ${variable.name ?? ''}: unsupported valueFrom`);
}

/** Secrets are base64 in JSON. */
function decode(value: string): string {
  return Buffer.from(value, 'base64').toString('utf8');
}

function missingObject(kind: string, name: string): PlatformError {
  return new PlatformError('invalid', `${kind} "${name}" not found`);
}

function missingKey(kind: string, name: string, key: string, pod: Pod): PlatformError {
  return new PlatformError(
    'invalid',
    `couldn't find key ${key} in ${kind} ${pod.metadata?.namespace ?? ''}/${name}`,
  );
}
