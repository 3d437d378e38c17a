import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  getPath,
  isJsonObject,
  listAt,
  objectAt,
  objectsAt,
  stringAt,
  type JsonObject,
  type JsonValue,
} from './json.ts';
import { describedFields } from './openapi/descriptions.ts';
import { enumFields } from './openapi/enums.ts';
import { openApiV3 } from './openapi.ts';
import { resources } from './resources.ts';

const apps = whole(openApiV3({ group: 'apps', version: 'v1' }, resources));
const core = whole(openApiV3({ group: '', version: 'v1' }, resources));

function whole(steps: Generator<void, JsonObject>): JsonObject {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Every `$ref` in a value. */
function references(value: JsonValue | undefined): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => references(item));
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    key === '$ref' && typeof item === 'string' ? [item] : references(item),
  );
}

test('every reference leads to a schema', () => {
  for (const document of [apps, core]) {
    const schemas = objectAt(document, 'components', 'schemas');
    for (const reference of references(document)) {
      const name = reference.replace('#/components/schemas/', '');
      assert.ok(isJsonObject(schemas[name]), reference);
    }
  }
});

test('fields that every object has are described, and where they are beside a kind only', () => {
  const schemas = objectAt(apps, 'components', 'schemas');
  const descriptionOf = (schema: string, field: string): string =>
    stringAt(schemas, schema, 'properties', field, 'description');
  assert.match(descriptionOf('io.k8s.api.apps.v1.Deployment', 'spec'), /^What is wanted/);
  const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
  assert.match(descriptionOf(meta, 'uid'), /^UID tells objects/);
  assert.match(descriptionOf('io.k8s.api.apps.v1.DeploymentCondition', 'status'), /^True, False/);
});

test('schemas carry what kubectl merges and explains by', () => {
  const schemas = objectAt(apps, 'components', 'schemas');
  assert.deepEqual(getPath(schemas, 'io.k8s.api.apps.v1.Deployment', 'x-kubernetes-group-version-kind'), [
    { group: 'apps', version: 'v1', kind: 'Deployment' },
  ]);
  const containers = objectAt(schemas, 'io.k8s.api.core.v1.PodSpec', 'properties', 'containers');
  assert.equal(containers['x-kubernetes-patch-strategy'], 'merge');
  assert.equal(containers['x-kubernetes-patch-merge-key'], 'name');
  assert.equal(containers['x-kubernetes-list-type'], 'map');
  assert.deepEqual(containers['x-kubernetes-list-map-keys'], ['name']);
  assert.deepEqual(getPath(schemas, 'io.k8s.api.core.v1.Container', 'required'), ['name']);
  assert.ok(isJsonObject(getPath(schemas, 'io.k8s.api.core.v1.Volume', 'properties', 'emptyDir')));
});

test('quantities and ports or percentages are known by name', () => {
  const schemas = objectAt(apps, 'components', 'schemas');
  const intOrString = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString';
  const quantity = 'io.k8s.apimachinery.pkg.api.resource.Quantity';
  assert.equal(objectAt(schemas, intOrString)['format'], 'int-or-string');
  assert.deepEqual(objectAt(schemas, quantity)['oneOf'], [{ type: 'string' }, { type: 'number' }]);
  const rolling = objectAt(schemas, 'io.k8s.api.apps.v1.RollingUpdateDeployment', 'properties');
  assert.deepEqual(references(rolling['maxSurge']), [`#/components/schemas/${intOrString}`]);
  const resourceNeeds = objectAt(schemas, 'io.k8s.api.core.v1.ResourceRequirements', 'properties');
  assert.deepEqual(references(resourceNeeds['limits']), [`#/components/schemas/${quantity}`]);
});

test('writing operations offer fieldValidation and dryRun, which kubectl asks for', () => {
  const path = objectAt(apps, 'paths', '/apis/apps/v1/namespaces/{namespace}/deployments/{name}');
  for (const method of ['put', 'patch']) {
    const names = objectsAt(path, method, 'parameters').map((parameter) => parameter['name']);
    assert.ok(names.includes('fieldValidation') && names.includes('dryRun'), method);
    assert.equal(getPath(path, method, 'x-kubernetes-action'), method);
    assert.equal(getPath(path, method, 'x-kubernetes-group-version-kind', 'kind'), 'Deployment');
  }
  assert.ok(objectAt(core, 'paths')['/api/v1/namespaces/{name}'] !== undefined);
});

test('operations without parameters name none, so that documents are the same after a round through structs', () => {
  const status = '/apis/apps/v1/namespaces/{namespace}/deployments/{name}/status';
  const operations = Object.values(objectAt(apps, 'paths', status)).filter(isJsonObject);
  assert.ok(operations.length > 1);
  for (const { parameters } of operations) assert.notDeepEqual(parameters, []);
});

test('no document describes another group version', () => {
  assert.ok(Object.keys(objectAt(apps, 'paths')).every((path) => path.startsWith('/apis/apps/v1/')));
});

test('whatever has limited values or a description is there', () => {
  const schemas = new Map<string, JsonObject>();
  for (const { group, version } of resources) {
    const document = whole(openApiV3({ group, version }, resources));
    for (const [name, schema] of Object.entries(objectAt(document, 'components', 'schemas'))) {
      if (isJsonObject(schema)) schemas.set(name, schema);
    }
  }
  for (const about of enumFields()) {
    const [message = '', field = ''] = about.split(' ');
    const property = objectAt(schemas.get(message), 'properties', field);
    const values = listAt(property['type'] === 'array' ? objectAt(property, 'items') : property, 'enum');
    assert.ok(values.length > 1, about);
    assert.deepEqual(values, values.toSorted(), about);
  }
  for (const about of describedFields()) {
    const [message = '', field = ''] = about.split(' ');
    const schema = schemas.get(message);
    const shown = field === '' ? schema : objectAt(schema, 'properties', field);
    assert.notEqual(stringAt(shown, 'description'), '', about);
  }
});
