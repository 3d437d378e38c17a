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
import { openApiV2, openApiV3 } from './openapi.ts';
import type { ResourceDeclaration } from './resource-declaration.ts';
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

const atPath = (document: JsonObject, path: string, ...keys: string[]): JsonObject =>
  objectAt(document, 'paths', path, ...keys);
const PODS = '/api/v1/namespaces/{namespace}/pods';
const RBAC = { group: 'rbac.authorization.k8s.io', version: 'v1' };

test('operations have the names that generated clients know', () => {
  const rbac = whole(openApiV3(RBAC, resources));
  const roles = '/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles';
  for (const [document, path, method, id, tag] of [
    [core, PODS, 'get', 'listCoreV1NamespacedPod', 'core_v1'],
    [core, PODS, 'delete', 'deleteCoreV1CollectionNamespacedPod', 'core_v1'],
    [core, '/api/v1/pods', 'get', 'listCoreV1PodForAllNamespaces', 'core_v1'],
    [core, '/api/v1/watch/pods', 'get', 'watchCoreV1PodListForAllNamespaces', 'core_v1'],
    [core, '/api/v1/watch/nodes/{name}', 'get', 'watchCoreV1Node', 'core_v1'],
    [core, `${PODS}/{name}/log`, 'get', 'readCoreV1NamespacedPodLog', 'core_v1'],
    [core, `${PODS}/{name}/exec`, 'post', 'connectCoreV1PostNamespacedPodExec', 'core_v1'],
    [core, '/api/v1/nodes/{name}/proxy/{path}', 'head', 'connectCoreV1HeadNodeProxyWithPath', 'core_v1'],
    [core, '/api/v1/', 'get', 'getCoreV1APIResources', 'core_v1'],
    [rbac, roles, 'post', 'createRbacAuthorizationV1NamespacedRole', 'rbacAuthorization_v1'],
  ] as const) {
    const { operationId, tags } = atPath(document, path, method);
    assert.deepEqual([operationId, tags], [id, [tag]]);
  }
});

test('what all methods of a path are asked with stands beside them, the rest by name', () => {
  const names = (...at: string[]): JsonValue[] =>
    listAt(core, 'paths', ...at, 'parameters').map((one) => stringAt(one, 'name'));
  assert.deepEqual(names(PODS), ['namespace', 'pretty']);
  assert.deepEqual(names(PODS, 'post'), ['dryRun', 'fieldManager', 'fieldValidation']);
  const finalize = '/api/v1/namespaces/{name}/finalize';
  assert.deepEqual(names(finalize), ['dryRun', 'fieldManager', 'fieldValidation', 'name', 'pretty']);
  assert.deepEqual(names(`${PODS}/{name}/portforward`), ['name', 'namespace', 'ports']);
  const deleted = names(PODS, 'delete');
  assert.ok(deleted.includes('sendInitialEvents') && !deleted.includes('watch'));
});

test('answers are told by code and media type, as are bodies', () => {
  const schema = (path: string, method: string, type = 'application/json', code = '200'): string =>
    stringAt(atPath(core, path, method), 'responses', code, 'content', type, 'schema', '$ref');
  assert.deepEqual(Object.keys(atPath(core, PODS, 'post', 'responses')), ['200', '201', '202', '401']);
  assert.match(schema(PODS, 'get', 'application/vnd.kubernetes.protobuf;stream=watch'), /core.v1.PodList$/);
  assert.match(schema('/api/v1/watch/pods', 'get'), /meta.v1.WatchEvent$/);
  assert.match(schema(`${PODS}/{name}`, 'delete', 'application/yaml', '202'), /core.v1.Pod$/);
  assert.match(schema('/api/v1/nodes/{name}', 'delete'), /meta.v1.Status$/);
  const patch = atPath(core, `${PODS}/{name}`, 'patch', 'requestBody', 'content');
  assert.deepEqual(
    [...new Set(references(patch))],
    ['#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.Patch'],
  );
});

test('schemas say what Go has where nothing is said', () => {
  const container = objectAt(core, 'components', 'schemas', 'io.k8s.api.core.v1.Container', 'properties');
  assert.equal(objectAt(container, 'name')['default'], '');
  assert.deepEqual(objectAt(container, 'resources')['default'], {});
  assert.equal(getPath(container, 'image', 'default'), undefined);
  assert.deepEqual(getPath(container, 'env', 'items'), {
    $ref: '#/components/schemas/io.k8s.api.core.v1.EnvVar',
  });
  const seccomp = objectAt(core, 'components', 'schemas', 'io.k8s.api.core.v1.SeccompProfile');
  assert.deepEqual(seccomp['x-kubernetes-unions'], [
    { discriminator: 'type', 'fields-to-discriminateBy': { localhostProfile: 'LocalhostProfile' } },
  ]);
});

const WIDGET: ResourceDeclaration = {
  ...resources[0]!,
  ...{
    group: 'shop.example.com',
    version: 'v1',
    resource: 'widgets',
    kind: 'Widget',
    listKind: 'WidgetList',
  },
  namespaced: true,
  verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
  subresources: [
    { name: 'scale', kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' }, verbs: ['get'] },
  ],
  selectableFields: ['spec.color'],
  openApi: () => ({
    type: 'object',
    properties: {
      port: { 'x-kubernetes-int-or-string': true },
      within: { type: 'array', items: { type: 'object', 'x-kubernetes-embedded-resource': true } },
    },
  }),
};

test('a definition’s document says what its extensions mean', () => {
  const document = whole(openApiV3(WIDGET, [WIDGET]));
  assert.equal(stringAt(document, 'info', 'title'), 'Kubernetes CRD Swagger');
  const schemas = objectAt(document, 'components', 'schemas');
  const widget = objectAt(schemas, 'com.example.shop.v1.Widget');
  const { port, within } = objectAt(widget, 'properties');
  assert.deepEqual(objectAt(port)['anyOf'], [{ type: 'integer' }, { type: 'string' }]);
  const item = objectAt(within, 'items');
  assert.deepEqual(item['required'], ['kind', 'apiVersion']);
  assert.deepEqual(Object.keys(objectAt(item, 'properties')), ['apiVersion', 'kind', 'metadata']);
  assert.deepEqual(widget['x-kubernetes-selectable-fields'], [{ fieldPath: 'spec.color' }]);
  const options = objectAt(schemas, 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions');
  assert.equal(listAt(options, 'x-kubernetes-group-version-kind').length, 53);
  const scale = '/apis/shop.example.com/v1/namespaces/{namespace}/widgets/{name}/scale';
  const { operationId, ...read } = atPath(document, scale, 'get');
  assert.equal(operationId, 'readShopExampleComV1NamespacedWidgetScale');
  assert.equal(getPath(read, 'x-kubernetes-group-version-kind', 'kind'), 'Widget');
  assert.deepEqual(Object.keys(objectAt(read, 'responses', '200', 'content')), [
    'application/json',
    'application/yaml',
  ]);
  assert.ok(!Object.keys(objectAt(document, 'paths')).some((path) => path.includes('/watch/')));
});

test('version 2 says once what many operations are asked with', () => {
  const document = whole(openApiV2([openApiV3({ group: '', version: 'v1' }, resources)]));
  const { get } = objectAt(document, 'paths', PODS);
  const [first] = listAt(get, 'parameters');
  const reference = stringAt(first, '$ref');
  assert.match(reference, /^#\/parameters\/allowWatchBookmarks-[\w-]{8}$/);
  const [, , name = ''] = reference.split('/');
  assert.equal(objectAt(document, 'parameters', name)['type'], 'boolean');
  assert.deepEqual([objectAt(get)['consumes'], objectAt(get)['schemes']], [['*/*'], ['https']]);
  const container = objectAt(document, 'definitions', 'io.k8s.api.core.v1.Container', 'properties');
  assert.equal(objectAt(container, 'name')['default'], undefined);
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
    const nested = { array: 'items', object: 'additionalProperties' }[stringAt(property, 'type')];
    const values = listAt(nested === undefined ? property : objectAt(property, nested), 'enum');
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
