/** Audit events to a program: in batches, or each before its request goes on. */
import type { Clock } from '../../../base/clock.ts';
import { errorMessage, isPlatformError } from '../../../base/errors.ts';
import { joinInSlices } from '../../../base/join-in-slices.ts';
import type { Logger } from '../../../base/log.ts';
import type { AuditEvent, AuditSink } from './audit.ts';

export interface WebhookSinkOptions {
  /** Sends one EventList, in JSON; rejects when it was not taken, with the answer's status, if there was one, in `details.status`. */
  readonly post: (events: Uint8Array) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
  /** 400 when absent. */
  readonly maxBatch?: number;
  /** How long an event waits for others; 30 s when absent. */
  readonly maxWaitMs?: number;
  /** Events that may wait while the program is slow; the oldest are lost first. 10,000 when absent. */
  readonly maxWaiting?: number;
  /** Before the second try; each one after it waits half as long again. 10 s when absent. */
  readonly firstBackoffMs?: number;
}

/** A batch is tried this often. */
const TRIES = 5;
const BACKOFF_FACTOR = 1.5;

const OPEN = Buffer.from('{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[');
const COMMA = Buffer.from(',');
const CLOSE = Buffer.from(']}');

function listOf(lines: readonly Uint8Array[]): Promise<Uint8Array> {
  return joinInSlices([OPEN, ...lines.flatMap((line, i) => (i === 0 ? [line] : [COMMA, line])), CLOSE]);
}

/** Nobody waits for it: `--audit-webhook-mode batch`. */
export function webhookSink(options: WebhookSinkOptions): AuditSink {
  return new WebhookSink(options);
}

/**
 * A request goes on when its event has been taken, or could not be. With `strict` a request whose arrival cannot be
 * recorded fails (`blocking-strict`).
 */
export function blockingWebhookSink(
  options: Pick<WebhookSinkOptions, 'post' | 'log'> & { readonly strict: boolean },
): AuditSink {
  const { post, log, strict } = options;
  return {
    async record({ stage, line }) {
      try {
        await post(await listOf([line]));
      } catch (error) {
        log.error('the audit webhook does not take an event', { error: errorMessage(error) });
        if (strict && stage === 'RequestReceived') throw error;
      }
    },
    async [Symbol.asyncDispose]() {},
  };
}

class WebhookSink implements AuditSink {
  readonly #options: WebhookSinkOptions;
  readonly #stop = new AbortController();
  #waiting: Uint8Array[] = [];
  #lost = 0;
  #timer: Disposable | undefined;
  #sending: Promise<void> | undefined;

  constructor(options: WebhookSinkOptions) {
    this.#options = options;
  }

  record({ line }: AuditEvent): void {
    const { maxBatch = 400, maxWaitMs = 30_000, maxWaiting = 10_000, clock } = this.#options;
    if (this.#waiting.length >= maxWaiting) {
      this.#waiting.shift();
      this.#lost++;
    }
    this.#waiting.push(line);
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
      try {
        await this.#deliver(await listOf(items));
      } catch (error) {
        const facts = { events: items.length, error: errorMessage(error) };
        log.error('the audit webhook does not take events', facts);
      }
      if (this.#lost > 0) log.warn('audit events were lost', { events: this.#lost });
      this.#lost = 0;
    }
  }

  async #deliver(events: Uint8Array): Promise<void> {
    const { post, firstBackoffMs = 10_000 } = this.#options;
    for (let tries = 1; ; tries++) {
      try {
        return await post(events);
      } catch (error) {
        // Who stops does not wait, and what was refused for good is not tried again.
        if (tries >= TRIES || this.#stop.signal.aborted || !mayPass(error)) throw error;
        await this.#pause(firstBackoffMs * BACKOFF_FACTOR ** (tries - 1));
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    const end = (): void => over.resolve();
    const timer = this.#options.clock.after(ms, end);
    this.#stop.signal.addEventListener('abort', end, { once: true });
    await over.promise;
    timer[Symbol.dispose]();
    this.#stop.signal.removeEventListener('abort', end);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#send();
    await this.#sending;
  }
}

/** Nobody answered, or who did was too busy. */
function mayPass(error: unknown): boolean {
  const status = isPlatformError(error) ? error.details['status'] : undefined;
  return typeof status !== 'number' || status === 429 || status >= 500;
}
