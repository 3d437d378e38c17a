import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acknowledgementError, NetlinkWriter, readAttributes, readString, splitMessages } from './netlink.ts';

test('messages carry their length and number, attributes are padded', () => {
  const writer = new NetlinkWriter();
  assert.equal(writer.message(16, 4), 1);
  writer.string(3, 'abcd').u8(7, 9);
  assert.equal(writer.message(17, 0), 2);
  writer.nest(1, () => writer.u32be(2, 5));
  const [first, second, ...rest] = splitMessages(Buffer.from(writer.finish()));
  assert.equal(rest.length, 0);
  assert.equal(first!.type, 16);
  assert.equal(first!.flags, 5);
  assert.equal(first!.bytes.length, 16 + 12 + 8);
  const attributes = readAttributes(first!.bytes, 16);
  assert.equal(readString(attributes.get(3)), 'abcd');
  assert.deepEqual([...attributes.get(7)!], [9]);
  assert.equal(second!.sequence, 2);
  assert.deepEqual([...readAttributes(readAttributes(second!.bytes, 16).get(1)!).get(2)!], [0, 0, 0, 5]);
});

test('an attribute that does not fit into 16 bits of length is refused', () => {
  const writer = new NetlinkWriter();
  writer.message(1, 0);
  assert.throws(() => writer.bytes(1, new Uint8Array(65_536)), { code: 'invalid' });
  assert.throws(
    () => writer.nest(1, () => writer.bytes(2, new Uint8Array(40_000)).bytes(2, new Uint8Array(40_000))),
    {
      code: 'invalid',
    },
  );
});

test("a negative acknowledgement becomes an error with its name, number and the kernel's words", () => {
  const message = Buffer.alloc(16 + 4 + 16 + 12);
  message.writeUInt32LE(message.length);
  message.writeUInt16LE(2, 4);
  message.writeUInt16LE(0x300, 6);
  message.writeUInt32LE(7, 8);
  message.writeInt32LE(-17, 16);
  message.writeUInt16LE(12, 36);
  message.writeUInt16LE(1, 38);
  message.write('taken', 40);
  const error = acknowledgementError(splitMessages(message)[0]!);
  assert.equal(error?.code, 'already-exists');
  assert.equal(error?.message, 'netlink: EEXIST (taken)');
  assert.equal(error?.details['sequence'], 7);
  message.writeInt32LE(0, 16);
  assert.equal(acknowledgementError(splitMessages(message)[0]!), undefined);
});

test('a datagram that is cut off is noticed', () => {
  const message = Buffer.alloc(16);
  message.writeUInt32LE(20);
  assert.throws(() => splitMessages(message), /message of 20 bytes/);
});
