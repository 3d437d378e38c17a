/**
 * The requests of one priority level: so many seats at once, the others wait in queues that flows are dealt to by shuffle
 * sharding, so that a flow that fills its queues leaves others theirs (KEP-1040).
 */
export interface Limits {
  /** Seats that may be taken at once. */
  readonly seats: number;
  /** 0: nobody waits, requests beyond the seats are refused. */
  readonly queues: number;
  readonly handSize: number;
  readonly queueLength: number;
}

export type Refusal = 'concurrency-limit' | 'queue-full' | 'time-out' | 'cancelled';

/** Gives the seats back. Calling it twice is like calling it once. */
export type Release = () => void;

interface Waiting {
  readonly seats: number;
  readonly admit: (release: Release) => void;
}

interface Queue {
  readonly waiting: Waiting[];
  /** Seats that its requests hold. */
  executing: number;
  /** When it was last served, by count. */
  served: number;
}

/** Of a request that waits. */
export interface Ticket {
  /** Resolves with how to give the seats back. */
  readonly seated: Promise<Release>;
  /** Leaves the queue; false when it is seated already. */
  leave(): boolean;
}

export class QueueSet {
  #limits: Limits;
  #queues: Queue[];
  #executing = 0;
  #waiting = 0;
  #turn = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#queues = emptyQueues(limits.queues);
  }

  /** Seats that there are. */
  get seats(): number {
    return this.#limits.seats;
  }

  get executing(): number {
    return this.#executing;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Those that wait keep their places; with fewer queues they go to the ones that are left. */
  configure(limits: Limits): void {
    const before = this.#queues;
    this.#limits = limits;
    if (before.length !== limits.queues) {
      this.#queues = emptyQueues(limits.queues);
      before.forEach(({ waiting }, i) => {
        if (limits.queues > 0) this.#queues[i % limits.queues]!.waiting.push(...waiting);
        // Without queues they are all let in: they were promised a seat.
        else {
          this.#waiting -= waiting.length;
          for (const one of waiting) this.#seat(one, undefined);
        }
      });
    }
    this.#serve();
  }

  /** `flow` is a hash of whose requests these are. Who need not wait gets how to give the seats back. */
  enter(flow: number, seats: number): Release | Ticket | Refusal {
    // A request that is wider than the level has the whole level.
    const width = Math.min(seats, Math.max(1, this.#limits.seats));
    if (this.#waiting === 0 && this.#fits(width)) {
      const queue = this.#queues.length === 0 ? undefined : this.#shortest(flow);
      return this.#take(width, queue);
    }
    if (this.#queues.length === 0) return 'concurrency-limit';
    const queue = this.#shortest(flow);
    if (queue.waiting.length >= this.#limits.queueLength) return 'queue-full';
    const { promise, resolve } = Promise.withResolvers<Release>();
    const waiting: Waiting = { seats: width, admit: resolve };
    queue.waiting.push(waiting);
    this.#waiting++;
    this.#serve();
    return {
      seated: promise,
      leave: () => {
        const left = this.#queues.some((each) => remove(each.waiting, waiting));
        if (left) this.#waiting--;
        return left;
      },
    };
  }

  #fits(seats: number): boolean {
    return this.#executing + seats <= this.#limits.seats;
  }

  #take(seats: number, queue: Queue | undefined): Release {
    this.#executing += seats;
    if (queue !== undefined) {
      queue.executing += seats;
      queue.served = ++this.#turn;
    }
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.#executing -= seats;
      if (queue !== undefined) queue.executing -= seats;
      this.#serve();
    };
  }

  #seat({ seats, admit }: Waiting, queue: Queue | undefined): void {
    admit(this.#take(seats, queue));
  }

  /** The queue whose requests hold the fewest seats is next; of those, the one that has waited longest. */
  #serve(): void {
    while (this.#waiting > 0) {
      let next: Queue | undefined;
      for (const queue of this.#queues) {
        if (queue.waiting.length === 0) continue;
        const less =
          next === undefined ||
          queue.executing < next.executing ||
          (queue.executing === next.executing && queue.served < next.served);
        if (less) next = queue;
      }
      if (next === undefined || !this.#fits(next.waiting[0]!.seats)) return;
      this.#waiting--;
      this.#seat(next.waiting.shift()!, next);
    }
  }

  #shortest(flow: number): Queue {
    let best: Queue | undefined;
    for (const i of dealHand(flow, this.#queues.length, this.#limits.handSize)) {
      const queue = this.#queues[i]!;
      if (best === undefined || load(queue) < load(best)) best = queue;
    }
    return best!;
  }
}

function load({ waiting, executing }: Queue): number {
  return waiting.reduce((sum, { seats }) => sum + seats, executing);
}

function emptyQueues(count: number): Queue[] {
  return Array.from({ length: count }, () => ({ waiting: [], executing: 0, served: 0 }));
}

function remove<T>(list: T[], item: T): boolean {
  const at = list.indexOf(item);
  if (at !== -1) list.splice(at, 1);
  return at !== -1;
}

/** `handSize` different numbers below `deck`, all decided by `hash`, as from a shuffled deck of cards. */
export function dealHand(hash: number, deck: number, handSize: number): readonly number[] {
  const hand: number[] = [];
  const ascending: number[] = [];
  let rest = hash;
  for (let i = 0; i < Math.min(handSize, deck); i++) {
    const left = deck - i;
    let card = rest % left;
    rest = Math.floor(rest / left);
    // The cards that are out already are not counted.
    let at = 0;
    for (; at < ascending.length && card >= ascending[at]!; at++) card++;
    ascending.splice(at, 0, card);
    hand.push(card);
  }
  return hand;
}
