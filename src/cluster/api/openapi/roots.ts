/** Paths that belong to no resource: what groups there are, the version, and whom service accounts' tokens are of. */
import { FIXED_PATHS } from './root-paths.ts';
import { OBJECTS, type Route } from './routes.ts';
import type { GroupVersionKind, SchemaCollector, Steps } from './schemas.ts';

const INFO: GroupVersionKind = { group: '', version: 'version', kind: 'Info' };

const ALWAYS = [
  'major',
  'minor',
  'gitVersion',
  'gitCommit',
  'gitTreeState',
  'buildDate',
  'goVersion',
  'compiler',
  'platform',
];
const COMPATIBILITY = ['emulationMajor', 'emulationMinor', 'minCompatibilityMajor', 'minCompatibilityMinor'];

function get(path: string, noun: string, answer: string): Route {
  return {
    path,
    method: 'get',
    verb: 'get',
    noun,
    parameters: [],
    answer: { group: '', version: 'v1', kind: answer },
    codes: [200],
    consumes: OBJECTS,
    produces: OBJECTS,
  };
}

function ofIssuer(path: string, what: string, type: string): Route {
  const route = get(path, `ServiceAccountIssuerOpenID${what}`, '');
  return { ...route, answer: undefined, produces: [type] };
}

const FIXED: Readonly<Record<(typeof FIXED_PATHS)[number], (path: string) => Route>> = {
  '/.well-known/openid-configuration/': (path) => ofIssuer(path, 'Configuration', 'application/json'),
  '/api/': (path) => get(path, 'APIVersions', 'APIVersions'),
  '/apis/': (path) => get(path, 'APIVersions', 'APIGroupList'),
  '/openid/v1/jwks/': (path) => ofIssuer(path, 'Keyset', 'application/jwk-set+json'),
  '/version/': (path) => ({
    ...get(path, 'CodeVersion', 'Info'),
    answer: INFO,
    produces: ['application/json'],
  }),
};

/** Of a group version: which resources it has. */
export function resourcesRoute(root: string): Route {
  return get(`${root}/`, 'APIResources', 'APIResourceList');
}

/** Of one of `rootPaths`. */
export function rootRoute(path: string): Route {
  const fixed = FIXED_PATHS.find((one) => one === path);
  return fixed === undefined ? get(path, 'APIGroup', 'APIGroup') : FIXED[fixed](path);
}

export function defineInfo(schemas: SchemaCollector): void {
  schemas.define(INFO, 'io.k8s.apimachinery.pkg.version.Info', function* (): Steps {
    yield;
    const always = ALWAYS.map((name) => [name, { type: 'string', default: '' }]);
    const others = COMPATIBILITY.map((name) => [name, { type: 'string' }]);
    return { type: 'object', required: [...ALWAYS], properties: Object.fromEntries([...always, ...others]) };
  });
}
