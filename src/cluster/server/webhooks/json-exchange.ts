/** One HTTPS request to somebody else's program: JSON out, JSON back, within a time and a size. */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request as httpsRequest, type Agent } from 'node:https';
import { Readable } from 'node:stream';
import type { Clock } from '../../../base/clock.ts';
import { errorMessage, PlatformError } from '../../../base/errors.ts';
import { encodeInSlices } from '../../api/encode-in-slices.ts';
import { isJsonObject, type JsonObject } from '../../api/json.ts';
import { parseText } from '../../api/parse-in-slices.ts';

/** Larger answers are not read. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** What is encrypted in one turn. */
const PIECE_BYTES = 128 * 1024;

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
  /** JSON, written down already or not. */
  readonly body?: JsonObject | Uint8Array;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly maxBytes?: number;
}

/** What somebody's program has answered. */
export interface Answered {
  /** `Post "https://example.com/"`: how error messages begin. */
  readonly request: string;
  readonly status: number;
  /** Its content-type; '' where it says none. */
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** The answer, whatever its status. Throws `timeout` or `unavailable` with a text like Go's client's. */
export async function exchange(options: ExchangeOptions): Promise<Answered> {
  const { method, url, agent, host, port, path, timeoutMs, clock, maxBytes = MAX_ANSWER_BYTES } = options;
  const { body } = options;
  const bytes = body === undefined || body instanceof Uint8Array ? body : await encodeInSlices(body);
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const request = `${method === 'GET' ? 'Get' : 'Post'} "${url}"`;
  const fail = (why: string, code: 'unavailable' | 'timeout' = 'unavailable'): void =>
    reject(new PlatformError(code, `${request}: ${why}`));
  let isOver = false;
  let outgoing: ClientRequest;
  const send = (): void => {
    outgoing = httpsRequest({
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
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      // A connection that was kept, and let go of on the other side in the same moment.
      if (outgoing.reusedSocket && error.code === 'ECONNRESET' && !isOver) send();
      else fail(asGoSays(error));
    });
    outgoing.on('response', (incoming) => {
      isOver = true;
      read(incoming);
    });
    if (bytes === undefined || bytes.length <= PIECE_BYTES) outgoing.end(bytes);
    else Readable.from(piecesOf(bytes)).pipe(outgoing);
  };
  const read = (incoming: IncomingMessage): void => {
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
      const { statusCode: status = 0, headers } = incoming;
      resolve({ request, status, type: headers['content-type'] ?? '', bytes: Buffer.concat(parts) });
    });
  };
  using timer = new DisposableStack();
  timer.use(
    clock.after(timeoutMs, () => {
      fail('context deadline exceeded', 'timeout');
      isOver = true;
      outgoing.destroy();
    }),
  );
  send();
  return await promise;
}

function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
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

/** Throws `unavailable` with `details.status` for a status that is not one from 200 to 299. */
export async function exchangeWell(options: ExchangeOptions): Promise<Answered> {
  const answer = await exchange(options);
  const { request, status, bytes } = answer;
  if (status >= 200 && status <= 299) return answer;
  const text = Buffer.from(bytes).toString('utf8', 0, 1000).slice(0, 200);
  const details = { status };
  throw new PlatformError('unavailable', `${request}: unexpected status ${status}: ${text}`, { details });
}

/** The same for an answer that has to be a JSON object. */
export async function exchangeJson(options: ExchangeOptions): Promise<JsonObject> {
  const { request, bytes } = await exchangeWell(options);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  const fail = (why: string): PlatformError => new PlatformError('unavailable', `${request}: ${why}`);
  let value: unknown;
  try {
    value = await parseText(text);
  } catch {
    throw fail(`the answer is not JSON: ${JSON.stringify(text.slice(0, 100))}`);
  }
  if (!isJsonObject(value)) throw fail('the answer is not an object');
  return value;
}
