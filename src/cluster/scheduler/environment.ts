import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { ApiObject, Client, InformerFactory } from '../client/contract.ts';

/** What the scheduler says about a pod to the people who look at it (`kubectl describe`). Never waits. */
export interface EventSink {
  event(object: ApiObject, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

/** Everything the scheduler is given; it reaches nothing else. */
export interface SchedulerEnvironment {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly events: EventSink;
}
