/** For how long what is recorded of requests holds the loop: part of `loop-holds.ts`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Means } from './loop-holds-reads.ts';

const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const MAPS = '/api/v1/namespaces/bench/configmaps';

const POLICY = `apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: RequestResponse
  omitManagedFields: true
  namespaces: [kube-public]
- level: RequestResponse
`;

/** On a server that records all of every request in a file. */
export async function measureAudit(
  rowsAbout: (args: readonly string[], rows: (means: Means) => Promise<void>) => Promise<void>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'sampan-bench-audit-'));
  const policy = join(dir, 'policy.yaml');
  writeFileSync(policy, POLICY);
  const log = join(dir, 'audit.log');
  await rowsAbout([`--audit-policy-file=${policy}`, `--audit-log-path=${log}`], rows);
  rmSync(dir, { recursive: true });
}

async function rows({ driver, send, measure }: Means): Promise<void> {
  const data = (prefix: string, count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}-${i}`, 'a']));
  const map = (name: string, values: Record<string, string> = data('key', 9000)): object => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name },
    data: values,
  });
  const create = (
    name: string,
    how: { readonly type?: string; readonly write: (object: object) => string },
  ): Promise<void> =>
    measure(`audit: create 9,000 keys ${name}`, (attempt) =>
      send('POST', MAPS, { ...how, body: how.write(map(`${name.replaceAll(' ', '-')}-${attempt}`)) }),
    );
  await create('in json', { write: (object) => JSON.stringify(object) });
  await create('indented', { write: (object) => JSON.stringify(object, undefined, 2) });
  await create('in yaml', { type: 'application/yaml', write: (object) => stringify(object) });
  const read = (): Promise<Buffer> => send('GET', `${MAPS}/read`, { accept: PROTOBUF });
  let encoded: Buffer | undefined;
  const make = async (): Promise<void> => {
    if (encoded !== undefined) return;
    await send('POST', MAPS, { body: JSON.stringify(map('read')) });
    encoded = await read();
  };
  await measure('audit: read 9,000 keys as protobuf', read, make);
  await measure(
    'audit: replace 9,000 keys in protobuf',
    () => send('PUT', `${MAPS}/read`, { type: PROTOBUF, body: encoded! }),
    make,
  );
  const elsewhere = '/api/v1/namespaces/kube-public/configmaps';
  await measure('audit: create 9,000 keys, without owners', (attempt) =>
    send('POST', elsewhere, { body: JSON.stringify(map(`without-${attempt}`)) }),
  );
  await measure('audit: create a value of a megabyte', (attempt) =>
    send('POST', MAPS, { body: JSON.stringify(map(`long-${attempt}`, { a: 'x'.repeat(1_000_000) })) }),
  );
  await measure('audit: refuse 9,000 keys with bad names', () =>
    send('POST', MAPS, { status: 422, body: JSON.stringify(map('bad', data('/', 9000))) }),
  );
  await measure('audit: refuse what is no JSON', () =>
    send('POST', MAPS, { status: 400, body: '{"a":1,'.repeat(100_000) }),
  );
  for (const [name, url] of [
    ['', MAPS],
    [', without owners', elsewhere],
  ] as const) {
    await measure(
      `audit: list 5,000 config maps${name}`,
      () => send('GET', url),
      async (attempt) => {
        if (attempt > 0) return;
        await send('DELETE', url, { accept: `${PROTOBUF};as=PartialObjectMetadataList;v=v1;g=meta.k8s.io` });
        await driver.each(5000, async (i) => {
          await driver.call('POST', url, map(`m-${i}`, data('key', 20)));
        });
      },
    );
  }
}
