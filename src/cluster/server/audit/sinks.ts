/** Where audit events go: a file that is rotated, and a webhook that gets them in batches. */
import { appendFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { Clock } from '../../../base/clock.ts';
import { rfc3339 } from '../../../base/clock.ts';
import { errorMessage } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { JsonObject } from '../../api/json.ts';
import type { AuditSink } from './audit.ts';

/** Events that may wait for a sink that is slow; the oldest go first, and are counted in the log. */
const MAX_WAITING = 10_000;

export interface FileSinkOptions {
  readonly path: string;
  readonly maxBytes: number;
  /** Rotated files that are kept. */
  readonly maxBackups: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export function fileSink(options: FileSinkOptions): AuditSink {
  return new FileSink(options);
}

class FileSink implements AuditSink {
  readonly #options: FileSinkOptions;
  #waiting: string[] = [];
  #lost = 0;
  #writing: Promise<void> | undefined;
  #size: number | undefined;

  constructor(options: FileSinkOptions) {
    this.#options = options;
  }

  record(event: JsonObject): void {
    if (this.#waiting.length >= MAX_WAITING) {
      this.#waiting.shift();
      this.#lost++;
    }
    this.#waiting.push(`${JSON.stringify(event)}\n`);
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  async #write(): Promise<void> {
    const { path, maxBytes, log } = this.#options;
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      try {
        this.#size ??= await stat(path).then(
          ({ size }) => size,
          () => 0,
        );
        for (let from = 0; from < lines.length;) {
          let bytes = 0;
          let to = from;
          while (to < lines.length && (to === from || this.#size + bytes < maxBytes)) {
            bytes += Buffer.byteLength(lines[to++]!);
          }
          if (this.#size > 0 && this.#size + bytes > maxBytes) await this.#rotate();
          await appendFile(path, lines.slice(from, to).join(''), { mode: 0o600 });
          this.#size += bytes;
          from = to;
        }
        if (this.#lost > 0) log.warn('audit events were lost', { events: this.#lost, path });
        this.#lost = 0;
      } catch (error) {
        log.error('cannot write the audit log', { path, events: lines.length, error: errorMessage(error) });
        this.#size = undefined;
      }
    }
  }

  /** `audit.log` becomes `audit-2026-01-02T03-04-05Z-1.log`. */
  async #rotate(): Promise<void> {
    const { path, maxBackups, clock } = this.#options;
    const extension = extname(path);
    const stem = basename(path, extension);
    const at = rfc3339(clock.now()).replaceAll(':', '-');
    const folder = dirname(path);
    const backups = (await readdir(folder)).filter(
      (name) => name.startsWith(`${stem}-`) && name.endsWith(extension),
    );
    let target = `${stem}-${at}${extension}`;
    for (let n = 1; backups.includes(target); n++)
      target = `${stem}-${at}-${String(n).padStart(4, '0')}${extension}`;
    await rename(path, join(folder, target));
    this.#size = 0;
    const old = [...backups, target].toSorted().slice(0, -maxBackups || undefined);
    if (maxBackups > 0) await Promise.all(old.map((name) => rm(join(folder, name), { force: true })));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
  }
}

export interface WebhookSinkOptions {
  /** Sends one EventList; rejects when it was not taken. */
  readonly post: (body: Uint8Array) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly maxBatch?: number;
  readonly maxWaitMs?: number;
}

export function webhookSink(options: WebhookSinkOptions): AuditSink {
  return new WebhookSink(options);
}

const TRIES = 4;
const FIRST_BACKOFF_MS = 1000;

class WebhookSink implements AuditSink {
  readonly #options: WebhookSinkOptions;
  #waiting: JsonObject[] = [];
  #timer: Disposable | undefined;
  #sending: Promise<void> | undefined;

  constructor(options: WebhookSinkOptions) {
    this.#options = options;
  }

  record(event: JsonObject): void {
    const { maxBatch = 400, maxWaitMs = 30_000, clock } = this.#options;
    if (this.#waiting.length >= MAX_WAITING) this.#waiting.shift();
    this.#waiting.push(event);
    if (this.#waiting.length >= maxBatch) this.#send();
    else this.#timer ??= clock.after(maxWaitMs, () => this.#send());
  }

  #send(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#sending ??= this.#drain().finally(() => {
      this.#sending = undefined;
    });
  }

  async #drain(): Promise<void> {
    const { maxBatch = 400, log } = this.#options;
    while (this.#waiting.length > 0) {
      const items = this.#waiting.splice(0, maxBatch);
      const list = { kind: 'EventList', apiVersion: 'audit.k8s.io/v1', metadata: {}, items };
      try {
        await this.#deliver(Buffer.from(JSON.stringify(list)));
      } catch (error) {
        log.error('the audit webhook does not take events', {
          events: items.length,
          error: errorMessage(error),
        });
      }
    }
  }

  async #deliver(body: Uint8Array): Promise<void> {
    const { post, clock } = this.#options;
    for (let tries = 1; ; tries++) {
      try {
        return await post(body);
      } catch (error) {
        if (tries >= TRIES) throw error;
        await new Promise<void>((resolve) => clock.after(FIRST_BACKOFF_MS * 2 ** (tries - 1), resolve));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#send();
    await this.#sending;
  }
}
