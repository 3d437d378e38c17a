/** The framings by hand: what well-behaved clients send, and what others do. */
import assert from 'node:assert/strict';
import { duplexPair, type Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { constants, createDeflate, deflateSync } from 'node:zlib';

import { ManualClock } from '../../../base/clock.ts';
import { seededRandom } from '../../../base/random.ts';
import { channelSession } from './channels.ts';
import { answerLogs } from './log-stream.ts';
import { SizeReader } from './remote-session.ts';
import { SPDY_DICTIONARY } from './spdy-dictionary.ts';
import { SpdyConnection, type SpdyStream } from './spdy.ts';
import { spdySession } from './spdy-session.ts';
import { acceptWebSocket, WebSocketConnection } from '../../api/websocket.ts';

const ALL = { stdin: true, stdout: true, stderr: true, tty: false };

/** A masked frame as clients send it. */
function frame(opcode: number, payload: Uint8Array, { final = true, mask = [1, 2, 3, 4] } = {}): Buffer {
  const size = payload.length;
  const head = size < 126 ? [size] : size < 65_536 ? [126, size >> 8, size & 0xff] : undefined;
  const long = Buffer.alloc(9);
  long[0] = 127;
  long.writeBigUInt64BE(BigInt(size), 1);
  const length = head === undefined ? long : Buffer.from(head);
  length[0]! |= 0x80;
  const masked = Buffer.from(payload).map((byte, at) => byte ^ mask[at & 3]!);
  return Buffer.concat([Buffer.from([(final ? 0x80 : 0) | opcode]), length, Buffer.from(mask), masked]);
}

/** The messages and the closing code in what a server has sent. */
function readFrames(bytes: Buffer): { messages: Buffer[]; closed: number | undefined } {
  const messages: Buffer[] = [];
  let closed: number | undefined;
  for (let at = 0; at + 2 <= bytes.length;) {
    const [opcode, short] = [bytes[at]! & 15, bytes[at + 1]!];
    const [size, head] =
      short < 126
        ? [short, 2]
        : short === 126
          ? [bytes.readUInt16BE(at + 2), 4]
          : [Number(bytes.readBigUInt64BE(at + 2)), 10];
    const payload = bytes.subarray(at + head, at + head + size);
    if (opcode === 8) closed = payload.readUInt16BE();
    else if (opcode < 3) messages.push(payload);
    at += head + size;
  }
  return { messages, closed };
}

async function allOf(stream: Duplex): Promise<Buffer> {
  const parts: Buffer[] = [];
  stream.on('data', (part: Buffer) => parts.push(part));
  await new Promise((resolve) => stream.once('close', resolve).once('end', resolve));
  return Buffer.concat(parts);
}

test('a handshake is answered as RFC 6455 has it; a protocol is chosen in the order of the client', () => {
  const headers = { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' };
  assert.equal(
    acceptWebSocket(headers, ['']).headers['sec-websocket-accept'],
    's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
  );
  const asked = { ...headers, 'sec-websocket-protocol': 'x, b, a' };
  assert.equal(acceptWebSocket(asked, ['a', 'b', '']).protocol, 'b');
  assert.throws(
    () => acceptWebSocket(asked, ['c', '']),
    /unable to negotiate protocol: client supports \[x b a\]/,
  );
  assert.throws(() => acceptWebSocket({ ...headers, 'sec-websocket-version': '8' }, ['']), /version 13/);
});

test('messages in pieces are put together, and pings are answered between them', async () => {
  const [client, server] = duplexPair();
  const got: string[] = [];
  const socket = new WebSocketConnection(server, (message) => void got.push(message.toString()));
  const answers = allOf(client);
  const bytes = Buffer.concat([
    frame(2, Buffer.from('one '), { final: false }),
    frame(9, Buffer.from('are you there')),
    frame(0, Buffer.from('message')),
    frame(1, Buffer.alloc(70_000, 'x')),
    frame(8, Buffer.from([3, 232])),
  ]);
  for (let at = 0; at < bytes.length; at += 9973) client.write(bytes.subarray(at, at + 9973));
  await socket.ended;
  assert.deepEqual([got[0], got[1]!.length], ['one message', 70_000]);
  const sent = await answers;
  assert.ok(sent.includes('are you there'));
  assert.equal(readFrames(sent).closed, 1000);
});

test('frames that break the rules end the connection with the reason', async () => {
  const long = Buffer.from([0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
  const cases: readonly (readonly [Buffer, number])[] = [
    [long, 1009],
    [Buffer.from([0x82, 0x01, 0x00]), 1002],
    [Buffer.from([0xf2, 0x80, 0, 0, 0, 0]), 1002],
    [frame(0, Buffer.from('x')), 1002],
    [frame(9, Buffer.alloc(126)), 1002],
    [frame(3, Buffer.from('x')), 1002],
    [Buffer.concat([frame(2, Buffer.from('x'), { final: false }), frame(2, Buffer.from('y'))]), 1002],
  ];
  for (const [bytes, code] of cases) {
    const [client, server] = duplexPair();
    const socket = new WebSocketConnection(server, () => assert.fail('not a message'));
    const answers = allOf(client);
    client.write(bytes);
    await socket.ended;
    assert.equal(readFrames(await answers).closed, code, bytes.subarray(0, 8).toString('hex'));
  }
});

test('channels: input and its end, sizes, outputs, and the status at the end', async () => {
  const [client, server] = duplexPair();
  const answers = allOf(client);
  const session = channelSession(server, 'v5.channel.k8s.io', ALL);
  const sizes: unknown[] = [];
  session.onResize((size) => sizes.push(size));
  client.write(frame(2, Buffer.from('\0in')));
  client.write(frame(2, Buffer.from('\u0004{"Width":80,"Height":24}')));
  client.write(frame(2, Buffer.from([255, 0])));
  client.write(frame(2, Buffer.from('\0too late')));
  assert.equal(await text(session.stdin!), 'in');
  session.stdout!.end('out');
  session.stderr!.end('err');
  await session.finish({ metadata: {}, status: 'Success' });
  assert.deepEqual(readFrames(await answers).messages.map(String), [
    '\u0001',
    '\u0001out',
    '\u0002err',
    '\u0003{"metadata":{},"status":"Success"}',
  ]);
  assert.deepEqual(sizes, [{ width: 80, height: 24 }]);
});

test('sizes that are none are passed over', () => {
  const reader = new SizeReader();
  const sizes: unknown[] = [];
  for (const part of [
    '{"Width":1,"Hei',
    'ght":2}{"Width":-1,"Height":3}{bad}{"Width":70000,"Height":1}',
    'x'.repeat(1e5),
  ])
    reader.push(Buffer.from(part));
  reader.push(Buffer.from('{"Width":5,"Height":6}'));
  reader.onResize((size) => sizes.push(size));
  assert.deepEqual(sizes, [{ width: 5, height: 6 }]);
});

/** A client's side of SPDY, as much as the tests need. */
class SpdyClient {
  readonly #deflate = createDeflate({ dictionary: SPDY_DICTIONARY, flush: constants.Z_SYNC_FLUSH });

  async open(id: number, headers: Readonly<Record<string, string>>): Promise<Buffer> {
    const word = (value: number): Buffer => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value);
      return bytes;
    };
    const entries = Object.entries(headers).flatMap(([name, value]) =>
      [name, value].flatMap((one) => [word(one.length), Buffer.from(one)]),
    );
    const parts: Buffer[] = [];
    const take = (part: Buffer): void => void parts.push(part);
    this.#deflate.on('data', take);
    const block = Buffer.concat([word(Object.keys(headers).length), ...entries]);
    await new Promise<void>((resolve) => this.#deflate.write(block, () => resolve()));
    this.#deflate.off('data', take);
    return control(1, Buffer.concat([word(id), word(0), Buffer.alloc(2), ...parts]));
  }
}

function control(type: number, payload: Uint8Array): Buffer {
  const head = Buffer.from([
    0x80,
    3,
    0,
    type,
    0,
    payload.length >> 16,
    (payload.length >> 8) & 0xff,
    payload.length & 0xff,
  ]);
  return Buffer.concat([head, payload]);
}

function data(id: number, payload: string, fin = false): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(id);
  head.writeUInt32BE(((fin ? 1 : 0) << 24) | payload.length, 4);
  return Buffer.concat([head, Buffer.from(payload)]);
}

test('streams are told apart by their headers, and carry data both ways', async () => {
  const [client, server] = duplexPair();
  const answers = allOf(client);
  const clock = new ManualClock();
  const opening = spdySession(server, {
    protocol: 'v4.channel.k8s.io',
    wishes: { ...ALL, stderr: false },
    clock,
  });
  const spdy = new SpdyClient();
  client.write(await spdy.open(1, { streamtype: 'error' }));
  client.write(await spdy.open(3, { streamtype: 'stdin' }));
  client.write(await spdy.open(5, { streamtype: 'stdout' }));
  client.write(data(3, 'hel'));
  client.write(data(3, 'lo', true));
  const session = await opening;
  assert.equal(await text(session.stdin!), 'hello');
  session.stdout!.end('world');
  await session.finish({ metadata: {}, status: 'Success' });
  const sent = await answers;
  assert.ok(sent.includes(data(5, 'world')));
  assert.ok(sent.includes(data(1, '{"metadata":{},"status":"Success"}')));
  // GOAWAY at the end, with the last stream.
  assert.deepEqual([...sent.subarray(-16, -8)], [0x80, 3, 0, 7, 0, 0, 0, 8]);
});

test('a client that opens too few streams is waited for half a minute', async () => {
  const [, server] = duplexPair();
  const clock = new ManualClock();
  const opening = spdySession(server, { protocol: 'v4.channel.k8s.io', wishes: ALL, clock });
  opening.catch(() => {});
  await clock.advance(30_000);
  await assert.rejects(opening, /timed out waiting for client to create streams/);
});

/** What the connection does with bytes: it must end, and hold nothing. */
async function spdyEnds(bytes: Buffer): Promise<SpdyStream[]> {
  const [client, server] = duplexPair();
  client.on('error', () => {}).resume();
  const streams: SpdyStream[] = [];
  const session = new SpdyConnection(server, {
    onStream: (stream) => (stream.resume(), streams.push(stream) > 0),
  });
  client.end(bytes);
  await session.ended;
  return streams;
}

test('headers that swell are cut off, also when they come as a bomb', async () => {
  const bomb = deflateSync(Buffer.alloc(50 << 20), { dictionary: SPDY_DICTIONARY }).subarray(0, 60_000);
  const before = process.memoryUsage().rss;
  const streams = await spdyEnds(
    control(1, Buffer.concat([Buffer.from([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]), bomb])),
  );
  assert.deepEqual(streams, []);
  assert.ok(process.memoryUsage().rss - before < 40 << 20, 'memory has grown');
});

test('control frames that are too long, streams that are even and unknown versions end the connection', async () => {
  const spdy = new SpdyClient();
  const even = await spdy.open(2, { streamtype: 'data' });
  for (const bytes of [control(6, Buffer.alloc(70_000)), even, Buffer.from([0x80, 2, 0, 1, 0, 0, 0, 0])])
    assert.deepEqual(await spdyEnds(bytes), []);
});

test('noise never breaks out: WebSocket and SPDY end, whatever comes', async () => {
  const random = seededRandom(4006);
  const spdy = new SpdyClient();
  const valid = [
    await spdy.open(1, { streamtype: 'error' }),
    data(1, 'x'.repeat(100)),
    control(6, Buffer.from([0, 0, 0, 1])),
    data(9, 'nobody', true),
    control(3, Buffer.from([0, 0, 0, 1, 0, 0, 0, 5])),
  ];
  for (let round = 0; round < 300; round++) {
    const bytes = Buffer.concat(valid);
    for (let change = 0; change < 1 + (round % 7); change++)
      bytes[Math.floor(random.next() * bytes.length)] = Math.floor(random.next() * 256);
    await spdyEnds(bytes.subarray(0, 1 + Math.floor(random.next() * bytes.length)));
    const [client, server] = duplexPair();
    client.on('error', () => {}).resume();
    const messages = Buffer.concat([
      frame(2, Buffer.from('\0abc')),
      frame(9, Buffer.from('p')),
      frame(2, Buffer.alloc(200)),
    ]);
    messages[Math.floor(random.next() * messages.length)] = Math.floor(random.next() * 256);
    const socket = new WebSocketConnection(server, () => {});
    client.end(messages);
    await socket.ended;
  }
});

test('logs are messages: as bytes, or as text in base64; what breaks off says why', async () => {
  const headers = { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' };
  async function* logs(broken = false): AsyncGenerator<Uint8Array> {
    yield Buffer.from('one\n');
    if (broken) throw new Error('the file is gone');
    yield Buffer.from('two\n');
  }
  const read = async (protocol: string, source: AsyncIterable<Uint8Array>) => {
    const answer = answerLogs({ ...headers, 'sec-websocket-protocol': protocol }, source);
    assert.equal(answer.headers['sec-websocket-protocol'], protocol);
    const [ours, theirs] = duplexPair();
    answer.tunnel?.(ours);
    return readFrames(await allOf(theirs));
  };
  const { messages, closed } = await read('binary.k8s.io', logs());
  assert.deepEqual([Buffer.concat(messages).toString(), closed], ['one\ntwo\n', 1000]);
  const text64 = await read('base64.binary.k8s.io', logs());
  assert.deepEqual(text64.messages.map(String), ['b25lCg==', 'dHdvCg==']);
  const broken = await read('binary.k8s.io', logs(true));
  assert.deepEqual([broken.messages.length, broken.closed], [1, 1011]);
});

test('a reader of logs that goes ends what it followed', async () => {
  const headers = { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' };
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const endless: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise<never>(() => {}),
      return: () => {
        resolve();
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  };
  const [ours, theirs] = duplexPair();
  answerLogs(headers, endless).tunnel?.(ours);
  theirs.destroy();
  ours.destroy();
  await ended;
});
