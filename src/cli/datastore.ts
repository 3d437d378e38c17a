/** Which store an instance keeps its cluster in: a file of its own, or an etcd that it may share with other servers. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { errorMessage, PlatformError } from '../base/errors.ts';
import type { Instance } from '../base/instance.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { BackupSummary } from '../cluster/store/backup-file.ts';
import type { EtcdTarget, EtcdTls } from '../cluster/store/etcd-target.ts';
import { createEncryption, loadSecretbox } from '../cluster/store/encryption.ts';
import type { EncryptionConfig } from '../cluster/store/encryption-config.ts';
import { openSqliteStore } from '../cluster/store/sqlite.ts';
import type { Store } from '../cluster/store/store.ts';
import { rewriteStale, transformStore } from '../cluster/store/transform.ts';

export interface DatastoreOptions {
  readonly instance: Instance;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** `etcd://host:port,…`, or `sqlite` (the default): see etcd-target.ts. */
  readonly datastore: string | undefined;
  /** A file with an EncryptionConfiguration. */
  readonly encryptionConfig?: string | undefined;
}

export interface Datastore extends AsyncDisposable {
  readonly store: Store;
  /** Others may write to it too. */
  readonly shared: boolean;
  /** Writes what is in it to a file, while everything goes on. */
  readonly backup: (file: string) => Promise<BackupSummary>;
}

type Parts = Pick<DatastoreOptions, 'clock' | 'random'>;

/** The file that holds the cluster when no etcd does. */
export function databaseFile(instance: Instance): string {
  return join(instance.dataDir, 'state.db');
}

/** Refuses what `openDatastore` would not understand, before anything is started. */
export async function checkDatastore(datastore: string | undefined): Promise<void> {
  if (datastore === undefined || datastore === 'sqlite') return;
  if (!isEtcd(datastore)) {
    throw new PlatformError('invalid', `--datastore ${JSON.stringify(datastore)}: is no datastore`, {
      hint: 'want sqlite, or etcd://host:port,host:port',
    });
  }
  await etcdTarget(datastore);
}

/** Opens the datastore. With an encryption configuration, what older keys wrote is written anew in the background. */
export async function openDatastore(options: DatastoreOptions): Promise<Datastore> {
  const { datastore, random, log } = options;
  await checkDatastore(datastore);
  const config = await readEncryptionConfig(options.encryptionConfig);
  const opened = isEtcd(datastore) ? await openEtcd(datastore, options) : await openFile(options);
  const resourceOf = config.resources.length === 0 ? () => undefined : await storedResources();
  const secretbox = await loadSecretbox(config);
  const transform = createEncryption({ config, random, resourceOf, secretbox });
  const stop = new AbortController();
  const rewriting =
    config.resources.length === 0
      ? undefined
      : rewriteStale(opened.store, transform, { prefix: '/registry/', signal: stop.signal }).then(
          (count) => count > 0 && log.info('objects written anew with the first key', { count }),
          (error: unknown) =>
            stop.signal.aborted ||
            log.warn('cannot write all objects anew with the first key', { error: errorMessage(error) }),
        );
  return {
    ...opened,
    store: transformStore(opened.store, transform),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await opened.store[Symbol.asyncDispose]();
      await rewriting;
    },
  };
}

/** A backup by a process that does not serve: the caller holds the data folder. */
export async function backupDatastore(options: DatastoreOptions, file: string): Promise<BackupSummary> {
  if (isEtcd(options.datastore)) return await backupEtcd(options.datastore, options, file);
  await using opened = await openFile(options);
  return await opened.backup(file);
}

function isEtcd(datastore: string | undefined): datastore is string {
  return /^etcds?:/.test(datastore ?? '');
}

async function openFile({ instance, clock }: DatastoreOptions): Promise<Datastore> {
  const store = await openSqliteStore({ path: databaseFile(instance), clock });
  return {
    store,
    shared: false,
    backup: (file) => store.backup(file),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

/** gRPC is loaded only with an etcd: it costs every other start nothing. */
async function openEtcd(datastore: string, { clock, random }: Parts): Promise<Datastore> {
  const { openEtcdStore } = await import('../cluster/store/etcd.ts');
  const store = await openEtcdStore({ ...(await etcdTarget(datastore)), clock, random });
  return {
    store,
    shared: true,
    backup: (file) => backupEtcd(datastore, { clock, random }, file),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

async function backupEtcd(datastore: string, { clock }: Parts, file: string): Promise<BackupSummary> {
  const { downloadSnapshot } = await import('../cluster/store/etcd-snapshot.ts');
  return await downloadSnapshot({ ...(await etcdTarget(datastore)), clock }, file);
}

async function etcdTarget(datastore: string): Promise<Omit<EtcdTarget, 'tls'> & { readonly tls?: EtcdTls }> {
  const { parseEtcdUrl, readTlsFiles } = await import('../cluster/store/etcd-target.ts');
  const { tls, ...target } = parseEtcdUrl(datastore);
  return { ...target, ...(tls !== undefined && { tls: readTlsFiles(tls) }) };
}

async function readEncryptionConfig(file: string | undefined): Promise<EncryptionConfig> {
  if (file === undefined) return { resources: [] };
  const [{ parseYaml }, { parseEncryptionConfig }] = await Promise.all([
    import('../cluster/api/yaml.ts'),
    import('../cluster/store/encryption-config.ts'),
  ]);
  try {
    const { value, duplicates } = await parseYaml(readFileSync(file));
    if (duplicates[0] !== undefined) throw new PlatformError('invalid', duplicates[0]);
    return parseEncryptionConfig(value);
  } catch (error) {
    const code = error instanceof PlatformError ? error.code : 'invalid';
    throw new PlatformError(code, `--encryption-provider-config ${file}: ${errorMessage(error)}`, {
      cause: error,
    });
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
