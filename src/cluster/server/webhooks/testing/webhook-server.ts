/** Somebody's webhook, for tests: HTTPS on this machine with a certificate of its own. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '../../../api/json.ts';

/** Answers a review's request, with a text in place of the review; undefined leaves the caller waiting for ever. */
export type Answer = (request: JsonObject, path: string) => JsonObject | string | undefined;

export class WebhookServer implements AsyncDisposable {
  /** Base64 of the authority that its certificate is from. */
  readonly caBundle: string;
  readonly seen: { readonly path: string; readonly request: JsonObject }[] = [];
  readonly #server: Server;

  private constructor(server: Server, cert: string) {
    this.#server = server;
    this.caBundle = Buffer.from(cert).toString('base64');
  }

  static async open(answer: Answer): Promise<WebhookServer> {
    const { key, cert } = certificate();
    const server = createServer({ key, cert });
    const webhook = new WebhookServer(server, cert);
    server.on('request', (incoming, outgoing) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.on('end', () => {
        const review = JSON.parse(Buffer.concat(parts).toString('utf8')) as JsonObject;
        const request = review['request'] as JsonObject;
        const path = (incoming.url ?? '').replace(/\?.*$/, '');
        webhook.seen.push({ path, request });
        const response = answer(request, path);
        if (response === undefined) return undefined;
        const { apiVersion, kind } = review;
        outgoing.setHeader('content-type', 'application/json');
        if (typeof response === 'string') return outgoing.end(response);
        return outgoing.end(
          JSON.stringify({ apiVersion, kind, response: { uid: request['uid'], ...response } }),
        );
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return webhook;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** A clientConfig by URL. */
  config(path = '/'): JsonObject {
    return { url: `https://127.0.0.1:${this.port}${path}`, caBundle: this.caBundle };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

let made: { readonly key: string; readonly cert: string } | undefined;

/** A self-signed pair for 127.0.0.1, its own authority; made once a process. */
export function certificate(): { readonly key: string; readonly cert: string } {
  if (made !== undefined) return made;
  const folder = mkdtempSync(join(tmpdir(), 'webhook-'));
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key];
    const names = ['-subj', '/CN=webhook', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:hook.default.svc'];
    execFileSync('openssl', ['req', '-x509', '-days', '2', ...kind, ...names, '-out', cert], {
      stdio: 'pipe',
    });
    made = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
    return made;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A JSON patch as webhooks answer it. */
export function patchOf(...steps: readonly JsonObject[]): JsonObject {
  return {
    allowed: true,
    patchType: 'JSONPatch',
    patch: Buffer.from(JSON.stringify(steps)).toString('base64'),
  };
}
