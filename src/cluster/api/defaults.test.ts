import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyDefaults } from './defaults.ts';
import { frozen, getPath, isJsonObject, jsonCopy, objectAt, objectsAt, type JsonObject } from './json.ts';
import { kindSchema } from './schema.ts';

function defaulted(group: string, kind: string, object: JsonObject): JsonObject {
  const schema = kindSchema(group, 'v1', kind);
  assert.ok(schema);
  const result = applyDefaults(schema, jsonCopy(object));
  assert.deepEqual(applyDefaults(schema, jsonCopy(result)), result, 'defaults are idempotent');
  return result;
}

test('a pod gets what Kubernetes gives it', () => {
  const pod = defaulted('', 'Pod', {
    metadata: { name: 'web' },
    spec: {
      serviceAccount: 'robot',
      containers: [
        {
          name: 'a',
          image: 'web:1.2',
          ports: [{ containerPort: 80 }],
          resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m' } },
          readinessProbe: { httpGet: { port: 80 }, periodSeconds: 5 },
        },
      ],
      volumes: [
        { name: 'v' },
        { name: 's', secret: { secretName: 'x' } },
        { name: 'i', image: {} },
        {
          name: 'e',
          ephemeral: { volumeClaimTemplate: { spec: { resources: { requests: { storage: '100u' } } } } },
        },
      ],
    },
  });
  assert.deepEqual(pod['spec'], {
    serviceAccount: 'robot',
    serviceAccountName: 'robot',
    containers: [
      {
        name: 'a',
        image: 'web:1.2',
        ports: [{ containerPort: 80, protocol: 'TCP' }],
        resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m', memory: '1Gi' } },
        readinessProbe: {
          httpGet: { port: 80, path: '/', scheme: 'HTTP' },
          periodSeconds: 5,
          timeoutSeconds: 1,
          successThreshold: 1,
          failureThreshold: 3,
        },
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
        imagePullPolicy: 'IfNotPresent',
      },
    ],
    volumes: [
      { name: 'v', emptyDir: {} },
      { name: 's', secret: { secretName: 'x', defaultMode: 420 } },
      { name: 'i', image: { pullPolicy: 'IfNotPresent' } },
      {
        name: 'e',
        ephemeral: {
          volumeClaimTemplate: {
            spec: { resources: { requests: { storage: '1m' } }, volumeMode: 'Filesystem' },
          },
        },
      },
    ],
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
    enableServiceLinks: true,
  });
});

test('the pull policy follows from the tag', () => {
  const cases = {
    web: 'Always',
    'web:latest': 'Always',
    'host:5000/web': 'Always',
    'host:5000/web:1': 'IfNotPresent',
    'web@sha256:abc': 'IfNotPresent',
  };
  for (const [image, policy] of Object.entries(cases)) {
    const pod = defaulted('', 'Pod', { spec: { containers: [{ name: 'a', image }] } });
    assert.equal(objectsAt(pod, 'spec', 'containers')[0]?.['imagePullPolicy'], policy, image);
  }
});

test('on the host network container ports are host ports', () => {
  const pod = defaulted('', 'Pod', {
    spec: { hostNetwork: true, containers: [{ name: 'a', image: 'a:1', ports: [{ containerPort: 80 }] }] },
  });
  assert.deepEqual(objectsAt(pod, 'spec', 'containers')[0]?.['ports'], [
    { containerPort: 80, hostPort: 80, protocol: 'TCP' },
  ]);
});

test('a deployment rolls by a quarter', () => {
  const spec = objectAt(defaulted('apps', 'Deployment', { spec: { template: {} } }), 'spec');
  assert.equal(spec['replicas'], 1);
  assert.equal(spec['revisionHistoryLimit'], 10);
  assert.equal(spec['progressDeadlineSeconds'], 600);
  assert.deepEqual(spec['strategy'], {
    type: 'RollingUpdate',
    rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' },
  });
  const recreate = defaulted('apps', 'Deployment', { spec: { strategy: { type: 'Recreate' } } });
  assert.deepEqual(getPath(recreate, 'spec', 'strategy'), { type: 'Recreate' });
});

test('a service is a cluster address with its port as target', () => {
  const service = defaulted('', 'Service', { spec: { ports: [{ port: 80 }] } });
  assert.deepEqual(service['spec'], {
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    sessionAffinity: 'None',
    type: 'ClusterIP',
    internalTrafficPolicy: 'Cluster',
  });
  const sticky = defaulted('', 'Service', { spec: { type: 'NodePort', sessionAffinity: 'ClientIP' } });
  assert.equal(getPath(sticky, 'spec', 'sessionAffinityConfig', 'clientIP', 'timeoutSeconds'), 10_800);
  assert.equal(getPath(sticky, 'spec', 'externalTrafficPolicy'), 'Cluster');
});

test('small defaults of the other kinds', () => {
  assert.deepEqual(defaulted('', 'Secret', { data: { b: 'Yg==' }, stringData: { a: 'ä' } }), {
    data: { b: 'Yg==', a: 'w6Q=' },
    type: 'Opaque',
  });
  assert.deepEqual(defaulted('', 'Namespace', { metadata: { name: 'n' } }), {
    metadata: { name: 'n', labels: { 'kubernetes.io/metadata.name': 'n' } },
    status: { phase: 'Active' },
  });
  assert.deepEqual(defaulted('', 'Node', { status: { capacity: { cpu: '2' } } }), {
    status: { capacity: { cpu: '2' }, allocatable: { cpu: '2' } },
  });
  assert.deepEqual(defaulted('discovery.k8s.io', 'EndpointSlice', { ports: [{ port: 1 }] }), {
    ports: [{ port: 1, name: '', protocol: 'TCP' }],
  });
});

const TEMPLATE: JsonObject = {
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'a', image: 'a:1' }] },
};

/** An object with its defaults, and what becomes of it with a changed spec: with and without knowing what it was. */
function respecified(group: string, kind: string, changed: JsonObject): readonly JsonObject[] {
  const template = jsonCopy(TEMPLATE);
  const spec = kind === 'CronJob' ? { jobTemplate: { spec: { template } } } : { template };
  const schema = kindSchema(group, 'v1', kind);
  assert.ok(schema);
  const prior = frozen(applyDefaults(schema, { metadata: { name: 'web', labels: { a: 'b' } }, spec }));
  const object = {
    ...prior,
    metadata: { ...objectAt(prior, 'metadata') },
    spec: { ...objectAt(prior, 'spec'), ...changed },
  };
  const copy = jsonCopy(object);
  return [prior, applyDefaults(schema, object, prior), applyDefaults(schema, copy)];
}

test('a template that is unchanged is left alone, and nothing is written to what is shared', () => {
  for (const [group, kind, path] of [
    ['apps', 'Deployment', ['spec', 'template']],
    ['apps', 'ReplicaSet', ['spec', 'template']],
    ['apps', 'DaemonSet', ['spec', 'template']],
    ['apps', 'StatefulSet', ['spec', 'template']],
    ['', 'ReplicationController', ['spec', 'template']],
    ['batch', 'Job', ['spec', 'template']],
    ['batch', 'CronJob', ['spec', 'jobTemplate', 'spec', 'template']],
  ] as const) {
    const [prior, object, whole] = respecified(group, kind, { suspend: true, strategy: {} });
    assert.deepEqual(object, whole, kind);
    assert.ok(isJsonObject(getPath(object, ...path)), kind);
    assert.equal(getPath(object, ...path), getPath(prior, ...path), kind);
  }
  const spec = { containers: [{ name: 'a', image: 'a:2' }], volumes: [{ name: 'v' }] };
  const [, object, whole] = respecified('apps', 'Deployment', { template: { ...TEMPLATE, spec } });
  assert.deepEqual(object, whole);
  assert.equal(getPath(objectsAt(object, 'spec', 'template', 'spec', 'volumes')[0], 'name'), 'v');
});

test('a job without labels gets a copy of those of a template that is not its own', () => {
  const schema = kindSchema('batch', 'v1', 'Job');
  assert.ok(schema);
  const prior = frozen(
    applyDefaults(schema, { metadata: { name: 'j' }, spec: { template: jsonCopy(TEMPLATE) } }),
  );
  const object = applyDefaults(schema, { ...prior, metadata: { name: 'j' } }, prior);
  assert.deepEqual(getPath(object, 'metadata', 'labels'), { app: 'web' });
  assert.notEqual(
    getPath(object, 'metadata', 'labels'),
    getPath(prior, 'spec', 'template', 'metadata', 'labels'),
  );
});

test('a pod’s spec that is unchanged is left alone; of one that is not, nothing shared is written to', () => {
  const schema = kindSchema('', 'v1', 'Pod');
  assert.ok(schema);
  const containers = [{ name: 'a', image: 'a:1', ports: [{ containerPort: 80 }] }];
  const prior = frozen(applyDefaults(schema, { metadata: { name: 'web' }, spec: { containers } }));
  const relabelled = { ...prior, metadata: { name: 'web', labels: { a: 'b' } } };
  assert.equal(applyDefaults(schema, relabelled, prior)['spec'], prior['spec']);
  const onHost = { ...prior, spec: { ...objectAt(prior, 'spec'), hostNetwork: true } };
  const [port] = objectsAt(objectsAt(applyDefaults(schema, onHost, prior), 'spec', 'containers')[0], 'ports');
  assert.deepEqual(port, { containerPort: 80, hostPort: 80, protocol: 'TCP' });
});

test('a namespace is labelled again, whatever else it shares with what it was', () => {
  const schema = kindSchema('', 'v1', 'Namespace');
  assert.ok(schema);
  const prior = frozen(applyDefaults(schema, { metadata: { name: 'n', annotations: { a: 'b' } } }));
  const metadata = { ...objectAt(prior, 'metadata'), labels: { other: 'x' } };
  assert.deepEqual(applyDefaults(schema, { ...prior, metadata }, prior), {
    metadata: { ...metadata, labels: { other: 'x', 'kubernetes.io/metadata.name': 'n' } },
    status: { phase: 'Active' },
  });
});
