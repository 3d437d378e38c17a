/** What the guest has told, as lines for a person and as a result. Knows at any moment what is running. */
import type { FileEnd, GuestEvent, TestEnd } from './guest/events.ts';

export interface Totals {
  readonly passed: number;
  readonly failed: number;
}

interface FileProgress {
  readonly began: number;
  readonly running: Map<string, number>;
  readonly output: string[];
  failed: number;
}

/** Kept of what a file printed, to be shown should it fail. */
const OUTPUT_LINES = 60;

export class Report {
  #passed = 0;
  #failed = 0;
  #booted = false;
  #complete = false;
  readonly #left: Set<string>;
  readonly #files = new Map<string, FileProgress>();
  readonly #seconds = new Map<string, number>();
  readonly #allowedSkips: Readonly<Record<string, string>>;
  readonly #now: () => number;

  /** `now` in milliseconds. */
  constructor(files: readonly string[], allowedSkips: Readonly<Record<string, string>>, now: () => number) {
    this.#left = new Set(files);
    this.#allowedSkips = allowedSkips;
    this.#now = now;
  }

  get booted(): boolean {
    return this.#booted;
  }

  /** The runner said that it was through, with every file. */
  get complete(): boolean {
    return this.#complete && this.#left.size === 0;
  }

  /** A file that never ended counts as one failure. */
  get totals(): Totals {
    return { passed: this.#passed, failed: this.#failed + this.#left.size };
  }

  /** Seconds by file, of those that ended. */
  get seconds(): ReadonlyMap<string, number> {
    return this.#seconds;
  }

  /** Files without an end. */
  get unfinished(): readonly string[] {
    return [...this.#left];
  }

  /** A line from the guest's port. */
  acceptLine(line: string): readonly string[] {
    let event: GuestEvent;
    try {
      event = JSON.parse(line) as GuestEvent;
    } catch {
      // The last one of a guest that was ended: it was still writing.
      return [];
    }
    return this.accept(event);
  }

  /** Lines to print now. */
  accept(event: GuestEvent): readonly string[] {
    switch (event.type) {
      case 'hello':
        this.#booted = true;
        return [`vm: Linux ${event.kernel} was ready after ${event.uptime.toFixed(1)} s`];
      case 'file-start':
        this.#files.set(event.file, { began: this.#now(), running: new Map(), output: [], failed: 0 });
        return [];
      case 'test-start':
        this.#files.get(event.file)?.running.set(event.name, this.#now());
        return [];
      case 'test-end':
        return this.#testEnd(event);
      case 'output': {
        const output = this.#files.get(event.file)?.output;
        output?.push(...event.text.split('\n').filter((line) => line !== ''));
        output?.splice(0, output.length - OUTPUT_LINES);
        return [];
      }
      case 'file-end':
        return this.#fileEnd(event);
      default:
        this.#complete = true;
        return [];
    }
  }

  /** What was begun and has not ended, the deepest test of each file with how long it has been at it. */
  running(): readonly string[] {
    return [...this.#files].map(([file, { began, running }]) => {
      const [name, since] = [...running].at(-1) ?? [undefined, began];
      const seconds = ((this.#now() - since) / 1000).toFixed(0);
      return `${file}${name === undefined ? '' : ` › ${name}`} (for ${seconds} s)`;
    });
  }

  /** What the file printed last. */
  outputOf(file: string): readonly string[] {
    const output = this.#files.get(file)?.output ?? [];
    return output.length === 0
      ? []
      : [`  what ${file} printed last:`, ...output.map((line) => `  | ${line}`)];
  }

  #testEnd({ file, name, suite, passed, milliseconds, skipped, error }: TestEnd): readonly string[] {
    const progress = this.#files.get(file);
    progress?.running.delete(name);
    if (suite && (passed || error === undefined)) return [];
    const title = `${file} › ${name}`;
    const duration = `(${milliseconds.toFixed(0)} ms)`;
    if (passed && skipped === undefined) {
      this.#passed += 1;
      return [`✔ ${title} ${duration}`];
    }
    if (passed && name in this.#allowedSkips) return [`﹣ ${title}: skipped, ${this.#allowedSkips[name]}`];
    this.#failed += 1;
    if (progress !== undefined) progress.failed += 1;
    const unlisted = 'skipped without an entry in test/allowed-skips.json';
    return [`✖ ${title} ${duration}`, ...indented(passed ? unlisted : (error ?? 'a test in it failed'))];
  }

  #fileEnd({ file, milliseconds, error }: FileEnd): readonly string[] {
    const progress = this.#files.get(file);
    const output = this.outputOf(file);
    this.#files.delete(file);
    this.#left.delete(file);
    this.#seconds.set(file, milliseconds / 1000);
    const lines: string[] = [];
    if (error !== undefined) {
      this.#failed += 1;
      lines.push(
        `✖ ${file}: ${error}`,
        ...indented((progress?.running.size ?? 0) > 0 ? `in ${[...progress!.running.keys()].at(-1)}` : ''),
      );
    }
    if (error !== undefined || (progress?.failed ?? 0) > 0) lines.push(...output);
    return lines;
  }
}

function indented(text: string): readonly string[] {
  return text === '' ? [] : text.split('\n').map((line) => `    ${line}`);
}
