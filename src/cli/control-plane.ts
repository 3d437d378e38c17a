/** The control plane of one instance: store, API server, controllers, scheduler, in this process. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { assert } from '../base/errors.ts';
import type { Instance } from '../base/instance.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Transport, UserInfo } from '../cluster/api/transport.ts';
import { createClient } from '../cluster/client/client.ts';
import type { Client, InformerFactory } from '../cluster/client/contract.ts';
import { createEventRecorder, type EventRecorder } from '../cluster/client/event-recorder.ts';
import { createInformerFactory } from '../cluster/client/informer.ts';
import { createApiServer } from '../cluster/server/api-server.ts';
import { listen } from '../cluster/server/http/https-listener.ts';
import { buildKubeconfig } from '../cluster/server/kubeconfig.ts';
import { loadOrCreatePki } from '../cluster/server/pki.ts';
import { serviceCidrOf } from '../container/network/choose-subnet.ts';
import type { BackupSummary } from '../cluster/store/backup-file.ts';
import { openAudit, type ApiServerFlags } from './api-server-flags.ts';
import { openDatastore } from './datastore.ts';
import { fileAccess } from './file-access.ts';
import { firstAddress } from './first-address.ts';
import { runManager, type Manager } from './manager.ts';
import { writeAtomically } from '../base/write-atomically.ts';

export interface ControlPlaneOptions {
  readonly instance: Instance;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** On 127.0.0.1; 0 picks a free one. */
  readonly port: number;
  readonly kubeconfig: string;
  /** The instance's own choice when absent. */
  readonly serviceCidr: string | undefined;
  readonly nodeIps: readonly string[];
  /** A folder with what all servers of one cluster have alike (server/pki.ts); the instance's own when absent. */
  readonly pki?: string | undefined;
  /** Where the cluster is kept (datastore.ts); a file of the instance when absent. */
  readonly datastore?: string | undefined;
  /** An EncryptionConfiguration; nothing is encrypted when absent. */
  readonly encryptionConfig?: string | undefined;
  /** What operators chose of the API server; upstream's defaults when absent. */
  readonly apiServer?: ApiServerFlags | undefined;
}

export interface ControlPlane extends AsyncDisposable {
  readonly url: string;
  /** What a component of ours needs to work on the API as `user`; `source` is whom its events come from. */
  componentOf(user: UserInfo, source: EventSource): Component;
  /** The way to a node's kubelet, for logs, exec and all else that only it can answer. */
  connectNode(name: string, kubelet: Transport): void;
  /**
   * Lets pods reach the API at this address of the machine, and says so in the endpoints of the service
   * `default/kubernetes`; others than those whom `from` takes are not heard there.
   */
  reachableAt(address: string, from: (address: string) => boolean): Promise<void>;
  /** Writes what the cluster is to a file (datastore.ts). */
  backup(file: string): Promise<BackupSummary>;
}

export interface EventSource {
  /** `kubelet`, `default-scheduler`. */
  readonly component: string;
  /** The node, for components that run on one. */
  readonly host?: string;
}

export interface Component extends AsyncDisposable {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly events: EventRecorder;
  /** Events that come from a part of the component, by the part's name. */
  eventsFor(component: string): EventRecorder;
}

/** What tokens of service accounts say that they come from, and are for unless they say otherwise. */
const ISSUER = 'https://kubernetes.default.svc.cluster.local';

/** Ready to serve when it resolves; controllers and scheduler follow by themselves. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { instance, clock, random, log, port, kubeconfig, nodeIps } = options;
  await using stack = new AsyncDisposableStack();
  const serviceCidr = options.serviceCidr ?? serviceCidrOf(instance.subnetOctet);
  const { datastore, encryptionConfig } = options;
  const [kept, pki] = await Promise.all([
    openDatastore({
      instance,
      clock,
      random,
      log,
      datastore,
      encryptionConfig,
      reloadEncryption: options.apiServer?.reloadEncryption,
    }),
    loadOrCreatePki({
      dir: join(instance.dataDir, 'pki'),
      ...(options.pki !== undefined && { clusterDir: options.pki }),
      clock,
      names: [firstAddress(serviceCidr), ...nodeIps],
    }),
  ]);
  const { store, shared } = stack.use(kept);
  log.debug('the store is open', { shared });

  const kubelets = new Map<string, Transport>();
  let manager: Manager | undefined;
  const managed = (): void => assert(manager?.running() === true, 'controllers and scheduler do not run');
  const audit = await openAudit(options.apiServer?.audit, { clock, log: log.child('audit') });
  const server = stack.use(
    await createApiServer({
      store,
      sharedStore: shared,
      identity: { hostname: hostname(), ...(shared && { instance: instance.id }) },
      clock,
      random,
      log,
      serviceCidr,
      components: ['controller-manager', 'scheduler'].map((name) => ({ name, live: true, check: managed })),
      admissionOptions: { mountTokens: true },
      proxyClient: pki.frontProxyClient,
      clientTrust: { clientCa: pki.ca.cert, requestHeaderCa: pki.frontProxyCa.cert },
      nodes: (name) => kubelets.get(name),
      kubeletClient: pki.kubeletClient,
      ...options.apiServer?.server,
      ...(audit !== undefined && { audit }),
      files: fileAccess,
      ...(options.apiServer !== undefined && { authorization: options.apiServer.access.authorization ?? {} }),
      authentication: {
        ...options.apiServer?.access.authentication,
        tokens: new Map([[pki.adminToken, { name: 'kubernetes-admin', groups: ['system:masters'] }]]),
        serviceAccounts: { signingKey: pki.serviceAccountKey, issuer: ISSUER, audiences: [ISSUER] },
      },
    }),
  );
  const listener = stack.use(
    await listen({
      server,
      host: '127.0.0.1',
      port,
      tls: {
        key: pki.server.key,
        cert: pki.server.cert,
        clientCa: pki.ca.cert,
        requestHeaderCa: pki.frontProxyCa.cert,
      },
    }),
  );
  const url = `https://127.0.0.1:${listener.port}`;
  const text = buildKubeconfig({
    server: url,
    ca: pki.ca.cert,
    clientCert: pki.admin.cert,
    clientKey: pki.admin.key,
  });
  for (const file of new Set([join(instance.dataDir, 'pki/admin.kubeconfig'), kubeconfig]))
    writeAtomically(file, text);
  writeAtomically(join(kubeconfig, '../token'), `${pki.adminToken}\n`);

  const componentOf = (user: UserInfo, source: EventSource): Component => {
    const client = createClient({
      transport: server.transportFor(user),
      userAgent: `${user.name.replace('system:', '')}/sampan`,
    });
    const informers = createInformerFactory({ client, clock, random, log });
    const recorders = new AsyncDisposableStack();
    const eventsFor = (component: string): EventRecorder =>
      recorders.use(createEventRecorder({ client, clock, log, ...source, component }));
    return {
      client,
      informers,
      events: eventsFor(source.component),
      eventsFor,
      async [Symbol.asyncDispose]() {
        await informers[Symbol.asyncDispose]();
        await recorders.disposeAsync();
      },
    };
  };

  const { secretToken } = server;
  assert(secretToken !== undefined, 'there is a key for tokens');
  manager = stack.use(
    runManager({ componentOf, clock, random, log, rootCa: pki.ca.cert, secretToken, shared }),
  );

  const owned = stack.move();
  return {
    url,
    componentOf,
    connectNode: (name, kubelet) => void kubelets.set(name, kubelet),
    async reachableAt(address, from) {
      await listener.alsoOn(address, from);
      await server.advertise({ address, port: listener.port });
    },
    backup: kept.backup,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
