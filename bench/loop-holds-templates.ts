/** For how long templates of very many values, and what controllers make of them, hold the loop: part of `loop-holds.ts`. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Means } from './loop-holds-reads.ts';

const VARIABLES = 5000;
/** For which controllers are given time: what they do follows the answer. */
const AFTER_MS = 500;

const [APPLY, MERGE] = ['application/apply-patch+yaml', 'application/merge-patch+json'];

/** Each of another version has other values. */
function template(version: string): object {
  const env = Array.from({ length: VARIABLES }, (_, i) => ({ name: `NAME_${i}`, value: `${version}-${i}` }));
  const spec = { containers: [{ name: 'c', image: 'i', env }] };
  return { metadata: { labels: { a: 'b' } }, spec };
}

const replicated = (version: string): object => ({
  replicas: 1,
  selector: { matchLabels: { a: 'b' } },
  template: template(version),
});

const once = (version: string): object => ({
  template: { spec: { ...(template(version) as { spec: object }).spec, restartPolicy: 'Never' } },
});

const KINDS: readonly (readonly [
  kind: string,
  path: string,
  apiVersion: string,
  spec: (version: string) => object,
])[] = [
  ['ReplicaSet', '/apis/apps/v1/namespaces/bench/replicasets', 'apps/v1', replicated],
  [
    'ReplicationController',
    '/api/v1/namespaces/bench/replicationcontrollers',
    'v1',
    (version) => ({ ...replicated(version), selector: { a: 'b' } }),
  ],
  ['Job', '/apis/batch/v1/namespaces/bench/jobs', 'batch/v1', once],
  [
    'CronJob',
    '/apis/batch/v1/namespaces/bench/cronjobs',
    'batch/v1',
    (version) => ({ schedule: '* * * * *', jobTemplate: { spec: once(version) } }),
  ],
];

export async function measureTemplates({ send, measure }: Means): Promise<void> {
  const what = `of ${VARIABLES / 1000},000 variables`;
  const settled = async (sent: Promise<unknown>): Promise<void> => {
    await sent;
    await delay(AFTER_MS);
  };
  const body = (kind: (typeof KINDS)[number], version: string): string =>
    JSON.stringify({
      apiVersion: kind[2],
      kind: kind[0],
      metadata: { name: 'wide' },
      spec: kind[3](version),
    });

  const deployment: (typeof KINDS)[number] = [
    'Deployment',
    '/apis/apps/v1/namespaces/bench/deployments',
    'apps/v1',
    replicated,
  ];
  const path = `${deployment[1]}/wide`;
  const remove = (collection: string): Promise<void> =>
    settled(send('DELETE', `${collection}?propagationPolicy=Background`, {}));
  const make = async (attempt: number): Promise<void> => {
    if (attempt > 0) return;
    await remove(deployment[1]);
    await settled(send('POST', deployment[1], { body: body(deployment, 'made') }));
  };
  await measure(`apply a deployment ${what}`, (attempt) =>
    settled(
      send('PATCH', `${path}?fieldManager=m${attempt}&force=true`, {
        type: APPLY,
        status: attempt === 0 ? 201 : 200,
        body: body(deployment, 'v'),
      }),
    ),
  );
  await measure(
    `patch a deployment ${what}`,
    (attempt) =>
      settled(
        send('PATCH', path, {
          type: 'application/strategic-merge-patch+json',
          body: JSON.stringify({ spec: { replicas: attempt } }),
        }),
      ),
    make,
  );
  await measure(
    `roll out a deployment ${what}`,
    (attempt) =>
      settled(
        send('PATCH', `${path}?fieldManager=bench&force=true`, {
          type: APPLY,
          body: body(deployment, `v${attempt}`),
        }),
      ),
    make,
  );
  await remove(deployment[1]);

  for (const kind of KINDS) {
    const [name, collection] = kind;
    await measure(
      `create a ${name} ${what}`,
      (attempt) => settled(send('POST', collection, { body: body(kind, `${name}-${attempt}`) })),
      () => remove(collection),
    );
    if (name === 'ReplicaSet' || name === 'ReplicationController')
      await measure(
        `scale a ${name} ${what}`,
        (attempt) =>
          settled(
            send('PATCH', `${collection}/wide`, {
              type: MERGE,
              body: JSON.stringify({ spec: { replicas: 2 + attempt } }),
            }),
          ),
        async (attempt) => {
          if (attempt > 0) return;
          await remove(collection);
          await settled(send('POST', collection, { body: body(kind, `${name}-s`) }));
        },
      );
    await measure(
      `delete a ${name} ${what}`,
      () => settled(send('DELETE', `${collection}/wide?propagationPolicy=Background`)),
      async (attempt) => {
        await remove(collection);
        await settled(send('POST', collection, { body: body(kind, `${name}-d${attempt}`) }));
      },
    );
    await remove(collection);
  }
}
