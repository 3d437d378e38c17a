/** The files of configMap, secret, downwardAPI and projected volumes, as data. */
import { PlatformError } from '../../base/errors.ts';
import type {
  ConfigMap,
  DownwardAPIVolumeFile,
  KeyToPath,
  Pod,
  Secret,
  ServiceAccountTokenProjection,
  Volume,
} from '../api/generated/core-v1.ts';
import { fieldValue, resourceValue, type PodFacts } from './field-ref.ts';
import type { TokenWish } from './account-tokens.ts';
import type { PodReferences } from './container-env.ts';

export interface PayloadFile {
  readonly data: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
  /** Its owner; root when absent. */
  readonly uid?: number;
}

/** By path below the volume's root. */
export type Payload = ReadonlyMap<string, PayloadFile>;

export interface PayloadInput {
  readonly pod: Pod;
  readonly facts: PodFacts;
  readonly references: PodReferences;
  /** A token of the account that the pod runs as. */
  readonly token: (wish: TokenWish) => Promise<string>;
}

const DEFAULT_MODE = 0o644;

/** The files of one volume, or `undefined` when its source is of another kind. `invalid` when something is missing. */
export async function volumePayload(volume: Volume, input: PayloadInput): Promise<Payload | undefined> {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap !== undefined) {
    return configMapFiles(configMap, { defaultMode: configMap.defaultMode ?? DEFAULT_MODE, ...input });
  }
  if (secret !== undefined) {
    const reference = { ...secret, name: secret.secretName ?? '' };
    return secretFiles(reference, { defaultMode: secret.defaultMode ?? DEFAULT_MODE, ...input });
  }
  if (downwardAPI !== undefined) {
    return downwardFiles(downwardAPI.items ?? [], {
      defaultMode: downwardAPI.defaultMode ?? DEFAULT_MODE,
      ...input,
    });
  }
  if (projected === undefined) return undefined;
  const context = { defaultMode: projected.defaultMode ?? DEFAULT_MODE, ...input };
  const files = new Map<string, PayloadFile>();
  for (const source of projected.sources ?? []) {
    for (const [path, file] of await projectedFiles(source, context)) files.set(path, file);
  }
  return files;
}

interface Context extends PayloadInput {
  readonly defaultMode: number;
}

interface Reference {
  readonly name?: string | undefined;
  readonly items?: readonly KeyToPath[] | undefined;
  readonly optional?: boolean | undefined;
}

type Projection = NonNullable<NonNullable<Volume['projected']>['sources']>[number];

async function projectedFiles(source: Projection, context: Context): Promise<Payload> {
  if (source.configMap !== undefined) return configMapFiles(source.configMap, context);
  if (source.secret !== undefined) return secretFiles(source.secret, context);
  if (source.downwardAPI !== undefined) return downwardFiles(source.downwardAPI.items ?? [], context);
  if (source.serviceAccountToken !== undefined) return tokenFile(source.serviceAccountToken, context);
  const kind = Object.keys(source).join(', ');
  throw new PlatformError('unsupported', `projected volume source ${kind} is not supported`);
}

const HOUR_SECONDS = 3600;

/** Nobody but the pod's own user may read a token, where it is known who that is. */
async function tokenFile(source: ServiceAccountTokenProjection, context: Context): Promise<Payload> {
  const { audience = '', expirationSeconds = HOUR_SECONDS } = source;
  const data = Buffer.from(await context.token({ audience, expirationSeconds }));
  const uid = onlyUser(context.pod);
  const known = uid !== undefined || context.pod.spec?.securityContext?.fsGroup !== undefined;
  const mode = known ? 0o600 : context.defaultMode;
  return new Map([[safePath(source.path ?? ''), { data, mode, ...(uid !== undefined && { uid }) }]]);
}

/** The user that all containers of the pod run as, if they say so and agree. */
function onlyUser({ spec }: Pod): number | undefined {
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  const users = new Set(
    containers.map(({ securityContext }) => securityContext?.runAsUser ?? spec?.securityContext?.runAsUser),
  );
  const [user] = users;
  return users.size === 1 ? user : undefined;
}

async function configMapFiles(reference: Reference, context: Context): Promise<Payload> {
  const object = await context.references.configMap(reference.name ?? '');
  if (object === undefined && reference.optional !== true) {
    throw new PlatformError('invalid', `configmap "${reference.name ?? ''}" not found`);
  }
  return select(configMapEntries(object), reference, context);
}

async function secretFiles(reference: Reference, context: Context): Promise<Payload> {
  const object = await context.references.secret(reference.name ?? '');
  if (object === undefined && reference.optional !== true) {
    throw new PlatformError('invalid', `secret "${reference.name ?? ''}" not found`);
  }
  return select(secretEntries(object), reference, context);
}

function configMapEntries(object: ConfigMap | undefined): ReadonlyMap<string, Uint8Array> {
  const text = Object.entries(object?.data ?? {}).map(([key, value]) => [key, Buffer.from(value)] as const);
  const binary = Object.entries(object?.binaryData ?? {}).map(([key, value]) => [key, bytes(value)] as const);
  return new Map([...text, ...binary]);
}

function secretEntries(object: Secret | undefined): ReadonlyMap<string, Uint8Array> {
  return new Map(Object.entries(object?.data ?? {}).map(([key, value]) => [key, bytes(value)]));
}

/** Bytes are base64 in JSON. */
function bytes(value: string): Uint8Array {
  return Buffer.from(value, 'base64');
}

/** All keys under their own names, or the named ones at the paths given. */
function select(entries: ReadonlyMap<string, Uint8Array>, reference: Reference, context: Context): Payload {
  const files = new Map<string, PayloadFile>();
  if (reference.items === undefined || reference.items.length === 0) {
    for (const [key, data] of entries) files.set(safePath(key), { data, mode: context.defaultMode });
    return files;
  }
  for (const item of reference.items) {
    const data = entries.get(item.key ?? '');
    if (data === undefined) {
      if (reference.optional === true) continue;
      throw new PlatformError(
        'invalid',
        `references non-existent key ${item.key ?? ''} of ${reference.name ?? ''}`,
      );
    }
    files.set(safePath(item.path ?? ''), { data, mode: item.mode ?? context.defaultMode });
  }
  return files;
}

function downwardFiles(items: readonly DownwardAPIVolumeFile[], context: Context): Payload {
  const files = new Map<string, PayloadFile>();
  for (const item of items) {
    const { fieldRef, resourceFieldRef } = item;
    const text =
      fieldRef !== undefined
        ? fieldValue(fieldRef, context.pod, context.facts)
        : resourceFieldRef !== undefined
          ? resourceValue(resourceFieldRef, context.pod, { facts: context.facts })
          : '';
    files.set(safePath(item.path ?? ''), { data: Buffer.from(text), mode: item.mode ?? context.defaultMode });
  }
  return files;
}

/** A path that stays below the volume's root and out of the writer's own names. */
function safePath(path: string): string {
  const parts = path.split('/');
  if (
    path === '' ||
    path.startsWith('/') ||
    parts.some((part) => part === '..' || part === '') ||
    path.startsWith('..')
  ) {
    throw new PlatformError('invalid', `volume path "${path}" must be relative and must not contain ".."`);
  }
  return parts.filter((part) => part !== '.').join('/');
}
