import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJson, decodeValue, headOf } from './decode.ts';
import { frozen, getPath, listAt, objectAt, type JsonObject, type JsonValue } from './json.ts';
import { kindSchema, type KindSchema } from './schema.ts';
import { decodeYaml, parseYaml } from './yaml.ts';
import { hasEmpties } from './empties.ts';

function kind(group: string, version: string, name: string): KindSchema {
  const found = kindSchema(group, version, name);
  assert.ok(found, `${group}/${version} ${name}`);
  return found;
}

const pod = kind('', 'v1', 'Pod');
const deployment = kind('apps', 'v1', 'Deployment');

function bytes(value: JsonValue | string): Uint8Array {
  return new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
}

test('known fields pass, unknown ones are left out and named with their path', () => {
  const { object, unknown } = decodeJson(
    bytes({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web', labels: { any: 'thing' } },
      spec: { containers: [{ name: 'a', imagee: 'x' }], foo: { bar: 1 }, nodeName: null },
    }),
    pod,
  );
  assert.deepEqual(object, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', labels: { any: 'thing' } },
    spec: { containers: [{ name: 'a', resources: {} }] },
    status: {},
  });
  assert.deepEqual(unknown, ['unknown field "spec.containers[0].imagee"', 'unknown field "spec.foo"']);
});

test('members of inlined messages are fields of their parent', () => {
  const { object, unknown } = decodeJson(
    bytes({
      spec: {
        volumes: [{ name: 'v', emptyDir: {} }],
        containers: [{ livenessProbe: { tcpSocket: { port: 'web' } } }],
      },
    }),
    pod,
  );
  assert.deepEqual(unknown, []);
  assert.deepEqual(getPath(object, 'spec', 'volumes'), [{ name: 'v', emptyDir: {} }]);
});

test('a list without members is left out, unless somebody tells it from none', () => {
  const sliceKind = kind('discovery.k8s.io', 'v1', 'EndpointSlice');
  const empty = [{ addresses: ['1.2.3.4'], hints: { forZones: [] } }];
  const slice = { endpoints: empty, ports: [], addressType: 'IPv4', metadata: { finalizers: [] } };
  const endpoints = [{ conditions: {}, ...empty[0] }];
  const metadata = {};
  const left = [{ conditions: {}, addresses: ['1.2.3.4'], hints: {} }];
  for (const [empties, wanted] of [
    [undefined, { metadata, endpoints, ports: [], addressType: 'IPv4' }],
    ['owned', { metadata, endpoints, ports: [], addressType: 'IPv4' }],
    ['told', { metadata, endpoints: left, addressType: 'IPv4' }],
    ['none', { metadata, endpoints: left, addressType: 'IPv4' }],
  ] as const) {
    const { object } = decodeValue(slice, sliceKind, { empties });
    assert.deepEqual(JSON.parse(JSON.stringify(object)), wanted, String(empties));
    assert.equal(hasEmpties({ ...object }), 'ports' in wanted, String(empties));
  }
  const spec = { metrics: [], behavior: { scaleUp: { policies: [] } } };
  const autoscaler = kind('autoscaling', 'v2', 'HorizontalPodAutoscaler');
  const { object } = decodeJson(bytes({ spec }), autoscaler);
  assert.deepEqual(getPath(object, 'spec', 'metrics'), undefined);
  assert.deepEqual(getPath(object, 'spec', 'behavior'), { scaleUp: { policies: [] } });
  for (const empties of ['owned', 'none'] as const) {
    const dropped = decodeValue(object, autoscaler, { empties }).object;
    assert.deepEqual(getPath(dropped, 'spec', 'behavior'), { scaleUp: {} });
  }
});

test('in lists of texts inside maps a null is an empty text', () => {
  const schema = kind('authorization.k8s.io', 'v1', 'SubjectAccessReview');
  const { object } = decodeValue({ spec: { extra: { scopes: ['one', null] } } }, schema);
  assert.deepEqual(getPath(object, 'spec', 'extra'), { scopes: ['one', ''] });
  assert.throws(
    () => decodeValue({ spec: { extra: { scopes: [7] } } }, schema),
    /cannot unmarshal number into Go struct field SubjectAccessReviewSpec.spec.extra of type string$/,
  );
});

test('duplicate keys are named, the last one counts', () => {
  const { object, unknown } = decodeJson(
    bytes(
      String.raw`{"metadata":{"name":"a","n\u0061me":"b"},"spec":{"containers":[{"image":"}{\\\"","image":"y"}]}}`,
    ),
    pod,
  );
  assert.equal(getPath(object, 'metadata', 'name'), 'b');
  assert.deepEqual(unknown, [
    'duplicate field "metadata.name"',
    'duplicate field "spec.containers[0].image"',
  ]);
});

const WRONG: readonly (readonly [string, string])[] = [
  [
    '{"spec":{"replicas":"3"}}',
    'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
  ],
  [
    '{"spec":{"replicas":1.5}}',
    'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
  ],
  [
    '{"spec":{"template":{"spec":{"containers":[{"image":5}]}}}}',
    'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal number into Go struct field Container.spec.template.spec.containers.image of type string',
  ],
  [
    '{"metadata":{"labels":{"a":true}}}',
    'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string',
  ],
  [
    '{"spec":{"template":{"spec":{"volumes":[{"configMap":{"name":7}}]}}}}',
    'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal number into Go struct field ConfigMapVolumeSource.spec.template.spec.volumes.VolumeSource.configMap.LocalObjectReference.name of type string',
  ],
  [
    '{"spec":{"template":[]}}',
    'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal array into Go struct field DeploymentSpec.spec.template of type v1.PodTemplateSpec',
  ],
  [
    '[]',
    'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal array into Go value of type Deployment',
  ],
];

test('a path to what is of the wrong type has no keys of maps', () => {
  const schema = kindSchema('apiextensions.k8s.io', 'v1', 'CustomResourceDefinition');
  assert.ok(schema);
  const openAPIV3Schema = { properties: { spec: { properties: { size: { type: 7 } } } } };
  assert.throws(() => decodeValue({ spec: { versions: [{ schema: { openAPIV3Schema } }] } }, schema), {
    message:
      /Go struct field JSONSchemaProps\.spec\.versions\.schema\.openAPIV3Schema\.properties\.properties\.type of/,
  });
});

test('wrong types are refused in the words that kubectl shows', () => {
  for (const [text, message] of WRONG) {
    assert.throws(() => decodeJson(bytes(text), deployment), { code: 'invalid', message }, text);
  }
});

test('what is not JSON or too deep is refused', () => {
  assert.throws(() => decodeJson(new Uint8Array([0x7b, 0xff, 0x7d]), pod), {
    code: 'invalid',
    message: /invalid character 'ÿ' looking for beginning of object key string/,
  });
  for (const text of ['{"a":', '\ufeff{}'])
    assert.throws(() => decodeJson(bytes(text), pod), { code: 'invalid', message: /json parse error/ });
  const deep = '{"a":'.repeat(5000) + '1' + '}'.repeat(5000);
  assert.throws(() => decodeJson(bytes(deep), pod), { code: 'invalid', message: /nested deeper/ });
});

test('of what is not known nothing more is said', () => {
  const text =
    '{"zz":{"a":1,"a":2},"zz":3,"metadata":{"x":1,"x":2,"labels":{"a":"b","a":"c"}},"kind":"","kind":""}';
  assert.deepEqual(decodeJson(bytes(text), pod).unknown, [
    'unknown field "zz"',
    'unknown field "metadata.x"',
    'duplicate field "metadata.labels.a"',
    'duplicate field "kind"',
  ]);
});

test('YAML is to be UTF-8 and says no characters in halves', async () => {
  for (const [body, why] of [
    [Buffer.from('a: \xff', 'latin1'), 'invalid leading UTF-8 octet'],
    [Buffer.from('a: \xe2x', 'latin1'), 'incomplete UTF-8 octet sequence'],
    [Buffer.from('a: \xe2xyz', 'latin1'), 'invalid trailing UTF-8 octet'],
    [Buffer.from('a: \xc0\x80', 'latin1'), 'invalid length of a UTF-8 sequence'],
    [Buffer.from('a: \xed\xa0\x80', 'latin1'), 'invalid Unicode character'],
    [bytes('a: \u0080'), 'control characters are not allowed'],
    [bytes('{"a":"\\ud83d\\ude00"}'), 'found invalid Unicode character escape code'],
    [bytes('a:\n  b: "\\ud83d"'), 'line 2: found invalid Unicode character escape code'],
  ] as const)
    await assert.rejects(parseYaml(body), { message: `error converting YAML to JSON: yaml: ${why}` }, why);
  assert.deepEqual((await parseYaml(bytes('{"a":"\\\\ud83d é"}'))).value, { a: '\\ud83d é' });
});

test('a key named __proto__ is a key like any other', () => {
  const { object } = decodeJson(
    bytes('{"metadata":{"labels":{"__proto__":"x","constructor":"y"}},"__proto__":{"polluted":true}}'),
    pod,
  );
  const labels = getPath(object, 'metadata', 'labels');
  assert.deepEqual(Object.entries(labels ?? {}), [
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ]);
  assert.equal((object as { polluted?: boolean }).polluted, undefined);
});

test('scalars come out in their canonical form', () => {
  const { object } = decodeJson(
    bytes({
      metadata: { creationTimestamp: '2026-01-02T03:04:05.678+01:00' },
      spec: { containers: [{ resources: { limits: { cpu: 0.5, memory: '1024Mi' } }, ports: null }] },
    }),
    pod,
  );
  assert.deepEqual(object, {
    metadata: { creationTimestamp: '2026-01-02T02:04:05Z' },
    spec: { containers: [{ name: '', resources: { limits: { cpu: '500m', memory: '1Gi' } } }] },
    status: {},
  });
  assert.throws(() => decodeJson(bytes({ metadata: { creationTimestamp: 'yesterday' } }), pod), {
    code: 'invalid',
  });
  assert.throws(() => decodeJson(bytes({ data: { a: 'no base64!' } }), kind('', 'v1', 'Secret')), {
    code: 'invalid',
  });
});

test('YAML decodes like JSON, duplicates included', async () => {
  const text = 'apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  name: web2\nspec:\n  foo: 1\n';
  const { object, unknown } = await decodeYaml(bytes(text), pod);
  assert.equal(getPath(object, 'metadata', 'name'), 'web2');
  assert.equal(unknown.length, 2);
  assert.match(unknown[0] ?? '', /line 5: key "name" already set in map/);
  assert.equal(unknown[1], 'unknown field "spec.foo"');
  await assert.rejects(decodeYaml(bytes('a: [1'), pod), { code: 'invalid' });
});

test('every published kind has a readable schema', () => {
  for (const [group, version, name] of [
    ['', 'v1', 'Node'],
    ['events.k8s.io', 'v1', 'Event'],
    ['discovery.k8s.io', 'v1', 'EndpointSlice'],
    ['coordination.k8s.io', 'v1', 'Lease'],
    ['autoscaling', 'v1', 'Scale'],
    ['policy', 'v1', 'Eviction'],
    ['apps', 'v1', 'DeleteOptions'],
    ['rbac.authorization.k8s.io', 'v1', 'Role'],
  ] as const) {
    assert.ok(kind(group, version, name).message.fields.size > 0, name);
  }
  assert.equal(kindSchema('apps', 'v1', 'PodSpec'), undefined);
  assert.equal(kindSchema('nowhere', 'v1', 'Pod'), undefined);
});

test('what is in its zero value is written as Go writes it', () => {
  const metadata = { name: 'p', generateName: '', labels: {}, finalizers: [], annotations: { a: '' } };
  const sent = {
    metadata,
    spec: {
      containers: [{ name: 'c', image: '', tty: false, ports: [{}], securityContext: {}, command: [''] }],
      volumes: [],
      hostNetwork: false,
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
    },
  };
  const { object } = decodeValue(sent, pod);
  assert.deepEqual(object, {
    metadata: { name: 'p', annotations: { a: '' } },
    spec: {
      containers: [
        { name: 'c', ports: [{ containerPort: 0 }], securityContext: {}, command: [''], resources: {} },
      ],
      // Pointers.
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
    },
    status: {},
  });
  assert.deepEqual(decodeValue(sent, pod, { asSent: true }).object, sent);
});

const REFUSED: readonly (readonly [
  group: string,
  version: string,
  name: string,
  JsonValue,
  message: string,
])[] = [
  ['', 'v1', 'Secret', { data: { a: '/root' } }, 'illegal base64 data at input byte 4'],
  [
    '',
    'v1',
    'Pod',
    { metadata: { creationTimestamp: 'yesterday' } },
    'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"',
  ],
  [
    'coordination.k8s.io',
    'v1',
    'Lease',
    { spec: { renewTime: 5 } },
    'json: cannot unmarshal number into Go struct field LeaseSpec.spec.renewTime of type string',
  ],
  ['', 'v1', 'ResourceQuota', { spec: { hard: { cpu: '1K' } } }, "unable to parse quantity's suffix"],
  [
    '',
    'v1',
    'ResourceQuota',
    { spec: { hard: [] } },
    'json: cannot unmarshal array into Go struct field ResourceQuotaSpec.spec.hard of type v1.ResourceList',
  ],
  [
    '',
    'v1',
    'ResourceQuota',
    { spec: { scopes: [5] } },
    'json: cannot unmarshal number into Go struct field ResourceQuotaSpec.spec.scopes of type v1.ResourceQuotaScope',
  ],
  [
    '',
    'v1',
    'Pod',
    { metadata: { uid: 5 } },
    'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.uid of type types.UID',
  ],
  [
    '',
    'v1',
    'Service',
    { spec: { ports: [{ targetPort: true }] } },
    'json: cannot unmarshal bool into Go struct field ServicePort.spec.ports.targetPort of type int32',
  ],
];

test('values are refused in the words of the Go type that they were for', () => {
  for (const [group, version, name, value, message] of REFUSED)
    assert.throws(() => decodeValue(value, kind(group, version, name)), {
      message: `${name} in version "${version}" cannot be handled as a ${name}: ${message}`,
    });
});

test('a body that is no object of any kind is refused with its beginning', () => {
  const head =
    "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: ";
  assert.throws(() => decodeJson(bytes('{"a":}'), pod), {
    message: `${head}invalid character '}' looking for beginning of value ({"a":})`,
  });
  assert.throws(() => headOf([], 'Pod', bytes('[]')), {
    message: `${head}json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" } (5b5d)`,
  });
  assert.throws(() => headOf({ kind: 5 }, 'Pod', bytes('{"kind":5}')), {
    message: `${head}json: cannot unmarshal number into Go struct field .kind of type string ({"kind":5})`,
  });
});

const STORED: JsonObject = frozen({
  metadata: { name: 'web', labels: { app: 'web' }, annotations: { note: 'a' } },
  spec: {
    containers: [
      { name: 'a', image: 'a:1', resources: { limits: { cpu: '500m' } } },
      { name: 'b', image: 'b:1', resources: {} },
    ],
    volumes: [{ name: 'v', emptyDir: {} }],
    nodeSelector: { disk: 'fast' },
  },
  status: { phase: 'Running' },
});

test('what is still the prior’s at its place is answered as it is, what has changed is decoded', () => {
  const spec = objectAt(STORED, 'spec');
  const [first, second] = listAt(spec, 'containers') as [JsonObject, JsonObject];
  const changed = { name: 'b', image: '', resources: { limits: { cpu: '0.5' } }, imagee: 'b:2' };
  const value = frozen({
    ...STORED,
    metadata: { ...objectAt(STORED, 'metadata'), annotations: { note: 'b' }, generateName: '' },
    spec: { ...spec, containers: [first, changed], nodeName: null },
    foo: 1,
  });
  const { object, unknown } = decodeValue(value, pod, { prior: STORED, duplicates: ['spec.nodeName'] });
  assert.deepEqual(object, {
    metadata: { name: 'web', labels: { app: 'web' }, annotations: { note: 'b' } },
    spec: { ...spec, containers: [first, { name: 'b', resources: { limits: { cpu: '500m' } } }] },
    status: { phase: 'Running' },
  });
  assert.deepEqual(unknown, [
    'unknown field "spec.containers[1].imagee"',
    'unknown field "foo"',
    'duplicate field "spec.nodeName"',
  ]);
  for (const path of [['status'], ['metadata', 'labels'], ['spec', 'volumes'], ['spec', 'nodeSelector']])
    assert.equal(getPath(object, ...path), getPath(STORED, ...path), path.join('.'));
  assert.equal(listAt(object, 'spec', 'containers')[0], first);
  assert.notEqual(listAt(object, 'spec', 'containers')[1], second);
  assert.equal(decodeValue(STORED, pod, { prior: STORED, inPlace: true }).object, STORED);
});

test('what was the prior’s at another place is decoded as ever, and copied', () => {
  const spec = objectAt(STORED, 'spec');
  const containers = listAt(spec, 'containers');
  const labels = objectAt(STORED, 'metadata', 'labels');
  const value = frozen({
    ...STORED,
    metadata: { ...objectAt(STORED, 'metadata'), annotations: labels },
    spec: { ...spec, containers: containers.toReversed(), affinity: spec },
  });
  for (const inPlace of [false, true]) {
    const { object, unknown } = decodeValue(value, pod, { prior: STORED, inPlace });
    assert.deepEqual(getPath(object, 'metadata', 'annotations'), labels);
    assert.notEqual(getPath(object, 'metadata', 'annotations'), labels);
    assert.deepEqual(listAt(object, 'spec', 'containers'), containers.toReversed());
    for (const container of listAt(object, 'spec', 'containers')) assert.ok(!containers.includes(container));
    assert.deepEqual(getPath(object, 'spec', 'affinity'), {});
    assert.deepEqual(unknown, [
      'unknown field "spec.affinity.containers"',
      'unknown field "spec.affinity.volumes"',
      'unknown field "spec.affinity.nodeSelector"',
    ]);
    assert.throws(() => decodeValue({ ...value, spec: containers }, pod, { prior: STORED, inPlace }), {
      message: /cannot unmarshal array into Go struct field Pod\.spec of type v1\.PodSpec$/,
    });
  }
});

test('in place gives what a copy gives, in the same order, and copies only what loses members', () => {
  const text = JSON.stringify({
    kind: 'Pod',
    metadata: { creationTimestamp: null, name: 'web', labels: { a: 'b' } },
    spec: {
      hostNetwork: false,
      containers: [{ image: 'x', foo: 1, resources: { limits: { cpu: '0.5', memory: 5 } }, command: [null] }],
      volumes: [],
      tolerations: [{ key: 'k', tolerationSeconds: 0 }],
    },
  });
  const [value, own] = [JSON.parse(text) as JsonObject, JSON.parse(text) as JsonObject];
  const copied = decodeValue(value, pod);
  const inPlace = decodeValue(own, pod, { inPlace: true });
  assert.equal(JSON.stringify(inPlace), JSON.stringify(copied));
  assert.equal(JSON.stringify(value), text);
  assert.equal(inPlace.object, own);
  assert.equal(getPath(inPlace.object, 'spec', 'tolerations'), getPath(own, 'spec', 'tolerations'));
});
