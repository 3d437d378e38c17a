/** Encryption of what is stored, by a configuration file that may change while the server runs. */
import { readFile } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';
import { sleep } from '../base/clock.ts';
import { errorMessage, PlatformError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { createEncryption, loadSecretbox } from '../cluster/store/encryption.ts';
import type { EncryptionConfig } from '../cluster/store/encryption-config.ts';
import type { Store } from '../cluster/store/store.ts';
import { rewriteStale, transformStore, type ValueTransform } from '../cluster/store/transform.ts';

/** How often the file is looked at; upstream's interval where it cannot be told of changes. */
const RELOAD_MS = 60_000;

export interface EncryptionAtRestOptions {
  /** An EncryptionConfiguration; without it what is encrypted is refused, and nothing else happens. */
  readonly file: string | undefined;
  /** Follows the file. What it says then counts for the next write; what older keys wrote is written anew. */
  readonly reload: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface EncryptionAtRest {
  /** Disposing ends what goes on in the background and then `inner`. */
  over(inner: Store): Store;
}

/** Reads the file; `invalid` names it and the field. */
export async function openEncryption(options: EncryptionAtRestOptions): Promise<EncryptionAtRest> {
  const { file, reload, random } = options;
  const resourceOf = file === undefined ? () => undefined : await storedResources();
  const transformOf = async (config: EncryptionConfig): Promise<ValueTransform> =>
    createEncryption({ config, random, resourceOf, secretbox: await loadSecretbox(config) });
  const first = file === undefined ? undefined : await readFile(file).catch(unreadable(file));
  let current = await transformOf(first === undefined ? { resources: [] } : await parsed(first, file!));
  const transform: ValueTransform = {
    toStore: (key, value) => current.toStore(key, value),
    fromStore: (key, value) => current.fromStore(key, value),
    isStale: (key, stored) => current.isStale(key, stored),
  };
  return {
    over(inner) {
      const stop = new AbortController();
      let work: Promise<unknown> = Promise.resolve();
      if (file !== undefined && first !== undefined) {
        work = writeAnew(inner, transform, options, stop.signal);
        if (reload) {
          const follow = async (): Promise<void> =>
            await followFile(file, first, {
              ...options,
              signal: stop.signal,
              changed: async (bytes) => {
                current = await transformOf(await parsed(bytes, file));
                await writeAnew(inner, transform, options, stop.signal);
              },
            });
          work = Promise.all([work, follow()]);
        }
      }
      return {
        ...transformStore(inner, transform),
        async [Symbol.asyncDispose]() {
          stop.abort();
          await inner[Symbol.asyncDispose]();
          await work;
        },
      };
    },
  };
}

async function writeAnew(
  inner: Store,
  transform: ValueTransform,
  { log }: EncryptionAtRestOptions,
  signal: AbortSignal,
): Promise<void> {
  try {
    const count = await rewriteStale(inner, transform, { prefix: '/registry/', signal });
    if (count > 0) log.info('objects written anew with the first key', { count });
  } catch (error) {
    if (signal.aborted) return;
    log.warn('cannot write all objects anew with the first key', { error: errorMessage(error) });
  }
}

interface Following {
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Throws when what is there cannot be used: then what was there before goes on. */
  readonly changed: (bytes: Uint8Array) => Promise<void>;
}

async function followFile(
  file: string,
  first: Uint8Array,
  { clock, log, signal, changed }: Following,
): Promise<void> {
  for (let seen = Buffer.from(first); ;) {
    try {
      await sleep(clock, RELOAD_MS, signal);
    } catch {
      return;
    }
    try {
      const bytes = await readFile(file);
      if (seen.equals(bytes)) continue;
      // Said once for each mistake, not once a minute.
      seen = bytes;
      await changed(bytes);
      log.info('the encryption configuration has changed', { file });
    } catch (error) {
      log.error('the encryption configuration cannot be used; the last one goes on', {
        file,
        error: errorMessage(error),
      });
    }
  }
}

const wrong = (file: string, error: unknown): PlatformError => {
  const code = error instanceof PlatformError ? error.code : 'invalid';
  return new PlatformError(code, `--encryption-provider-config ${file}: ${errorMessage(error)}`, {
    cause: error,
  });
};

const unreadable = (file: string) => (error: unknown) => {
  throw wrong(file, error);
};

async function parsed(bytes: Uint8Array, file: string): Promise<EncryptionConfig> {
  const [{ parseYaml }, { parseEncryptionConfig }] = await Promise.all([
    import('../cluster/api/yaml.ts'),
    import('../cluster/store/encryption-config.ts'),
  ]);
  try {
    const { value, duplicates } = await parseYaml(bytes);
    if (duplicates[0] !== undefined) throw new PlatformError('invalid', duplicates[0]);
    return parseEncryptionConfig(value);
  } catch (error) {
    throw wrong(file, error);
  }
}

/** Which resource a key of the store holds, by the layout of resource-table.ts: `secrets`, `deployments.apps`. */
async function storedResources(): Promise<(key: string) => string | undefined> {
  const [{ resources }, { ResourceTable }] = await Promise.all([
    import('../cluster/api/resources.ts'),
    import('../cluster/server/resource-table.ts'),
  ]);
  const table = new ResourceTable({ addresses: { base: 0, size: 0 }, nodePorts: [0, 0] });
  const names = new Map<string, string>();
  for (const { group, resource, prefix } of table.all) {
    const stored = resources.find((item) => item.group === group && item.resource === resource)?.storage;
    const owner = stored?.group ?? group;
    // The first to name a prefix is the one it is named for: events are those of the core group.
    if (!names.has(prefix)) names.set(prefix, owner === '' ? resource : `${resource}.${owner}`);
  }
  return (key) => {
    const [, root, first = '', second = ''] = key.split('/');
    if (root !== 'registry') return undefined;
    const found = names.get(`/registry/${first}/${second}/`) ?? names.get(`/registry/${first}/`);
    // Custom resources lie below their group.
    return found ?? (first.includes('.') ? `${second}.${first}` : undefined);
  };
}
