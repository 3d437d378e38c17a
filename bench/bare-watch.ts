/**
 * What a watch costs at the very least where nothing is shared: a process that encodes each object for each watcher and writes
 * it. `node bench/bare-watch.ts KEY CERT`; GET of a path watches it, POST of an object to it is an event, the port is printed.
 */
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';

const [key = '', cert = ''] = process.argv.slice(2);
/** By path. */
const watchers = new Map<string, Set<ServerResponse>>();
let revision = 0;

const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
  const [path = ''] = (request.url ?? '').split('?');
  if (request.method === 'GET' && request.url?.includes('watch=1') !== true) {
    response.end(JSON.stringify({ metadata: { resourceVersion: String(revision) } }));
    return;
  }
  if (request.method === 'GET') {
    const those = watchers.get(path) ?? new Set();
    watchers.set(path, those.add(response));
    response.on('close', () => those.delete(response));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    return;
  }
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const object = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { metadata: object };
    object.metadata = { ...object.metadata, resourceVersion: String(++revision) };
    for (const watcher of watchers.get(path) ?? [])
      watcher.write(`${JSON.stringify({ type: 'ADDED', object })}\n`);
    response.writeHead(201, { 'content-type': 'application/json' });
    response.end(JSON.stringify(object));
  });
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
