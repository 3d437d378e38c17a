import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyDefaults } from './defaults.ts';
import { fieldErrorText } from './field-error.ts';
import { jsonCopy, type JsonObject, type JsonValue } from './json.ts';
import { mergePatch } from './patch.ts';
import { kindSchema } from './schema.ts';
import { validateCreate, validateUpdate } from './validate.ts';

function kind(group: string, name: string) {
  const schema = kindSchema(group, 'v1', name);
  assert.ok(schema);
  return schema;
}

/** Complaints about `base` with `patch` merged in, as `field: text`. */
function complaints(group: string, name: string, base: JsonObject, patch: JsonObject = {}): string[] {
  const schema = kind(group, name);
  const object = applyDefaults(schema, mergePatch(jsonCopy(base), patch) as JsonObject);
  return validateCreate(schema, object).map((error) => `${error.field}: ${fieldErrorText(error)}`);
}

function updateComplaints(group: string, name: string, base: JsonObject, patch: JsonValue): string[] {
  const schema = kind(group, name);
  const old = applyDefaults(schema, jsonCopy(base));
  const object = mergePatch(jsonCopy(old), patch) as JsonObject;
  return validateUpdate(schema, object, { old }).map((error) => `${error.field}: ${fieldErrorText(error)}`);
}

const pod: JsonObject = {
  metadata: { name: 'web', namespace: 'default' },
  spec: { containers: [{ name: 'a', image: 'web:1' }] },
};

const deployment: JsonObject = {
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'a', image: 'web:1' }] } },
  },
};

const service: JsonObject = {
  metadata: { name: 'web', namespace: 'default' },
  spec: { ports: [{ port: 80 }], selector: { app: 'web' } },
};

test('good objects pass', () => {
  assert.deepEqual(complaints('', 'Pod', pod), []);
  assert.deepEqual(complaints('apps', 'Deployment', deployment), []);
  assert.deepEqual(complaints('apps', 'ReplicaSet', deployment), []);
  assert.deepEqual(complaints('', 'Service', service), []);
  assert.deepEqual(complaints('', 'Namespace', { metadata: { name: 'n' } }), []);
  assert.deepEqual(complaints('', 'ConfigMap', { metadata: { name: 'c' }, data: { 'a.txt': '1' } }), []);
});

test('names, labels and annotations have their forms', () => {
  const [name] = complaints('', 'Pod', pod, { metadata: { name: 'Web_1' } });
  assert.match(
    name ?? '',
    /^metadata\.name: Invalid value: "Web_1": a lowercase RFC 1123 subdomain must consist of/,
  );
  const [label] = complaints('', 'Pod', pod, { metadata: { labels: { 'a b': 'x' } } });
  assert.match(label ?? '', /^metadata\.labels: Invalid value: "a b": name part must consist of/);
  const [value] = complaints('', 'Pod', pod, { metadata: { labels: { a: '-' } } });
  assert.match(value ?? '', /^metadata\.labels: Invalid value: "-": a valid label must be/);
  assert.deepEqual(complaints('', 'Pod', pod, { metadata: { annotations: { a: 'x'.repeat(262_144) } } }), [
    'metadata.annotations: Too long: may not be more than 262144 bytes',
  ]);
  assert.deepEqual(complaints('', 'Namespace', { metadata: {} }), [
    'metadata.name: Required value: name or generateName is required',
  ]);
  assert.match(
    complaints('', 'Service', service, { metadata: { name: '1.a' } })[0] ?? '',
    /must not contain dots/,
  );
});

const POD_CASES: readonly (readonly [JsonObject, string])[] = [
  [{ spec: { containers: [] } }, 'spec.containers: Required value'],
  [{ spec: { containers: [{ name: 'a' }] } }, 'spec.containers[0].image: Required value'],
  [{ spec: { containers: [{ image: 'x' }] } }, 'spec.containers[0].name: Required value'],
  [
    {
      spec: {
        containers: [
          { name: 'a', image: 'x' },
          { name: 'a', image: 'x' },
        ],
      },
    },
    'spec.containers[1].name: Duplicate value: "a"',
  ],
  [
    { spec: { restartPolicy: 'Sometimes' } },
    'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
  ],
  [
    { spec: { containers: [{ name: 'a', image: 'x', ports: [{ containerPort: 70_000 }] }] } },
    'spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
  ],
  [
    { spec: { containers: [{ name: 'a', image: 'x', volumeMounts: [{ name: 'v', mountPath: '/x' }] }] } },
    'spec.containers[0].volumeMounts[0].name: Not found: "v"',
  ],
  [
    { spec: { containers: [{ name: 'a', image: 'x', env: [{ name: 'A=B' }] }] } },
    'spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII characters other than \'=\'',
  ],
  [
    {
      spec: {
        containers: [{ name: 'a', image: 'x', resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } }],
      },
    },
    'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
  ],
  [
    { spec: { containers: [{ name: 'a', image: 'x', livenessProbe: {} }] } },
    'spec.containers[0].livenessProbe: Required value: must specify a handler type',
  ],
  [
    { spec: { volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/x' } }] } },
    'spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type',
  ],
];

test('bad pods are named by field', () => {
  for (const [patch, expected] of POD_CASES) {
    assert.deepEqual(complaints('', 'Pod', pod, patch), [expected], JSON.stringify(patch));
  }
});

test('a pod stays what it was, but for images, deadline and further tolerations', () => {
  const change = (spec: JsonObject): string[] => updateComplaints('', 'Pod', pod, { spec });
  const container = { name: 'a', image: 'web:2', imagePullPolicy: 'IfNotPresent' };
  const full = {
    ...container,
    resources: {},
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
  };
  assert.deepEqual(change({ containers: [full] }), []);
  assert.deepEqual(change({ activeDeadlineSeconds: 60 }), []);
  assert.deepEqual(change({ tolerations: [{ key: 'k', operator: 'Exists' }] }), []);
  assert.match(
    change({ nodeName: 'other' })[0] ?? '',
    /^spec: Forbidden: pod updates may not change fields other than/,
  );
  assert.match(
    change({ containers: [full, { ...full, name: 'b' }] })[0] ?? '',
    /^spec\.containers: Forbidden/,
  );
});

test('bad workloads are named by field', () => {
  assert.deepEqual(
    complaints('apps', 'Deployment', deployment, { spec: { selector: { matchLabels: { app: 'x' } } } }),
    [
      'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ],
  );
  assert.deepEqual(complaints('apps', 'Deployment', deployment, { spec: { replicas: -1 } }), [
    'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
  ]);
  assert.deepEqual(
    complaints('apps', 'Deployment', deployment, {
      spec: { template: { spec: { restartPolicy: 'Never' } } },
    }),
    ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
  );
  assert.deepEqual(
    complaints('apps', 'Deployment', deployment, {
      spec: { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } },
    }),
    ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0'],
  );
  assert.deepEqual(
    updateComplaints('apps', 'Deployment', deployment, {
      spec: {
        selector: { matchLabels: { app: 'web', x: 'y' } },
        template: { metadata: { labels: { app: 'web', x: 'y' } } },
      },
    }),
    ['spec.selector: Invalid value: {"matchLabels":{"app":"web","x":"y"}}: field is immutable'],
  );
});

test('bad services are named by field', () => {
  assert.deepEqual(complaints('', 'Service', service, { spec: { ports: [{ port: 1 }, { port: 2 }] } }), [
    'spec.ports[0].name: Required value',
    'spec.ports[1].name: Required value',
  ]);
  assert.deepEqual(
    complaints('', 'Service', service, { spec: { ports: [{ port: 80, nodePort: 30_080 }] } }),
    ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
  );
  assert.deepEqual(complaints('', 'Service', service, { spec: { type: 'Cluster' } }), [
    'spec.type: Unsupported value: "Cluster": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
  ]);
  const at = (address: string): JsonObject => ({ spec: { clusterIP: address, clusterIPs: [address] } });
  const addressed = mergePatch(service, at('10.0.0.1')) as JsonObject;
  assert.deepEqual(updateComplaints('', 'Service', addressed, at('10.0.0.2')), [
    'spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set',
  ]);
});

test('metadata and immutable data do not change', () => {
  const map: JsonObject = { metadata: { name: 'c', uid: '1' }, immutable: true, data: { a: '1' } };
  assert.deepEqual(updateComplaints('', 'ConfigMap', map, { metadata: { uid: '2' } }), [
    'metadata.uid: Invalid value: "2": field is immutable',
  ]);
  assert.deepEqual(updateComplaints('', 'ConfigMap', map, { data: { a: '2' } }), [
    'data: Forbidden: field is immutable when `immutable` is set',
  ]);
});
