/** The front in the foreground of a terminal, with a container that has a terminal of its own. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { step } from '../../src/container/runtime/program/instructions.ts';
import { encodeProgram } from '../../src/container/runtime/program/program-text.ts';
import { eventually } from '../fixtures/eventually.ts';
import { Terminal } from '../fixtures/oci-terminal.ts';
import { FrontFixture } from './front-fixture.ts';

const FRAMES = fileURLToPath(new URL('../../src/container/runtime/oci/front-frames.ts', import.meta.url));

/** Executes the program in the first file, starts what it made, waits for it, and ends as it ended. */
const BRAIN = `
import { connect, Socket } from 'node:net';
import { readFileSync, writeFileSync } from 'node:fs';
import { decodeFrontMessage, encodeBrainMessage, FrameReader } from ${JSON.stringify(FRAMES)};
const frames = new FrameReader();
const socket = new Socket({ fd: 3 });
const send = (message) => socket.write(encodeBrainMessage(message));
socket.on('data', (data) => frames.push(data).forEach((frame) => answer(decodeFrontMessage(frame))));
let folder;
function answer(message) {
  if (message.verb === 'request') {
    folder = message.request.argv[0];
    writeFileSync(folder + '/front', String(message.request.pid));
    return send({ verb: 'execute', program: readFileSync(folder + '/program') });
  }
  if (message.verb === 'done') {
    const start = connect(folder + '/start.sock', () => start.write('start\\n'));
    return start.resume().on('close', () => send({ verb: 'execute', program: Buffer.from('wait 0\\0') }));
  }
  if (message.verb === 'error') send({ verb: 'print', fd: 2, text: message.message });
  socket.end(encodeBrainMessage({ verb: 'exit', code: message.code ?? 99 }));
}
`;

class Relayed implements AsyncDisposable {
  readonly box: FrontFixture = new FrontFixture();
  readonly folder: string = this.box.folder('state');

  /** The words of a shell's command line that runs `script` at a terminal in a container. */
  constructor(script: string) {
    const { dir } = this.box;
    mkdirSync(join(dir, 'dist'));
    writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
    writeFileSync(join(dir, 'dist/sampan-oci.js'), BRAIN);
    const node = join(dir, `node_modules/node-linux-${process.arch}/bin`);
    mkdirSync(node, { recursive: true });
    symlinkSync(process.execPath, join(node, 'node'));
    const program = this.box.container(this.folder, ['sh', '-c', script], {
      parent: [step('console-to', 'relay')],
      inside: [
        step('mount', 'devpts', 'devpts', '/dev/pts', '0', 'newinstance,ptmxmode=0666'),
        step('device', '/dev/tty', 'c', '666', '5', '0', '0', '0'),
        step('console', '0', '0', 'bind'),
        step('session'),
      ],
    });
    writeFileSync(join(this.folder, 'program'), encodeProgram(program));
  }

  get command(): string {
    return `SAMPAN_OCI_LINGER=0 ${this.box.front} ${this.folder}`;
  }

  get frontPid(): number {
    return Number(readFileSync(join(this.folder, 'front'), 'utf8'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.box[Symbol.asyncDispose]();
  }
}

test('keys, size, its changes, and the exit code; afterwards the terminal is as it was', async () => {
  await using relayed = new Relayed(
    'trap "stty size" WINCH; trap "echo broken" INT; stty size; while :; do read x && { [ "$x" = end ] && exit 21; echo "<$x>"; }; done',
  );
  using terminal = new Terminal([
    'sh',
    '-c',
    `stty -a >${relayed.folder}/before; ${relayed.command}; echo code $?; stty -a >${relayed.folder}/after`,
  ]);
  await terminal.expect(/24 80\r\n/);
  terminal.type('one\r');
  await terminal.expect(/one\r\n<one>\r\n/);
  await terminal.resize(40, 100);
  await terminal.expect(/40 100\r\n/);
  terminal.type('\u0003');
  await terminal.expect(/broken\r\n/);
  terminal.type('end\r');
  await terminal.expect(/code 21\r\n/);
  assert.equal(await terminal.end(), 0);
  const [before, after] = ['before', 'after'].map((name) => readFileSync(join(relayed.folder, name), 'utf8'));
  assert.equal(after!.replace(/rows \d+; columns \d+/, ''), before!.replace(/rows \d+; columns \d+/, ''));
});

test('a front that is stopped gives the terminal back, and takes it again', async () => {
  await using relayed = new Relayed(
    'stty size; while read x; do echo "<$x>"; [ "$x" = end ] && exit 0; done',
  );
  // A shell with job control, which says when its job has stopped and brings it to the foreground again.
  const script = `set -m; ${relayed.command}; echo; stty -a | grep -o -e ' -*icanon'; fg; echo code $?; stty -a | grep -o -e ' -*icanon'`;
  using terminal = new Terminal(['bash', '-c', script]);
  await terminal.expect(/24 80\r\n/);
  const front = await eventually('the front', () => relayed.frontPid);
  process.kill(front, 'SIGTSTP');
  await terminal.expect(/ icanon\r\n/);
  terminal.type('again\r');
  await terminal.expect(/<again>\r\n/);
  terminal.type('end\r');
  await terminal.expect(/<end>\r\ncode 0\r\n icanon/);
  assert.equal(await terminal.end(), 0);
});
