/** What controllers and the kubelet do behind kubectl's back: quotas, finalizers, garbage, tokens. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../fixtures/eventually.ts';
import { TestCluster } from '../fixtures/sampan.ts';

/** A program that asks the API, as a pod does: by its environment and its token. */
const CLIENT = `
const fs = require('fs'), https = require('https');
const at = '/var/run/secrets/kubernetes.io/serviceaccount/';
const read = (name) => fs.readFileSync(at + name, 'utf8');
const ask = (path) => new Promise((resolve, reject) => https.get({
  host: process.env.KUBERNETES_SERVICE_HOST, port: process.env.KUBERNETES_SERVICE_PORT, path,
  ca: read('ca.crt'), headers: { authorization: 'Bearer ' + read('token') },
}, (answer) => { let text = ''; answer.on('data', (part) => text += part);
  answer.on('end', () => resolve([answer.statusCode, JSON.parse(text)])); }).on('error', reject));
(async () => {
  const pods = '/api/v1/namespaces/' + read('namespace') + '/pods';
  const [code, list] = await ask(pods);
  console.log('pods', code, (list.items ?? []).map((pod) => pod.metadata.name).join());
  const [secrets, status] = await ask(pods.replace('pods', 'secrets'));
  console.log('secrets', secrets, status.message);
})().catch((error) => { console.error(error); process.exit(1); });
`;

const CRD = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'boats.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'boats', kind: 'Boat' },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
  },
};

const boat = (name: string, metadata: object = {}): string =>
  JSON.stringify({ apiVersion: 'example.com/v1', kind: 'Boat', metadata: { name, ...metadata } });

describe('controllers behind kubectl', () => {
  let cluster: TestCluster;

  before(async () => {
    cluster = new TestCluster();
    await cluster.packExample();
    await cluster.up();
    await cluster.ok(['create', '-f', '-'], JSON.stringify(CRD));
    await cluster.ok(['wait', '--for=condition=Established', 'crd/boats.example.com', '--timeout=30s']);
  });

  after(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  const used = async (namespace: string): Promise<Record<string, string>> => {
    const text = await cluster.ok(['get', 'quota', 'q', '-n', namespace, '-o', 'jsonpath={.status.used}']);
    return text === '' ? {} : (JSON.parse(text) as Record<string, string>);
  };

  test('a quota refuses what is too much, and gives back what goes', async () => {
    const inQuota = ['-n', 'limited'];
    await cluster.ok(['create', 'namespace', 'limited']);
    const hard =
      'pods=1,requests.cpu=1,count/boats.example.com=1,persistentvolumeclaims=1,requests.storage=2Gi';
    await cluster.ok(['create', 'quota', 'q', `--hard=${hard}`, ...inQuota]);
    await eventually('a count', async () => (await used('limited'))['pods'] === '0');
    const claim = {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'data' },
      spec: {
        accessModes: ['ReadWriteOnce'],
        storageClassName: '',
        resources: { requests: { storage: '1Gi' } },
      },
    };
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'one' },
      spec: {
        containers: [{ name: 'c', image: 'localhost/none', resources: { requests: { cpu: '500m' } } }],
      },
    };
    for (const object of [JSON.stringify(claim), JSON.stringify(pod), boat('one')])
      await cluster.ok(['create', '-f', '-', ...inQuota], object);
    assert.deepEqual(await used('limited'), {
      'count/boats.example.com': '1',
      persistentvolumeclaims: '1',
      pods: '1',
      'requests.cpu': '500m',
      'requests.storage': '1Gi',
    });
    const second = await cluster.kubectl(['create', '-f', '-', ...inQuota], boat('two'));
    assert.match(second.stderr, /exceeded quota: q, requested: count\/boats\.example\.com=1/);
    for (const object of ['pod/one', 'boat/one', 'pvc/data'])
      await cluster.ok(['delete', object, '--timeout=30s', ...inQuota]);
    await eventually('everything back', async () => {
      const now = await used('limited');
      return Object.values(now).every((amount) => amount === '0');
    });
    await cluster.ok(['create', '-f', '-', ...inQuota], boat('two'));
    await cluster.ok(['delete', 'namespace', 'limited', '--timeout=60s']);
  });

  test('custom resources go with their owners, or stay as orphans', async () => {
    const own = async (name: string): Promise<object> => ({
      ownerReferences: [
        {
          apiVersion: 'example.com/v1',
          kind: 'Boat',
          name,
          uid: await cluster.ok(['get', 'boat', name, '-o', 'jsonpath={.metadata.uid}']),
        },
      ],
    });
    for (const [owner, dependent] of [
      ['mother', 'child'],
      ['leaver', 'orphan'],
    ] as const) {
      await cluster.ok(['create', '-f', '-'], boat(owner));
      await cluster.ok(['create', '-f', '-'], boat(dependent, await own(owner)));
    }
    await cluster.ok(['delete', 'boat', 'mother', '--timeout=30s']);
    await cluster.ok(['delete', 'boat', 'leaver', '--cascade=orphan', '--timeout=30s']);
    await eventually('the child to go', async () => {
      return (await cluster.kubectl(['get', 'boat', 'child'])).stderr.includes('NotFound');
    });
    const references = await cluster.ok([
      'get',
      'boat',
      'orphan',
      '-o',
      'jsonpath={.metadata.ownerReferences}',
    ]);
    assert.equal(references, '');
  });

  test('a replication controller makes pods; they go with it', async () => {
    const labels = { app: 'rc' };
    const controller = {
      apiVersion: 'v1',
      kind: 'ReplicationController',
      metadata: { name: 'rc' },
      spec: {
        replicas: 2,
        template: {
          metadata: { labels },
          spec: { containers: [{ name: 'c', image: 'localhost/none' }] },
        },
      },
    };
    await cluster.ok(['create', '-f', '-'], JSON.stringify(controller));
    const names = (): Promise<string> => cluster.ok(['get', 'pods', '-l', 'app=rc', '-o', 'name']);
    await eventually('two pods', async () => (await names()).trim().split('\n').length === 2);
    await cluster.ok(['delete', 'rc', 'rc', '--cascade=foreground', '--timeout=60s']);
    assert.equal(await names(), '');
  });

  test('jobs run to their end, by index, and fail when they are to', async () => {
    const job = (name: string, spec: object, script: string): string =>
      JSON.stringify({
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name },
        spec: {
          ...spec,
          template: {
            spec: {
              restartPolicy: 'Never',
              containers: [
                {
                  name: 'c',
                  image: 'localhost/hello',
                  imagePullPolicy: 'Never',
                  command: ['sh', '-c', script],
                },
              ],
            },
          },
        },
      });
    const indexed = { completionMode: 'Indexed', completions: 3, parallelism: 2 };
    await cluster.ok(['create', '-f', '-'], job('count', indexed, 'echo index $JOB_COMPLETION_INDEX'));
    await cluster.ok(['wait', '--for=condition=Complete', 'job/count', '--timeout=60s']);
    const [done, state] = (
      await cluster.ok([
        'get',
        'job',
        'count',
        '-o',
        'jsonpath={.status.completedIndexes} {.status.succeeded}',
      ])
    ).split(' ');
    assert.deepEqual([done, state], ['0-2', '3']);
    assert.match(await cluster.ok(['logs', 'job/count', '--all-pods=true']), /index [012]/);
    const rules = [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } }];
    await cluster.ok(['create', '-f', '-'], job('fatal', { podFailurePolicy: { rules } }, 'exit 42'));
    await cluster.ok(['wait', '--for=condition=Failed', 'job/fatal', '--timeout=60s']);
    assert.match(await cluster.ok(['describe', 'job', 'fatal']), /PodFailurePolicy/);
    await cluster.ok(['delete', 'job', 'count', 'fatal', '--timeout=60s']);
    await eventually('no pods', async () => {
      return (await cluster.ok(['get', 'pods', '-l', 'batch.kubernetes.io/job-name', '-o', 'name'])) === '';
    });
  });

  test('a pod asks the API with its own token, and may what its account may', async () => {
    await cluster.ok(['create', 'role', 'reader', '--verb=list', '--resource=pods']);
    await cluster.ok([
      'create',
      'rolebinding',
      'reader',
      '--role=reader',
      '--serviceaccount=default:default',
    ]);
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'client' },
      spec: {
        restartPolicy: 'Never',
        containers: [
          {
            name: 'c',
            image: 'localhost/hello',
            imagePullPolicy: 'Never',
            command: ['node', '-e', CLIENT],
          },
        ],
      },
    };
    await cluster.ok(['create', '-f', '-'], JSON.stringify(pod));
    await eventually(
      'its end',
      async () =>
        /Succeeded|Failed/.test(await cluster.ok(['get', 'pod', 'client', '-o', 'jsonpath={.status.phase}'])),
      60_000,
    );
    const log = await cluster.ok(['logs', 'client']);
    assert.match(log, /^pods 200 .*\bclient\b/m);
    assert.match(
      log,
      /secrets 403 secrets is forbidden: User "system:serviceaccount:default:default" cannot list resource "secrets"/,
    );
    assert.match(await cluster.ok(['get', 'endpointslice', 'kubernetes']), /10\.\d+\.\d+\.\d+/);
  });
});
