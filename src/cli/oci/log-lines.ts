/** Log lines of the shape that callers of runc read: the last one of the file is why it has failed. */
import { appendFileSync } from 'node:fs';
import { errorMessage, PlatformError } from '../../base/errors.ts';
import { callerPath } from '../../container/runtime/oci/context.ts';
import type { Front } from '../../container/runtime/oci/front.ts';

export type LogLevel = 'debug' | 'info' | 'warning' | 'error';

export interface LogTarget {
  /** Absent: the caller's standard error. */
  readonly file?: string | undefined;
  readonly format: 'text' | 'json';
  readonly debug: boolean;
}

export class CallerLog {
  readonly #front: Front;
  readonly #target: LogTarget;
  readonly #now: () => number;

  constructor(front: Front, target: LogTarget, now: () => number = Date.now) {
    this.#front = front;
    this.#target = target;
    this.#now = now;
  }

  /** `invalid` when the file cannot be written: said before anything is done. */
  open(): void {
    if (!this.#isStandardError()) this.#append('');
  }

  write(level: LogLevel, message: string): void {
    if (level === 'debug' && !this.#target.debug) return;
    const line = formatLine(this.#target.format, level, { message, at: this.#now() });
    if (this.#isStandardError()) this.#front.print(2, line);
    else this.#append(line);
  }

  /** What the command fails with: to the log, and to the caller's eyes when that is a file. */
  fatal(message: string): void {
    this.write('error', message);
    if (!this.#isStandardError()) this.#front.print(2, `${message}\n`);
  }

  #isStandardError(): boolean {
    const { file } = this.#target;
    return file === undefined || file === '' || file === '/dev/stderr';
  }

  #append(text: string): void {
    const path = callerPath({ front: this.#front }, this.#target.file!);
    try {
      appendFileSync(path, text, { mode: 0o644 });
    } catch (error) {
      throw new PlatformError('invalid', `log file ${path}: ${errorMessage(error)}`, { cause: error });
    }
  }
}

export function formatLine(
  format: 'text' | 'json',
  level: LogLevel,
  { message, at }: { message: string; at: number },
): string {
  const time = `${new Date(at).toISOString().slice(0, 19)}Z`;
  if (format === 'json') return `${JSON.stringify({ level, msg: message, time })}\n`;
  const text = /^[\w./@^+-]+$/.test(message) ? message : JSON.stringify(message);
  return `time="${time}" level=${level} msg=${text}\n`;
}
