/** Servers of the comparison's own: our API server as its sources are, and the webhooks that both servers under comparison call. */
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { createApiServer } from '../../src/cluster/server/api-server.ts';
import { listen } from '../../src/cluster/server/https-listener.ts';
import { loadOrCreatePki, type Pki } from '../../src/cluster/server/pki.ts';
import { openMemoryStore } from '../../src/cluster/store/memory.ts';
import type { Json } from './mutations.ts';

export interface Served extends AsyncDisposable {
  /** Like `https://127.0.0.1:40123`. */
  readonly url: string;
}

const ISSUER = 'https://kubernetes.default.svc.cluster.local';
const PROBES_MS = 50;

export async function openPki(): Promise<Pki & AsyncDisposable> {
  const dir = await mkdtemp(join(tmpdir(), 'compare-'));
  const pki = await loadOrCreatePki({ dir, clock: systemClock, names: ['10.96.0.1'] });
  return { ...pki, [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) };
}

/** Without controllers, as the other server is; nothing of it is kept. The token is an administrator's. */
export async function serveHere(token: string, pki: Pki): Promise<Served> {
  await using stack = new AsyncDisposableStack();
  const clock = systemClock;
  const store = stack.use(await openMemoryStore({ clock }));
  const admin = { name: 'admin', uid: 'admin-uid', groups: ['system:masters'] };
  const server = stack.use(
    await createApiServer({
      store,
      clock,
      random: systemRandom,
      log: silentLogger,
      serviceCidr: '10.96.0.0/16',
      admissionOptions: { mountTokens: true },
      authentication: {
        tokens: new Map([[token, admin]]),
        serviceAccounts: { signingKey: pki.serviceAccountKey, issuer: ISSUER, audiences: [ISSUER] },
      },
    }),
  );
  const { key, cert } = pki.server;
  const tls = { key, cert, clientCa: pki.ca.cert, requestHeaderCa: pki.frontProxyCa.cert };
  const { port } = stack.use(await listen({ server, host: '127.0.0.1', port: 0, tls }));
  const url = `https://127.0.0.1:${port}`;
  for (;;) {
    const answer = await server.handle({ method: 'GET', url: '/readyz', headers: {} }, admin);
    if (answer.status === 200) break;
    await setTimeout(PROBES_MS);
  }
  const owned = stack.move();
  return { url, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/**
 * Answers admission reviews as their address says: `/any/path?allowed=false&code=400&reason=R&message=M&warning=W&patch=[…]&audit=k=v`,
 * `status` for the HTTP status, `delay` in ms, `body` for a whole answer, `version`, `kind`, `uid` and `patchType` for others than are right.
 * `GET /any/path/seen` has the reviews that came there since it was asked last.
 */
export async function serveWebhooks(pki: Pki): Promise<Served> {
  const seen = new Map<string, Json[]>();
  const server = createServer(pki.server, (request, response) => {
    answer(request, response, seen).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  seen: Map<string, Json[]>,
): Promise<void> {
  const { pathname, searchParams: asked } = new URL(request.url ?? '/', 'https://here');
  if (pathname.endsWith('/seen')) {
    const path = pathname.slice(0, -'/seen'.length);
    response.setHeader('content-type', 'application/json').end(JSON.stringify(seen.get(path) ?? []));
    seen.delete(path);
    return;
  }
  const { headers } = request;
  const body = JSON.parse(await text(request)) as { readonly request: { readonly uid: string } };
  const { accept = null, 'content-type': type = null } = headers;
  const query = `?${new URL(request.url ?? '/', 'https://here').searchParams.get('timeout') ?? ''}`;
  seen.set(pathname, [...(seen.get(pathname) ?? []), { query, accept, type, body: body as unknown as Json }]);
  await setTimeout(Number(asked.get('delay') ?? 0));
  response.statusCode = Number(asked.get('status') ?? 200);
  response.setHeader('content-type', 'application/json');
  response.end(asked.get('body') ?? JSON.stringify(reviewOf(asked, body.request.uid)));
}

function reviewOf(asked: URLSearchParams, uid: string): Json {
  const patch = asked.get('patch');
  const code = asked.get('code');
  const status = {
    ...(code !== null && { code: Number(code) }),
    ...(asked.has('reason') && { reason: asked.get('reason') }),
    ...(asked.has('message') && { message: asked.get('message') }),
  };
  const audit = asked.getAll('audit').map((each) => each.split('='));
  return {
    apiVersion: asked.get('version') ?? 'admission.k8s.io/v1',
    kind: asked.get('kind') ?? 'AdmissionReview',
    response: {
      uid: asked.get('uid') ?? uid,
      allowed: asked.get('allowed') !== 'false',
      ...(Object.keys(status).length > 0 && { status }),
      ...(asked.has('warning') && { warnings: asked.getAll('warning') }),
      ...(audit.length > 0 && { auditAnnotations: Object.fromEntries(audit) as Record<string, string> }),
      ...(patch !== null && {
        patch: Buffer.from(patch).toString('base64'),
        patchType: asked.get('patchType') ?? 'JSONPatch',
      }),
    },
  };
}
