/** EncryptionConfiguration (apiserver.config.k8s.io/v1), checked: which resources are encrypted, with which keys. */
import { PlatformError } from '../../base/errors.ts';

export interface EncryptionConfig {
  /** The first that names a resource counts for it. */
  readonly resources: readonly {
    readonly resources: readonly string[];
    /** The first writes, all read. */
    readonly providers: readonly EncryptionProvider[];
  }[];
}

export type EncryptionProvider =
  | { readonly type: 'identity' }
  | {
      readonly type: KeyedType;
      /** The first writes, all read. */
      readonly keys: readonly EncryptionKey[];
    };

export type KeyedType = 'aesgcm' | 'aescbc' | 'secretbox';

export interface EncryptionKey {
  readonly name: string;
  /** 16, 24 or 32 bytes; 32 for secretbox. */
  readonly secret: Uint8Array;
}

const KNOWN = ['aesgcm', 'aescbc', 'secretbox', 'kms', 'identity'];

/** Reads a decoded configuration; errors name the field, and never a secret. */
export function parseEncryptionConfig(value: unknown): EncryptionConfig {
  const root = objectAt(value, 'encryption configuration');
  const { apiVersion, kind } = root;
  if (apiVersion !== 'apiserver.config.k8s.io/v1' || kind !== 'EncryptionConfiguration') {
    throw invalid('kind', `want an EncryptionConfiguration of apiserver.config.k8s.io/v1`);
  }
  const seen = new Set<string>();
  const resources = listAt(root['resources'], 'resources').map((item, i) => {
    const path = `resources[${i}]`;
    const entry = objectAt(item, path);
    const names = listAt(entry['resources'], `${path}.resources`).map((name, n) => {
      const at = `${path}.resources[${n}]`;
      if (
        typeof name !== 'string' ||
        !/^(\*|[a-z][a-z0-9-]*)(\.(\*|[a-z0-9.-]*))?$/.test(name) ||
        name === '*'
      )
        throw invalid(
          at,
          `${JSON.stringify(name)} is no resource: want "secrets", "widgets.example.com" or "*.*"`,
        );
      if (seen.has(name)) throw invalid(at, `${name} is named twice`);
      seen.add(name);
      return name;
    });
    const providers = listAt(entry['providers'], `${path}.providers`).map((provider, n) =>
      parseProvider(provider, `${path}.providers[${n}]`),
    );
    return { resources: names, providers };
  });
  return { resources };
}

function parseProvider(value: unknown, path: string): EncryptionProvider {
  const provider = objectAt(value, path);
  const types = Object.keys(provider).filter((type) => provider[type] !== undefined);
  const [type = ''] = types;
  if (types.length !== 1) throw invalid(path, `want exactly one of ${KNOWN.join(', ')}`);
  if (type === 'identity') return { type };
  if (!isKeyed(type)) {
    if (!KNOWN.includes(type)) throw invalid(path, `unknown provider ${JSON.stringify(type)}`);
    throw new PlatformError('unsupported', `encryption configuration: ${path}: ${type} is not supported`, {
      hint: 'use aesgcm',
    });
  }
  const settings = objectAt(provider[type], `${path}.${type}`);
  const names = new Set<string>();
  const keys = listAt(settings['keys'], `${path}.${type}.keys`).map((item, i) => {
    const at = `${path}.${type}.keys[${i}]`;
    const { name, secret } = objectAt(item, at);
    if (typeof name !== 'string' || name === '' || name.includes(':'))
      throw invalid(`${at}.name`, 'want a name without colons');
    if (names.has(name)) throw invalid(`${at}.name`, `${JSON.stringify(name)} is used twice`);
    names.add(name);
    return { name, secret: parseSecret(secret, `${at}.secret`, SIZES[type]) };
  });
  return { type, keys };
}

const SIZES: Readonly<Record<KeyedType, readonly number[]>> = {
  aesgcm: [16, 24, 32],
  aescbc: [16, 24, 32],
  secretbox: [32],
};

function isKeyed(type: string): type is KeyedType {
  return Object.hasOwn(SIZES, type);
}

function parseSecret(value: unknown, path: string, sizes: readonly number[]): Uint8Array {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]+={0,2}$/.test(value))
    throw invalid(path, 'want a key in base64');
  const secret = new Uint8Array(Buffer.from(value, 'base64'));
  if (!sizes.includes(secret.length))
    throw invalid(path, `has ${secret.length} bytes, want ${sizes.join(', ').replace(/, (\d+)$/, ' or $1')}`);
  return secret;
}

function objectAt(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(path, 'want an object');
  return value as Readonly<Record<string, unknown>>;
}

function listAt(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid(path, 'want a list with at least one entry');
  return value as readonly unknown[];
}

function invalid(path: string, why: string): PlatformError {
  return new PlatformError('invalid', `encryption configuration: ${path}: ${why}`, { details: { path } });
}
