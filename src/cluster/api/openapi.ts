/** OpenAPI v3 documents, made from the schema when someone asks: one a group version, and one each of the paths above them. */
import type { JsonObject } from './json.ts';
import { defineCustom } from './openapi/custom-schemas.ts';
import { optionVersions } from './openapi/option-versions.ts';
import { pathsOf } from './openapi/paths.ts';
import { defineInfo, resourcesRoute, rootRoute } from './openapi/roots.ts';
import { routesOf } from './openapi/routes.ts';
import { SchemaCollector, type GroupVersion } from './openapi/schemas.ts';
import type { ResourceDeclaration } from './resource-declaration.ts';
import { OPENAPI_INFO, SECURITY_SCHEMES } from './openapi/about.ts';

export { openApiV2 } from './openapi/version2.ts';

const CUSTOM_INFO = { title: 'Kubernetes CRD Swagger', version: 'v0.1.0' };

/**
 * The document for `/openapi/v3/api/v1` or `/openapi/v3/apis/<group>/<version>`, of those `resources` that belong there. Long
 * work that can stop at each `yield`.
 */
export function* openApiV3(
  groupVersion: GroupVersion,
  resources: readonly ResourceDeclaration[],
): Generator<void, JsonObject> {
  const { group, version } = groupVersion;
  const own = resources.filter((resource) => resource.group === group && resource.version === version);
  const custom = own.every(({ openApi }) => openApi !== undefined);
  const schemas = new SchemaCollector(optionVersions(groupVersion, custom));
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const paths = custom ? {} : yield* pathsOf([resourcesRoute(root)], schemas);
  for (const resource of own) {
    if (resource.openApi !== undefined) defineCustom(resource, schemas);
    Object.assign(paths, yield* pathsOf(routesOf(resource), schemas));
  }
  const components = { schemas: yield* schemas.collected() };
  return {
    openapi: '3.0.0',
    info: custom ? CUSTOM_INFO : OPENAPI_INFO,
    paths,
    components: custom ? components : { ...components, securitySchemes: SECURITY_SCHEMES },
  };
}

/** The document of one of `rootPaths`. */
export function* openApiV3Root(path: string): Generator<void, JsonObject> {
  const schemas = new SchemaCollector([]);
  defineInfo(schemas);
  const paths = yield* pathsOf([rootRoute(path)], schemas);
  const collected = yield* schemas.collected();
  return {
    openapi: '3.0.0',
    info: OPENAPI_INFO,
    paths,
    components: {
      ...(Object.keys(collected).length > 0 && { schemas: collected }),
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}
