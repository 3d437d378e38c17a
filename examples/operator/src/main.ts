/** The operator: `node src/main.ts [--kubeconfig FILE] [--namespace NAME] [--lease-seconds N]`. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import {
  AppsV1Api,
  CustomObjectsApi,
  KubeConfig,
  makeInformer,
  type Informer,
  type KubernetesListObject,
  type KubernetesObject,
  type V1Deployment,
} from '@kubernetes/client-node';
import { MANAGED_BY, MANAGER } from './children.ts';
import { lead } from './leader.ts';
import { WorkQueue } from './queue.ts';
import { Reconciler } from './reconciler.ts';
import { GROUP, keyOf, KIND, PLURAL, VERSION, type Site } from './site.ts';

const { values } = parseArgs({
  options: {
    kubeconfig: { type: 'string' },
    /** Where the lease is. */
    namespace: { type: 'string', default: 'default' },
    'lease-seconds': { type: 'string', default: '15' },
  },
});

const kubeconfig = new KubeConfig();
if (values.kubeconfig === undefined) kubeconfig.loadFromDefault();
else kubeconfig.loadFromFile(values.kubeconfig);

const stopping = new AbortController();
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const identity = `${hostname()}-${randomUUID()}`;
const leadership = {
  kubeconfig,
  namespace: values.namespace,
  name: MANAGER,
  identity,
  seconds: Number(values['lease-seconds']),
  signal: stopping.signal,
};
process.on('SIGTERM', () => stopping.abort());
process.on('SIGINT', () => stopping.abort());

try {
  await lead(leadership, () => {
    say('lost the lease');
    process.exit(1);
  });
  say(`leads as ${identity}`);
  await work();
} catch (error) {
  if (!stopping.signal.aborted) throw error;
}
process.exit(0);

async function work(): Promise<void> {
  const custom = kubeconfig.makeApiClient(CustomObjectsApi);
  const apps = kubeconfig.makeApiClient(AppsV1Api);
  const label = Object.entries(MANAGED_BY)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const sites = makeInformer<Site>(
    kubeconfig,
    `/apis/${GROUP}/${VERSION}/${PLURAL}`,
    async () =>
      (await custom.listCustomObjectForAllNamespaces({
        ...{ group: GROUP, version: VERSION, resourcePlural: PLURAL },
      })) as KubernetesListObject<Site>,
  );
  const deployments = makeInformer<V1Deployment>(
    kubeconfig,
    '/apis/apps/v1/deployments',
    () => apps.listDeploymentForAllNamespaces({ labelSelector: label }),
    label,
  );
  const reconciler = new Reconciler({
    kubeconfig,
    deployment: (namespace, name) => deployments.get(name, namespace),
  });
  const queue = new WorkQueue(
    (key) => reconciler.reconcile(key),
    (key, error) => say(`${key}: ${error instanceof Error ? error.message : String(error)}`),
  );
  sites.on('change', (site) => queue.add(keyOf(site)));
  deployments.on('change', (deployment) => {
    const owner = deployment.metadata?.ownerReferences?.find(({ controller }) => controller === true);
    if (owner?.kind === KIND) queue.add(`${deployment.metadata?.namespace}/${owner.name}`);
  });
  keepRunning(sites);
  keepRunning(deployments);
  await Promise.all([sites.start(), deployments.start()]);
  say('watching');
  await new Promise((resolve) => stopping.signal.addEventListener('abort', resolve, { once: true }));
  await Promise.all([sites.stop(), deployments.stop()]);
  await queue.stop();
}

/** An informer ends with an error of its watch: it starts again a little later, and goes on where it was. */
function keepRunning<T extends KubernetesObject>(informer: Informer<T>): void {
  informer.on('error', (error: unknown) => {
    if (stopping.signal.aborted) return;
    say(`watch: ${error instanceof Error ? error.message : String(error)}`);
    setTimeout(() => void informer.start(), 500);
  });
}
