/** Header blocks of SPDY/3: names and values, all blocks of one direction in one zlib stream. */
import { constants, createInflate, type Inflate } from 'node:zlib';

import { PlatformError } from '../../../base/errors.ts';
import { SPDY_DICTIONARY } from './spdy-dictionary.ts';

/** Of one block, inflated: a few kilobytes could become gigabytes otherwise. */
const MAX_BLOCK = 256 << 10;
const MAX_HEADERS = 256;

export class HeaderInflater implements Disposable {
  #inflate: Inflate | undefined;
  #begun = false;

  /** Throws `invalid` for a block that is broken or too long. */
  async read(block: Uint8Array): Promise<ReadonlyMap<string, string>> {
    return parseHeaders(await this.#expand(block));
  }

  /**
   * A block without headers for the other direction. Stored instead of compressed, so there is no state to keep: zlib's
   * head the first time, the bytes, and an empty block as Z_SYNC_FLUSH makes it.
   */
  nothing(): Buffer {
    const head = this.#begun ? [] : [0x78, 0x01];
    this.#begun = true;
    return Buffer.from([...head, 0x00, 4, 0, 0xfb, 0xff, 0, 0, 0, 0, 0x00, 0, 0, 0xff, 0xff]);
  }

  [Symbol.dispose](): void {
    this.#inflate?.close();
  }

  #expand(block: Uint8Array): Promise<Buffer> {
    const inflate = (this.#inflate ??= newInflate());
    return new Promise((resolve, reject) => {
      const parts: Buffer[] = [];
      let size = 0;
      const done = (error?: Error | null): void => {
        inflate.off('data', take);
        inflate.off('error', done);
        // A stream that is destroyed calls back as if it had done its work.
        const why = size > MAX_BLOCK ? `more than ${MAX_BLOCK} bytes` : error?.message;
        if (why === undefined) resolve(Buffer.concat(parts));
        else reject(new PlatformError('invalid', `spdy headers: ${why}`, { cause: error }));
      };
      const take = (part: Buffer): void => {
        size += part.length;
        parts.push(part);
        if (size <= MAX_BLOCK) return;
        inflate.destroy();
        done();
      };
      inflate.on('data', take);
      inflate.on('error', done);
      // It calls back when all of the block has come out at the other end.
      inflate.write(block, done);
    });
  }
}

function newInflate(): Inflate {
  const inflate = createInflate({ dictionary: SPDY_DICTIONARY, finishFlush: constants.Z_SYNC_FLUSH });
  // Whoever waits for a block hears of it; between two blocks it matters to nobody.
  inflate.on('error', () => {});
  return inflate;
}

function parseHeaders(bytes: Buffer): ReadonlyMap<string, string> {
  let at = 0;
  const number = (): number => {
    if (at + 4 > bytes.length) throw new PlatformError('invalid', 'spdy headers: cut off');
    at += 4;
    return bytes.readUInt32BE(at - 4);
  };
  const text = (): string => {
    const length = number();
    if (at + length > bytes.length) throw new PlatformError('invalid', 'spdy headers: cut off');
    at += length;
    return bytes.toString('utf8', at - length, at);
  };
  const count = number();
  if (count > MAX_HEADERS) throw new PlatformError('invalid', `spdy headers: more than ${MAX_HEADERS}`);
  const headers = new Map<string, string>();
  for (let index = 0; index < count; index++) {
    const name = text().toLowerCase();
    // Several values stand in one, with NUL between them: the first is as good as any.
    headers.set(name, text().split('\0', 1)[0]!);
  }
  return headers;
}
