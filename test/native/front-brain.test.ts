import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { FrontRequest } from '../../src/container/runtime/oci/front-protocol.ts';
import { eventually } from '../fixtures/eventually.ts';
import { FrontFixture, isAlive } from './front-fixture.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/sampan-oci', import.meta.url));
const FRAMES = fileURLToPath(new URL('../../src/container/runtime/oci/front-frames.ts', import.meta.url));

/** Answers each request with what it was and who answers; the first word says what else to do. */
const BRAIN = `
import { createServer, Socket } from 'node:net';
import { readdirSync, readlinkSync, unlinkSync } from 'node:fs';
import { decodeFrontMessage, encodeBrainMessage, FrameReader } from ${JSON.stringify(FRAMES)};
const [flag, path] = process.argv.slice(2);
let server;
function end() {
  if (server !== undefined) unlinkSync(path);
  process.exit();
}
function serve(socket) {
  const frames = new FrameReader();
  socket.on('error', () => {});
  socket.on('data', (data) => frames.push(data).forEach((frame) => answer(socket, decodeFrontMessage(frame))));
}
function answer(socket, message) {
  const send = (message) => socket.write(encodeBrainMessage(message));
  if (message.verb === 'content') {
    send({ verb: 'print', fd: 1, text: message.errno + message.content });
    return socket.end(encodeBrainMessage({ verb: 'exit', code: 0 }));
  }
  const [word, argument] = message.request.argv;
  if (word === 'die') { console.error('dying words'); return process.exit(1); }
  if (word === 'read') return send({ verb: 'read', path: argument });
  const descriptors = readdirSync('/proc/self/fd').map((fd) => { try { return readlinkSync('/proc/self/fd/' + fd); } catch { return ''; } });
  const self = { pid: process.pid, flag, path, env: process.env, cwd: process.cwd(), descriptors };
  send({ verb: 'print', fd: 2, text: 'to stderr' });
  send({ verb: 'print', fd: 1, text: JSON.stringify({ request: message.request, self }) });
  socket.end(encodeBrainMessage({ verb: 'exit', code: 42 }), () => { if (word === 'quit' || path === undefined) end(); });
}
if (path !== undefined) { server = createServer(serve); server.listen(path); }
serve(new Socket({ fd: 3 }));
`;

interface Answer {
  readonly request: FrontRequest;
  readonly self: {
    readonly pid: number;
    readonly flag: string;
    readonly path?: string;
    readonly cwd: string;
    readonly env: Readonly<Record<string, string>>;
    readonly descriptors: readonly string[];
  };
}

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

class BrainFixture implements AsyncDisposable {
  readonly box: FrontFixture = new FrontFixture();

  constructor(brain: string = BRAIN) {
    mkdirSync(join(this.box.dir, 'dist'));
    writeFileSync(join(this.box.dir, 'package.json'), '{"type":"module"}');
    writeFileSync(join(this.box.dir, 'dist/sampan-oci.js'), brain);
    const node = join(this.box.dir, `node_modules/node-linux-${process.arch}/bin`);
    mkdirSync(node, { recursive: true });
    symlinkSync(process.execPath, join(node, 'node'));
  }

  run(
    words: readonly string[],
    { env = {}, input = '', command = this.box.front, uid }: RunOptions = {},
  ): Promise<Ran> {
    // Another descriptor of the caller's, which is not for the brain.
    const other = openSync(join(this.box.dir, 'package.json'), 'r');
    const child = spawn(command, words, {
      stdio: ['pipe', 'pipe', 'pipe', other],
      cwd: this.box.dir,
      env: {
        PATH: process.env['PATH'],
        HOME: this.box.dir,
        NODE_COMPILE_CACHE: join(this.box.dir, 'cache'),
        ...env,
      },
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
    closeSync(other);
    child.stdin!.on('error', () => {});
    child.stdin!.end(input);
    let [stdout, stderr] = ['', ''];
    child.stdout!.on('data', (data) => (stdout += String(data)));
    child.stderr!.on('data', (data) => (stderr += String(data)));
    return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
  }

  async ask(words: readonly string[], options: RunOptions = {}): Promise<Answer> {
    const { code, stdout, stderr } = await this.run(words, options);
    assert.deepEqual([code, stderr], [42, 'to stderr'], stdout);
    return JSON.parse(stdout) as Answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.box[Symbol.asyncDispose]();
  }
}

interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly command?: string;
  readonly uid?: number;
}

test('a brain is started, told all of the request, keeps nothing of the caller’s, and is found warm', async () => {
  await using brain = new BrainFixture();
  const first = await brain.ask(['state', '', 'ünï', 'a b'], { env: { SECRET: 'x=y', EMPTY: '' } });
  const { request, self } = first;
  assert.deepEqual(request.argv, ['state', '', 'ünï', 'a b']);
  assert.equal(request.cwd, brain.box.dir);
  assert.equal(request.uid, 0);
  assert.equal(request.umask, process.umask());
  assert.equal(request.env['SECRET'], 'x=y');
  assert.equal(request.env['EMPTY'], '');
  assert.equal(self.flag, '--serve');
  assert.match(self.path!, /^\/run\/sampan\/oci-0\/[0-9a-f]{16}\.sock$/);
  assert.equal(self.cwd, '/');
  assert.deepEqual(Object.keys(self.env).toSorted(), ['HOME', 'NODE_COMPILE_CACHE', 'PATH']);
  assert.deepEqual(
    self.descriptors.filter((path) => path.startsWith(brain.box.dir)),
    [],
  );
  assert.deepEqual(self.descriptors.slice(0, 2), ['/dev/null', '/dev/null']);
  // A session of its own.
  assert.equal(statOf(self.pid)[3], statOf(self.pid)[2]);
  const [second, third] = [await brain.ask(['a']), await brain.ask(['quit'])];
  assert.deepEqual([second.self.pid, third.self.pid], [self.pid, self.pid]);
  await eventually('the brain to end', () => !isAlive(self.pid));
  assert.ok(!existsSync(self.path!));
});

/** Fields of proc(5)'s stat behind the name: state, ppid, pgrp, session. */
function statOf(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

test('SAMPAN_OCI_LINGER=0: no warm brain is used, and none is left', async () => {
  await using brain = new BrainFixture();
  const warm = await brain.ask(['a']);
  const cold = await brain.ask(['a'], { env: { SAMPAN_OCI_LINGER: '0' } });
  assert.notEqual(cold.self.pid, warm.self.pid);
  assert.equal(cold.self.path, undefined);
  await eventually('the cold one to end', () => !isAlive(cold.self.pid));
  await brain.ask(['quit']);
});

test('other namespaces, another root and another build are not for this brain', async () => {
  await using brain = new BrainFixture();
  const { front, dir } = brain.box;
  const warm = await brain.ask(['a']);
  const unshared = await brain.ask(['--uts', front, 'quit'], { command: 'unshare' });
  assert.notEqual(unshared.self.path, warm.self.path);
  writeFileSync(join(dir, 'dist/sampan-oci.js'), `${BRAIN}\n`);
  const built = await brain.ask(['quit']);
  assert.notEqual(built.self.path, warm.self.path);
  writeFileSync(join(dir, 'dist/sampan-oci.js'), BRAIN);
  process.kill(warm.self.pid);
  await eventually('the first to end', () => !isAlive(warm.self.pid));
  unlinkSync(warm.self.path!);
});

test('a brain that ends without an answer: its words are shown', async () => {
  await using brain = new BrainFixture();
  const died = await brain.run(['die'], { env: { SAMPAN_OCI_LINGER: '0' } });
  assert.equal(died.code, 1);
  assert.match(died.stderr, /^dying words\nsampan-oci: the runtime's brain ended without an answer\n$/);
  await using broken = new BrainFixture('this is no program');
  const failed = await broken.run(['a'], { env: { SAMPAN_OCI_LINGER: '0' } });
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /SyntaxError/);
});

test('the front reads its own standard input and files for the brain', async () => {
  await using brain = new BrainFixture();
  const env = { SAMPAN_OCI_LINGER: '0' };
  const input = 'x'.repeat(300_000);
  assert.equal((await brain.run(['read', '/dev/stdin'], { env, input })).stdout, input);
  assert.equal((await brain.run(['read', '/proc/self/fd/0'], { env, input: 'few' })).stdout, 'few');
  assert.equal((await brain.run(['read', '/no/such'], { env })).stdout, 'ENOENT');
  assert.equal(
    (await brain.run(['read', join(brain.box.dir, 'package.json')], { env })).stdout,
    '{"type":"module"}',
  );
});

test('an ordinary user’s warm brain is in XDG_RUNTIME_DIR; a folder that others may enter is not used', async () => {
  await using brain = new BrainFixture();
  chmodSync(brain.box.dir, 0o755);
  const runtime = brain.box.folder('runtime');
  const cache = brain.box.folder('cache');
  chmodSync(runtime, 0o777);
  chmodSync(cache, 0o777);
  const env = { XDG_RUNTIME_DIR: runtime };
  const first = await brain.ask(['a'], { env, uid: 1000 });
  assert.equal(dirname(first.self.path!), join(runtime, 'sampan/oci-1000'));
  assert.equal((await brain.ask(['quit'], { env, uid: 1000 })).self.pid, first.self.pid);
  chmodSync(join(runtime, 'sampan/oci-1000'), 0o755);
  assert.equal((await brain.ask(['a'], { env, uid: 1000 })).self.path, undefined);
  assert.equal((await brain.ask(['a'], { uid: 1000 })).self.path, undefined);
});

test('the launcher is found by links and by PATH', async () => {
  await using brain = new BrainFixture();
  const bin = brain.box.folder('bin');
  const links = brain.box.folder('links');
  cpSync(LAUNCHER, join(bin, 'sampan-oci'));
  symlinkSync('../bin/sampan-oci', join(links, 'two'));
  symlinkSync(join(links, 'two'), join(links, 'one'));
  const env = { SAMPAN_OCI_LINGER: '0' };
  for (const command of [join(bin, 'sampan-oci'), join(links, 'one'), 'links/two']) {
    assert.deepEqual((await brain.ask(['x', 'y z'], { command, env })).request.argv, ['x', 'y z']);
  }
  const found = await brain.ask(['-c', 'one x'], {
    command: 'sh',
    env: { ...env, PATH: `${links}:/usr/bin:/bin` },
  });
  assert.deepEqual(found.request.argv, ['x']);
});
