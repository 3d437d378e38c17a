/**
 * Who asks, told to a server that trusts our front-proxy certificate: `X-Remote-*` headers
 * (https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/).
 */
import type { UserInfo } from '../../api/transport.ts';
import { PlatformError } from '../../../base/errors.ts';

export type OutgoingHeaders = Record<string, string | readonly string[]>;

/** Of the connection to us, not of the request (RFC 9110, 7.6.1), or made anew for the next hop. */
const HOP_BY_HOP = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Whoever asked has been recognized by these; the next server is not to recognize him once more. */
const CREDENTIALS = /^(authorization$|impersonate-|x-remote-(user|uid|group)$|x-remote-extra-)/;
const TOKEN_PROTOCOL = /^base64url\.bearer\.authorization\.k8s\.io\./;

const NAME_CHARACTER = /^[!#$&'*+.^_`|~0-9A-Za-z-]$/;

/** The headers for the next server: those of the request that are its business, and whom it is made by. */
export function outgoingHeaders(headers: Readonly<Record<string, string>>, user: UserInfo): OutgoingHeaders {
  return { ...passedOn(headers), ...remoteHeaders(user) };
}

function passedOn(headers: Readonly<Record<string, string>>): OutgoingHeaders {
  const dropped = listedIn(headers['connection']);
  const kept: OutgoingHeaders = {};
  for (const [name, value] of Object.entries(headers)) {
    // Some servers take an underscore for a dash.
    if (HOP_BY_HOP.has(name) || dropped.has(name) || CREDENTIALS.test(name.replaceAll('_', '-'))) continue;
    kept[name] = value;
  }
  const protocols = headers['sec-websocket-protocol'];
  if (protocols !== undefined) {
    const others = protocols
      .split(',')
      .map((one) => one.trim())
      .filter((one) => !TOKEN_PROTOCOL.test(one));
    if (others.length > 0) kept['sec-websocket-protocol'] = others.join(', ');
    else delete kept['sec-websocket-protocol'];
  }
  if (headers['upgrade'] !== undefined) {
    kept['upgrade'] = headers['upgrade'];
    kept['connection'] = 'Upgrade';
  }
  return kept;
}

/** Names that the connection's neighbours have agreed on. */
function listedIn(connection: string | undefined): ReadonlySet<string> {
  return new Set((connection ?? '').split(',').map((name) => name.trim().toLowerCase()));
}

function remoteHeaders({ name, groups, uid, extra }: UserInfo): OutgoingHeaders {
  const headers: OutgoingHeaders = { 'x-remote-user': wireValue(name) };
  if (uid !== undefined && uid !== '') headers['x-remote-uid'] = wireValue(uid);
  if (groups.length > 0) headers['x-remote-group'] = groups.map((group) => wireValue(group));
  for (const [key, values] of Object.entries(extra ?? {})) {
    headers[`x-remote-extra-${escapedKey(key)}`] = values.map((value) => wireValue(value));
  }
  return headers;
}

/** UTF-8, as bytes. Throws `invalid` for what would end the line. */
function wireValue(text: string): string {
  // oxlint-disable-next-line no-control-regex
  if (/[\0-\x08\n-\x1f\x7f]/.test(text)) {
    throw new PlatformError('invalid', `net/http: invalid header field value ${JSON.stringify(text)}`);
  }
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Percent-encoded where a header's name may not have the byte. */
function escapedKey(key: string): string {
  return [...Buffer.from(key, 'utf8')]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      if (NAME_CHARACTER.test(character)) return character;
      return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}

/** Says nothing about who may read the answer: that is this server's to say. */
const CORS = /^access-control-allow-(origin|credentials|headers|methods)$/;

/** The answer's headers that are the client's business. */
export function incomingHeaders(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): Record<string, string> {
  const dropped = listedIn(headers['connection']?.toString());
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || dropped.has(name) || CORS.test(name)) continue;
    if (HOP_BY_HOP.has(name) && name !== 'content-length') continue;
    kept[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return kept;
}
