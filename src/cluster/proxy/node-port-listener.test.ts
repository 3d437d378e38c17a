import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { isPlatformError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { listenTcp, Turns } from './node-port-listener.ts';
import { listenUdp } from './udp-node-port-listener.ts';

const HOST = '127.0.0.1';

/** Answers everything that a client sends, with a name in front, once the client has ended its side. */
async function backend(name: string): Promise<{ server: Server; endpoint: { ip: string; port: number } }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => socket.end(Buffer.concat([Buffer.from(`${name}:`), ...chunks])));
    socket.on('error', () => socket.destroy());
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  return { server, endpoint: { ip: HOST, port: (server.address() as AddressInfo).port } };
}

async function ask(port: number, question: string): Promise<string> {
  const socket = connect({ host: HOST, port, allowHalfOpen: true });
  socket.end(question);
  return text(socket);
}

test('endpoints take turns, and a sticky one stays', () => {
  const [a, b] = [
    { ip: '10.0.0.1', port: 1 },
    { ip: '10.0.0.2', port: 1 },
  ];
  const turns = new Turns();
  assert.deepEqual(turns.order(), []);
  turns.update([a, b], false);
  assert.deepEqual([turns.order()[0], turns.order()[0], turns.order()[0]], [a, b, a]);
  turns.update([a, b], true);
  assert.equal(turns.order()[0], turns.order()[0]);
});

test('copies both ways with half-close, in turns', async () => {
  const one = await backend('one');
  const two = await backend('two');
  await using listener = await listenTcp({ host: HOST, port: 0 }, silentLogger);
  listener.update([one.endpoint, two.endpoint], false);
  assert.equal(await ask(listener.port, 'hi'), 'one:hi');
  assert.equal(await ask(listener.port, 'hi'), 'two:hi');
  const large = 'x'.repeat(4 << 20);
  assert.equal(await ask(listener.port, large), `one:${large}`);
  one.server.close();
  two.server.close();
});

test('an endpoint that does not answer is passed over', async () => {
  const dead = await backend('dead');
  dead.server.close();
  const alive = await backend('alive');
  await using listener = await listenTcp({ host: HOST, port: 0 }, silentLogger);
  listener.update([dead.endpoint, alive.endpoint], true);
  assert.equal(await ask(listener.port, 'hi'), 'alive:hi');
  alive.server.close();
});

test('without endpoints a connection is reset', async () => {
  await using listener = await listenTcp({ host: HOST, port: 0 }, silentLogger);
  await assert.rejects(ask(listener.port, 'hi'), /ECONNRESET/);
});

test('a port in use is told as such', async () => {
  const { server, endpoint } = await backend('x');
  await assert.rejects(
    listenTcp({ host: HOST, port: endpoint.port }, silentLogger),
    (error) => isPlatformError(error, 'already-exists') && error.message.includes(`${HOST}:${endpoint.port}`),
  );
  server.close();
});

test('datagrams reach an endpoint and the answers come back', async () => {
  const echo = createSocket('udp4');
  echo.on('message', (data, from) => echo.send(`echo:${data.toString()}`, from.port, from.address));
  echo.bind(0, HOST);
  await once(echo, 'listening');
  const clock = new ManualClock();
  await using listener = await listenUdp({ host: HOST, port: 0 }, { clock, log: silentLogger });
  listener.update([{ ip: HOST, port: echo.address().port }], false);
  const client = createSocket('udp4');
  client.send('hi', listener.port, HOST);
  const [answer] = (await once(client, 'message')) as [Buffer];
  assert.equal(answer.toString(), 'echo:hi');
  // After two minutes of silence the flow is forgotten, and a new one made.
  await clock.advance(250_000);
  client.send('again', listener.port, HOST);
  const [second] = (await once(client, 'message')) as [Buffer];
  assert.equal(second.toString(), 'echo:again');
  client.close();
  echo.close();
});
