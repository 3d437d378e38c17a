/**
 * Conversion between versions by somebody's program (apiextensions.k8s.io/v1 ConversionReview). What it has answered is
 * remembered by the content that it was asked about, so that a version of an object is converted once for all readers.
 */
import { hash } from 'node:crypto';
import { errorMessage, isPlatformError, PlatformError } from '../../../base/errors.ts';
import { uuid } from '../../../base/random.ts';
import { isJsonObject, listAt, objectAt, stringAt, type JsonObject } from '../../api/json.ts';
import type { ServerParts } from '../context.ts';
import type { KubeObject } from '../object.ts';
import type { Conversion } from '../resource.ts';

const REVIEW = { kind: 'ConversionReview', apiVersion: 'apiextensions.k8s.io/v1' };
/** Objects of one question. */
const BATCH = 500;
/** Answers that are remembered; more only while one request needs them. */
const MAX_KEPT = 20_000;
const TIMEOUT_SECONDS = 30;

export interface WebhookConversionFacts {
  readonly server: ServerParts;
  /** WebhookClientConfig. */
  readonly clientConfig: JsonObject;
  readonly reviewVersions: readonly string[];
  readonly kind: string;
  /** `example.com/v2`: what clients of this resource see. */
  readonly here: string;
  /** The version that objects are stored in. */
  readonly stored: string;
  /** Brings what the program has made into the form of its version. */
  readonly finish: (object: JsonObject, apiVersion: string) => KubeObject;
}

type Direction = 'from' | 'to';

export class WebhookConversion implements Conversion {
  readonly #facts: WebhookConversionFacts;
  /** JSON by the hash of what was converted. */
  readonly #known: Readonly<Record<Direction, Map<string, string>>> = { from: new Map(), to: new Map() };
  readonly #asking = new Map<string, Promise<void>>();

  constructor(facts: WebhookConversionFacts) {
    this.#facts = facts;
  }

  fromStorage(object: KubeObject): KubeObject {
    return this.#converted('from', object);
  }

  toStorage(object: KubeObject): KubeObject {
    return this.#converted('to', object);
  }

  prepare(direction: Direction, objects: readonly KubeObject[]): Promise<void> | undefined {
    const known = this.#known[direction];
    const missing = new Map<string, KubeObject>();
    for (const object of objects) {
      if (object.apiVersion === this.#target(direction)) continue;
      const key = keyOf(object);
      if (!known.has(key)) missing.set(key, object);
    }
    if (missing.size === 0) return undefined;
    return this.#ask(direction, missing);
  }

  #target(direction: Direction): string {
    return direction === 'from' ? this.#facts.here : this.#facts.stored;
  }

  #converted(direction: Direction, object: KubeObject): KubeObject {
    if (object.apiVersion === this.#target(direction)) return object;
    const text = this.#known[direction].get(keyOf(object));
    if (text !== undefined) return JSON.parse(text) as KubeObject;
    const { name = '' } = object.metadata;
    throw new PlatformError(
      'unavailable',
      `${this.#facts.kind} ${name} has not been converted yet; try again`,
    );
  }

  async #ask(direction: Direction, missing: ReadonlyMap<string, KubeObject>): Promise<void> {
    const known = this.#known[direction];
    const waiting: Promise<void>[] = [];
    const mine: [string, KubeObject][] = [];
    for (const [key, object] of missing) {
      const asked = this.#asking.get(`${direction} ${key}`);
      if (asked === undefined) mine.push([key, object]);
      else waiting.push(asked);
    }
    while (known.size > MAX_KEPT) known.delete(known.keys().next().value!);
    for (let start = 0; start < mine.length; start += BATCH) {
      const batch = mine.slice(start, start + BATCH);
      const answer = this.#convert(direction, batch);
      for (const [key] of batch) this.#asking.set(`${direction} ${key}`, answer);
      waiting.push(answer);
    }
    await Promise.all(waiting);
  }

  async #convert(direction: Direction, batch: readonly (readonly [string, KubeObject])[]): Promise<void> {
    const known = this.#known[direction];
    const target = this.#target(direction);
    try {
      const objects = batch.map(([, object]) => object);
      const made = await this.#call(objects, target);
      batch.forEach(([key, object], index) => {
        known.set(
          key,
          JSON.stringify(this.#facts.finish(this.#checked(object, made[index], target), target)),
        );
      });
    } catch (error) {
      if (!isPlatformError(error) && !(error instanceof Error)) throw error;
      const from = batch[0]?.[1].apiVersion ?? '';
      const message = `conversion webhook for ${from}, Kind=${this.#facts.kind} failed: ${errorMessage(error)}`;
      throw new PlatformError('internal', message, { cause: error });
    } finally {
      for (const [key] of batch) this.#asking.delete(`${direction} ${key}`);
    }
  }

  async #call(objects: readonly KubeObject[], desiredAPIVersion: string): Promise<readonly unknown[]> {
    const { server, clientConfig, reviewVersions } = this.#facts;
    if (!reviewVersions.includes('v1')) {
      throw new PlatformError('invalid', 'it does not take ConversionReviews of version v1');
    }
    const { placeOf, post } = await import('../webhooks/client.ts');
    const uid = uuid(server.random);
    const answer = await post({
      place: placeOf(clientConfig, server),
      body: { ...REVIEW, request: { uid, desiredAPIVersion, objects: [...objects] } },
      timeoutSeconds: TIMEOUT_SECONDS,
      clock: server.clock,
      showTimeout: true,
    });
    if (answer['kind'] !== REVIEW.kind || answer['apiVersion'] !== REVIEW.apiVersion) {
      throw new PlatformError('invalid', `expected a response of ${REVIEW.apiVersion}, Kind=${REVIEW.kind}`);
    }
    const response = objectAt(answer, 'response');
    const got = stringAt(response, 'uid');
    if (got !== uid) throw new PlatformError('invalid', `expected response.uid="${uid}", got "${got}"`);
    if (stringAt(response, 'result', 'status') !== 'Success') {
      throw new PlatformError('invalid', stringAt(response, 'result', 'message') || 'it did not say why');
    }
    const made = listAt(response, 'convertedObjects');
    if (made.length !== objects.length) {
      const counts = `expected ${objects.length} converted objects, got ${made.length}`;
      throw new PlatformError('invalid', counts);
    }
    return made;
  }

  /** Everything but labels and annotations of the metadata is as it was. */
  #checked(object: KubeObject, made: unknown, target: string): JsonObject {
    if (!isJsonObject(made)) throw new PlatformError('invalid', 'a converted object is not an object');
    if (made['apiVersion'] !== target || made['kind'] !== object.kind) {
      const got = `${stringAt(made, 'apiVersion')}, Kind=${stringAt(made, 'kind')}`;
      throw new PlatformError('invalid', `expected ${target}, Kind=${object.kind}, got ${got}`);
    }
    const theirs = objectAt(made, 'metadata');
    for (const field of ['name', 'namespace', 'uid']) {
      if ((theirs[field] ?? '') === (object.metadata[field] ?? '')) continue;
      throw new PlatformError('invalid', `metadata.${field} was changed, which a conversion must not do`);
    }
    const { labels: _labels, annotations: _annotations, ...kept } = object.metadata;
    const { labels, annotations } = theirs;
    const metadata = {
      ...kept,
      ...(labels !== undefined && { labels }),
      ...(annotations !== undefined && { annotations }),
    };
    return { ...made, metadata };
  }
}

function keyOf(object: KubeObject): string {
  return hash('sha1', JSON.stringify(object), 'base64');
}
