/** Which store an instance keeps its cluster in: a file of its own, or an etcd that it may share with other servers. */
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { PlatformError } from '../base/errors.ts';
import type { Instance } from '../base/instance.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { BackupSummary } from '../cluster/store/backup-file.ts';
import type { EtcdTarget, EtcdTls } from '../cluster/store/etcd-target.ts';
import { openSqliteStore } from '../cluster/store/sqlite.ts';
import type { Store } from '../cluster/store/store.ts';
import { openEncryption } from './encryption-at-rest.ts';

export interface DatastoreOptions {
  readonly instance: Instance;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** `etcd://host:port,…`, or `sqlite` (the default): see etcd-target.ts. */
  readonly datastore: string | undefined;
  /** A file with an EncryptionConfiguration. */
  readonly encryptionConfig?: string | undefined;
  /** Follows changes of that file. */
  readonly reloadEncryption?: boolean | undefined;
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
  const { datastore, encryptionConfig: file, reloadEncryption: reload = false } = options;
  await checkDatastore(datastore);
  const encryption = await openEncryption({ ...options, file, reload });
  const opened = isEtcd(datastore) ? await openEtcd(datastore, options) : await openFile(options);
  const store = encryption.over(opened.store);
  return { ...opened, store, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
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
