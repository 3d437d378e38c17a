/** `/` and `/index.html`: a list of the paths that are served. */
import type { ApiResponse } from '../api/transport.ts';
import type { HealthCheck } from './health/health.ts';
import { indentedDocument } from './encoding/respond.ts';

const OTHERS = [
  '/.well-known/openid-configuration',
  '/flagz',
  '/healthz',
  '/livez',
  '/metrics',
  '/metrics/slis',
  '/openapi/v2',
  '/openapi/v3',
  '/openapi/v3/',
  '/openid/v1/jwks',
  '/readyz',
  '/statusz',
  '/version',
];

/** Undefined for any other path. */
export function answerRoot(
  path: string,
  served: { readonly documents: readonly string[]; readonly checks: readonly HealthCheck[] },
): ApiResponse | undefined {
  if (path !== '/' && path !== '/index.html') return undefined;
  const below = served.checks.flatMap(({ name, live }) => [
    ...(live ? [`/healthz/${name}`, `/livez/${name}`] : []),
    `/readyz/${name}`,
  ]);
  return indentedDocument({ paths: [...served.documents, ...below, ...OTHERS].toSorted() });
}
