/** OpenAPI v3 documents, one a group version, made from the schema when someone asks. */
import type { JsonObject } from './json.ts';
import { resourcePaths } from './openapi/paths.ts';
import { SchemaCollector } from './openapi/schemas.ts';
import type { ResourceDeclaration } from './resource-declaration.ts';
import { KUBERNETES_VERSION } from './version.ts';

/**
 * The document for `/openapi/v3/api/v1` or `/openapi/v3/apis/<group>/<version>`, of those `resources` that belong there. Long
 * work that can stop at each `yield`.
 */
export function* openApiV3(
  groupVersion: { readonly group: string; readonly version: string },
  resources: readonly ResourceDeclaration[],
): Generator<void, JsonObject> {
  const schemas = new SchemaCollector();
  const paths: JsonObject = {};
  for (const resource of resources) {
    if (resource.group === groupVersion.group && resource.version === groupVersion.version) {
      if (resource.openApi !== undefined) schemas.define(resource);
      Object.assign(paths, resourcePaths(resource, schemas));
      yield;
    }
  }
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: KUBERNETES_VERSION },
    paths,
    components: { schemas: yield* schemas.collected() },
  };
}
