/** Says in the status of each flow schema whether the priority level is there that it names. */
import { rfc3339, type Clock } from '../../../base/clock.ts';
import { errorMessage, isPlatformError } from '../../../base/errors.ts';
import { jsonEqual, objectsAt, stringAt, type JsonObject } from '../../api/json.ts';
import type { ServerParts } from '../context.ts';
import type { KubeObject } from '../object.ts';
import type { ResourceCache } from '../cache/watch-cache.ts';

const GROUP = 'flowcontrol.apiserver.k8s.io';
const TYPE = 'Dangling';

/** The condition, in upstream's words. `now` as metav1.Time. */
export function danglingCondition(level: string, found: boolean, now: string): JsonObject {
  const refers = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(level)}`;
  return {
    type: TYPE,
    status: found ? 'False' : 'True',
    lastTransitionTime: now,
    reason: found ? 'Found' : 'NotFound',
    message: found ? `${refers} and it exists` : `${refers} but there is no such object`,
  };
}

export class DanglingReferences implements AsyncDisposable {
  readonly #parts: ServerParts;
  readonly #schemas: ResourceCache;
  readonly #levels: ResourceCache;
  readonly #stack = new DisposableStack();
  readonly #waiting = new Set<string>();
  #working: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(parts: ServerParts) {
    this.#parts = parts;
    const cacheOf = (name: string): ResourceCache =>
      parts.cache.resource(parts.resources.get(GROUP, 'v1', name).prefix);
    this.#schemas = cacheOf('flowschemas');
    this.#levels = cacheOf('prioritylevelconfigurations');
    this.#stack.use(
      this.#schemas.subscribe(({ current, deleted }) => {
        if (!deleted) this.#look(current.object);
      }),
    );
    this.#stack.use(
      this.#levels.subscribe(({ previous, deleted }) => {
        if (deleted || previous === undefined) this.#lookAtAll();
      }),
    );
    this.#lookAtAll();
  }

  /** Resolves when what was to be said so far is said. */
  settled(): Promise<void> {
    return this.#working;
  }

  #lookAtAll(): void {
    for (const { object } of this.#schemas.list(this.#schemas.prefix)) this.#look(object);
  }

  #look(schema: KubeObject): void {
    const { name = '' } = schema.metadata;
    if (this.#isTold(schema) || this.#waiting.has(name)) return;
    this.#waiting.add(name);
    this.#working = this.#afterwards(this.#working, name);
  }

  async #afterwards(previous: Promise<void>, name: string): Promise<void> {
    await previous;
    this.#waiting.delete(name);
    if (this.#stopped) return;
    const { registry, resources, clock, log } = this.#parts;
    try {
      await registry.modify(
        resources.get(GROUP, 'v1', 'flowschemas'),
        { namespace: '', name },
        {
          change: (schema) =>
            this.#isTold(schema) ? { type: 'keep' } : { type: 'put', object: this.#told(schema, clock) },
        },
      );
    } catch (error) {
      if (isPlatformError(error, 'not-found')) return;
      log.warn('cannot say whether a flow schema dangles', { name, error: errorMessage(error) });
    }
  }

  #wanted(schema: KubeObject, now: string): JsonObject {
    const level = levelOf(schema);
    return danglingCondition(level, this.#levels.get(this.#levels.prefix + level) !== undefined, now);
  }

  #isTold(schema: KubeObject): boolean {
    const present = objectsAt(schema.status, 'conditions').find((one) => stringAt(one, 'type') === TYPE);
    if (present === undefined) return false;
    return jsonEqual(present, this.#wanted(schema, stringAt(present, 'lastTransitionTime')));
  }

  #told(schema: KubeObject, clock: Clock): KubeObject {
    const conditions = objectsAt(schema.status, 'conditions');
    const others = conditions.filter((one) => stringAt(one, 'type') !== TYPE);
    const wanted = this.#wanted(schema, rfc3339(clock.now()));
    return { ...schema, status: { ...schema.status, conditions: [...others, wanted] } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#stack.dispose();
    await this.#working;
  }
}

function levelOf(schema: KubeObject): string {
  return stringAt(schema.spec, 'priorityLevelConfiguration', 'name');
}
