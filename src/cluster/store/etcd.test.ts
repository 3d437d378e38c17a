/** What of the store on etcd can be told without one. test/integration/store-etcd*.test.ts has the rest. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { isPlatformError, PlatformError } from '../../base/errors.ts';
import { batchesOf, KeySpace, txnRequest, txnStates } from './etcd-calls.ts';
import { callFailure, etcdError, outcomeOf } from './etcd-errors.ts';
import { parseEtcdUrl, readTlsFiles } from './etcd-target.ts';
import {
  decodeRangeResponse,
  decodeWatchResponse,
  encodeRangeRequest,
  encodeTxnRequest,
} from './generated/etcd.ts';

describe('etcd: addresses', () => {
  test('hosts, ports, TLS and prefix', () => {
    assert.deepEqual(parseEtcdUrl('etcd://a:1,b'), { endpoints: ['a:1', 'b:2379'], prefix: '' });
    assert.deepEqual(parseEtcdUrl('etcd://[::1]:2379/?prefix=/cell'), {
      endpoints: ['[::1]:2379'],
      prefix: '/cell',
    });
    assert.deepEqual(parseEtcdUrl('etcds://a').tls, {});
    assert.deepEqual(parseEtcdUrl('etcd://a?ca=/c&cert=/d&key=/e').tls, { ca: '/c', cert: '/d', key: '/e' });
  });

  const refused: [string, RegExp][] = [
    ['http://a', /is no address of an etcd/],
    ['etcd://', /"" is no host:port/],
    ['etcd://a:0', /"a:0" is no host:port/],
    ['etcd://a,,b', /"" is no host:port/],
    ['etcd://user@a', /is no host:port/],
    ['etcd://a?cert=/c', /cert and key go together/],
    ['etcd://a?ca=', /ca is empty/],
    ['etcd://a?ca=/a&ca=/b', /ca is given twice/],
    ['etcd://a?verify=no', /unknown setting "verify"/],
    ['etcd://a?prefix=cell', /prefix "cell"/],
    ['etcd://a/registry', /is no address of an etcd/],
  ];
  for (const [url, pattern] of refused) {
    test(`${url} is refused`, () => {
      assert.throws(
        () => parseEtcdUrl(url),
        (error: PlatformError) =>
          isPlatformError(error, 'invalid') && pattern.test(error.message) && error.hint !== undefined,
      );
    });
  }

  test('a certificate that cannot be read is named', () => {
    assert.throws(() => readTlsFiles({ ca: '/nowhere/ca.crt' }), /datastore: ca \/nowhere\/ca\.crt: ENOENT/);
  });
});

describe('etcd: failures', () => {
  const cases: [code: number, details: string, outcome: string, error: string][] = [
    [14, 'No connection established. Last error: ECONNREFUSED', 'not-done', 'unavailable'],
    [14, 'etcdserver: no leader', 'not-done', 'unavailable'],
    [8, 'etcdserver: too many requests', 'not-done', 'unavailable'],
    [14, 'Connection dropped', 'unknown', 'timeout'],
    [14, 'etcdserver: request timed out', 'unknown', 'timeout'],
    [14, 'etcdserver: leader changed', 'unknown', 'timeout'],
    [4, 'Deadline exceeded after 10.0s', 'unknown', 'timeout'],
    [13, 'Received RST_STREAM with code 2', 'unknown', 'timeout'],
    [2, 'Unknown Error', 'unknown', 'timeout'],
    [11, 'etcdserver: mvcc: required revision has been compacted', 'answered', 'expired'],
    [11, 'etcdserver: mvcc: required revision is a future revision', 'answered', 'invalid'],
    [3, 'etcdserver: request is too large', 'answered', 'invalid'],
    [5, 'etcdserver: requested lease not found', 'answered', 'not-found'],
    [8, 'etcdserver: mvcc: database space exceeded', 'answered', 'exhausted'],
    [7, 'etcdserver: permission denied', 'answered', 'forbidden'],
    [16, 'etcdserver: invalid auth token', 'answered', 'unauthenticated'],
    [15, 'etcdserver: corrupt cluster', 'answered', 'internal'],
  ];
  for (const [code, details, outcome, wanted] of cases) {
    test(`${code} ${details}: ${outcome}`, () => {
      assert.equal(outcomeOf({ code, details }), outcome);
      const error = etcdError({ code, details }, { what: 'txn', endpoint: 'h:1' });
      assert.equal(error.code, wanted);
      assert.ok(error.message.startsWith(`etcd h:1: txn: ${details}`));
      if (outcome !== 'answered') assert.equal(error.details['outcome'], outcome);
    });
  }

  test('what is no failure of a call stays what it is', () => {
    assert.equal(callFailure(new Error('other')), undefined);
    const ours = new PlatformError('cancelled', 'the store is closed');
    assert.equal(etcdError(ours, { what: 'txn', endpoint: 'h:1' }), ours);
    assert.equal(etcdError(new Error('odd'), { what: 'txn', endpoint: 'h:1' }).code, 'internal');
  });
});

describe('etcd: messages', () => {
  const space = new KeySpace('/cell');

  test('keys get the prefix and lose it', () => {
    assert.equal(Buffer.from(space.encode('/k')).toString(), '/cell/k');
    assert.equal(space.decode(Buffer.from('/cell/ключ')), '/ключ');
    const all = new KeySpace('').range('', '\u{10ffff}');
    assert.deepEqual([...all.key], [0], 'etcd takes no empty key');
  });

  test('a transaction compares, writes, and reads what it compared when refused', () => {
    const request = txnRequest(
      space,
      [{ key: '/a', modRevision: 0 }],
      [
        { type: 'put', key: '/a', value: Buffer.from('v') },
        { type: 'delete', key: '/b' },
      ],
    );
    // A modRevision of 0 is sent: without it etcd would not know what to compare.
    assert.deepEqual(request.compare?.[0]?.modRevision, 0);
    assert.equal(
      Buffer.from(encodeTxnRequest(request).finish()).toString('hex'),
      // compare { target MOD, key, result EQUAL, mod_revision 0 }
      '0a0f' +
        '0800' +
        '1002' +
        '1a07' +
        hex('/cell/a') +
        '3000' +
        // success { put { key, value, lease 0, prev_kv } }
        '1212' +
        '1210' +
        '0a07' +
        hex('/cell/a') +
        '120176' +
        '1800' +
        '2001' +
        // success { delete_range { key, prev_kv } }
        '120d' +
        '1a0b' +
        '0a07' +
        hex('/cell/b') +
        '1801' +
        // failure { range { key } }
        '1a0b' +
        '0a09' +
        '0a07' +
        hex('/cell/a'),
    );
    const kv = {
      key: Buffer.from('/cell/a'),
      createRevision: 3,
      modRevision: 4,
      version: 2,
      value: Buffer.from('old'),
      lease: 0,
    };
    const put = {
      responseRange: undefined,
      responsePut: { header: undefined, prevKv: kv },
      responseDeleteRange: undefined,
      responseTxn: undefined,
    };
    const states = txnStates(space, { header: undefined, succeeded: true, responses: [put] });
    assert.deepEqual(states, [
      {
        key: '/a',
        value: new Uint8Array(Buffer.from('old')),
        createRevision: 3,
        modRevision: 4,
        version: 2,
        lease: 0,
      },
    ]);
  });

  test('events are gathered by revision', () => {
    const event = (type: number, key: string, modRevision: number) => ({
      type,
      kv: {
        key: Buffer.from(`/cell${key}`),
        createRevision: modRevision,
        modRevision,
        version: 1,
        value: Buffer.from('v'),
        lease: 0,
      },
      prevKv: undefined,
    });
    const batches = batchesOf(space, [event(0, '/a', 5), event(1, '/b', 5), event(0, '/a', 6)]);
    assert.deepEqual(
      batches.map(({ revision, events }) => [
        revision,
        events.map(({ type, kv }) => `${type} ${kv.key} ${kv.version}`),
      ]),
      [
        [5, ['put /a 1', 'delete /b 0']],
        [6, ['put /a 1']],
      ],
    );
  });

  test('unknown fields are passed over, and what is cut off is an error', () => {
    const header = new BinaryWriter()
      .tag(3, WireType.Varint)
      .int64(2 ** 40)
      .tag(99, WireType.LengthDelimited)
      .string('later');
    const bytes = new BinaryWriter()
      .tag(1, WireType.LengthDelimited)
      .bytes(header.finish())
      .tag(77, WireType.Varint)
      .int32(1)
      .tag(4, WireType.Varint)
      .int64(3)
      .finish();
    const answer = decodeRangeResponse(bytes);
    assert.deepEqual([answer.header?.revision, answer.count, answer.kvs], [2 ** 40, 3, []]);
    assert.throws(() => decodeRangeResponse(bytes.subarray(0, 5)));
    assert.deepEqual(decodeWatchResponse(new Uint8Array(0)).events, []);
    // What is not set is not sent.
    const reader = new BinaryReader(encodeRangeRequest({ key: Buffer.from('k') }).finish());
    assert.deepEqual(reader.tag(), [1, 2]);
    reader.bytes();
    assert.equal(reader.pos, reader.len);
  });
});

function hex(text: string): string {
  return Buffer.from(text).toString('hex');
}
