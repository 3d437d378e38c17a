/** What the kubelet says of itself: `/pods`, `/runningpods`, `/configz`, `/metrics`, `/stats/summary`. */
import type { ApiResponse } from '../../api/transport.ts';
import { LABELS } from '../sandbox-config.ts';
import { statsSummary } from './stats-summary.ts';
import { text, type KubeletApiParts } from './kubelet-api.ts';

type Page = 'pods' | 'runningpods' | 'configz' | 'metrics' | 'summary';

const PAGES: Readonly<Record<Page, (parts: KubeletApiParts) => ApiResponse | Promise<ApiResponse>>> = {
  pods: (parts) => json(podList(parts.pods())),
  runningpods: async (parts) => json(podList(await runningPods(parts))),
  configz: (parts) => json({ kubeletconfig: configuration(parts) }),
  summary: async (parts) => json(await statsSummary(parts)),
  metrics: async (parts) => ({
    ...text(await metrics(parts)),
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
  }),
};

export async function page(name: Page, parts: KubeletApiParts): Promise<ApiResponse> {
  return await PAGES[name](parts);
}

function json(value: unknown): ApiResponse {
  const headers = { 'content-type': 'application/json' };
  return { status: 200, headers, body: Buffer.from(JSON.stringify(value)) };
}

function podList(items: readonly unknown[]): unknown {
  return { kind: 'PodList', apiVersion: 'v1', metadata: {}, items };
}

/** As the runtime has them: name, namespace, uid and what runs. */
async function runningPods({ runtime }: KubeletApiParts): Promise<unknown[]> {
  const { containers = [] } = await runtime.listContainers({
    filter: { state: { state: 'CONTAINER_RUNNING' } },
  });
  const byPod = Map.groupBy(containers, ({ labels = {} }) => labels[LABELS.podUid] ?? '');
  return [...byPod].map(([uid, running]) => {
    const labels = running[0]?.labels ?? {};
    return {
      metadata: { name: labels[LABELS.podName], namespace: labels[LABELS.podNamespace], uid },
      spec: {
        containers: running.map(({ metadata, image }) => ({
          name: metadata?.name ?? '',
          image: image?.image ?? '',
          resources: {},
        })),
      },
      status: {},
    };
  });
}

/** Of KubeletConfiguration what holds here. */
function configuration({ maxPods, clusterDomain, clusterDns }: KubeletApiParts): unknown {
  return {
    kind: 'KubeletConfiguration',
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    clusterDomain,
    ...(clusterDns.length > 0 && { clusterDNS: clusterDns }),
    maxPods,
  };
}

async function metrics({ runtime }: KubeletApiParts): Promise<string> {
  const [{ containers = [] }, { items = [] }] = await Promise.all([
    runtime.listContainers({}),
    runtime.listPodSandbox({ filter: { state: { state: 'SANDBOX_READY' } } }),
  ]);
  const states = ['created', 'running', 'exited', 'unknown'];
  const count = (state: string): number =>
    containers.filter((one) => (one.state ?? 'CONTAINER_CREATED') === `CONTAINER_${state.toUpperCase()}`)
      .length;
  return [
    '# HELP kubelet_running_containers [ALPHA] Number of containers currently running',
    '# TYPE kubelet_running_containers gauge',
    ...states.map((state) => `kubelet_running_containers{container_state="${state}"} ${count(state)}`),
    '# HELP kubelet_running_pods [ALPHA] Number of pods that have a running pod sandbox',
    '# TYPE kubelet_running_pods gauge',
    `kubelet_running_pods ${items.length}`,
    '',
  ].join('\n');
}
