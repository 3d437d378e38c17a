/** What an exchange sees of its client over either version of HTTP: the body that it sends, and that it goes away. */
import type { Readable } from 'node:stream';

import { PlatformError } from '../../../base/errors.ts';
import { tooLarge } from '../failure.ts';

/**
 * The whole body. Rejects for more than `limit` bytes, of which the rest is left unread, and when the client goes before
 * the end. By events, as an iterator over the stream costs a small request more than its authentication.
 */
export function gathered(stream: Readable, limit: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    if (stream.destroyed) return reject(leftEarly());
    const chunks: Uint8Array[] = [];
    let size = 0;
    const stop = (): void => {
      stream.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
    };
    const onData = (chunk: Uint8Array): void => {
      size += chunk.length;
      chunks.push(chunk);
      if (size <= limit) return;
      stop();
      stream.pause();
      reject(tooLarge(limit));
    };
    const onEnd = (): void => {
      stop();
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
    };
    const onError = (error: unknown): void => {
      stop();
      reject(error);
    };
    const onClose = (): void => onError(leftEarly());
    stream.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
  });
}

function leftEarly(): PlatformError {
  return new PlatformError('cancelled', 'the client has gone before the end of its request');
}

/** The client's leaving before its answer was complete. The signal is made for those who ask: few do, and it is dear. */
export class Departure {
  #controller: AbortController | undefined;
  #happened = false;

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#happened) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  happened(): void {
    this.#happened = true;
    // An abort makes an error with a stack: only for those who wait for it.
    this.#controller?.abort();
  }
}
