/** Webhooks and policies that admit: what is refused, in upstream's words and order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../json.ts';
import { created, updated } from '../testing/complaints.ts';

const GROUP = 'admissionregistration.k8s.io';
const HOOKS = `${GROUP}/ValidatingWebhookConfiguration`;
const POLICY = `${GROUP}/ValidatingAdmissionPolicy`;

function hook(more: JsonObject): JsonObject {
  const service = { namespace: 'default', name: 'hook' };
  return {
    webhooks: [
      {
        name: 'a.example.com',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        clientConfig: { service },
        ...more,
      },
    ],
  };
}

const RULE = { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'] };

const CREATES: readonly (readonly [string, JsonObject, ...string[]])[] = [
  [
    HOOKS,
    hook({ clientConfig: { service: { namespace: 'default', path: 'a//B' } } }),
    'webhooks[0].clientConfig.service.namespace: Required value',
    'webhooks[0].clientConfig.service.path: Invalid value: "a//B": must start with a \'/\'',
    'webhooks[0].clientConfig.service.path: Invalid value: "a//B": segment[0] may not be empty',
    'webhooks[0].clientConfig.service.path: Invalid value: "a//B": segment[1] may not be empty',
    "webhooks[0].clientConfig.service.path: Invalid value: \"a//B\": segment[2]: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
  ],
  [
    HOOKS,
    hook({ rules: [{ ...RULE, resources: ['pods/*', 'pods/exec', '*/scale', 'a/scale', '', '*', 'b'] }] }),
    'webhooks[0].rules[0].resources[1]: Invalid value: "pods/exec": if \'pods/*\' is present, must not specify pods/exec',
    'webhooks[0].rules[0].resources[3]: Invalid value: "a/scale": if \'*/scale\' is present, must not specify a/scale',
    'webhooks[0].rules[0].resources[4]: Required value',
    'webhooks[0].rules[0].resources: Invalid value: ["pods/*","pods/exec","*/scale","a/scale","","*","b"]: if \'*\' is present, must not specify other resources without subresources',
  ],
  [
    POLICY,
    {
      spec: {
        paramKind: { apiVersion: 'example.com/', kind: 'A' },
        variables: [
          { name: 'while', expression: 'true' },
          { name: 'a', expression: ' ' },
        ],
        validations: [
          { expression: 'true', message: 'a\nb', messageExpression: ' ', reason: 'Unauthorized' },
          { expression: 'true', reason: '' },
        ],
        auditAnnotations: [
          { key: 'a', valueExpression: ' ' },
          { key: 'a', valueExpression: 'a'.repeat(5121) },
        ],
      },
    },
    'spec.paramKind.apiVersion: Invalid value: "example.com/": version must be specified',
    'spec.variables[0].name: Invalid value: "while": must be a valid CEL identifier',
    'spec.variables[1].expression: Required value: expression is not specified',
    'spec.validations[0].messageExpression: Invalid value: " ": must be non-empty if specified',
    'spec.validations[0].message: Invalid value: "a\\nb": must not contain line breaks',
    'spec.validations[0].reason: Unsupported value: "Unauthorized": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"',
    'spec.validations[1].reason: Unsupported value: "": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"',
    'spec.auditAnnotations[0].valueExpression: Required value: valueExpression is not specified',
    'spec.auditAnnotations[1].valueExpression: Required value: must not exceed 5120 bytes in length',
    'spec.auditAnnotations[1].key: Duplicate value: "a"',
  ],
  [
    `${GROUP}/MutatingAdmissionPolicy`,
    {
      spec: {
        matchConstraints: { resourceRules: [{ ...RULE, operations: ['DELETE'], resources: ['pods'] }] },
        mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: '' }, applyConfiguration: {} }],
        reinvocationPolicy: 'Often',
      },
    },
    'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"',
    'spec.mutations[0].jsonPatch.expression: Required value',
    'spec.mutations[0].applyConfiguration: Invalid value: "{applyConfiguration}": must not be specified when patchType is JSONPatch',
    'spec.reinvocationPolicy: Unsupported value: "Often": supported values: "Never", "IfNeeded"',
  ],
  [
    `${GROUP}/ValidatingAdmissionPolicyBinding`,
    { spec: { paramRef: { name: 'a' } } },
    'spec.paramRef.parameterNotFoundAction: Required value',
  ],
  [
    `${GROUP}/ValidatingAdmissionPolicyBinding`,
    {
      spec: { validationActions: [], paramRef: { name: 'a', selector: {}, parameterNotFoundAction: 'Wait' } },
    },
    'spec.paramRef.name: Forbidden: name and selector are mutually exclusive',
    'spec.paramRef.selector: Forbidden: name and selector are mutually exclusive',
    'spec.paramRef.parameterNotFoundAction: Unsupported value: "Wait": supported values: "Deny", "Allow"',
    'spec.validationActions: Required value: at least one validation action is required',
  ],
];

for (const [name, patch, ...complaints] of CREATES) {
  test(`a ${name} with ${JSON.stringify(patch).slice(0, 120)}`, () => {
    assert.deepEqual(created(name, patch), complaints);
  });
}

test('webhooks that were there before a rule keep what they have', () => {
  const old = hook({ sideEffects: 'Unknown', admissionReviewVersions: ['v0'] });
  assert.deepEqual(updated(HOOKS, { metadata: { labels: { a: 'b' } } }, old), []);
  assert.deepEqual(updated(HOOKS, old, {}), [
    'webhooks[0].sideEffects: Unsupported value: "Unknown": supported values: "None", "NoneOnDryRun"',
    'webhooks[0].admissionReviewVersions: Invalid value: ["v0"]: must include at least one of v1, v1beta1',
  ]);
});
