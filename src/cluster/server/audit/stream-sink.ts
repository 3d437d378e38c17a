/** Audit events in a stream, like the standard output: while nobody reads it requests wait, and nothing is lost. */
import type { Writable } from 'node:stream';
import { errorMessage } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { AuditEvent, AuditSink } from './audit.ts';

/** Of more bytes that wait to be read, requests wait with them. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

/** Ends, with what it waits for, when all has been read or nobody reads any more; the stream itself stays open. */
export function streamSink(stream: Writable, log: Logger): AuditSink {
  return new StreamSink(stream, log);
}

class StreamSink implements AuditSink {
  readonly #stream: Writable;
  #emptied: Promise<void> | undefined;

  constructor(stream: Writable, log: Logger) {
    this.#stream = stream;
    stream.on('error', (error) => log.error('cannot write the audit log', { error: errorMessage(error) }));
  }

  record({ line }: AuditEvent): void | Promise<void> {
    if (!this.#stream.writable) return undefined;
    this.#stream.write(line);
    return this.#stream.writableLength > MAX_WAITING_BYTES ? this.#empty() : undefined;
  }

  /** When what waits by now has been written. */
  #empty(): Promise<void> {
    if (this.#emptied === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const done = (): void => {
        this.#emptied = undefined;
        this.#stream.off('close', done);
        resolve();
      };
      this.#stream.once('close', done);
      this.#stream.write('', done);
      this.#emptied = promise;
    }
    return this.#emptied;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#emptied;
    if (this.#stream.writable && this.#stream.writableLength > 0) await this.#empty();
  }
}
