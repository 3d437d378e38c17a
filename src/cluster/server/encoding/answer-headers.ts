/** What every answer says beside its own: which request it is for, and that nobody may keep it. */
import { uuid, type Random } from '../../../base/random.ts';
import type { ApiResponse } from '../../api/transport.ts';
import type { RequestContext } from '../context.ts';

const MAX_ID = 64;
const UNKEPT = 'no-cache, private';

/** Of answers that quote the request: no browser is to find a page in them. */
export const UNSNIFFED = { 'x-content-type-options': 'nosniff' } as const;

/** What is sent with the answer before anybody has looked at the request. */
export function firstHeaders(
  headers: Readonly<Record<string, string>>,
  random: Random,
): Readonly<Record<string, string>> {
  return { 'audit-id': headers['audit-id']?.slice(0, MAX_ID) || uuid(random), 'cache-control': UNKEPT };
}

export function auditId({ headers }: RequestContext): string {
  return headers?.['audit-id'] ?? '';
}

export function withHeaders(response: ApiResponse, headers: RequestContext['headers']): ApiResponse {
  return { ...response, headers: { ...headers, ...response.headers } };
}
