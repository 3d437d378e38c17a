import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { ApiObject, Client, InformerFactory } from '../client/contract.ts';
import type { ResourceCatalog } from './resource-catalog.ts';

/** What a controller says about an object to the people who look at it (`kubectl describe`). Never waits. */
export interface EventSink {
  event(object: ApiObject, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

/** Everything a controller is given; it reaches nothing else. */
export interface ControllerEnvironment {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly events: EventSink;
}

/** For controllers that work on whatever kinds are served. */
export interface CatalogEnvironment extends ControllerEnvironment {
  readonly catalog: ResourceCatalog;
}
