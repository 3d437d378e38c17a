/** Audit events in a file that is rotated. */
import { appendFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { Clock } from '../../../base/clock.ts';
import { rfc3339 } from '../../../base/clock.ts';
import { errorMessage } from '../../../base/errors.ts';
import { joinInSlices } from '../../../base/join-in-slices.ts';
import type { Logger } from '../../../base/log.ts';
import type { AuditEvent, AuditSink } from './audit.ts';

/** Events that may wait for a sink that is slow; the oldest go first, and are counted in the log. */
const MAX_WAITING = 10_000;
/** Of more bytes that wait, requests wait with them. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** What is written in one go, unless one line is longer. */
const WRITE_BYTES = 1024 * 1024;

export interface FileSinkOptions {
  readonly path: string;
  readonly maxBytes: number;
  /** Rotated files that are kept; 0: all of them. */
  readonly maxBackups: number;
  /** Rotated files older than this are removed at the next rotation; never when absent. */
  readonly maxAgeMs?: number | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

export function fileSink(options: FileSinkOptions): AuditSink {
  return new FileSink(options);
}

class FileSink implements AuditSink {
  readonly #options: FileSinkOptions;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #writing: Promise<void> | undefined;
  #size: number | undefined;

  constructor(options: FileSinkOptions) {
    this.#options = options;
  }

  record({ line }: AuditEvent): void | Promise<void> {
    if (this.#waiting.length >= MAX_WAITING) {
      this.#waitingBytes -= this.#waiting.shift()!.length;
      this.#lost++;
    }
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    return this.#waitingBytes > MAX_WAITING_BYTES ? this.#writing : undefined;
  }

  async #write(): Promise<void> {
    const { path, maxBytes, log } = this.#options;
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      this.#waitingBytes = 0;
      try {
        this.#size ??= await stat(path).then(
          ({ size }) => size,
          () => 0,
        );
        for (let from = 0; from < lines.length;) {
          let bytes = lines[from]!.length;
          let to = from + 1;
          while (to < lines.length && bytes < WRITE_BYTES && this.#size + bytes < maxBytes) {
            bytes += lines[to++]!.length;
          }
          if (this.#size > 0 && this.#size + bytes > maxBytes) await this.#rotate();
          await appendFile(path, await joinInSlices(lines.slice(from, to)), { mode: 0o600 });
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
    const { path, clock } = this.#options;
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
    const old = this.#outdated([...backups, target].toSorted(), stem.length + 1);
    await Promise.all(old.map((name) => rm(join(folder, name), { force: true })));
  }

  /** Which of these names, from old to new, have had their time; it stands in them from `at` on. */
  #outdated(names: readonly string[], at: number): readonly string[] {
    const { maxBackups, maxAgeMs, clock } = this.#options;
    const surplus = maxBackups > 0 ? names.slice(0, -maxBackups) : [];
    if (maxAgeMs === undefined) return surplus;
    const oldest = rfc3339(clock.now() - maxAgeMs).replaceAll(':', '-');
    return names.filter((name) => surplus.includes(name) || name.slice(at, at + oldest.length) < oldest);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
  }
}
