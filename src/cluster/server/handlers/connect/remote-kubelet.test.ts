import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { systemClock } from '../../../../base/clock.ts';
import { loadOrCreatePki, type Pki } from '../../pki.ts';
import { wholeBody } from '../../encoding/list-body.ts';
import { TestServer } from '../../testing/test-server.ts';
import type { KubeletClient } from './remote-kubelet.ts';

const PODS = '/api/v1/namespaces/default/pods';

let dir: string;
let pki: Pki;
let kubelet: Server;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sampan-remote-kubelet-'));
  pki = await loadOrCreatePki({ dir, clock: systemClock, names: [] });
  const { key, cert } = pki.server;
  kubelet = createServer({ key, cert, ca: pki.ca.cert, requestCert: true });
  kubelet.on('request', (request, response) => {
    const { CN } = (request.socket as TLSSocket).getPeerCertificate().subject;
    response.setHeader('keep-alive', 'timeout=5');
    response.end(`${request.method} ${request.url} by ${String(CN)}`);
  });
  kubelet.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: SPDY/3.1\r\n\r\n');
    socket.pipe(socket);
  });
  kubelet.listen(0, '127.0.0.1');
  await once(kubelet, 'listening');
});

after(() => {
  kubelet.closeAllConnections();
  kubelet.close();
  rmSync(dir, { recursive: true });
});

/** A server with a pod on a node whose kubelet listens on `port`. */
async function serverWith(
  port: number,
  kubeletClient: KubeletClient = { ...pki.kubeletClient, ca: pki.ca.cert },
): Promise<TestServer> {
  const api = await TestServer.open({ kubeletClient });
  const node = await api.create('/api/v1/nodes', { metadata: { name: 'far' } });
  const status = {
    addresses: [
      { type: 'Hostname', address: 'far' },
      { type: 'InternalIP', address: '127.0.0.1' },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
  };
  await api.call('PUT', '/api/v1/nodes/far/status', { ...node, status });
  const spec = { nodeName: 'far', containers: [{ name: 'main', image: 'i' }] };
  await api.create(PODS, { metadata: { name: 'p' }, spec });
  return api;
}

const listening = (): number => (kubelet.address() as AddressInfo).port;

test('a kubelet elsewhere is asked where its node says that it listens, by a name of our own', async () => {
  await using api = await serverWith(listening());
  const { status, headers, body } = await api.raw('GET', `${PODS}/p/log?follow=true`);
  assert.equal(status, 200);
  const text = Buffer.from(await wholeBody(body)).toString();
  assert.match(text, /^GET \/containerLogs\/default\/p\/main\?follow=true by kube-apiserver-kubelet-client$/);
  assert.equal(headers['keep-alive'], undefined);
});

test('its connections go on in another protocol', async () => {
  await using api = await serverWith(listening());
  const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1' };
  const { status, tunnel } = await api.raw('POST', `${PODS}/p/exec?command=ls&stdout=true`, { headers });
  assert.equal(status, 101);
  const client = new PassThrough();
  const seen: Buffer[] = [];
  // What is written comes back.
  const connection = Object.assign(new PassThrough(), { pipe: client.pipe.bind(client) });
  connection.on('data', (chunk: Buffer) => seen.push(chunk));
  tunnel?.(connection);
  client.write('hello');
  await once(connection, 'data');
  assert.equal(Buffer.concat(seen).toString(), 'hello');
  connection.destroy();
});

test('one that cannot be reached, or is not who it must be, is told of', async () => {
  for (const [port, client, why] of [
    [1, undefined, /^error dialing backend: .*ECONNREFUSED/],
    [
      listening(),
      { ...pki.kubeletClient, ca: pki.frontProxyCa.cert },
      /^error dialing backend: .*certificate/,
    ],
  ] as const) {
    await using api = await serverWith(port, client);
    const { status, body } = await api.call('GET', `${PODS}/p/log`);
    assert.equal(status, 503);
    assert.match(body.message ?? '', why);
  }
});
