/** Paths that belong to no resource: what groups there are, the version, and whom service accounts' tokens are of. */
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

/** Those that are there whatever is served. */
const FIXED: readonly Route[] = [
  ofIssuer('/.well-known/openid-configuration/', 'Configuration', 'application/json'),
  get('/api/', 'APIVersions', 'APIVersions'),
  get('/apis/', 'APIVersions', 'APIGroupList'),
  ofIssuer('/openid/v1/jwks/', 'Keyset', 'application/jwk-set+json'),
  { ...get('/version/', 'CodeVersion', 'Info'), answer: INFO, produces: ['application/json'] },
];

/** Of a group version: which resources it has. */
export function resourcesRoute(root: string): Route {
  return get(`${root}/`, 'APIResources', 'APIResourceList');
}

/** `groups` are those that no user's definition made. */
export function rootRoutes(groups: readonly string[]): Route[] {
  return [...FIXED, ...groups.map((group) => get(`/apis/${group}/`, 'APIGroup', 'APIGroup'))];
}

export function defineInfo(schemas: SchemaCollector): void {
  schemas.define(INFO, 'io.k8s.apimachinery.pkg.version.Info', function* (): Steps {
    yield;
    const always = ALWAYS.map((name) => [name, { type: 'string', default: '' }]);
    const others = COMPATIBILITY.map((name) => [name, { type: 'string' }]);
    return { type: 'object', required: [...ALWAYS], properties: Object.fromEntries([...always, ...others]) };
  });
}
