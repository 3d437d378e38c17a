/** What a JSON web token says of itself before anybody has verified it: only good for knowing whom to ask. */
import { isJsonObject } from '../../api/json.ts';

/** Longer tokens are nobody's: no header holds them. */
const MAX_TOKEN = 128 * 1024;

/** `iss` of a token in compact form (RFC 7519); undefined for anything else. */
export function issuerOf(token: string): string | undefined {
  if (token.length > MAX_TOKEN) return undefined;
  const [, payload = '', signature, ...more] = token.split('.', 5);
  if (signature === undefined || more.length > 0 || !/^[\w-]+$/.test(payload)) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    if (!isJsonObject(claims)) return undefined;
    const { iss } = claims;
    return typeof iss === 'string' ? iss : undefined;
  } catch {
    return undefined;
  }
}
