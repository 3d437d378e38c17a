import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyDefaults } from './defaults.ts';
import { getPath, jsonCopy, objectAt, objectsAt, type JsonObject } from './json.ts';
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
