/** What is refused of definitions: a change that spoils a minimal one, and exactly the complaints. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { JsonObject, JsonValue } from '../json.ts';
import { loadPatterns } from '../pattern/lazy.ts';
import { loadRules } from '../structural/lazy-rules.ts';
import { created, updated } from '../testing/complaints.ts';

before(loadPatterns);
before(loadRules);

const CRD = 'apiextensions.k8s.io/CustomResourceDefinition';

function versions(...list: readonly JsonObject[]): JsonObject {
  return { spec: { versions: [...list] } };
}

function withSchema(openAPIV3Schema: JsonObject, more: JsonObject = {}): JsonObject {
  return versions({ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema }, ...more });
}

const OPEN: JsonObject = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
const property = (schema: JsonObject): JsonObject =>
  withSchema({ type: 'object', properties: { a: schema } });
const AT = 'spec.validation.openAPIV3Schema';
const A = `${AT}.properties[a]`;
const ITEMS: JsonObject = { type: 'object', properties: { k: { type: 'string' } } };
const LABEL =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

const CREATES: readonly (readonly [JsonObject, ...string[]])[] = [
  [
    { spec: { group: 'x', scope: null } },
    'metadata.name: Invalid value: "shirts.example.com": must be spec.names.plural+"."+spec.group',
    'spec.group: Invalid value: "x": should be a domain with at least one dot',
    'spec.scope: Required value',
  ],
  [
    { spec: { scope: 'World' } },
    'spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced"',
  ],
  [
    versions({ name: 'v1', served: true, storage: true }),
    'spec.versions[0].schema.openAPIV3Schema: Required value',
  ],
  [
    versions(
      { name: 'V1', served: true, storage: true, schema: { openAPIV3Schema: OPEN } },
      {
        name: 'v2',
        served: true,
        storage: false,
        deprecationWarning: 'old',
        schema: { openAPIV3Schema: OPEN },
      },
    ),
    `spec.versions[0].name: Invalid value: "V1": ${LABEL}`,
    'spec.versions[1].deprecationWarning: Invalid value: "old": can only be set for deprecated versions',
    `spec.version: Invalid value: "V1": ${LABEL}`,
    `status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from status.storedVersions`,
  ],
  [
    { spec: { names: { kind: 'Bad Kind', singular: 'shirt', shortNames: ['S'], listKind: 'Bad Kind' } } },
    `spec.names.kind: Invalid value: "Bad Kind": may have mixed case, but should otherwise match: ${LABEL}`,
    `spec.names.listKind: Invalid value: "Bad Kind": may have mixed case, but should otherwise match: ${LABEL}`,
    `spec.names.shortNames[0]: Invalid value: "S": ${LABEL}`,
    'spec.names.listKind: Invalid value: "Bad Kind": kind and listKind may not be the same',
  ],
  [
    withSchema({ properties: { spec: { type: 'object' } } }),
    `${AT}.type: Required value: must not be empty at the root`,
  ],
  [property({}), `${A}.type: Required value: must not be empty for specified object fields`],
  [
    property({ type: 'array', items: {} }),
    `${A}.items.type: Required value: must not be empty for specified array items`,
  ],
  [property({ type: 'array' }), `${A}.items: Required value: must be specified`],
  [
    withSchema({ type: 'object', additionalProperties: { type: 'string' } }),
    `${AT}.additionalProperties: Forbidden: must not be used at the root`,
  ],
  [
    property({
      type: 'object',
      properties: { b: { type: 'string' } },
      additionalProperties: { type: 'string' },
    }),
    `${A}.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive`,
  ],
  [
    withSchema({ type: 'object', allOf: [{ type: 'object', nullable: true, properties: { b: {} } }] }),
    `${AT}.allOf[0].nullable: Forbidden: must be false to be structural`,
    `${AT}.allOf[0].type: Forbidden: must be empty to be structural`,
    `${AT}.properties[b]: Required value: because it is defined in ${AT}.allOf[0].properties[b]`,
  ],
  [
    property({
      'x-kubernetes-int-or-string': true,
      'x-kubernetes-preserve-unknown-fields': true,
    }),
    `${A}.x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if x-kubernetes-int-or-string is true`,
  ],
  [property({ 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] })],
  [
    property({ type: 'object', 'x-kubernetes-embedded-resource': true }),
    `${A}.properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields`,
  ],
  [
    withSchema({
      type: 'object',
      properties: { metadata: { type: 'object', properties: { labels: OPEN } } },
    }),
    `${AT}.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified`,
  ],
  [
    property({ type: 'array', items: ITEMS, 'x-kubernetes-list-type': 'map' }),
    `${A}.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map`,
  ],
  [
    property({
      type: 'array',
      items: ITEMS,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['k', 'l'],
    }),
    `${A}.x-kubernetes-list-map-keys: Invalid value: ["k","l"]: entries must all be names of item properties`,
    `${A}.items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property`,
  ],
  [
    property({ type: 'array', items: ITEMS, 'x-kubernetes-list-type': 'set' }),
    `${A}.items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set`,
  ],
  [
    property({ type: 'string', 'x-kubernetes-list-type': 'bag' }),
    `${A}.type: Invalid value: "string": must be array if x-kubernetes-list-type is specified`,
    `${A}.x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "set", "map"`,
  ],
  [
    property({ type: 'string', default: 1 }),
    `${A}.default: Invalid value: "integer":  in body must be of type string: "integer"`,
  ],
  [
    withSchema({ type: 'object' }, { subresources: { scale: { specReplicasPath: 'x' } } }),
    'spec.subresources.scale.specReplicasPath: Invalid value: "x": must be a simple json path starting with .',
    'spec.subresources.scale.statusReplicasPath: Required value',
  ],
  [
    withSchema(
      { type: 'object' },
      { additionalPrinterColumns: [{ name: 'A', type: 'text', jsonPath: 'a' }] },
    ),
    'spec.additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string',
    'spec.additionalPrinterColumns[0].JSONPath: Invalid value: "a": must be a simple json path starting with .',
  ],
  [
    withSchema(
      { type: 'object', properties: { a: { type: 'object' } } },
      { selectableFields: [{ jsonPath: '.a' }] },
    ),
    'spec.selectableFields[0].jsonPath: Invalid value: ".a": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
  ],
  ...['/up', 'a'].map((jsonPath): [JsonObject, string] => [
    withSchema(
      { type: 'object', properties: { a: { type: 'string' } } },
      { selectableFields: [{ jsonPath }] },
    ),
    `spec.selectableFields[0].jsonPath: Invalid value: "${jsonPath}": is an invalid path: expected [ or . but got: ${jsonPath}`,
  ]),
  [
    property({ type: 'string', $schema: 'x' }),
    `${AT}: Invalid value: "": OpenAPIV3Schema 'schema' is not supported`,
  ],
  [
    // Where there is no structure, only the words are refused.
    property({
      type: 'string',
      default: 1,
      anyOf: [{ type: 'string', $ref: '' }, { additionalItems: true }],
    }),
    `${A}.anyOf[0].$ref: Forbidden: $ref is not supported`,
    `${A}.anyOf[1].additionalItems: Forbidden: additionalItems is not supported`,
  ],
  [
    property({ type: 'string', definitions: { b: { type: 'text' } } }),
    `${A}.definitions: Forbidden: definitions is not supported`,
    `${A}.definitions[b].type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"`,
  ],
  [
    property({
      type: 'object',
      properties: { b: { type: 'integer' } },
      'x-kubernetes-validations': [
        { rule: 'self.c > 1', fieldPath: '.c', reason: 'Bad' },
        { rule: ' ', messageExpression: ' ' },
        { rule: 'self.b > 1', message: 'a\nb' },
      ],
    }),
    `${A}.x-kubernetes-validations[0].reason: Unsupported value: "Bad": supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"`,
    `${A}.x-kubernetes-validations[0].fieldPath: Invalid value: ".c": must be a valid path`,
    `${A}.x-kubernetes-validations[1].rule: Required value: rule is not specified`,
    `${A}.x-kubernetes-validations[1].messageExpression: Required value: messageExpression must be non-empty if specified`,
    `${A}.x-kubernetes-validations[2].message: Invalid value: "a\\nb": must not contain line breaks`,
  ],
  [
    property({
      type: 'array',
      maxItems: 3,
      items: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self >= oldSelf' }] },
    }),
    `${A}.items.x-kubernetes-validations[0].rule: Invalid value: "self >= oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within ${A}`,
  ],
  [
    property({
      type: 'object',
      'x-kubernetes-map-type': 'atomic',
      properties: { b: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self >= oldSelf' }] } },
    }),
  ],
  [
    property({ type: 'integer', default: 1, 'x-kubernetes-validations': [{ rule: 'self > 1' }] }),
    `${A}.default: Invalid value: 1: failed rule: self > 1`,
  ],
  [
    property({ type: 'integer', 'x-kubernetes-validations': [{ rule: 'self >' }] }),
    `${A}.x-kubernetes-validations[0].rule: Invalid value: {"Rule":"self \\u003e","Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}: compilation failed: ERROR: <input>:1:7: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | self >\n | ......^`,
  ],
  [
    property({ type: 'string', maxLength: 1, default: 'ab', 'x-kubernetes-validations': [{ rule: '' }] }),
    `${A}.default: Too long: may not be more than 1 byte`,
    `${A}.x-kubernetes-validations[0].rule: Required value: rule is not specified`,
  ],
  [
    property({ type: 'integer', default: 1, multipleOf: -1 }),
    `${A}.default: Invalid value: -1: factor MultipleOf declared for  must be positive: -1`,
  ],
  [
    property({ ...OPEN, default: { a: 1 }, maxProperties: -1 }),
    `${A}.default: Too many: 1: has too many items`,
  ],
  [
    property({ ...OPEN, 'x-kubernetes-embedded-resource': true, default: { kind: 'A' } }),
    `${A}.default.apiVersion: Required value`,
  ],
  [
    { metadata: { generateName: 'shirts' } },
    'metadata.generateName: Invalid value: "shirts": must be spec.names.plural+"."+spec.group',
  ],
  [
    { spec: { conversion: { strategy: 'Webhook' } } },
    'spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook',
    'spec.conversion.conversionReviewVersions: Required value',
  ],
  [
    { metadata: { name: 'shirts.x.k8s.io' }, spec: { group: 'x.k8s.io' } },
    'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111',
  ],
  [
    {
      spec: {
        ...(property({ type: 'string', default: 'x' })['spec'] as JsonObject),
        preserveUnknownFields: true,
      },
    },
    'spec.preserveUnknownFields: Invalid value: true: must be false in order to use defaults in the schema',
    'spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
  ],
  [
    { spec: { preserveUnknownFields: true } },
    'spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
  ],
];

for (const [patch, ...expected] of CREATES) {
  test(`a definition with ${JSON.stringify(patch)}`, () => {
    assert.deepEqual(created(CRD, patch), expected);
  });
}

const ESTABLISHED: JsonValue = {
  status: { conditions: [{ type: 'Established', status: 'True' }], storedVersions: ['v1'] },
};

test('what objects are stored under stays; the rest only once the definition is established', () => {
  assert.deepEqual(updated(CRD, { spec: { scope: 'Cluster' } }, ESTABLISHED), [
    'spec.scope: Invalid value: "Cluster": field is immutable',
  ]);
  assert.deepEqual(updated(CRD, { spec: { scope: 'Cluster' } }), []);
  const renamed = versions({ name: 'v2', served: true, storage: true, schema: { openAPIV3Schema: OPEN } });
  assert.deepEqual(updated(CRD, renamed, ESTABLISHED), [
    'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from status.storedVersions',
  ]);
});

test('the status of a definition may have no names but good ones', () => {
  const names = { status: { acceptedNames: { plural: 'Bad', kind: 'Shirt' }, storedVersions: [] } };
  assert.deepEqual(updated(CRD, names, ESTABLISHED, 'status'), [
    `status.acceptedNames.plural: Invalid value: "Bad": ${LABEL}`,
  ]);
});

test('a definition that is there may have any generateName', () => {
  assert.deepEqual(updated(CRD, { metadata: { generateName: 'Any' } }), []);
});

test('who is established is not to trust nobody', () => {
  const trusting = (text: string): JsonValue => ({
    spec: {
      conversion: {
        strategy: 'Webhook',
        webhook: {
          conversionReviewVersions: ['v1'],
          clientConfig: {
            service: { name: 'a', namespace: 'b' },
            caBundle: Buffer.from(text).toString('base64'),
          },
        },
      },
    },
  });
  const at = 'spec.conversion.webhookClientConfig.caBundle: Invalid value: "Cg=="';
  assert.deepEqual(created(CRD, trusting('\n')), []);
  assert.deepEqual(updated(CRD, trusting('\n')), []);
  assert.deepEqual(updated(CRD, trusting('\n'), ESTABLISHED), [
    `${at}: unable to load root certificates: unable to parse bytes as PEM block`,
  ]);
  const before = { ...(trusting('x') as JsonObject), ...ESTABLISHED };
  assert.deepEqual(updated(CRD, trusting('\n'), before), []);
});
