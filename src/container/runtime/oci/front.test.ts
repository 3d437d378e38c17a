import assert from 'node:assert/strict';
import { duplexPair, type Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { PlatformError } from '../../../base/errors.ts';
import { step } from '../program/instructions.ts';
import { decodeProgram } from '../program/program-text.ts';
import { decodeFrontMessage, encodeFrame, FrameReader } from './front-frames.ts';
import { FrontConnection } from './front.ts';
import { FRAME_MAX } from './front-protocol.ts';

const REQUEST = ['request', '1', '77', '0', '5', '27', '/home', '2', 'state', 'web', '2', 'A=b=c', 'B='];

/** The front's end: what it sends, and what it gets. */
class Caller {
  readonly stream: Duplex;
  readonly #frames = new FrameReader();
  readonly #got: Buffer[] = [];
  #wake: (() => void) | undefined;

  constructor(stream: Duplex) {
    this.stream = stream;
    stream.on('data', (chunk: Buffer) => {
      this.#got.push(...this.#frames.push(chunk));
      this.#wake?.();
    });
  }

  send(...strings: readonly string[]): void {
    this.stream.write(encodeFrame(strings));
  }

  async next(): Promise<{ verb: string; rest: Buffer }> {
    while (this.#got.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    const frame = this.#got.shift()!;
    const end = frame.indexOf(0);
    return { verb: frame.toString('utf8', 0, end), rest: frame.subarray(end + 1) };
  }
}

async function connect(): Promise<{ caller: Caller; front: FrontConnection }> {
  const [ours, theirs] = duplexPair();
  const caller = new Caller(theirs);
  caller.send(...REQUEST);
  return { caller, front: (await FrontConnection.accept(ours))! };
}

describe('frames', () => {
  test('are found however the bytes are cut', () => {
    const bytes = Buffer.concat([encodeFrame(['done', '1']), encodeFrame(['exited', '137'])]);
    for (let size = 1; size <= bytes.length; size++) {
      const reader = new FrameReader();
      const frames: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size)
        frames.push(...reader.push(bytes.subarray(at, at + size)));
      assert.deepEqual(frames.map(decodeFrontMessage), [
        { verb: 'done', pid: 1 },
        { verb: 'exited', code: 137 },
      ]);
    }
  });

  test('of a length that none has are refused', () => {
    for (const length of [0, FRAME_MAX + 1, 0xffff_ffff]) {
      const head = Buffer.alloc(4);
      head.writeUInt32LE(length);
      assert.throws(() => new FrameReader().push(head), /a frame of/);
    }
    assert.throws(() => encodeFrame(['print'], Buffer.alloc(FRAME_MAX)), /too many/);
  });

  test('that are cut, or say what is not known, are refused', () => {
    const wrong = [['nonsense'], ['done'], ['done', 'x'], ['done', '-1'], ['error', '1', 'clone'], []];
    for (const fields of wrong) {
      assert.throws(
        () => decodeFrontMessage(encodeFrame(fields).subarray(4)),
        (error) => error instanceof PlatformError && error.code === 'invalid',
        fields.join(' '),
      );
    }
    for (let count = 1; count < REQUEST.length; count++) {
      const frame = encodeFrame(REQUEST.slice(0, count)).subarray(4);
      assert.throws(() => decodeFrontMessage(frame), /the front sent/, String(count));
    }
    const greedy = ['request', '1', '7', '0', '0', '22', '/', '999999999'];
    assert.throws(() => decodeFrontMessage(encodeFrame(greedy).subarray(4)), /a list of/);
  });
});

describe('a connection', () => {
  test('begins with the request', async () => {
    const { front } = await connect();
    assert.deepEqual(front.request, {
      version: 1,
      pid: 77,
      uid: 0,
      gid: 5,
      umask: 0o27,
      cwd: '/home',
      argv: ['state', 'web'],
      env: { A: 'b=c', B: '' },
    });
  });

  test('begins with nothing else, and not with another version', async () => {
    for (const [first, message] of [
      [['done', '1'], /began with done/],
      [['request', '2', ...REQUEST.slice(2)], /protocol version 2/],
    ] as const) {
      const [ours, theirs] = duplexPair();
      new Caller(theirs).send(...first);
      await assert.rejects(FrontConnection.accept(ours), message);
    }
    const [ours, theirs] = duplexPair();
    theirs.end();
    assert.equal(await FrontConnection.accept(ours), undefined);
  });

  test('executes, answers what is asked meanwhile, and says what came of it', async () => {
    const { caller, front } = await connect();
    const asked: [string, number][] = [];
    const program = [step('ask', 'cgroup'), step('exec')];
    const executing = front.execute(program, (topic, pid) => {
      asked.push([topic, pid]);
      return Promise.resolve();
    });
    const { verb, rest } = await caller.next();
    assert.equal(verb, 'execute');
    assert.deepEqual(decodeProgram(rest), program);
    caller.send('ask', 'cgroup', '5');
    assert.equal((await caller.next()).verb, 'continue');
    caller.send('done', '5');
    assert.deepEqual(await executing, { type: 'done', pid: 5 });
    assert.deepEqual(asked, [['cgroup', 5]]);

    const waiting = front.execute([step('wait')]);
    caller.send('exited', '137');
    assert.deepEqual(await waiting, { type: 'exited', code: 137 });
  });

  test('tells why an instruction has failed', async () => {
    const { caller, front } = await connect();
    const executing = front.execute([step('exec')]);
    caller.send('error', '3', 'find-program', 'ENOENT', '127', 'exec: "x": not found');
    await assert.rejects(executing, (error) => {
      assert.ok(error instanceof PlatformError);
      const details = { number: 3, opcode: 'find-program', errno: 'ENOENT', exitCode: 127 };
      assert.deepEqual(
        [error.code, error.message, error.details],
        ['not-found', 'exec: "x": not found', details],
      );
      return true;
    });
  });

  test('reads files with the eyes of the caller', async () => {
    const { caller, front } = await connect();
    const reading = front.read('/dev/stdin');
    assert.equal(String((await caller.next()).rest), '/dev/stdin\0');
    caller.stream.write(encodeFrame(['content', ''], Buffer.from('{"a":\0}')));
    assert.equal(String(await reading), '{"a":\0}');
    const missing = front.read('/x');
    caller.send('content', 'ENOENT');
    await assert.rejects(missing, /\/x: ENOENT/);
  });

  test('that ends early fails what is under way, and tells', async () => {
    const { caller, front } = await connect();
    const executing = front.execute([step('exec')]);
    caller.stream.end();
    await assert.rejects(executing, (error) => error instanceof PlatformError && error.code === 'cancelled');
    assert.ok(front.lost.aborted);
    await assert.rejects(front.read('/x'), /gone/);
    front.print(1, 'to nobody');
  });

  test('that is answered with nonsense fails what is under way', async () => {
    const { caller, front } = await connect();
    const executing = front.execute([step('exec')]);
    caller.send('nonsense');
    await assert.rejects(executing, /the front sent the verb "nonsense"/);
    assert.ok(front.lost.aborted);
  });

  test('ends with the exit code', async () => {
    const { caller, front } = await connect();
    front.print(2, 'so long\n');
    await front.exit(3);
    const printed = await caller.next();
    assert.deepEqual([printed.verb, String(printed.rest)], ['print', '2\0so long\n']);
    const last = await caller.next();
    assert.deepEqual([last.verb, String(last.rest)], ['exit', '3\0']);
  });
});
