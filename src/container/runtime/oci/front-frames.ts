/** Frames of the front's protocol as bytes: `front-protocol.ts` says what they mean. */
import { PlatformError } from '../../../base/errors.ts';
import {
  type BrainMessage,
  FRAME_MAX,
  FRONT_PROTOCOL_VERSION,
  type FrontMessage,
  type FrontRequest,
} from './front-protocol.ts';

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  #held: Buffer = Buffer.alloc(0);

  /** Frames that are whole by now. `invalid` for a length that no frame has. */
  push(chunk: Buffer): Buffer[] {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const frames: Buffer[] = [];
    let at = 0;
    while (this.#held.length - at >= 4) {
      const length = this.#held.readUInt32LE(at);
      if (length === 0 || length > FRAME_MAX) throw malformed(`a frame of ${length} bytes`);
      if (this.#held.length - at - 4 < length) break;
      frames.push(this.#held.subarray(at + 4, at + 4 + length));
      at += 4 + length;
    }
    this.#held = this.#held.subarray(at);
    return frames;
  }
}

export function decodeFrontMessage(frame: Buffer): FrontMessage {
  const fields = new Fields(frame);
  const verb = fields.text();
  switch (verb) {
    case 'request':
      return { verb, request: decodeRequest(fields) };
    case 'done':
      return { verb, pid: fields.number() };
    case 'error':
      return {
        verb,
        number: fields.number(),
        opcode: fields.text(),
        errno: fields.text(),
        exitCode: fields.number(),
        message: fields.text(),
      };
    case 'ask':
      return { verb, topic: fields.text(), pid: fields.number() };
    case 'exited':
      return { verb, code: fields.number() };
    case 'content':
      return { verb, errno: fields.text(), content: fields.rest() };
    default:
      throw malformed(`the verb ${JSON.stringify(verb)}`);
  }
}

function decodeRequest(fields: Fields): FrontRequest {
  const version = fields.number();
  if (version !== FRONT_PROTOCOL_VERSION) {
    throw new PlatformError('unsupported', `protocol version ${version}, we speak ${FRONT_PROTOCOL_VERSION}`);
  }
  const [pid, uid, gid] = [fields.number(), fields.number(), fields.number()];
  const umask = Number.parseInt(fields.text(), 8);
  const cwd = fields.text();
  const argv = fields.list();
  const env: Record<string, string> = {};
  for (const entry of fields.list()) {
    const at = entry.indexOf('=');
    if (at > 0) env[entry.slice(0, at)] = entry.slice(at + 1);
  }
  return { version, pid, uid, gid, umask, cwd, argv, env };
}

export function encodeBrainMessage(message: BrainMessage): Buffer {
  switch (message.verb) {
    case 'execute':
      return encodeFrame(['execute'], message.program);
    case 'continue':
      return encodeFrame(['continue']);
    case 'print':
      return encodeFrame(['print', String(message.fd)], Buffer.from(message.text));
    case 'read':
      return encodeFrame(['read', message.path]);
    default:
      return encodeFrame(['exit', String(message.code)]);
  }
}

/** Terminated strings, then what is not terminated. */
export function encodeFrame(strings: readonly string[], rest: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.from(strings.map((text) => `${text}\0`).join(''));
  const length = head.length + rest.length;
  if (length > FRAME_MAX) throw new PlatformError('invalid', `${strings[0]}: ${length} bytes are too many`);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(length);
  return Buffer.concat([size, head, rest]);
}

class Fields {
  readonly #frame: Buffer;
  #at = 0;

  constructor(frame: Buffer) {
    this.#frame = frame;
  }

  text(): string {
    const end = this.#frame.indexOf(0, this.#at);
    if (end < 0) throw malformed('a field without an end');
    const text = this.#frame.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return text;
  }

  number(): number {
    const text = this.text();
    if (!/^\d{1,15}$/.test(text)) throw malformed(`${JSON.stringify(text)} where a number belongs`);
    return Number(text);
  }

  /** A count and as many strings. */
  list(): string[] {
    const count = this.number();
    if (count > this.#frame.length) throw malformed(`a list of ${count}`);
    return Array.from({ length: count }, () => this.text());
  }

  rest(): Buffer {
    return this.#frame.subarray(this.#at);
  }
}

function malformed(what: string): PlatformError {
  return new PlatformError('invalid', `the front sent ${what}`);
}
