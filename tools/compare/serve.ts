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
import { listen } from '../../src/cluster/server/http/https-listener.ts';
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

/** What a webhook answers with: fields of the response, or of the whole. */
interface Scripted {
  /** A list, which is sent as base64. */
  readonly patch?: Json;
  /** HTTP status. */
  readonly http?: number;
  /** ms */
  readonly delay?: number;
  /** The answer itself. */
  readonly raw?: string;
  /** Fields of the review, which may replace the response. */
  readonly review?: { readonly [field: string]: Json };
  readonly [field: string]: Json | undefined;
}

interface Hook {
  answer: Scripted;
  seen: Json[];
}

/**
 * Answers admission reviews as they were told to: `PUT path` says how that path is answered, `GET path/seen` has the reviews
 * that came there since it was asked last.
 */
export async function serveWebhooks(pki: Pki): Promise<Served> {
  const hooks = new Map<string, Hook>();
  const server = createServer(pki.server, (request, response) => {
    answer(request, response, hooks).catch(() => response.destroy());
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
  hooks: Map<string, Hook>,
): Promise<void> {
  const { method, headers } = request;
  const { pathname, search } = new URL(request.url ?? '/', 'https://here');
  const path = pathname.replace(/\/seen$/, '');
  const hook = hooks.get(path) ?? { answer: {}, seen: [] };
  hooks.set(path, hook);
  const body = await text(request);
  response.setHeader('content-type', 'application/json');
  if (method === 'PUT') hook.answer = JSON.parse(body) as Scripted;
  if (method !== 'POST') {
    response.end(JSON.stringify(hook.seen));
    hook.seen = [];
    return;
  }
  const review = JSON.parse(body) as { readonly request: { readonly uid: string } };
  const { accept = '', 'content-type': type = '' } = headers;
  hook.seen.push({ search, accept, type, review: review as unknown as Json });
  await setTimeout(hook.answer.delay ?? 0);
  response.statusCode = hook.answer.http ?? 200;
  response.end(hook.answer.raw ?? JSON.stringify(reviewOf(hook.answer, review.request.uid)));
}

function reviewOf(scripted: Scripted, uid: string): unknown {
  const { review, patch, raw: _raw, http: _http, delay: _delay, ...more } = scripted;
  const encoded = patch === undefined ? {} : { patch: Buffer.from(JSON.stringify(patch)).toString('base64') };
  const response = { uid, ...more, ...encoded };
  return {
    ...(review ?? { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' }),
    response,
    ...review,
  };
}
