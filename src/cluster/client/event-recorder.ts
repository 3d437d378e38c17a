import { rfc3339, sleep, type Clock } from '../../base/clock.ts';
import { errorMessage, isPlatformError } from '../../base/errors.ts';
import { yieldToLoop } from '../../base/yield-to-loop.ts';
import { silentLogger, type Logger } from '../../base/log.ts';
import type { Event } from '../api/generated/core-v1.ts';
import type { ApiObject, Client } from './contract.ts';
import { events } from './kinds.ts';

export type EventType = 'Normal' | 'Warning';

/** Tells people about objects (`kubectl describe`). Never throws, never waits; drops events when there are too many. */
export interface EventRecorder extends AsyncDisposable {
  event(object: ApiObject, type: EventType, reason: string, message: string): void;
  /** Resolves when everything recorded so far has been sent or given up. */
  flush(): Promise<void>;
}

export interface EventRecorderOptions {
  readonly client: Client;
  readonly clock: Clock;
  /** `kubelet`, `deployment-controller`. */
  readonly component: string;
  /** The node, for components that run on one. */
  readonly host?: string;
  readonly log?: Logger;
}

/** Events that wait to be sent; more are dropped. */
const MAX_WAITING = 1000;
/** Remembered series and sources; the longest unused go first. */
const MAX_REMEMBERED = 4096;
/** So many different messages for one reason within the window, then they are combined. */
const MAX_SIMILAR = 10;
const SIMILAR_WINDOW_MS = 600_000;
/** Of one object: a burst, then one event each five minutes. */
const BURST = 25;
const REFILL_MS = 300_000;
const TRIES = 3;
const RETRY_MS = 2000;

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  return new Recorder(options);
}

interface Series {
  readonly namespace: string;
  readonly name: string;
  readonly count: number;
}

interface Occurrence {
  readonly object: ApiObject;
  readonly type: EventType;
  readonly reason: string;
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

class Recorder implements EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #log: Logger;
  readonly #waiting: Occurrence[] = [];
  /** What has been sent, by everything that makes two events the same. */
  readonly #series = new Remembered<Series>();
  /** The messages of one object, type and reason within the window. */
  readonly #similar = new Remembered<{ readonly since: number; readonly messages: Set<string> }>();
  readonly #budgets = new Remembered<{ tokens: number; at: number }>();
  readonly #stop = new AbortController();
  #sending: Promise<void> | undefined;
  #serial = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLogger;
  }

  event(object: ApiObject, type: EventType, reason: string, message: string): void {
    if (this.#stop.signal.aborted) return;
    const at = this.#options.clock.now();
    if (this.#waiting.length >= MAX_WAITING || !this.#withinBudget(object, at)) {
      this.#log.debug('event dropped', { reason, name: object.metadata?.name });
      return;
    }
    this.#waiting.push({ object, type, reason, message, at });
    this.#sending ??= this.#send().finally(() => (this.#sending = undefined));
  }

  async flush(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#sending;
  }

  async #send(): Promise<void> {
    // Nobody waits for an event: whoever records it, and what has led to that, may have held the loop long enough.
    await yieldToLoop();
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      for (let attempt = 1; !this.#stop.signal.aborted; attempt++) {
        try {
          await this.#sendOne(next);
          break;
        } catch (error) {
          if (!isPlatformError(error, 'unavailable') || attempt === TRIES) {
            this.#log.debug('event not sent', { reason: next.reason, error: errorMessage(error) });
            break;
          }
          await sleep(this.#options.clock, RETRY_MS * attempt, this.#stop.signal).catch(() => {});
        }
      }
    }
  }

  async #sendOne(occurrence: Occurrence): Promise<void> {
    const { client } = this.#options;
    const message = this.#combined(occurrence);
    const combined = message !== occurrence.message;
    const key = [
      sourceKey(occurrence.object),
      occurrence.type,
      occurrence.reason,
      combined ? '' : message,
    ].join('\n');
    const known = this.#series.get(key);
    if (known !== undefined) {
      const next = { ...known, count: known.count + 1 };
      const body = { count: next.count, lastTimestamp: rfc3339(occurrence.at), message };
      try {
        await client.patch(events, known, { type: 'merge', body });
        this.#series.set(key, next);
        return;
      } catch (error) {
        // The server forgets events after a while: then the series begins anew.
        if (!isPlatformError(error, 'not-found')) throw error;
      }
    }
    const created = this.#newEvent(occurrence, message);
    await client.create(events, created);
    this.#series.set(key, {
      namespace: created.metadata?.namespace ?? '',
      name: created.metadata?.name ?? '',
      count: 1,
    });
  }

  #newEvent({ object, type, reason, at }: Occurrence, message: string): Event {
    const { name = '', uid, resourceVersion, namespace } = object.metadata ?? {};
    const { component, host } = this.#options;
    const time = rfc3339(at);
    // As client-go's names: the object's, and a time in nanoseconds that no two events share.
    const stamp = (BigInt(at) * 1_000_000n + BigInt(this.#serial++ % 1_000_000)).toString(16);
    return {
      metadata: { name: `${name}.${stamp}`, namespace: namespace || 'default' },
      involvedObject: {
        ...(object.kind && { kind: object.kind }),
        ...(object.apiVersion && { apiVersion: object.apiVersion }),
        ...(namespace && { namespace }),
        name,
        ...(uid && { uid }),
        ...(resourceVersion && { resourceVersion }),
      },
      reason,
      message,
      type,
      count: 1,
      firstTimestamp: time,
      lastTimestamp: time,
      source: { component, ...(host && { host }) },
      reportingComponent: component,
      reportingInstance: host ?? '',
    };
  }

  /** Many different messages for one reason become one series. */
  #combined({ object, type, reason, message, at }: Occurrence): string {
    const key = [sourceKey(object), type, reason].join('\n');
    let similar = this.#similar.get(key);
    if (similar === undefined || at - similar.since > SIMILAR_WINDOW_MS)
      similar = { since: at, messages: new Set() };
    this.#similar.set(key, similar);
    if (similar.messages.has(message)) return message;
    if (similar.messages.size >= MAX_SIMILAR) return `(combined from similar events): ${message}`;
    similar.messages.add(message);
    return message;
  }

  #withinBudget(object: ApiObject, at: number): boolean {
    const key = sourceKey(object);
    const budget = this.#budgets.get(key) ?? { tokens: BURST, at };
    const tokens = Math.min(BURST, budget.tokens + (at - budget.at) / REFILL_MS);
    this.#budgets.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, at });
    return tokens >= 1;
  }
}

function sourceKey(object: ApiObject): string {
  const { namespace = '', name = '', uid = '' } = object.metadata ?? {};
  return [object.kind ?? '', namespace, name, uid].join('\n');
}

/** A map that forgets what was longest not set. */
class Remembered<V> {
  readonly #entries = new Map<string, V>();

  get(key: string): V | undefined {
    return this.#entries.get(key);
  }

  set(key: string, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= MAX_REMEMBERED) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      return;
    }
  }
}
