/** What is served when everything in front of it has let a request through. */
import { arch } from 'node:os';
import type { Handler } from './context.ts';
import { KUBERNETES_VERSION } from '../api/version.ts';
import type { Discovery } from './discovery.ts';
import { checkTakes } from './encoding/negotiate.ts';
import { indentedDocument } from './encoding/respond.ts';
import { methodNotAllowed } from './failure.ts';
import { answerResource, notServed } from './handlers/resource.ts';
import { answerKeys } from './handlers/token.ts';
import { answerAbout, type About } from './health/about.ts';
import { answerHealth, type HealthCheck } from './health/health.ts';
import { metricsResponse } from './metrics/scrape.ts';
import type { ServerMetrics } from './metrics/server-metrics.ts';
import { answerRoot } from './root.ts';

/** How the names of those begin that `/metrics/slis` has (KEP-3466). */
const HEALTH = 'kubernetes_healthcheck';

interface Served {
  readonly discovery: Discovery;
  readonly checks: readonly HealthCheck[];
  readonly metrics: ServerMetrics;
  readonly about: () => About;
}

export function serving({ discovery, checks, metrics, about }: Served): Handler {
  return async (context) => {
    const { info, server } = context;
    if (info.isResource) return answerResource(context);
    const health = await answerHealth(info.path, info.query, {
      checks,
      log: server.log,
      checked: (type, name, healthy) => metrics.checked(type, name, healthy),
    });
    if (health !== undefined) return health;
    if (info.path === '/metrics') return metricsResponse(metrics.registry.text(), server.clock);
    if (info.path === '/metrics/slis') return metricsResponse(metrics.registry.text(HEALTH), server.clock);
    const page = answerAbout(info.path, context.request.headers['accept'], about);
    if (page !== undefined) return page;
    const keys = await answerKeys(context);
    if (keys !== undefined) return keys;
    if (info.path === '/version' || info.path === '/version/') {
      if (context.request.method !== 'GET') throw methodNotAllowed();
      checkTakes(context.request.headers['accept'], ['application/json']);
      context.verbatim = true;
      return indentedDocument(versionInfo());
    }
    const answer = await discovery.answer(context);
    if (answer !== undefined) return answer;
    return answerRoot(info.path, { documents: discovery.paths(), checks }) ?? notServed(context);
  };
}

/** version.Info (k8s.io/apimachinery/pkg/version). */
function versionInfo(): Readonly<Record<string, string>> {
  const [, major = '', minor = ''] = /^v(\d+)\.(\d+)/.exec(KUBERNETES_VERSION) ?? [];
  return {
    major,
    minor,
    emulationMajor: major,
    emulationMinor: minor,
    minCompatibilityMajor: major,
    minCompatibilityMinor: String(Number(minor) - 1),
    gitVersion: `${KUBERNETES_VERSION}+sampan`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '',
    goVersion: `node ${process.version}`,
    compiler: 'node',
    platform: `linux/${arch() === 'x64' ? 'amd64' : arch()}`,
  };
}
