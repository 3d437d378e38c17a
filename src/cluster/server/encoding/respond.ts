import { promisify } from 'node:util';
import { pipeline, Readable } from 'node:stream';
import { createGzip, gzip } from 'node:zlib';

import { assert } from '../../../base/errors.ts';
import type { Status } from '../../api/generated/meta-v1.ts';
import type { ApiResponse } from '../../api/transport.ts';
import type { JsonObject } from '../../api/json.ts';
import { kindSchema } from '../../api/schema.ts';
import { ListBody } from './list-body.ts';
import { acceptsGzip, preferredType, PROTOBUF } from './negotiate.ts';
import { encodeEnvelope, encodeMessage } from './protobuf-writer.ts';
import { toBytes } from './view.ts';

/** Smaller answers cost more to compress than to send. */
const GZIP_MIN_BYTES = 128 * 1024;

const compressBytes = promisify(gzip);

/** The answer ends its line, as what Go's encoder writes. */
export function jsonResponse(
  status: number,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): ApiResponse {
  return jsonDocument(status, lineOf(body), headers);
}

/** As it is. */
export function jsonDocument(
  status: number,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): ApiResponse {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body };
}

const NEWLINE = 10;

function lineOf(bytes: Uint8Array): Uint8Array {
  const line = Buffer.allocUnsafe(bytes.length + 1);
  line.set(bytes);
  line[bytes.length] = NEWLINE;
  return line;
}

/** What is always indented, and never YAML. */
export function indentedDocument(value: unknown): ApiResponse {
  return jsonDocument(200, Buffer.from(JSON.stringify(value, undefined, 2)));
}

export function respondWith(value: unknown, status = 200): ApiResponse {
  return jsonResponse(status, toBytes(value));
}

/** A document of a kind of meta/v1, as protobuf. */
export function protobufResponse(document: unknown): ApiResponse {
  const { apiVersion = 'v1', kind, ...fields } = document as { apiVersion?: string; kind: string };
  const schema = kindSchema('', 'v1', kind);
  assert(schema !== undefined, `${kind} has a schema`);
  const body = encodeEnvelope({ apiVersion, kind }, encodeMessage(fields, schema.message));
  return { status: 200, headers: { 'content-type': PROTOBUF }, body };
}

export function textResponse(text: string, status = 200): ApiResponse {
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
  return { status, headers, body: Buffer.from(text) };
}

/** Nothing but a status and headers. */
export function bare(status: number, headers: Readonly<Record<string, string>> = {}): ApiResponse {
  return { status, headers, body: new Uint8Array(0) };
}

/** A path below which nobody has ever put anything: not even a Status. */
export function pageNotFound(): ApiResponse {
  return textResponse('404 page not found\n', 404);
}

export function statusResponse(status: Status, accept?: string): ApiResponse {
  const retry = status.details?.retryAfterSeconds;
  const headers = retry === undefined ? {} : { 'retry-after': String(retry) };
  const asProtobuf = accept?.includes(PROTOBUF) === true && preferredType(accept, true) === PROTOBUF;
  const schema = asProtobuf ? kindSchema('', 'v1', 'Status') : undefined;
  if (schema === undefined) return jsonResponse(status.code ?? 500, toBytes(status), headers);
  const message = encodeMessage(status as unknown as JsonObject, schema.message);
  return {
    status: status.code ?? 500,
    headers: { 'content-type': PROTOBUF, ...headers },
    body: encodeEnvelope({ apiVersion: 'v1', kind: 'Status' }, message),
  };
}

/** Characters of all warnings together, and of each where they are more. */
const MAX_WARNINGS = 4096;
const MAX_WARNING = 256;

/** `299 - "text"` for each warning, as RFC 7234 has it and kubectl prints it; too many are cut, as upstream cuts them. */
export function warningHeader(warnings: readonly string[]): Readonly<Record<string, string>> {
  if (warnings.length === 0) return {};
  const told = [...new Set(warnings)].filter((text) => text !== '' && !/\p{Cc}/u.test(text));
  const isTooMuch = told.reduce((sum, text) => sum + text.length, 0) > MAX_WARNINGS;
  let left = MAX_WARNINGS;
  const cut = told.flatMap((text) => {
    const short = isTooMuch ? text.slice(0, MAX_WARNING) : text;
    const fits = left > 0;
    left -= short.length;
    return fits ? [short] : [];
  });
  if (cut.length === 0) return {};
  // UTF-8, which goes into a header byte by byte.
  const bytes = (text: string): string => Buffer.from(text).toString('latin1');
  return { warning: cut.map((text) => `299 - "${bytes(text.replaceAll(/[\\"]/g, '\\$&'))}"`).join(', ') };
}

/** Compresses a large whole body for a client that takes gzip. */
export function compressed(
  response: ApiResponse,
  acceptEncoding: string | undefined,
): ApiResponse | Promise<ApiResponse> {
  const { body, headers } = response;
  if (
    acceptEncoding === undefined ||
    !acceptsGzip(acceptEncoding) ||
    headers['content-encoding'] !== undefined
  )
    return response;
  const smaller = { ...headers, 'content-encoding': 'gzip', vary: 'Accept-Encoding' };
  if (body instanceof ListBody) {
    const gzip = createGzip({ level: 1 });
    // Errors come out at the reading end, and a reader that goes ends the list.
    pipeline(Readable.from(body, { objectMode: false }), gzip, () => {});
    return { ...response, headers: smaller, body: gzip };
  }
  if (!(body instanceof Uint8Array) || body.length < GZIP_MIN_BYTES) return response;
  return compressBytes(body, { level: 1 }).then((less) => ({ ...response, headers: smaller, body: less }));
}
