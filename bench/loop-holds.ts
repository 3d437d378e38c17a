/**
 * For how long one request holds the API server's loop: the bundle in a process of its own, `loop-probe.mjs` inside it.
 * `node bench/loop-holds.ts [WORD]` prints, in milliseconds, of several tries of each request whose name has the word in it: the middle
 * (least to most, and which try that was) of the longest turns without collections of garbage, the same with them, and the least
 * that all of it took. It fails when a request holds the loop for more than 5 ms without them.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { benchPod } from './apiserver-load.ts';
import { measureAudit } from './loop-holds-audit.ts';
import { measureConversions } from './loop-holds-conversions.ts';
import { measurePast, measureReads, type Means } from './loop-holds-reads.ts';
import { measureServices } from './loop-holds-services.ts';
import { Probed, Rows, WARM_MS, type Held } from './loop-probed.ts';
import { measureTemplates } from './loop-holds-templates.ts';

const WORD = new RegExp(process.argv[2] ?? '');
const TRIES = 7;
const lines = new Rows();
const MAPS = '/api/v1/namespaces/default/configmaps';
const PROTOBUF = 'application/vnd.kubernetes.protobuf';

/** Prints a line about `work`, done several times, each time after `before`, which is not measured. */
export type Measure = (
  name: string,
  work: (attempt: number) => Promise<unknown>,
  before?: (attempt: number) => Promise<unknown>,
) => Promise<void>;

/** Rows about a server of their own, started with these flags. */
async function rowsAbout(args: readonly string[], rows: (means: Means) => Promise<void>): Promise<void> {
  await using server = await Probed.open(args);
  const { driver, send } = server;
  const measure: Measure = async (name, work, before) => {
    if (!WORD.test(name)) return;
    const tries: Held[] = [];
    for (let attempt = 0; attempt < TRIES; attempt++) {
      await before?.(attempt);
      tries.push(await server.held(() => work(attempt)));
    }
    lines.print(name, tries);
  };
  await driver.namespace('bench');
  await delay(WARM_MS);
  await rows({ driver, send, measure });
}

async function requests(means: Means): Promise<void> {
  const { send, measure } = means;
  const map = (name: string, data: Record<string, string>): object => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name },
    data,
  });
  const wide = (count: number, value: string): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`key-${i}`, value]));

  for (const keys of [9000, 40_000]) {
    let version = 0;
    const name = (attempt: number): string => `wide-${keys}-${attempt}`;
    await measure(`create a config map of ${keys} keys`, (attempt) =>
      send('POST', MAPS, { body: JSON.stringify(map(name(attempt), wide(keys, 'a'))) }),
    );
    await measure(
      `update a config map of ${keys} keys`,
      () =>
        send('PUT', `${MAPS}/${name(0)}`, {
          body: JSON.stringify(map(name(0), wide(keys, `b${version++}`))),
        }),
      () =>
        send('PATCH', `${MAPS}/${name(0)}?fieldManager=bench&force=true`, {
          type: 'application/apply-patch+yaml',
          body: JSON.stringify(map(name(0), {})),
        }),
    );
    await measure(
      `merge-patch ${keys} keys of a config map`,
      () =>
        send('PATCH', `${MAPS}/${name(0)}`, {
          type: 'application/merge-patch+json',
          body: JSON.stringify({ data: wide(keys, `b${version++}`) }),
        }),
      () =>
        send('PATCH', `${MAPS}/${name(0)}?fieldManager=bench&force=true`, {
          type: 'application/apply-patch+yaml',
          body: JSON.stringify(map(name(0), {})),
        }),
    );
    await measure(`apply a config map of ${keys} keys`, (attempt) =>
      send('PATCH', `${MAPS}/applied-${keys}-${attempt}?fieldManager=me`, {
        type: 'application/apply-patch+yaml',
        status: 201,
        body: JSON.stringify(map(`applied-${keys}-${attempt}`, wide(keys, 'a'))),
      }),
    );
  }

  const members = Array.from({ length: 150_000 }, (_, i) => `"k${i}":""`).join(',');
  await measure('refuse 150,000 unknown members', () =>
    send('POST', `${MAPS}?fieldValidation=Strict`, {
      status: 400,
      body: `{"metadata":{"name":"no"},${members}}`,
    }),
  );
  await measure('refuse 150,000 keys that are no strings', () =>
    send('POST', MAPS, {
      status: 400,
      body: `{"metadata":{"name":"no"},"data":{${members.replaceAll('""', '1')}}}`,
    }),
  );
  await measure('refuse a config map that is too large', () =>
    send('POST', MAPS, { status: 422, body: JSON.stringify(map('no', { a: 'x'.repeat(2 << 20) })) }),
  );
  await measure('refuse 150,000 keys with bad names', () =>
    send('POST', MAPS, {
      status: 422,
      body: JSON.stringify(
        map('no', Object.fromEntries(Array.from({ length: 150_000 }, (_, i) => [`/${i}`, '']))),
      ),
    }),
  );

  const yamlMap = stringify(map('from-yaml', wide(9000, 'abc def')));
  await measure('create 9,000 keys from YAML', (attempt) =>
    send('POST', MAPS, {
      type: 'application/yaml',
      body: yamlMap.replace('from-yaml', `from-yaml-${attempt}`),
    }),
  );
  const yamlPod = stringify({
    ...(benchPod('from-yaml') as object),
    metadata: { name: 'from-yaml', namespace: 'bench' },
  });
  await measure('create a pod from YAML', (attempt) =>
    send('POST', '/api/v1/namespaces/bench/pods', {
      type: 'application/yaml',
      body: yamlPod.replace('from-yaml', `from-yaml-${attempt}`),
    }),
  );

  const addresses = (count: number): object => ({
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: 'wide' },
    subsets: [
      {
        ports: [{ port: 80 }],
        addresses: Array.from({ length: count }, (_, i) => ({
          ip: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
          targetRef: { kind: 'Pod', name: `p-${i}`, namespace: 'default' },
        })),
      },
    ],
  });
  await measure(
    'create 10,000 addresses',
    () => send('POST', '/api/v1/namespaces/bench/endpoints', { body: JSON.stringify(addresses(10_000)) }),
    (attempt) =>
      attempt === 0 ? Promise.resolve() : send('DELETE', '/api/v1/namespaces/bench/endpoints/wide'),
  );
  const wideEndpoints = '/api/v1/namespaces/bench/endpoints/wide';
  let encoded: Buffer | undefined;
  const make = async (): Promise<void> => {
    if (encoded !== undefined) return;
    await send('PUT', wideEndpoints, { body: JSON.stringify(addresses(10_000)) });
    encoded = await send('GET', wideEndpoints, { accept: PROTOBUF });
  };
  const read = (form: string, query: string, accept?: string): Promise<void> =>
    measure(
      `read 10,000 addresses ${form}`,
      () => send('GET', `${wideEndpoints}${query}`, accept === undefined ? {} : { accept }),
      make,
    );
  await read('as protobuf', '', PROTOBUF);
  await measure(
    'replace 10,000 addresses in protobuf',
    () => send('PUT', wideEndpoints, { type: PROTOBUF, body: encoded! }),
    make,
  );
  await read('as YAML', '', 'application/yaml');
  await read('indented', '?pretty=true');
  const definition = (name: string, fields: number): object => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${name}s.bench.example.com` },
    spec: {
      group: 'bench.example.com',
      scope: 'Namespaced',
      names: { plural: `${name}s`, singular: name, kind: name[0]!.toUpperCase() + name.slice(1) },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                spec: {
                  type: 'object',
                  properties: Object.fromEntries(
                    Array.from({ length: fields }, (_, i) => [
                      `field${i}`,
                      {
                        type: 'object',
                        description: 'What this field of the object means, said at some length. '.repeat(4),
                        properties: {
                          size: { type: 'integer', minimum: 0 },
                          name: { type: 'string', maxLength: 20, pattern: '^[a-z]+$' },
                        },
                        'x-kubernetes-validations': [{ rule: 'self.size < 10 || self.name == "big"' }],
                      },
                    ]),
                  ),
                },
              },
            },
          },
        },
      ],
    },
  });
  await measure('create a definition of 1,000 rules', (attempt) =>
    send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
      body: JSON.stringify(definition(`thing${'abcdefgh'[attempt]}`, 1000)),
    }),
  );

  await measureTemplates(means);
  await measureServices(means);
  await measureReads(means);
  await measureConversions(means);
}

await rowsAbout([], requests);
await rowsAbout([], measurePast);
await measureAudit(rowsAbout);
lines.judge();
