import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { encodeFrame, FrameReader } from '../../container/runtime/oci/front-frames.ts';

const MAIN = join(import.meta.dirname, 'main.ts');

/** A folder for a socket, and processes that serve. */
class Place implements AsyncDisposable {
  readonly dir: string = mkdtempSync(join(tmpdir(), 'spob-'));
  readonly socket: string = join(this.dir, 'b.sock');
  readonly #brains: Brain[] = [];

  constructor() {
    chmodSync(this.dir, 0o700);
  }

  brain(options: { listens?: boolean } = {}): Brain {
    const brain = new Brain(options.listens === false ? undefined : this.socket);
    this.#brains.push(brain);
    return brain;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#brains) child.kill('SIGKILL');
    for (const { ended } of this.#brains) await ended;
    rmSync(this.dir, { recursive: true, force: true });
  }
}

class Brain {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;

  constructor(socket: string | undefined) {
    const words = [
      '--disable-warning=ExperimentalWarning',
      MAIN,
      '--serve',
      ...(socket === undefined ? [] : [socket]),
    ];
    this.child = spawn(process.execPath, words, {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
      cwd: tmpdir(),
    });
    this.ended = new Promise((resolve) => this.child.once('exit', resolve));
  }

  get first(): Duplex {
    return this.child.stdio[3] as unknown as Duplex;
  }
}

interface Answer {
  readonly code: number | undefined;
  readonly out: string;
  readonly errors: string;
}

interface Asked {
  readonly uid?: number;
  readonly linger?: string;
}

function requestOf(argv: readonly string[], { uid = process.getuid!(), linger = '1' }: Asked = {}): Buffer {
  const who = ['request', '1', String(process.pid), String(uid), '0', '22', '/'];
  return encodeFrame([...who, String(argv.length), ...argv, '1', `SAMPAN_OCI_LINGER=${linger}`]);
}

/** Sends a request and collects what is printed, until the exit or the end. */
function ask(stream: Duplex, argv: readonly string[], asked: Asked = {}): Promise<Answer> {
  const answer = { code: undefined as number | undefined, out: '', errors: '' };
  return new Promise((resolve) => {
    const frames = new FrameReader();
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => {
      for (const frame of frames.push(chunk)) {
        const [verb, field, ...rest] = frame.toString().split('\0');
        if (verb === 'print') answer[field === '1' ? 'out' : 'errors'] += rest.join('\0');
        if (verb === 'exit') answer.code = Number(field);
      }
      if (answer.code !== undefined) stream.end();
    });
    stream.on('close', () => resolve(answer));
    stream.write(requestOf(argv, asked));
  });
}

async function dial(path: string): Promise<Socket> {
  const socket = connect(path);
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return socket;
}

describe('a serving process', () => {
  test('serves who started it, then others, then ends and takes its socket away', async () => {
    await using place = new Place();
    const brain = place.brain();
    const first = await ask(brain.first, ['--version'], { linger: '0.3' });
    assert.equal(first.code, 0);
    assert.match(first.out, /^sampan-oci version/);
    const modeOf = (path: string): number => (statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o777;
    await eventually('the socket, ours alone', () => modeOf(place.socket) === 0o600);
    assert.equal(readlinkSync(`/proc/${brain.child.pid}/cwd`), '/');
    const root = join(place.dir, 'state');
    const several = await Promise.all(
      ['a', 'b', 'c'].map(async (id) =>
        ask(await dial(place.socket), ['--root', root, 'state', id], { linger: '0.3' }),
      ),
    );
    for (const { code, errors } of several) {
      assert.equal(code, 1);
      assert.match(errors, /container does not exist/);
    }
    assert.equal(await brain.ended, 0);
    assert.equal(existsSync(place.socket), false);
  });

  test('that is not to linger, or has no place to listen, ends with its caller', async () => {
    await using place = new Place();
    const brain = place.brain();
    assert.equal((await ask(brain.first, ['--version'], { linger: '0' })).code, 0);
    assert.equal(await brain.ended, 0);
    assert.equal(existsSync(place.socket), false);
    const other = place.brain({ listens: false });
    assert.equal((await ask(other.first, ['--version'], { linger: '60' })).code, 0);
    assert.equal(await other.ended, 0);
  });

  test('ends when its caller has gone before it was served, and nobody else comes', async () => {
    for (let round = 0; round < 3; round++) {
      await using place = new Place();
      const brain = place.brain();
      brain.first.end(requestOf(['--version'], { linger: '0.2' }));
      brain.first.destroy();
      assert.equal(await brain.ended, 0);
      assert.equal(existsSync(place.socket), false);
    }
  });

  test('replaces a socket that nobody listens on, and leaves one alone that somebody does', async () => {
    await using place = new Place();
    writeFileSync(place.socket, '');
    const one = place.brain();
    await ask(one.first, ['--version'], { linger: '60' });
    (await eventually('the socket', () => dial(place.socket))).destroy();
    const two = place.brain();
    await ask(two.first, ['--version'], { linger: '60' });
    assert.equal(await two.ended, 0);
    assert.equal((await ask(await dial(place.socket), ['--version'], { linger: '60' })).code, 0);
    one.child.kill('SIGKILL');
    await one.ended;
    const three = place.brain();
    await ask(three.first, ['--version'], { linger: '60' });
    const socket = await eventually('another socket', () => dial(place.socket));
    assert.equal((await ask(socket, ['--version'])).code, 0);
  });

  test('does not listen in a folder that others may enter', async () => {
    await using place = new Place();
    chmodSync(place.dir, 0o755);
    const brain = place.brain();
    assert.equal((await ask(brain.first, ['--version'], { linger: '60' })).code, 0);
    assert.equal(await brain.ended, 0);
    assert.equal(existsSync(place.socket), false);
  });

  test('refuses another user, and outlives nonsense', async () => {
    await using place = new Place();
    const brain = place.brain();
    await ask(brain.first, ['--version'], { linger: '60' });
    // It is there a moment before somebody listens.
    const other = await eventually('the socket', () => dial(place.socket));
    const refused = await ask(other, ['--version'], { uid: 4_000_000 });
    assert.equal(refused.code, 1);
    assert.match(refused.errors, /uid 4000000 is not served here/);
    for (const bytes of [
      Buffer.from([0, 0, 0, 0]),
      Buffer.from([255, 255, 255, 255]),
      encodeFrame(['done', '1']),
    ]) {
      const socket = await dial(place.socket);
      socket.on('error', () => {});
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.resume().write(bytes);
      await closed;
    }
    const silent = await dial(place.socket);
    silent.destroy();
    assert.equal((await ask(await dial(place.socket), ['--version'])).code, 0);
  });

  test('is not for people', async () => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, 'run'], {
      stdio: 'ignore',
    });
    assert.equal(await new Promise((resolve) => child.once('exit', resolve)), 2);
  });
});

test('a folder for the socket is made, for us alone', async () => {
  await using place = new Place();
  const brain = new Brain(join(place.dir, 'x/y/b.sock'));
  assert.equal((await ask(brain.first, ['--version'], { linger: '0.2' })).code, 0);
  assert.equal(await brain.ended, 0);
  assert.equal(statSync(join(place.dir, 'x/y')).mode & 0o777, 0o700);
});
