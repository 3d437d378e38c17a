/** One HTTPS request to somebody else's program: JSON out, JSON back, within a time and a size. */
import { request as httpsRequest, type Agent } from 'node:https';
import type { Clock } from '../../../base/clock.ts';
import { errorMessage, PlatformError } from '../../../base/errors.ts';
import { encodeInSlices } from '../../api/encode-in-slices.ts';
import { isJsonObject, type JsonObject } from '../../api/json.ts';
import { parseText } from '../../api/parse-in-slices.ts';

/** Larger answers are not read. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

const UNTRUSTED: ReadonlySet<string> = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
]);

export interface ExchangeOptions {
  readonly method: 'GET' | 'POST';
  /** As error messages show it. */
  readonly url: string;
  readonly agent: Agent;
  readonly host: string;
  readonly port: number;
  /** With the query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: JsonObject;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly maxBytes?: number;
}

/**
 * The answer's body, of a status from 200 to 299. Throws `timeout` or `unavailable` with a text like Go's client's; an
 * answer with another status has it as `details.status`.
 */
export async function exchange(options: ExchangeOptions): Promise<string> {
  const { method, url, agent, host, port, path, timeoutMs, clock, maxBytes = MAX_ANSWER_BYTES } = options;
  const bytes = options.body === undefined ? undefined : await encodeInSlices(options.body);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const verb = method === 'GET' ? 'Get' : 'Post';
  const fail = (why: string, code: 'unavailable' | 'timeout' = 'unavailable', status?: number): void =>
    reject(
      new PlatformError(code, `${verb} "${url}": ${why}`, {
        ...(status !== undefined && { details: { status } }),
      }),
    );
  const outgoing = httpsRequest({
    agent,
    host,
    port,
    path,
    method,
    headers: {
      accept: 'application/json, */*',
      ...(bytes !== undefined && { 'content-type': 'application/json', 'content-length': bytes.length }),
      ...options.headers,
    },
  });
  using timer = new DisposableStack();
  timer.use(
    clock.after(timeoutMs, () => {
      fail('context deadline exceeded', 'timeout');
      outgoing.destroy();
    }),
  );
  outgoing.on('error', (error) => fail(asGoSays(error)));
  outgoing.on('response', (incoming) => {
    const parts: Buffer[] = [];
    let size = 0;
    incoming.on('data', (part: Buffer) => {
      size += part.length;
      if (size > maxBytes) {
        fail('the answer is too large');
        outgoing.destroy();
      } else parts.push(part);
    });
    incoming.on('error', (error) => fail(errorMessage(error)));
    incoming.on('aborted', () => fail('unexpected EOF'));
    incoming.on('end', () => {
      const text = Buffer.concat(parts).toString('utf8');
      const status = incoming.statusCode ?? 0;
      if (status >= 200 && status <= 299) resolve(text);
      else fail(`unexpected status ${status}: ${text.slice(0, 200)}`, 'unavailable', status);
    });
  });
  outgoing.end(bytes);
  return await promise;
}

/** People look for these words. */
function asGoSays(error: NodeJS.ErrnoException): string {
  if (error.code === 'ECONNREFUSED')
    return errorMessage(error).replace(
      /^connect ECONNREFUSED (.*)$/,
      'dial tcp $1: connect: connection refused',
    );
  if (UNTRUSTED.has(error.code ?? ''))
    return 'tls: failed to verify certificate: x509: certificate signed by unknown authority';
  return errorMessage(error);
}

/** The same for an answer that has to be a JSON object. */
export async function exchangeJson(options: ExchangeOptions): Promise<JsonObject> {
  const text = await exchange(options);
  const verb = options.method === 'GET' ? 'Get' : 'Post';
  const fail = (why: string): PlatformError =>
    new PlatformError('unavailable', `${verb} "${options.url}": ${why}`);
  let value: unknown;
  try {
    value = await parseText(text);
  } catch {
    throw fail(`the answer is not JSON: ${JSON.stringify(text.slice(0, 100))}`);
  }
  if (!isJsonObject(value)) throw fail('the answer is not an object');
  return value;
}
