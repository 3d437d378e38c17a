/** For how long requests for services of very many values hold the loop: part of `loop-holds.ts`. */
import type { Means } from './loop-holds-reads.ts';

const SERVICES = '/api/v1/namespaces/bench/services';

function service(name: string, more: { readonly spec?: object; readonly notes?: number }): string {
  const notes = Array.from({ length: more.notes ?? 0 }, (_, i) => [`example.com/note-${i}`, `v${i}`]);
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, annotations: Object.fromEntries(notes) },
    spec: { ports: [{ port: 80 }], ...more.spec },
  });
}

function ports(count: number): object[] {
  return Array.from({ length: count }, (_, i) => ({ name: `p${i}`, port: i + 1 }));
}

export async function measureServices({ send, measure }: Means): Promise<void> {
  const kinds = [
    ['9,000 annotations', { notes: 9000 }],
    ['5,000 ports', { spec: { ports: ports(5000) } }],
    ['2,000 node ports', { spec: { type: 'NodePort', ports: ports(2000) } }],
  ] as const;
  for (const [index, [name, more]] of kinds.entries()) {
    const [own, url] = [`wide-${index}`, `${SERVICES}/wide-${index}`];
    const remove = async (): Promise<void> => {
      await send('DELETE', SERVICES, {});
    };
    const make = async (): Promise<void> => {
      await remove();
      await send('POST', SERVICES, { body: service(own, more) });
    };
    await measure(
      `create a service of ${name}`,
      () => send('POST', SERVICES, { body: service(own, more) }),
      remove,
    );
    await measure(
      `patch a service of ${name}`,
      (attempt) =>
        send('PATCH', url, {
          type: 'application/merge-patch+json',
          body: JSON.stringify({ metadata: { labels: { attempt: `a${attempt}` } } }),
        }),
      (attempt) => (attempt === 0 ? make() : Promise.resolve()),
    );
    await measure(`delete a service of ${name}`, () => send('DELETE', url), make);
    await remove();
  }
}
