/**
 * For how long the first request of a kind holds the API server's loop, when nothing has run the code that it needs. Each try has a
 * server of its own, which is asked once it has loaded what it loads after the start. `node bench/loop-holds-first.ts [WORD]` prints
 * what `loop-holds.ts` does.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { JsonObject } from '../src/cluster/api/json.ts';
import { WebhookServer } from '../src/cluster/server/webhooks/testing/webhook-server.ts';
import { benchPod } from './apiserver-load.ts';
import { Probed, Rows, WARM_MS, type Held, type Send } from './loop-probed.ts';

const TRIES = 3;
const lines = new Rows();
/** Rows whose servers start, and load what they load, at the same time. */
const AT_ONCE = 6;
const SETTLED_MS = 500;
const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const [MERGE, STRATEGIC, APPLY, PATCH] = [
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
  'application/json-patch+json',
];
const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const WIDGETS = '/apis/first.example.com/v1/namespaces/bench/widgets';
const CORE = '/api/v1/namespaces/bench';
const APPS = '/apis/apps/v1/namespaces/bench/deployments';

type Work = (send: Send, hook: WebhookServer, server: Probed) => Promise<unknown>;

const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.first.example.com' },
  spec: {
    group: 'first.example.com',
    scope: 'Namespaced',
    names: { plural: 'widgets', singular: 'widget', kind: 'Widget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        additionalPrinterColumns: [{ name: 'Size', type: 'integer', jsonPath: '.spec.size' }],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: {
                  size: { type: 'integer', minimum: 0, default: 3 },
                  name: { type: 'string', maxLength: 20, pattern: '^[a-z]+$' },
                  kind: { type: 'string', enum: ['a', 'b'] },
                  list: { type: 'array', maxItems: 10, items: { type: 'string', maxLength: 20 } },
                },
                'x-kubernetes-validations': [
                  { rule: 'self.size < 10 || self.name == "big"', message: 'too big' },
                  { rule: '!has(self.list) || self.list.all(x, x.startsWith("a"))' },
                  { rule: 'self.size >= oldSelf.size' },
                ],
              },
            },
          },
        },
      },
    ],
  },
};

const widget = (name: string): JsonObject => ({
  apiVersion: 'first.example.com/v1',
  kind: 'Widget',
  metadata: { name },
  spec: { size: 4, name: 'abc', kind: 'a', list: ['a', 'ab'] },
});

const deployment = (name: string): JsonObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas: 0,
    selector: { matchLabels: { a: 'b' } },
    template: {
      metadata: { labels: { a: 'b' } },
      spec: { containers: [{ name: 'c', image: 'i', env: [{ name: 'A', value: 'b' }] }] },
    },
  },
});

const map = (name: string): JsonObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data: { a: 'b' },
});

const post =
  (path: string, object: unknown): Work =>
  (send) =>
    send('POST', path, { body: JSON.stringify(object) });
const get =
  (path: string, how: Parameters<Send>[2] = {}): Work =>
  (send) =>
    send('GET', path, how);
const patch =
  (path: string, type: string, body: unknown, status = 200): Work =>
  (send) =>
    send('PATCH', path, { type, status, body: JSON.stringify(body) });

const pod = (name: string): JsonObject => {
  const made = benchPod(name) as JsonObject;
  return { ...made, metadata: { ...(made['metadata'] as JsonObject), namespace: 'bench' } };
};
const RULES = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }];
/** Of either kind, which wants one label of what is created. */
const webhook =
  (kind: 'Validating' | 'Mutating'): Work =>
  (send, hook) =>
    send('POST', `${ADMISSION}/${kind.toLowerCase()}webhookconfigurations`, {
      body: JSON.stringify({
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: `${kind}WebhookConfiguration`,
        metadata: { name: 'first' },
        webhooks: [
          {
            name: 'first.example.com',
            admissionReviewVersions: ['v1'],
            sideEffects: 'None',
            rules: RULES,
            matchConditions: [{ name: 'labelled', expression: "object.metadata.name != 'no'" }],
            clientConfig: hook.config(`/${kind}`),
          },
        ],
      }),
    });
const policy = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingAdmissionPolicy',
  metadata: { name: 'first' },
  spec: {
    matchConstraints: { resourceRules: RULES },
    variables: [{ name: 'size', expression: 'has(object.data) ? size(object.data) : 0' }],
    validations: [{ expression: 'variables.size < 10', messageExpression: "'too many: ' + string(1)" }],
  },
};
const binding = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingAdmissionPolicyBinding',
  metadata: { name: 'first' },
  spec: { policyName: 'first', validationActions: ['Deny'] },
};

/** Until what has been made is known to whoever goes by it. */
const known: Work = () => delay(1000);
const served: Work = async (_send, _hook, { driver }) => {
  while ((await driver.send('GET', WIDGETS, { headers: {} })).status !== 200) await delay(20);
  await delay(500);
};

/** The last of each is measured. */
const FIRSTS: Readonly<Record<string, readonly Work[]>> = {
  'create a config map': [post(`${CORE}/configmaps`, map('a'))],
  'create a config map, dry run': [post(`${CORE}/configmaps?dryRun=All`, map('a'))],
  'create a pod': [post(`${CORE}/pods`, pod('a'))],
  'create a pod, until no node is found for it': [
    async (send) => {
      const body = JSON.stringify({
        metadata: { name: 'a' },
        spec: { containers: [{ name: 'c', image: 'i' }] },
      });
      await send('POST', `${CORE}/pods`, { body });
      while (!String(await send('GET', `${CORE}/pods/a`)).includes('Unschedulable'));
      while (!String(await send('GET', `${CORE}/events`)).includes('FailedScheduling'));
    },
  ],
  'create a pod from YAML': [
    (send) => send('POST', `${CORE}/pods`, { type: 'application/yaml', body: stringify(pod('a')) }),
  ],
  'create a deployment': [post(APPS, deployment('a'))],
  'create a job': [
    post('/apis/batch/v1/namespaces/bench/jobs', {
      metadata: { name: 'a' },
      spec: {
        suspend: true,
        template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } },
      },
    }),
  ],
  'create a service': [
    post(`${CORE}/services`, {
      metadata: { name: 'a' },
      spec: { ports: [{ port: 80 }], selector: { a: 'b' } },
    }),
  ],
  'create a role binding': [
    post('/apis/rbac.authorization.k8s.io/v1/namespaces/bench/rolebindings', {
      metadata: { name: 'a' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
      subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'bench' }],
    }),
  ],
  'create a namespace': [post('/api/v1/namespaces', { metadata: { name: 'other' } })],
  'create a quota and what it counts': [
    post(`${CORE}/resourcequotas`, {
      metadata: { name: 'a' },
      spec: { hard: { pods: '5', 'requests.cpu': '2' } },
    }),
    known,
    post(`${CORE}/pods`, pod('a')),
  ],
  'update a pod': [
    post(`${CORE}/pods`, pod('a')),
    async (send) => {
      const made = JSON.parse(String(await send('GET', `${CORE}/pods/a`))) as JsonObject;
      const metadata = { ...(made['metadata'] as JsonObject), labels: { x: 'y' } };
      await send('PUT', `${CORE}/pods/a`, { body: JSON.stringify({ ...made, metadata }) });
    },
  ],
  'update the status of a pod': [
    post(`${CORE}/pods`, pod('a')),
    patch(`${CORE}/pods/a/status`, STRATEGIC, {
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    }),
  ],
  'apply a deployment': [patch(`${APPS}/a?fieldManager=me`, APPLY, deployment('a'), 201)],
  'apply a deployment again': [
    post(APPS, deployment('a')),
    patch(`${APPS}/a?fieldManager=me&force=true`, APPLY, deployment('a')),
  ],
  'merge-patch a deployment': [
    post(APPS, deployment('a')),
    patch(`${APPS}/a`, MERGE, { spec: { replicas: 0 } }),
  ],
  'strategically patch a deployment': [
    post(APPS, deployment('a')),
    patch(`${APPS}/a`, STRATEGIC, {
      spec: { template: { spec: { containers: [{ name: 'c', env: [{ name: 'C', value: 'd' }] }] } } },
    }),
  ],
  'JSON-patch a deployment': [
    post(APPS, deployment('a')),
    patch(`${APPS}/a`, PATCH, [{ op: 'add', path: '/metadata/labels', value: { a: 'b' } }]),
  ],
  'scale a deployment': [
    post(APPS, deployment('a')),
    patch(`${APPS}/a/scale`, MERGE, { spec: { replicas: 0 } }),
  ],
  'delete a deployment': [post(APPS, deployment('a')), (send) => send('DELETE', `${APPS}/a`)],
  'delete in the foreground': [
    post(APPS, deployment('a')),
    (send) => send('DELETE', `${APPS}/a`, { body: JSON.stringify({ propagationPolicy: 'Foreground' }) }),
  ],
  'delete a collection': [
    post(`${CORE}/configmaps`, map('a')),
    (send) => send('DELETE', `${CORE}/configmaps?labelSelector=a!%3Db`),
  ],
  'delete a namespace': [
    post('/api/v1/namespaces', { metadata: { name: 'other' } }),
    (send) => send('DELETE', '/api/v1/namespaces/other'),
  ],
  'get a pod as protobuf': [post(`${CORE}/pods`, pod('a')), get(`${CORE}/pods/a`, { accept: PROTOBUF })],
  'get a pod as YAML': [
    post(`${CORE}/pods`, pod('a')),
    get(`${CORE}/pods/a`, { accept: 'application/yaml' }),
  ],
  'create a pod in protobuf': [
    async (send) => {
      // Nothing of it runs in the server that is measured: a read in protobuf would be another first.
      await send('POST', `${CORE}/pods`, { type: PROTOBUF, body: PROTOBUF_POD });
    },
  ],
  'list pods as a table': [post(`${CORE}/pods`, pod('a')), get(`${CORE}/pods`, { accept: TABLE })],
  'list pods by a label': [post(`${CORE}/pods`, pod('a')), get('/api/v1/pods?labelSelector=app%3Dbench')],
  'list pods by a field': [
    post(`${CORE}/pods`, pod('a')),
    get('/api/v1/pods?fieldSelector=spec.nodeName%3Dx'),
  ],
  'list pods over HTTP/2': [post(`${CORE}/pods`, pod('a')), get('/api/v1/pods', { http2: true })],
  'list some pods in gzip': [
    async (_send, _hook, { driver }) => {
      await driver.each(300, async (i) => {
        await driver.call('POST', `${CORE}/pods`, pod(`a-${i}`));
      });
    },
    known,
    get('/api/v1/pods', { gzip: true }),
  ],
  'watch pods': [post(`${CORE}/pods`, pod('a')), get('/api/v1/pods?watch=true&timeoutSeconds=1')],
  'read /openapi/v2': [get('/openapi/v2')],
  'read /openapi/v3': [get('/openapi/v3')],
  'read /openapi/v3/api/v1': [get('/openapi/v3/api/v1')],
  'read /openapi/v3/apis/apps/v1': [get('/openapi/v3/apis/apps/v1')],
  'read aggregated discovery': [
    get('/apis', { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' }),
  ],
  'read /metrics': [get('/metrics')],
  'ask for a token': [post(`${CORE}/serviceaccounts/default/token`, { spec: { expirationSeconds: 3600 } })],
  'review access': [
    post('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
      spec: { resourceAttributes: { verb: 'get', resource: 'pods', namespace: 'bench' } },
    }),
  ],
  'review rules': [
    post('/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', { spec: { namespace: 'bench' } }),
  ],
  'refuse a pod': [
    (send) =>
      send('POST', `${CORE}/pods`, {
        status: 422,
        body: JSON.stringify({ metadata: { name: 'A_' }, spec: { containers: [{ name: 'A_' }] } }),
      }),
  ],
  'refuse unknown members': [
    (send) =>
      send('POST', `${CORE}/configmaps?fieldValidation=Strict`, {
        status: 400,
        body: JSON.stringify({ ...map('a'), odd: 1 }),
      }),
  ],
  'refuse what is no JSON': [
    (send) => send('POST', `${CORE}/configmaps`, { status: 400, body: '{"metadata":{"name":' }),
  ],
  'answer 404': [(send) => send('GET', `${CORE}/pods/none`, { status: 404 })],
  'create a definition': [post(DEFINITIONS, definition)],
  'apply a definition': [
    patch(`${DEFINITIONS}/widgets.first.example.com?fieldManager=me`, APPLY, definition, 201),
  ],
  'create a custom object': [post(DEFINITIONS, definition), served, post(WIDGETS, widget('a'))],
  'apply a custom object': [
    post(DEFINITIONS, definition),
    served,
    patch(`${WIDGETS}/a?fieldManager=me`, APPLY, widget('a'), 201),
  ],
  'update a custom object': [
    post(DEFINITIONS, definition),
    served,
    post(WIDGETS, widget('a')),
    patch(`${WIDGETS}/a`, MERGE, { spec: { size: 5 } }),
  ],
  'refuse a custom object': [
    post(DEFINITIONS, definition),
    served,
    (send) =>
      send('POST', WIDGETS, {
        status: 422,
        body: JSON.stringify({ ...widget('a'), spec: { size: 40, name: 'A', list: ['b'] } }),
      }),
  ],
  'list custom objects as a table': [
    post(DEFINITIONS, definition),
    served,
    post(WIDGETS, widget('a')),
    get(WIDGETS, { accept: TABLE }),
  ],
  'read /openapi/v2 with a definition': [post(DEFINITIONS, definition), served, get('/openapi/v2')],
  'delete a definition': [
    post(DEFINITIONS, definition),
    served,
    post(WIDGETS, widget('a')),
    (send) => send('DELETE', `${DEFINITIONS}/widgets.first.example.com`),
  ],
  'create a validating webhook': [webhook('Validating')],
  'ask a validating webhook': [webhook('Validating'), known, post(`${CORE}/configmaps`, map('a'))],
  'ask a mutating webhook': [webhook('Mutating'), known, post(`${CORE}/configmaps`, map('a'))],
  'create a policy': [post(`${ADMISSION}/validatingadmissionpolicies`, policy)],
  'ask a policy': [
    post(`${ADMISSION}/validatingadmissionpolicies`, policy),
    post(`${ADMISSION}/validatingadmissionpolicybindings`, binding),
    known,
    post(`${CORE}/configmaps`, map('a')),
  ],
  'create a device class': [
    post('/apis/resource.k8s.io/v1/deviceclasses', {
      metadata: { name: 'first.example.com' },
      spec: { selectors: [{ cel: { expression: "device.driver == 'first.example.com'" } }] },
    }),
  ],
};

/** A name of one letter, a container and its image. */
const PROTOBUF_POD = Buffer.concat([
  Buffer.from('k8s\0'),
  field(1, Buffer.concat([field(1, 'v1'), field(2, 'Pod')])),
  field(
    2,
    Buffer.concat([
      field(1, field(1, 'a')),
      field(2, Buffer.concat([field(2, Buffer.concat([field(1, 'c'), field(2, 'i')]))])),
    ]),
  ),
]);

function field(number: number, bytes: Buffer | string): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), Buffer.from(bytes)]);
}

function review({ object }: JsonObject, path: string): JsonObject {
  const labels = ((object as JsonObject)['metadata'] as JsonObject)['labels'];
  if (path !== '/Mutating' || labels !== undefined) return { allowed: true };
  const changes = JSON.stringify([{ op: 'add', path: '/metadata/labels', value: { a: 'b' } }]);
  return { allowed: true, patchType: 'JSONPatch', patch: Buffer.from(changes).toString('base64') };
}

async function measure(word: RegExp): Promise<void> {
  await using hook = await WebhookServer.open(review);
  const rows = Object.entries(FIRSTS).filter(([name]) => word.test(name));
  for (let from = 0; from < rows.length; from += AT_ONCE) {
    await using stack = new AsyncDisposableStack();
    const prepared: [string, readonly Work[], Probed[]][] = [];
    for (const [name, works] of rows.slice(from, from + AT_ONCE)) {
      const servers: Probed[] = [];
      for (let attempt = 0; attempt < TRIES; attempt++) servers.push(stack.use(await Probed.open([])));
      prepared.push([name, works, servers]);
    }
    await delay(WARM_MS);
    for (const [name, works, servers] of prepared) {
      const tries: Held[] = [];
      for (const server of servers) {
        await server.driver.namespace('bench');
        for (const work of works.slice(0, -1)) await work(server.send, hook, server);
        // What controllers make of the works before it is no part of the last.
        if (works.length > 1) await delay(SETTLED_MS);
        tries.push(await server.held(() => works.at(-1)!(server.send, hook, server)));
      }
      lines.print(name, tries);
    }
  }
}

await measure(new RegExp(process.argv[2] ?? ''));
lines.judge();
