import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeMessage,
  encodeMessage,
  splitMessages,
  typesOf,
  variant,
  type DbusMessage,
} from './dbus-codec.ts';
import { socketPaths } from './dbus.ts';

/**
 * `dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetNameOwner string:a.b` as it
 * stands on the wire, taken apart by hand: one line a field.
 */
const GET_NAME_OWNER = [
  '6c 01 00 01  08 00 00 00  02 00 00 00  6f 00 00 00',
  '01 01 6f 00  01 00 00 00  2f 00  00 00 00 00 00 00', // path o "/"
  '02 01 73 00  14 00 00 00  6f 72 67 2e 66 72 65 65', // interface s
  '64 65 73 6b  74 6f 70 2e  44 42 75 73  00  00 00 00',
  '03 01 73 00  0c 00 00 00  47 65 74 4e 61 6d 65 4f', // member s
  '77 6e 65 72  00  00 00 00',
  '06 01 73 00  14 00 00 00  6f 72 67 2e 66 72 65 65', // destination s
  '64 65 73 6b  74 6f 70 2e  44 42 75 73  00  00 00 00',
  '08 01 67 00  01 73 00  00', // signature g, then to eight
  '03 00 00 00  61 2e 62 00',
].join(' ');

const bytesOf = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s+/g, ''), 'hex');

const CALL: DbusMessage = {
  type: 1,
  serial: 2,
  path: '/',
  interface: 'org.freedesktop.DBus',
  member: 'GetNameOwner',
  destination: 'org.freedesktop.DBus',
  signature: 's',
  body: ['a.b'],
};

test('D-Bus: a call is the bytes of the specification', () => {
  const bytes = bytesOf(GET_NAME_OWNER);
  assert.deepEqual(encodeMessage(CALL).toString('hex'), bytes.toString('hex'));
  assert.deepEqual(decodeMessage(bytes), CALL);
});

test('D-Bus: an answer of a big-endian machine is understood', () => {
  const message = bytesOf(
    [
      '42 02 01 01  00 00 00 06  00 00 00 07  00 00 00 10',
      '05 01 75 00  00 00 00 02', // reply serial u
      '08 01 67 00  02 75 71 00', // signature g: "uq"
      '00 00 01 02  03 04',
    ].join(' '),
  );
  const { replySerial, body } = decodeMessage(message);
  assert.deepEqual([replySerial, body], [2, [258, 772]]);
});

test('D-Bus: every type comes back as it went', () => {
  const body = [
    255,
    true,
    -2,
    65_535,
    -5,
    4_000_000_000,
    -(2n ** 63n),
    2n ** 64n - 1n,
    1.25,
    'grüße',
    '/a/b',
    'a{sv}',
    variant('a(sv)', [
      ['x', variant('t', 1n)],
      ['y', variant('as', [])],
    ]),
    [[1, [['k', variant('b', false)]]]],
    Buffer.from([1, 2, 3]),
    [[]],
  ];
  const signature = 'ybnqiuxtdsogva(ya{sv})ayaat';
  const message = encodeMessage({
    type: 4,
    serial: 9,
    path: '/',
    interface: 'a.b',
    member: 'C',
    signature,
    body,
  });
  assert.deepEqual(decodeMessage(message).body, body);
});

test('D-Bus: values longer than the first buffer are written whole', () => {
  const body = ['x'.repeat(251), 7, 'y'.repeat(5000), 1n];
  const message = encodeMessage({
    type: 4,
    serial: 1,
    path: '/',
    interface: 'a.b',
    member: 'C',
    signature: 'sust',
    body,
  });
  assert.deepEqual(decodeMessage(message).body, body);
});

test('D-Bus: a stream is cut into its messages wherever it is broken', () => {
  const stream = Buffer.concat([encodeMessage(CALL), encodeMessage({ ...CALL, serial: 3 })]);
  for (let cut = 0; cut <= stream.length; cut++) {
    const first = splitMessages(stream.subarray(0, cut));
    const second = splitMessages(Buffer.concat([first.rest, stream.subarray(cut)]));
    const serials = [...first.messages, ...second.messages].map(({ serial }) => serial);
    assert.deepEqual([serials, second.rest.length], [[2, 3], 0], `cut at ${cut}`);
  }
});

test('D-Bus: what is not a message is refused', () => {
  const good = encodeMessage(CALL);
  const broken = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(good);
    change(bytes);
    return bytes;
  };
  const cases = [
    broken((bytes) => void bytes.writeUInt8(0x78, 0)),
    broken((bytes) => void bytes.writeUInt8(2, 3)),
    broken((bytes) => void bytes.writeUInt32LE(0xffff_ffff, 4)),
    broken((bytes) => void bytes.writeUInt32LE(0xffff, good.length - 8)),
    broken((bytes) => void bytes.writeUInt8(1, good.length - 1)),
  ];
  for (const bytes of cases)
    assert.throws(() => splitMessages(bytes).messages.map(({ body }) => body), {
      code: 'invalid',
      message: /^dbus: /,
    });
  assert.throws(() => typesOf('a'), { code: 'invalid' });
  assert.throws(() => typesOf('(s'), { code: 'invalid' });
  assert.throws(() => typesOf('a'.repeat(100)), { code: 'invalid' });
});

test('D-Bus: addresses', () => {
  assert.deepEqual(socketPaths('unix:path=/run/a%20b,guid=1;tcp:host=x;unix:abstract=/tmp/d,guid=2'), [
    '/run/a b',
    '\0/tmp/d',
  ]);
});
