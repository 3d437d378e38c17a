/** Which store an instance keeps its cluster in: a file of its own, or an etcd that it may share with other servers. */
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { PlatformError } from '../base/errors.ts';
import type { Instance } from '../base/instance.ts';
import type { Random } from '../base/random.ts';
import { openSqliteStore } from '../cluster/store/sqlite.ts';
import type { Store } from '../cluster/store/store.ts';

export interface DatastoreOptions {
  readonly instance: Instance;
  readonly clock: Clock;
  readonly random: Random;
  /** `etcd://host:port,…`, or `sqlite` (the default): see etcd-target.ts. */
  readonly datastore: string | undefined;
}

export interface Datastore extends AsyncDisposable {
  readonly store: Store;
  /** Others may write to it too. */
  readonly shared: boolean;
}

/** The file that holds the cluster when no etcd does. */
export function databaseFile(instance: Instance): string {
  return join(instance.dataDir, 'state.db');
}

/** Refuses what `openDatastore` would not understand, before anything is started. */
export async function checkDatastore(datastore: string | undefined): Promise<void> {
  if (datastore === undefined || datastore === 'sqlite') return;
  if (!/^etcds?:/.test(datastore)) {
    throw new PlatformError('invalid', `--datastore ${JSON.stringify(datastore)}: is no datastore`, {
      hint: 'want sqlite, or etcd://host:port,host:port',
    });
  }
  const { parseEtcdUrl } = await import('../cluster/store/etcd-target.ts');
  parseEtcdUrl(datastore);
}

export async function openDatastore(options: DatastoreOptions): Promise<Datastore> {
  const { instance, clock, random, datastore } = options;
  await checkDatastore(datastore);
  const shared = datastore?.startsWith('etcd') === true;
  const store = shared
    ? await openEtcd(datastore, { clock, random })
    : await openSqliteStore({ path: databaseFile(instance), clock });
  return { store, shared, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

/** gRPC is loaded only here: it costs every other start nothing. */
async function openEtcd(
  datastore: string,
  parts: { readonly clock: Clock; readonly random: Random },
): Promise<Store> {
  const [{ openEtcdStore }, { parseEtcdUrl, readTlsFiles }] = await Promise.all([
    import('../cluster/store/etcd.ts'),
    import('../cluster/store/etcd-target.ts'),
  ]);
  const { tls, ...target } = parseEtcdUrl(datastore);
  return await openEtcdStore({ ...target, ...parts, ...(tls !== undefined && { tls: readTlsFiles(tls) }) });
}
