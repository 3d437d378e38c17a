/** For how long reads of very many objects, and of what is served, hold the loop: part of `loop-holds.ts`. */
import { benchPod, type Driver } from './apiserver-load.ts';
import type { Measure } from './loop-holds.ts';
import type { Send } from './loop-probed.ts';

const PODS = 5000;
const ALL_PODS = '/api/v1/pods';
const JSON_TYPE = 'application/json';
const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';
const METADATA = 'as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const WIDGETS = '/apis/group0.example.com/v1/namespaces/bench/widget0s';

const FORMS = [
  ['JSON', JSON_TYPE],
  ['protobuf', PROTOBUF],
  ['a table', TABLE],
  ['YAML', 'application/yaml'],
  ['metadata', `${JSON_TYPE};${METADATA}`],
  ['metadata in protobuf', `${PROTOBUF};${METADATA}`],
] as const;

const WATCHED = [
  ['JSON', JSON_TYPE],
  ['protobuf', PROTOBUF],
  ['a table', TABLE],
  ['metadata', `${JSON_TYPE};as=PartialObjectMetadata;v=v1;g=meta.k8s.io`],
] as const;

export interface Means {
  readonly driver: Driver;
  readonly send: Send;
  readonly measure: Measure;
}

export async function measureReads(means: Means): Promise<void> {
  await lists(means);
  await watches(means);
  await customObjects(means);
  await documents(means);
  await deletions(means);
}

let made = false;

async function manyPods({ driver }: Means): Promise<void> {
  if (made) return;
  made = true;
  // Pods of a node that is not there are deleted after forty seconds.
  await driver.call('POST', '/api/v1/nodes', { metadata: { name: 'no-such-node' } });
  await driver.each(PODS, async (i) => {
    await driver.call('POST', '/api/v1/namespaces/bench/pods', benchPod(`f-${i}`));
  });
}

async function lists(means: Means): Promise<void> {
  const { send, measure } = means;
  const list = (name: string, query: string, how: Parameters<Send>[2] = {}): Promise<void> =>
    measure(
      `list ${name}`,
      () => send('GET', `${ALL_PODS}${query}`, how),
      () => manyPods(means),
    );
  for (const [form, accept] of FORMS) await list(`${PODS} pods as ${form}`, '', { accept });
  await list(`${PODS} pods as a table with objects`, '?includeObject=Object', { accept: TABLE });
  await list(`${PODS} pods in gzip`, '', { gzip: true });
  await list(`${PODS} pods as a table in gzip`, '', { gzip: true, accept: TABLE });
  await list(`${PODS} pods over HTTP/2`, '', { http2: true });
  await list(`${PODS} pods as protobuf over HTTP/2`, '', { http2: true, accept: PROTOBUF });
  await list(`${PODS} pods indented`, '?pretty=true');
  await list(`${PODS} pods by a field`, '?fieldSelector=spec.nodeName!%3Dx');
  await list(`${PODS} pods by a label`, '?labelSelector=app!%3Dx');
  await list(`none of ${PODS} pods, by a label`, '?labelSelector=app!%3Dbench');
  await list(`none of ${PODS} pods, by an index`, '?labelSelector=shard%3Dx');
  await list(`${PODS} pods, by an index`, '?labelSelector=shard%3Ds0');
  await list(`500 of ${PODS} pods`, '?limit=500');
  await list('pods as they were', '?resourceVersion=3000&resourceVersionMatch=Exact');
}

async function watches(means: Means): Promise<void> {
  const { send, measure } = means;
  const watch = (name: string, query: string, accept: string = JSON_TYPE, http2 = false): Promise<void> =>
    measure(
      `watch ${name}`,
      () => send('GET', `${ALL_PODS}?watch=true&timeoutSeconds=1&${query}`, { accept, http2 }),
      () => manyPods(means),
    );
  for (const [form, accept] of WATCHED) {
    await watch(`from the present of ${PODS} pods, ${form}`, 'resourceVersion=0', accept);
    const initial = 'sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan';
    await watch(`with initial events of ${PODS} pods, ${form}`, initial, accept);
    await watch(`from the past of ${PODS} pods, ${form}`, 'resourceVersion=400', accept);
  }
  await watch(`from the present of ${PODS} pods over HTTP/2`, 'resourceVersion=0', JSON_TYPE, true);
  await watch(`from the past of ${PODS} pods over HTTP/2`, 'resourceVersion=400', JSON_TYPE, true);
  await watch(`none of ${PODS} pods`, 'resourceVersion=0&fieldSelector=spec.nodeName%3Dx');
  await watch(`none of ${PODS} pods, a table`, 'resourceVersion=0&labelSelector=app%3Dx', TABLE);
}

/** Of a server of its own: some 100 MB of pods, most of which no cache holds any more. */
export async function measurePast({ driver, send, measure }: Means): Promise<void> {
  const path = '/api/v1/namespaces/bench/pods';
  let query = '';
  const before = async (): Promise<void> => {
    if (query !== '') return;
    await driver.call('POST', '/api/v1/nodes', { metadata: { name: 'no-such-node' } });
    const { metadata } = JSON.parse(String(await send('GET', path))) as {
      metadata: { resourceVersion: string };
    };
    query = `watch=true&timeoutSeconds=3&resourceVersion=${metadata.resourceVersion}`;
    const env = Array.from({ length: 5000 }, (_, i) => ({ name: `NAME_${i}`, value: `the value of ${i}` }));
    await driver.each(400, async (i) => {
      const made = benchPod(`wide-${i}`) as { readonly spec: object };
      const spec = { ...made.spec, containers: [{ name: 'c', image: 'i', env }] };
      await driver.call('POST', path, { ...made, spec });
    });
  };
  for (const [form, accept] of WATCHED)
    await measure(
      `watch a past of 400 wide pods, ${form}`,
      () => send('GET', `${path}?${query}`, { accept }),
      before,
    );
}

/** Of a kind of its own. */
function definition(number: number): string {
  const properties = {
    size: { type: 'integer', minimum: 0 },
    lines: { type: 'array', items: { type: 'string' } },
    ...Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [
        `field${i}`,
        {
          type: 'object',
          description: 'What this field of the object means, said at some length. '.repeat(3),
          properties: { name: { type: 'string', maxLength: 20 }, on: { type: 'boolean' } },
        },
      ]),
    ),
  };
  const spec = { type: 'object', properties };
  const names = { plural: `widget${number}s`, singular: `widget${number}`, kind: `Widget${number}` };
  const version = {
    name: 'v1',
    served: true,
    storage: true,
    schema: { openAPIV3Schema: { type: 'object', properties: { spec } } },
    additionalPrinterColumns: [{ name: 'Size', type: 'integer', jsonPath: '.spec.size' }],
  };
  return JSON.stringify({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${names.plural}.group${number % 50}.example.com` },
    spec: { group: `group${number % 50}.example.com`, scope: 'Namespaced', names, versions: [version] },
  });
}

let defined = 0;

async function define({ driver, send }: Means, count: number): Promise<void> {
  if (defined >= count) return;
  while (defined < count) await send('POST', DEFINITIONS, { body: definition(defined++) });
  const [group, plural] = [`group${(defined - 1) % 50}.example.com`, `widget${defined - 1}s`];
  // Served a moment after it was defined.
  for (;;) {
    const { body } = await driver.send('GET', `/apis/${group}/v1`, { headers: {} });
    if (String(body).includes(plural)) return;
  }
}

async function customObjects(means: Means): Promise<void> {
  const { driver, send, measure } = means;
  let objects = false;
  const large = async (): Promise<void> => {
    if (objects) return;
    objects = true;
    await define(means, 1);
    await driver.each(500, async (i) => {
      const lines = Array.from(
        { length: 400 },
        (_, line) => `What line ${line} of object ${i} says, and more.`,
      );
      const widget = { apiVersion: 'group0.example.com/v1', kind: 'Widget0', metadata: { name: `w-${i}` } };
      await driver.call('POST', WIDGETS, { ...widget, spec: { size: i, lines } });
    });
  };
  for (const [form, accept] of FORMS) {
    if (accept.startsWith(PROTOBUF)) continue;
    await measure(`list 500 large objects as ${form}`, () => send('GET', WIDGETS, { accept }), large);
  }
  const query = 'watch=true&timeoutSeconds=1&resourceVersion=0';
  for (const [form, accept] of WATCHED) {
    if (accept.startsWith(PROTOBUF)) continue;
    await measure(
      `watch 500 large objects, ${form}`,
      () => send('GET', `${WIDGETS}?${query}`, { accept }),
      large,
    );
  }
}

/** Made anew each time: a definition has come. */
async function documents(means: Means): Promise<void> {
  const { send, measure } = means;
  const document = (name: string, path: string, how: Parameters<Send>[2] = {}): Promise<void> =>
    measure(
      `read ${name} with 100 definitions`,
      () => send('GET', path, how),
      async () => {
        await define(means, Math.max(100, defined + 1));
      },
    );
  const openApiV2 = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
  const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  await document('/openapi/v2', '/openapi/v2');
  await document('/openapi/v2 in gzip', '/openapi/v2', { gzip: true });
  await document('/openapi/v2 over HTTP/2', '/openapi/v2', { http2: true });
  await document('/openapi/v2 indented', '/openapi/v2?pretty=true');
  await document('/openapi/v2 in protobuf', '/openapi/v2', { accept: openApiV2 });
  await document('/openapi/v3', '/openapi/v3');
  await document('/openapi/v3/api/v1', '/openapi/v3/api/v1');
  await document('/apis', '/apis');
  await document('/apis/apps/v1', '/apis/apps/v1');
  await document('aggregated discovery', '/apis', { accept: aggregated });
  await document('the definitions', DEFINITIONS);
  await document('the definitions as a table', DEFINITIONS, { accept: TABLE });
  await document('the definitions in protobuf', DEFINITIONS, { accept: PROTOBUF });
  await document('/metrics', '/metrics');
  await document('/', '/');
}

async function deletions(means: Means): Promise<void> {
  const { driver, send, measure } = means;
  const maps = '/api/v1/namespaces/bench/configmaps';
  for (const [count, accept] of [
    [1000, JSON_TYPE],
    [PODS, JSON_TYPE],
    [PODS, PROTOBUF],
  ] as const) {
    await measure(
      `delete ${count} config maps, ${accept}`,
      () => send('DELETE', maps, { accept }),
      () =>
        driver.each(count, async (i) => {
          const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `m-${i}` }, data: { a: 'b' } };
          await driver.call('POST', maps, map);
        }),
    );
  }
}
