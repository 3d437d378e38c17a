/**
 * The kubelet's own HTTP API (what the API server's pods/exec, pods/log, nodes/proxy and so on lead to), as a transport:
 * whoever calls it has been authorized. Failures are plain text, as upstream's.
 */
import type { Clock } from '../../../base/clock.ts';
import { errorMessage, isPlatformError, PlatformError } from '../../../base/errors.ts';
import type { RuntimeService } from '../../../container/cri/cri.ts';
import type { StreamingService } from '../../../container/cri/streaming.ts';
import type { Pod } from '../../api/generated/core-v1.ts';
import type { ApiRequest, ApiResponse, Transport } from '../../api/transport.ts';
import { currentSandbox, newest, type ObservedPod } from '../observed.ts';
import type { PodLogOptions } from '../pod-logs.ts';

/** What the API shows of a kubelet. */
export interface KubeletApiParts {
  readonly clock: Clock;
  readonly nodeName: string;
  readonly runtime: RuntimeService;
  readonly maxPods: number;
  readonly clusterDomain: string;
  readonly clusterDns: readonly string[];
  pods(): readonly Pod[];
  pod(namespace: string, name: string): Pod | undefined;
  observed(uid: string): ObservedPod | undefined;
  logs(namespace: string, name: string, options: PodLogOptions): AsyncIterable<Uint8Array>;
}

/** Where in the kubelet a streaming request leads. */
interface Target {
  readonly pod: Pod;
  readonly observed: ObservedPod;
  /** Empty for port-forward. */
  readonly container: string;
}

export function kubeletApi(parts: KubeletApiParts): Transport {
  return {
    request: async (request) => {
      try {
        return await answer(parts, request);
      } catch (error) {
        return failure(error);
      }
    },
  };
}

async function answer(parts: KubeletApiParts, request: ApiRequest): Promise<ApiResponse> {
  const { pathname, searchParams } = new URL(request.url, 'http://kubelet');
  const [verb = '', ...words] = pathname
    .split('/')
    .filter((part) => part !== '')
    .map(decodeURIComponent);
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  switch (verb) {
    case 'exec':
    case 'attach':
    case 'portForward':
      if (request.method !== 'GET' && request.method !== 'POST') throw notAllowed();
      return await stream(parts, {
        verb,
        request,
        query: searchParams,
        target: targetOf(parts, verb, words),
      });
    case 'run':
      if (request.method !== 'POST') throw notAllowed();
      return await runCommand(parts, targetOf(parts, verb, words), searchParams.get('cmd') ?? '');
  }
  if (!isRead) throw notAllowed();
  switch (verb) {
    case 'healthz':
      if (words.length > 1 || !['', 'ping', 'log', 'syncloop'].includes(words[0] ?? '')) break;
      return text('ok');
    case 'containerLogs':
      return await containerLogs(parts, { request, query: searchParams, words });
    case 'stats': {
      if (words.length !== 1 || words[0] !== 'summary') break;
      const { page } = await import('./pages.ts');
      return await page('summary', parts);
    }
    case 'pods':
    case 'runningpods':
    case 'configz':
    case 'metrics': {
      const { page } = await import('./pages.ts');
      return await page(verb, parts);
    }
  }
  throw notFound('404 page not found');
}

async function stream(
  parts: KubeletApiParts,
  asked: {
    readonly verb: 'exec' | 'attach' | 'portForward';
    readonly request: ApiRequest;
    readonly query: URLSearchParams;
    readonly target: Target;
  },
): Promise<ApiResponse> {
  const { verb, request, query, target } = asked;
  const { streams } = parts.runtime;
  if (streams === undefined) throw new PlatformError('internal', 'the runtime has no streams');
  const options = { headers: request.headers, query, clock: parts.clock };
  if (verb === 'portForward') {
    const sandbox = currentSandbox(target.observed);
    if (sandbox === undefined) throw new PlatformError('internal', `pod not found ("${nameOf(target.pod)}")`);
    const { answerPortForward } = await import('../streaming/port-forward.ts');
    const { name = '', uid = '' } = target.pod.metadata ?? {};
    const dial = (port: number): ReturnType<StreamingService['portForward']> =>
      streams.portForward(sandbox.id, port);
    return answerPortForward({ ...options, pod: name, uid, dial });
  }
  const containerId = runningContainer(target).id;
  const { answerRemoteCommand } = await import('../streaming/remote-command-server.ts');
  return answerRemoteCommand({ ...options, verb, containerId, streams });
}

async function runCommand({ runtime }: KubeletApiParts, target: Target, line: string): Promise<ApiResponse> {
  const cmd = line.split(' ');
  const { id: containerId } = runningContainer(target);
  if (runtime.execSync === undefined) throw new PlatformError('internal', 'the runtime runs no commands');
  const {
    stdout = new Uint8Array(0),
    stderr = new Uint8Array(0),
    exitCode = 0,
  } = await runtime.execSync({
    containerId,
    cmd,
  });
  const output = Buffer.concat([stdout, stderr]);
  if (exitCode === 0) return { ...text(''), body: output };
  throw new PlatformError(
    'internal',
    `command '${line}' exited with ${exitCode}: ${output.toString('utf8')}`,
  );
}

async function containerLogs(
  parts: KubeletApiParts,
  { request, query, words }: { request: ApiRequest; query: URLSearchParams; words: readonly string[] },
): Promise<ApiResponse> {
  const [namespace = '', name = '', container = ''] = words;
  if (words.length !== 3) throw notFound('404 page not found');
  if (parts.pod(namespace, name) === undefined) throw notFound(`pod ${JSON.stringify(name)} does not exist`);
  const number = (key: string): number | undefined => (query.has(key) ? Number(query.get(key)) : undefined);
  const is = (key: string): boolean => query.get(key) === 'true';
  const [tailLines, limitBytes, sinceSeconds] = ['tailLines', 'limitBytes', 'sinceSeconds'].map(number);
  const sinceTime = query.get('sinceTime');
  const body = parts.logs(namespace, name, {
    container,
    follow: is('follow'),
    previous: is('previous'),
    timestamps: is('timestamps'),
    ...(tailLines !== undefined && { tailLines }),
    ...(limitBytes !== undefined && { limitBytes }),
    ...(sinceSeconds !== undefined && { sinceSeconds }),
    ...(sinceTime !== null && { sinceTime }),
    ...(request.signal !== undefined && { signal: request.signal }),
  });
  if (request.headers['upgrade']?.toLowerCase() === 'websocket') {
    const { answerLogs } = await import('../streaming/log-stream.ts');
    return answerLogs(request.headers, body);
  }
  return { status: 200, headers: { 'content-type': 'text/plain' }, body };
}

/** `<namespace>/<pod>[/<uid>][/<container>]`; a pod that was replaced by one of the same name is not there. */
function targetOf(parts: KubeletApiParts, verb: string, words: readonly string[]): Target {
  const hasContainer = verb !== 'portForward';
  const [namespace = '', name = '', ...rest] = words;
  const container = hasContainer ? (rest.pop() ?? '') : '';
  const [uid = '', ...more] = rest;
  if (name === '' || more.length > 0 || (hasContainer && container === ''))
    throw notFound('404 page not found');
  const pod = parts.pod(namespace, name);
  const own = pod?.metadata?.uid ?? '';
  const observed = parts.observed(own);
  if (pod === undefined || observed === undefined || (uid !== '' && uid !== own))
    throw notFound('pod does not exist');
  return { pod, observed, container };
}

function runningContainer({ observed, container }: Target): { readonly id: string } {
  const found = newest(observed, container);
  if (found?.state === 'running') return found;
  throw new PlatformError('internal', `container not found (${JSON.stringify(container)})`);
}

const nameOf = (pod: Pod): string => pod.metadata?.name ?? '';

export function text(content: string, status = 200): ApiResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: Buffer.from(content) };
}

const notFound = (message: string): PlatformError => new PlatformError('not-found', message);

const notAllowed = (): PlatformError =>
  new PlatformError('invalid', '405: Method Not Allowed', { details: { code: 405 } });

const STATUS: Readonly<Record<string, number>> = {
  'not-found': 404,
  invalid: 400,
  forbidden: 403,
  timeout: 504,
};

function failure(error: unknown): ApiResponse {
  const code = isPlatformError(error) ? (error.details['code'] ?? STATUS[error.code]) : undefined;
  return text(errorMessage(error), typeof code === 'number' ? code : 500);
}
