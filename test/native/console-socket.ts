/** The receiving side of a console socket, as conmon and containerd have one: SCM_RIGHTS over raw system calls. */
import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ReadStream } from 'node:tty';
import { nativeFile } from '../../src/kernel/native-files.ts';
import { eventually } from '../fixtures/eventually.ts';

interface Seam {
  syscall(nr: number, ...args: readonly (number | bigint | Uint8Array | undefined)[]): number;
  address(bytes: Uint8Array): bigint;
}

const CALLS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  x64: { socket: 41, bind: 49, listen: 50, accept4: 288, recvmsg: 47, ioctl: 16 },
  arm64: { socket: 198, bind: 200, listen: 201, accept4: 242, recvmsg: 212, ioctl: 29 },
};
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const SCM_RIGHTS = 1;
const SOL_SOCKET = 1;
const TIOCGWINSZ = 0x5413;

const seam = createRequire(import.meta.url)(nativeFile('seam.node')) as Seam;

function call(name: string, ...args: readonly (number | bigint | Uint8Array | undefined)[]): number {
  return seam.syscall(CALLS[process.arch]![name]!, ...args);
}

/** A stream socket at `path`, of which one connection is taken. */
export class ConsoleSocket implements Disposable {
  readonly #fd: number;

  constructor(path: string) {
    this.#fd = call('socket', AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const address = Buffer.alloc(110);
    address.writeUInt16LE(AF_UNIX);
    assert.ok(address.write(path, 2) < 108, path);
    assert.equal(call('bind', this.#fd, address, address.length), 0);
    assert.equal(call('listen', this.#fd, 4), 0);
  }

  /** The terminal that was sent, and the text with it. */
  async receive(): Promise<{ readonly text: string; readonly terminal: Master }> {
    const connection = await eventually('a connection', () => {
      const fd = call('accept4', this.#fd, undefined, undefined, SOCK_NONBLOCK | SOCK_CLOEXEC);
      return fd >= 0 && { fd };
    });
    const text = Buffer.alloc(256);
    const control = Buffer.alloc(24);
    const part = Buffer.alloc(16);
    part.writeBigUInt64LE(seam.address(text), 0);
    part.writeBigUInt64LE(BigInt(text.length), 8);
    const message = Buffer.alloc(56);
    const length = await eventually('a message', () => {
      message.writeBigUInt64LE(seam.address(part), 16);
      message.writeBigUInt64LE(1n, 24);
      message.writeBigUInt64LE(seam.address(control), 32);
      message.writeBigUInt64LE(BigInt(control.length), 40);
      const got = call('recvmsg', connection.fd, message, MSG_CMSG_CLOEXEC);
      return got > 0 && { got };
    });
    closeSync(connection.fd);
    assert.deepEqual([control.readUInt32LE(8), control.readUInt32LE(12)], [SOL_SOCKET, SCM_RIGHTS]);
    return { text: text.toString('utf8', 0, length.got), terminal: new Master(control.readInt32LE(16)) };
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** The master of a pseudo-terminal. */
export class Master implements Disposable {
  readonly fd: number;
  readonly #stream: ReadStream;
  #heard = '';

  constructor(fd: number) {
    this.fd = fd;
    this.#stream = new ReadStream(fd);
    this.#stream.on('data', (data: Buffer) => (this.#heard += data.toString()));
    // The other side is closed.
    this.#stream.on('error', () => {});
  }

  get heard(): string {
    return this.#heard;
  }

  async expect(pattern: RegExp): Promise<void> {
    await eventually(`${pattern} at the terminal, where there is ${JSON.stringify(this.#heard)}`, () =>
      pattern.test(this.#heard),
    );
  }

  /** Rows and columns. */
  size(): readonly [number, number] {
    const size = Buffer.alloc(8);
    assert.equal(call('ioctl', this.fd, TIOCGWINSZ, size), 0);
    return [size.readUInt16LE(0), size.readUInt16LE(2)];
  }

  type(text: string): void {
    this.#stream.write(text);
  }

  [Symbol.dispose](): void {
    this.#stream.destroy();
  }
}
