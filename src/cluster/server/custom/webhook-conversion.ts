/**
 * Conversion between versions by somebody's program (apiextensions.k8s.io/v1 ConversionReview). What it has answered is
 * remembered by the content that it was asked about, so that a version of an object is converted once for all readers.
 */
import { hash } from 'node:crypto';
import { isPlatformError, PlatformError } from '../../../base/errors.ts';
import { uuid } from '../../../base/random.ts';
import { pauseAfter, Slice } from '../../../base/yield-to-loop.ts';
import { encodeInSlices } from '../../api/encode-in-slices.ts';
import { listAt, objectAt, objectsAt, stringAt, type JsonObject } from '../../api/json.ts';
import { hasValues, parseText } from '../../api/parse-in-slices.ts';
import { CachedEvent } from '../cache/cached-event.ts';
import { CachedObject } from '../cache/cached-object.ts';
import type { ServerParts } from '../context.ts';
import { encodeForStorage } from '../encoding/encoding.ts';
import { unexplained } from '../failure.ts';
import type { KubeObject } from '../object.ts';
import { isWide } from '../offload/wide.ts';
import type { Conversion, ConvertingProgram, Resource } from '../resource.ts';
import type { Answered } from '../webhooks/json-exchange.ts';
import {
  asObject,
  problemOf,
  responseIn,
  reviewOf,
  reviewVersion,
  withMetadataOf,
} from './conversion-review.ts';
import { KnownBytes } from './known-bytes.ts';

/** Objects of one question, and about how many bytes of them. */
const BATCH = 500;
const BATCH_BYTES = 1024 * 1024;
/** Longer answers have more in them than was asked about. */
const MAX_EXPECTED_BYTES = 4 * BATCH_BYTES;
/** Questions that are asked at once for one request. */
const AT_ONCE = 4;
/** Of answers that are remembered. */
const MAX_KNOWN_BYTES = 32 * 1024 * 1024;

export interface WebhookConversionFacts {
  readonly server: ServerParts;
  /** WebhookClientConfig. */
  readonly clientConfig: JsonObject;
  readonly reviewVersions: readonly string[];
  readonly kind: string;
  /** What clients see. */
  readonly place: Pick<Resource, 'group' | 'version' | 'resource'>;
  /** `example.com/v2`: the version of that. */
  readonly here: string;
  /** The version that objects are stored in. */
  readonly stored: string;
  /** Brings what the program has made into the form of its version. */
  readonly finish: (object: JsonObject, apiVersion: string) => KubeObject;
}

export function webhookConversion(facts: WebhookConversionFacts): Conversion {
  const converted = (object: KubeObject, to: string): KubeObject => {
    if (object.apiVersion === to) return object;
    const { name = '' } = object.metadata;
    throw new PlatformError('unavailable', `${facts.kind} ${name} has not been converted yet; try again`);
  };
  return {
    fromStorage: (object) => converted(object, facts.here),
    toStorage: (object) => converted(object, facts.stored),
    program: new ConversionWebhook(facts),
  };
}

/** Converted bytes by the content that they were made of. */
type Made = Map<string, Uint8Array>;

class ConversionWebhook implements ConvertingProgram {
  readonly #facts: WebhookConversionFacts;
  /** How stored bytes begin that are in this version. */
  readonly #head: Buffer;
  readonly #known = new KnownBytes(MAX_KNOWN_BYTES);
  readonly #asking = new Map<string, Promise<Made>>();
  #sharing:
    | { readonly events: readonly CachedEvent[]; readonly made: Promise<readonly CachedEvent[]> }
    | undefined;

  get stored(): string {
    return this.#facts.stored;
  }

  constructor(facts: WebhookConversionFacts) {
    this.#facts = facts;
    const { kind, here: apiVersion } = facts;
    this.#head = Buffer.from(`${JSON.stringify({ kind, apiVersion }).slice(0, -1)},`);
  }

  async shown(objects: readonly CachedObject[]): Promise<readonly CachedObject[]> {
    const slice = new Slice(this.#facts.server.clock);
    const keys: (string | undefined)[] = [];
    const missing = new Map<string, CachedObject>();
    const made: Made = new Map();
    for (const object of objects) {
      if (slice.over) await slice.next();
      const key = this.#isHere(object) ? undefined : hash('sha1', object.stored, 'base64');
      keys.push(key);
      const known = key === undefined ? undefined : this.#known.get(key);
      if (known !== undefined) made.set(key!, known);
      else if (key !== undefined) missing.set(key, object);
    }
    const batches = batchesOf(missing);
    const work = async (): Promise<void> => {
      for (const batch of batches) await this.#take(batch, made);
    };
    await Promise.all(Array.from({ length: missing.size === 0 ? 0 : AT_ONCE }, work));
    const shown: CachedObject[] = [];
    for (const [i, object] of objects.entries()) {
      if (slice.over) await slice.next();
      const key = keys[i];
      shown.push(key === undefined ? object : new CachedObject(object.key, made.get(key)!, object.revision));
    }
    return shown;
  }

  /** Thousands of watchers want the same at the same time. */
  shownEvents(events: readonly CachedEvent[]): Promise<readonly CachedEvent[]> {
    const last = this.#sharing;
    const isSame = events.length === last?.events.length && events.every((one, i) => one === last.events[i]);
    if (last !== undefined && isSame) return last.made;
    const made = this.#shownEvents(events).finally(() => {
      if (this.#sharing?.made === made) this.#sharing = undefined;
    });
    this.#sharing = { events, made };
    return made;
  }

  async #shownEvents(events: readonly CachedEvent[]): Promise<readonly CachedEvent[]> {
    const objects = events.flatMap(({ current, previous }) => (previous ? [previous, current] : [current]));
    const shown = (await this.shown(objects)).values();
    return events.map(({ previous, deleted }) => {
      const before = previous && shown.next().value;
      return new CachedEvent(shown.next().value!, before, deleted);
    });
  }

  async fromStorage(object: KubeObject): Promise<KubeObject> {
    if (object.apiVersion === this.#facts.here) return object;
    const [shown] = await this.shown([await storedForm(object)]);
    return await decoded(shown!.stored, object);
  }

  async toStorage(object: KubeObject): Promise<KubeObject> {
    if (object.apiVersion === this.#facts.stored) return object;
    const [made] = await this.#convert([await storedForm(object)], this.#facts.stored);
    return await decoded(made!, object);
  }

  #isHere(object: CachedObject): boolean {
    const head = this.#head;
    return head.equals(object.stored.subarray(0, head.length)) || versionOf(object) === this.#facts.here;
  }

  /** What of a batch somebody else has asked about is waited for. */
  async #take(batch: ReadonlyMap<string, CachedObject>, made: Made): Promise<void> {
    const mine = new Map<string, CachedObject>();
    const waiting: Promise<void>[] = [];
    for (const [key, object] of batch) {
      const known = this.#known.get(key);
      const asked = this.#asking.get(key);
      if (known !== undefined) made.set(key, known);
      else if (asked === undefined) mine.set(key, object);
      else waiting.push(asked.then((all) => void made.set(key, all.get(key)!)));
    }
    if (mine.size > 0) {
      const answer = this.#asked(mine);
      for (const key of mine.keys()) this.#asking.set(key, answer);
      waiting.push(answer.then((all) => all.forEach((bytes, key) => made.set(key, bytes))));
    }
    await Promise.all(waiting);
  }

  async #asked(batch: ReadonlyMap<string, CachedObject>): Promise<Made> {
    try {
      const answer = await this.#convert([...batch.values()], this.#facts.here);
      const made: Made = new Map([...batch.keys()].map((key, i) => [key, answer[i]!]));
      for (const [key, bytes] of made) this.#known.add(key, bytes);
      return made;
    } finally {
      for (const key of batch.keys()) this.#asking.delete(key);
    }
  }

  async #convert(objects: readonly CachedObject[], target: string): Promise<readonly Uint8Array[]> {
    const { server, clientConfig, reviewVersions } = this.#facts;
    const from = versionOf(objects[0]!);
    const version = reviewVersion(reviewVersions);
    if (version === undefined) throw unexplained('no supported conversion review versions');
    await pauseAfter(objects.reduce((sum, { length }) => sum + length, 0));
    const review = reviewOf(objects, version, { uid: uuid(server.random), desiredAPIVersion: target });
    const asked = server.callConverter(clientConfig, review);
    const answer = await this.#unlessFailed(from, asked);
    await pauseAfter(answer.bytes.length);
    const { offload, limits } = server;
    // Many small objects are as much work as a wide one.
    const isHeavy =
      offload !== undefined &&
      (answer.bytes.length > MAX_EXPECTED_BYTES ||
        [review, answer.bytes].some((bytes) => isWide(bytes, limits.wideValues)));
    return await (isHeavy ? offload.read(this.#facts, review, answer) : this.read(review, answer));
  }

  #failure(from: string, what: string): PlatformError {
    return unexplained(`conversion webhook for ${from}, Kind=${this.#facts.kind} ${what}`);
  }

  async #unlessFailed<T>(from: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (!isPlatformError(error)) throw error;
      throw this.#failure(from, `failed: ${error.message}`);
    }
  }

  async read(review: Uint8Array, answer: Answered): Promise<readonly Uint8Array[]> {
    const { server, finish } = this.#facts;
    const question = (await parseText(textOf(review))) as JsonObject;
    const request = objectAt(question, 'request');
    const target = stringAt(request, 'desiredAPIVersion');
    const objects = objectsAt(request, 'objects') as KubeObject[];
    const from = stringAt(objects[0], 'apiVersion');
    const response = await this.#unlessFailed(from, responseIn(answer, question));
    const made = listAt(response, 'convertedObjects');
    if (made.length !== objects.length)
      throw this.#failure(from, `returned ${made.length} objects, expected ${objects.length}`);
    const { offload, limits, clock } = server;
    const slice = new Slice(clock);
    const written: Uint8Array[] = [];
    for (const [i, object] of objects.entries()) {
      if (slice.over) await slice.next();
      const checked = asObject(made[i]);
      const problem = problemOf(checked, object, { target, index: i });
      if (problem !== undefined) throw this.#failure(from, `returned invalid ${problem}`);
      if (offload !== undefined && hasValues(checked, limits.wideValues))
        return await offload.read(this.#facts, review, answer);
      written.push(encodeForStorage(finish(withMetadataOf(object, checked), target)));
    }
    return written;
  }
}

function versionOf(object: CachedObject): string {
  const version = object.at(['apiVersion']);
  return typeof version === 'string' ? version : '';
}

function textOf({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString('utf8');
}

/** As it would be stored: bytes, whose version stands beside them. */
async function storedForm({ kind, apiVersion, metadata, ...rest }: KubeObject): Promise<CachedObject> {
  const { resourceVersion: version = '', ...stored } = metadata;
  const bytes = await encodeInSlices({ kind, apiVersion, metadata: stored, ...rest });
  return new CachedObject('', bytes, /^[1-9]\d{0,15}$/.test(version) ? Number(version) : 0);
}

/** With the version of what it was made of. */
async function decoded(
  bytes: Uint8Array,
  { metadata: { resourceVersion } }: KubeObject,
): Promise<KubeObject> {
  const object = (await parseText(textOf(bytes))) as KubeObject;
  if (resourceVersion !== undefined) object.metadata.resourceVersion = resourceVersion;
  return object;
}

/** One question each. Not begun with when an earlier one has failed. */
function* batchesOf(
  objects: ReadonlyMap<string, CachedObject>,
): Generator<ReadonlyMap<string, CachedObject>> {
  let batch = new Map<string, CachedObject>();
  let bytes = 0;
  for (const [key, object] of objects) {
    if (batch.size === BATCH || (batch.size > 0 && bytes + object.length > BATCH_BYTES)) {
      yield batch;
      [batch, bytes] = [new Map(), 0];
    }
    batch.set(key, object);
    bytes += object.length;
  }
  yield batch;
}
