/** Which paths there are that belong to no resource: known without the descriptions of all that can be asked for. */

/** Those that are there whatever is served. */
export const FIXED_PATHS = [
  '/.well-known/openid-configuration/',
  '/api/',
  '/apis/',
  '/openid/v1/jwks/',
  '/version/',
] as const;

/** `groups` are those that no user's definition made. */
export function rootPaths(groups: readonly string[]): string[] {
  return [...FIXED_PATHS, ...groups.map((group) => `/apis/${group}/`)];
}
