/**
 * Values as they lie in the store, encrypted as Kubernetes does it, so that either can read what the other wrote:
 * `k8s:enc:aesgcm:v1:KEY:` and then nonce and sealed value (the object's key is sealed in), `k8s:enc:aescbc:v1:KEY:`
 * and then vector and padded blocks, or `k8s:enc:secretbox:v1:KEY:` and then nonce and box.
 */
import { createCipheriv, createDecipheriv, type CipherGCMTypes } from 'node:crypto';
import { assert, PlatformError } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import type { EncryptionConfig, EncryptionKey, EncryptionProvider, KeyedType } from './encryption-config.ts';
import type { ValueTransform } from './transform.ts';

const MARK = 'k8s:enc:';
const NONCE = 12;
const TAG = 16;
const BLOCK = 16;
const BOX_NONCE = 24;

export interface EncryptionOptions {
  readonly config: EncryptionConfig;
  /** Nonces: never a seeded source outside tests. */
  readonly random: Random;
  /** The resource that a key holds (`secrets`, `deployments.apps`), undefined when it holds no object. */
  readonly resourceOf: (key: string) => string | undefined;
  /** XSalsa20-Poly1305, as `loadSecretbox` gives it; needed for a configuration that names secretbox. */
  readonly secretbox?: Secretbox | undefined;
}

/** Both throw when the key is another or the value was changed; a sealed value begins with its tag. */
export type Secretbox = (
  key: Uint8Array,
  nonce: Uint8Array,
) => { seal(value: Uint8Array): Uint8Array; open(value: Uint8Array): Uint8Array };

/** The cipher is a library's; who does not use it does not load it. */
export async function loadSecretbox({ resources }: EncryptionConfig): Promise<Secretbox | undefined> {
  const wanted = resources.some(({ providers }) => providers.some(({ type }) => type === 'secretbox'));
  return wanted ? (await import('@noble/ciphers/salsa.js')).secretbox : undefined;
}

/** One way to seal and open, with the mark that its values bear. */
interface Sealer {
  readonly mark: Buffer;
  readonly seal: (key: string, value: Uint8Array) => Uint8Array;
  readonly open: (key: string, value: Uint8Array) => Uint8Array;
}

interface Rule {
  readonly resources: readonly string[];
  /** The first writes; undefined stands for identity. */
  readonly sealers: readonly (Sealer | undefined)[];
}

/** The transform for `transformStore`. Without a configuration, with an empty list, it only refuses what is encrypted. */
export function createEncryption({
  config,
  random,
  resourceOf,
  secretbox,
}: EncryptionOptions): ValueTransform {
  const rules = config.resources.map(({ resources, providers }): Rule => ({
    resources,
    sealers: providers.flatMap((provider) => sealersOf(provider, { random, secretbox })),
  }));
  const cache = new Map<string, Rule | undefined>();
  const ruleOf = (key: string): Rule | undefined => {
    const resource = rules.length === 0 ? undefined : resourceOf(key);
    if (resource === undefined) return undefined;
    if (!cache.has(resource))
      cache.set(
        resource,
        rules.find((rule) => rule.resources.some((name) => covers(name, resource))),
      );
    return cache.get(resource);
  };
  return {
    toStore(key, value) {
      const sealer = ruleOf(key)?.sealers[0];
      return sealer === undefined ? value : sealer.seal(key, value);
    },
    fromStore(key, value) {
      const rule = ruleOf(key);
      if (!isMarked(value)) {
        if (rule === undefined || rule.sealers.includes(undefined)) return value;
        throw refuse(
          key,
          'is not encrypted, and the encryption configuration has no "identity" that would allow it',
        );
      }
      if (rule === undefined)
        throw refuse(key, `is encrypted with ${nameIn(value)}, and no encryption configuration covers it`);
      const sealer = rule.sealers.find((one) => one !== undefined && startsWith(value, one.mark));
      if (sealer === undefined)
        throw refuse(
          key,
          `is encrypted with ${nameIn(value)}, which the encryption configuration does not have`,
        );
      try {
        return sealer.open(key, value.subarray(sealer.mark.length));
      } catch (error) {
        throw refuse(
          key,
          `cannot be decrypted with ${nameIn(value)}: another secret, or changed in the store`,
          error,
        );
      }
    },
    isStale(key, value) {
      const rule = ruleOf(key);
      if (rule === undefined) return false;
      const writer = rule.sealers[0];
      return writer === undefined ? isMarked(value) : !startsWith(value, writer.mark);
    },
  };
}

/** `*.*` is everything, `*.apps` a group, `*.` the core group. */
function covers(name: string, resource: string): boolean {
  if (name === '*.*' || name === resource) return true;
  if (!name.startsWith('*.')) return false;
  const dot = resource.indexOf('.');
  return name.slice(2) === (dot === -1 ? '' : resource.slice(dot + 1));
}

type Means = Pick<EncryptionOptions, 'random' | 'secretbox'>;

const MAKE: Readonly<Record<KeyedType, (key: EncryptionKey, means: Means) => Sealer>> = {
  aesgcm: aesGcm,
  aescbc: aesCbc,
  secretbox: boxed,
};

function sealersOf(provider: EncryptionProvider, means: Means): (Sealer | undefined)[] {
  if (provider.type === 'identity') return [undefined];
  const make = MAKE[provider.type];
  return provider.keys.map((key) => make(key, means));
}

/** The key's path in the store is authenticated too: a value that is moved to another object does not open. */
function aesGcm({ name, secret }: EncryptionKey, { random }: Means): Sealer {
  const algorithm = `aes-${secret.length * 8}-gcm` as CipherGCMTypes;
  const mark = Buffer.from(`${MARK}aesgcm:v1:${name}:`);
  return {
    mark,
    seal(key, value) {
      const nonce = random.bytes(NONCE);
      const cipher = createCipheriv(algorithm, secret, nonce, { authTagLength: TAG });
      cipher.setAAD(Buffer.from(key));
      return Buffer.concat([mark, nonce, cipher.update(value), cipher.final(), cipher.getAuthTag()]);
    },
    open(key, value) {
      if (value.length < NONCE + TAG) throw new Error('too short');
      const decipher = createDecipheriv(algorithm, secret, value.subarray(0, NONCE), { authTagLength: TAG });
      decipher.setAAD(Buffer.from(key));
      decipher.setAuthTag(value.subarray(value.length - TAG));
      return Buffer.concat([decipher.update(value.subarray(NONCE, value.length - TAG)), decipher.final()]);
    },
  };
}

function aesCbc({ name, secret }: EncryptionKey, { random }: Means): Sealer {
  const algorithm = `aes-${secret.length * 8}-cbc`;
  const mark = Buffer.from(`${MARK}aescbc:v1:${name}:`);
  return {
    mark,
    seal(_key, value) {
      const vector = random.bytes(BLOCK);
      const cipher = createCipheriv(algorithm, secret, vector);
      return Buffer.concat([mark, vector, cipher.update(value), cipher.final()]);
    },
    open(_key, value) {
      if (value.length < 2 * BLOCK) throw new Error('too short');
      const decipher = createDecipheriv(algorithm, secret, value.subarray(0, BLOCK));
      return Buffer.concat([decipher.update(value.subarray(BLOCK)), decipher.final()]);
    },
  };
}

/** NaCl's secretbox: nonce, tag, value. */
function boxed({ name, secret }: EncryptionKey, { random, secretbox }: Means): Sealer {
  assert(secretbox !== undefined, 'secretbox is loaded for a configuration that names it');
  const mark = Buffer.from(`${MARK}secretbox:v1:${name}:`);
  return {
    mark,
    seal(_key, value) {
      const nonce = random.bytes(BOX_NONCE);
      return Buffer.concat([mark, nonce, secretbox(secret, nonce).seal(value)]);
    },
    open(_key, value) {
      if (value.length < BOX_NONCE + TAG) throw new Error('too short');
      // The library wants plain bytes: a Buffer is one of its own kind.
      const sealed = new Uint8Array(value.subarray(BOX_NONCE));
      return secretbox(secret, new Uint8Array(value.subarray(0, BOX_NONCE))).open(sealed);
    },
  };
}

function isMarked(value: Uint8Array): boolean {
  return (
    value[0] === 0x6b &&
    Buffer.from(value.buffer, value.byteOffset, Math.min(MARK.length, value.length)).toString('latin1') ===
      MARK
  );
}

function startsWith(value: Uint8Array, mark: Buffer): boolean {
  return value.length >= mark.length && mark.equals(value.subarray(0, mark.length));
}

/** `aesgcm key "key1"`, from a value's mark. */
function nameIn(value: Uint8Array): string {
  const head = Buffer.from(value.buffer, value.byteOffset, Math.min(300, value.length)).toString('latin1');
  const [, , provider = 'unknown', , key = 'unknown'] = head.split(':');
  return `${provider} key ${JSON.stringify(key)}`;
}

function refuse(key: string, why: string, cause?: unknown): PlatformError {
  return new PlatformError('internal', `${key}: ${why}`, {
    ...(cause !== undefined && { cause }),
    details: { key },
    hint: 'start with an --encryption-provider-config that has this key',
  });
}
