/** Definitions of widgets, and widgets. */
import type { JsonObject } from '../../../api/json.ts';
import type { TestServer } from '../../testing/test-server.ts';
import { until } from '../../testing/until.ts';

export const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
export const widgetsOf = (version: string): string =>
  `/apis/example.com/${version}/namespaces/default/widgets`;
export const WIDGETS = widgetsOf('v1');
export const MERGE = { 'content-type': 'application/merge-patch+json' };
export const APPLY = { 'content-type': 'application/apply-patch+yaml' };

export const schema: JsonObject = {
  type: 'object',
  required: ['spec'],
  properties: {
    spec: {
      type: 'object',
      required: ['size'],
      properties: {
        size: { type: 'integer', minimum: 1, maximum: 10 },
        colour: { type: 'string', enum: ['red', 'blue'], default: 'red' },
        name: { type: 'string', pattern: '^[a-z]+$', minLength: 1, maxLength: 5 },
        host: { type: 'string', format: 'hostname' },
        small: { type: 'integer', format: 'int32' },
        inner: {
          type: 'object',
          'x-kubernetes-embedded-resource': true,
          'x-kubernetes-preserve-unknown-fields': true,
        },
        replicas: { type: 'integer', default: 1 },
        any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        port: { 'x-kubernetes-int-or-string': true },
        parts: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['id'],
          items: {
            type: 'object',
            required: ['id'],
            properties: { id: { type: 'string' }, weight: { type: 'integer', default: 7 } },
          },
        },
      },
    },
    status: {
      type: 'object',
      properties: { replicas: { type: 'integer' }, selector: { type: 'string' }, phase: { type: 'string' } },
    },
  },
};

/** With these versions, and whatever else its `spec` is to say. */
export function definitionOf(spec: JsonObject): JsonObject {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget' },
      ...spec,
    },
  };
}

export function definition(overrides: JsonObject = {}, version: JsonObject = {}): JsonObject {
  return definitionOf({
    names: { plural: 'widgets', kind: 'Widget', shortNames: ['wd'] },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: schema },
        subresources: {
          status: {},
          scale: {
            specReplicasPath: '.spec.replicas',
            statusReplicasPath: '.status.replicas',
            labelSelectorPath: '.status.selector',
          },
        },
        additionalPrinterColumns: [
          { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
          { name: 'Weights', type: 'string', jsonPath: '.spec.parts[*].weight' },
        ],
        selectableFields: [{ jsonPath: '.spec.colour' }],
        ...version,
      },
    ],
    ...overrides,
  });
}

/** Defines widgets; resolves when they are served in `version`. */
export async function define(api: TestServer, crd: JsonObject, version = 'v1'): Promise<void> {
  await api.create(CRDS, crd);
  await until(async () => (await api.call('GET', widgetsOf(version))).status === 200);
}

export const OPEN_OBJECT = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

export const widget = (name: string, spec: JsonObject): JsonObject => widgetOf('v1', name, spec);

export const widgetOf = (version: string, name: string, spec: JsonObject): JsonObject => ({
  apiVersion: `example.com/${version}`,
  kind: 'Widget',
  metadata: { name },
  spec,
});
