/** For how long objects that a webhook converts hold the loop: part of `loop-holds.ts`. */
import { setTimeout as delay } from 'node:timers/promises';
import { objectAt, objectsAt, stringAt, type JsonObject } from '../src/cluster/api/json.ts';
import { WebhookServer } from '../src/cluster/server/webhooks/testing/webhook-server.ts';
import type { Means } from './loop-holds-reads.ts';

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const GROUP = 'converted.example.com';
const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';
const [MERGE, APPLY] = ['application/merge-patch+json', 'application/apply-patch+yaml'];
const VALUES = 9000;
const [WIDE, NARROW] = [20, 5000];

const at = (version: string, plural: string): string =>
  `/apis/${GROUP}/${version}/namespaces/bench/${plural}`;

/** v2, which is stored, says `values` where v1 says `entries`. */
function convert(request: JsonObject): JsonObject {
  const target = stringAt(request, 'desiredAPIVersion');
  const convertedObjects = objectsAt(request, 'objects').map((object) => {
    const { entries, values = entries } = objectAt(object, 'spec');
    const spec = target.endsWith('/v1') ? { entries: values ?? {} } : { values: values ?? {} };
    return { ...object, apiVersion: target, spec };
  });
  return { result: { status: 'Success' }, convertedObjects };
}

function definition(name: string, clientConfig: JsonObject): JsonObject {
  const texts = { type: 'object', additionalProperties: { type: 'string', maxLength: 100 } };
  const version = (version: string, storage: boolean, field: string): JsonObject => ({
    name: version,
    served: true,
    storage,
    schema: {
      openAPIV3Schema: {
        type: 'object',
        properties: { spec: { type: 'object', properties: { [field]: texts } } },
      },
    },
  });
  const webhook = { conversionReviewVersions: ['v1'], clientConfig };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${name}s.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: { plural: `${name}s`, singular: name, kind: name[0]!.toUpperCase() + name.slice(1) },
      versions: [version('v1', false, 'entries'), version('v2', true, 'values')],
      conversion: { strategy: 'Webhook', webhook },
    },
  };
}

const texts = (count: number, value: string): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`key-${i}`, value]));

const wide = (version: string, name: string, value: string): JsonObject => ({
  apiVersion: `${GROUP}/${version}`,
  kind: 'Wide',
  metadata: { name },
  spec: { [version === 'v1' ? 'entries' : 'values']: texts(VALUES, value) },
});

const narrow = (index: number): JsonObject => ({
  apiVersion: `${GROUP}/v2`,
  kind: 'Narrow',
  metadata: { name: `n-${index}` },
  spec: { values: texts(60, 'some text') },
});

export async function measureConversions(means: Means): Promise<void> {
  await using hook = await WebhookServer.open(convert);
  const { send, driver } = means;
  for (const name of ['wide', 'narrow']) {
    await send('POST', DEFINITIONS, { body: JSON.stringify(definition(name, hook.config())) });
    // Served a moment after it was defined.
    while ((await driver.send('GET', at('v1', `${name}s`), { headers: {} })).status !== 200);
  }
  await writes(means);
  await reads(means);
}

async function writes({ send, measure }: Means): Promise<void> {
  const wides = at('v1', 'wides');
  const what = `${VALUES} values that a webhook converts`;
  let version = 0;
  await measure(`create ${what}`, (attempt) =>
    send('POST', wides, { body: JSON.stringify(wide('v1', `w-${attempt}`, 'a')) }),
  );
  const put = (): Promise<unknown> =>
    send('PATCH', `${wides}/w-0?fieldManager=bench&force=true`, {
      type: APPLY,
      body: JSON.stringify(wide('v1', 'w-0', `${version++}`)),
    });
  await measure(`apply ${what}`, put, put);
  await measure(
    `merge-patch one of ${what}`,
    () =>
      send('PATCH', `${wides}/w-0`, {
        type: MERGE,
        body: JSON.stringify({ spec: { entries: { 'key-1': `${version++}` } } }),
      }),
    put,
  );
  await measure(
    `delete ${what}`,
    (attempt) => send('DELETE', `${wides}/d-${attempt}`),
    (attempt) => send('POST', wides, { body: JSON.stringify(wide('v1', `d-${attempt}`, 'a')) }),
  );
}

async function reads({ driver, send, measure }: Means): Promise<void> {
  let made = false;
  // What is known of conversions is forgotten with what the definition says.
  const forget = async (): Promise<void> => {
    if (!made) {
      made = true;
      for (let i = 0; i < WIDE; i++)
        await send('POST', at('v2', 'wides'), { body: JSON.stringify(wide('v2', `r-${i}`, 'a')) });
      await driver.each(NARROW, async (i) => {
        await driver.call('POST', at('v2', 'narrows'), narrow(i));
      });
    }
    for (const name of ['wides', 'narrows'])
      await send('PATCH', `${DEFINITIONS}/${name}.${GROUP}`, {
        type: MERGE,
        body: JSON.stringify({ metadata: { annotations: { at: String(performance.now()) } } }),
      });
    await delay(200);
  };
  const read = (name: string, path: string, accept = 'application/json'): Promise<void> =>
    measure(name, () => send('GET', path, { accept }), forget);
  const [wides, narrows] = [at('v1', 'wides'), at('v1', 'narrows')];
  const what = `${VALUES} values that a webhook converts`;
  const watch = 'watch=true&timeoutSeconds=3&resourceVersion=0';
  await read(`read ${what}`, `${wides}/r-0`);
  await read(`read ${what} as a table`, `${wides}/r-0`, TABLE);
  await read(`list ${WIDE} times ${what}`, wides);
  await read(`list ${WIDE} times ${what} as a table`, wides, TABLE);
  await read(`watch ${WIDE} times ${what}`, `${wides}?${watch}`);
  await read(`list ${NARROW} objects that a webhook converts`, narrows);
  await read(`list 500 of ${NARROW} objects that a webhook converts`, `${narrows}?limit=500`);
  await read(`list ${NARROW} objects that a webhook converts as a table`, narrows, TABLE);
  await read(`watch ${NARROW} objects that a webhook converts`, `${narrows}?${watch}`);
}
