/**
 * Replicas: objects whose bodies differ in nothing but their name, as the pods of a Job are. What the first of them says is
 * decoded and gets its defaults and its owners; the others get copies of that.
 *
 * A copy is what its body would have become: bodies count as alike when they are the same bytes but for the name, are sent to
 * the same place by the same manager, and when another name has been tried and made no difference.
 */
import { makeCommon } from '../../api/common-parts.ts';
import {
  frozen,
  isJsonObject,
  jsonCopy,
  jsonEqual,
  objectsAt,
  type JsonObject,
  type JsonValue,
} from '../../api/json.ts';
import type { ManagedWrite } from '../../api/managed-fields/managed-fields.ts';
import type { ObjectType } from '../../api/object-type.ts';
import type { KubeObject } from '../object.ts';
import type { BodyFormat } from '../encoding/negotiate.ts';

/** What a draft is made of: everything that has a say in it. */
export interface Sent {
  readonly body: Uint8Array;
  readonly format: BodyFormat;
  /** Of the path. */
  readonly namespace: string;
  readonly author: ManagedWrite;
}

/** What a name may be that stands in JSON as it is. */
const PLAIN = /^[-.a-z0-9]+$/;
/** What longer bodies say may be worked on in slices, and takes its time anyway. */
const MAX_BYTES = 16 * 1024;
/** Bodies of a kind that are remembered: as many workloads can be scaled up at the same time. */
const MAX_KNOWN = 8;

interface Known extends Sent {
  readonly body: Buffer;
  /** Where the name begins and ends in the body; both its end where it has none. */
  readonly start: number;
  readonly end: number;
  /** Absent as long as one such body alone has come. */
  draft?: KubeObject;
  /** What all of them have in common once they are prepared; null where one had something else. */
  readonly common: Map<string, JsonValue>;
}

/** One of those that are alike. */
export interface Replica {
  /** An object of its own. */
  readonly object: KubeObject;
  /** Has it hold what others hold too, where that is the same. Nobody may change it afterwards. */
  readonly settle: (object: KubeObject) => void;
}

const byType = new WeakMap<ObjectType, Replicas>();

/** The replicas of a kind. */
export function replicasOf(type: ObjectType): Replicas {
  let replicas = byType.get(type);
  if (replicas === undefined) byType.set(type, (replicas = new Replicas()));
  return replicas;
}

export class Replicas {
  /** Those that came or were of use last are the first. */
  readonly #known: Known[] = [];

  /** What becomes of the body, if that is known. */
  find(sent: Sent): Replica | undefined {
    for (const [index, known] of this.#known.entries()) {
      if (known.draft === undefined) continue;
      const name = nameAt(known, sent);
      if (name === undefined) continue;
      if (index > 0) this.#known.unshift(...this.#known.splice(index, 1));
      return {
        object: copyOf(known.draft, name, sent.author),
        settle: (object) => {
          settle(object, known.common, '');
          settle(object.metadata, known.common, 'metadata.');
        },
      };
    }
    return undefined;
  }

  /** Remembers a body, and once a second one like it comes `draft`, which it became. `make` tells what becomes of another body. */
  async remember(
    sent: Sent,
    draft: KubeObject,
    make: (body: Uint8Array) => Promise<KubeObject>,
  ): Promise<void> {
    const { body, format } = sent;
    if (body.length > MAX_BYTES) return;
    const before = this.#known.find((known) => nameAt(known, sent) !== undefined);
    if (before === undefined) {
      const own = Buffer.from(body);
      const { name = '' } = draft.metadata;
      const start = name === '' ? own.length : format === 'json' ? placeOf(name, own) : -1;
      if (start < 0) return;
      this.#known.unshift({ ...sent, body: own, start, end: start + name.length, common: new Map() });
      this.#known.length = Math.min(this.#known.length, MAX_KNOWN);
      return;
    }
    const kept = frozen(jsonCopy(draft));
    if (!(await isOfAnyName(before, kept, make))) {
      if (this.#known.includes(before)) this.#known.splice(this.#known.indexOf(before), 1);
      return;
    }
    before.draft = kept;
    for (const { fieldsV1 } of objectsAt(kept, 'metadata', 'managedFields'))
      if (isJsonObject(fieldsV1)) makeCommon(fieldsV1);
  }
}

/** Where a name is the whole of a string for the first time; -1 where it is not. */
function placeOf(name: string, body: Buffer): number {
  const at = PLAIN.test(name) ? body.indexOf(`"${name}"`) : -1;
  return at < 0 ? -1 : at + 1;
}

/** The name in a body that is like a known one, empty where both have none; undefined for another body. */
function nameAt(known: Known, { body, format, namespace, author }: Sent): string | undefined {
  const { start, end } = known;
  const rest = known.body.length - end;
  const stop = body.length - rest;
  if (stop < start || known.format !== format || known.namespace !== namespace) return undefined;
  if (known.body.compare(body, 0, start, 0, start) !== 0) return undefined;
  if (known.body.compare(body, stop, body.length, end) !== 0) return undefined;
  if (!isSameAuthor(known.author, author)) return undefined;
  if (start === known.body.length) return stop === start ? '' : undefined;
  const name = Buffer.from(body.buffer, body.byteOffset + start, stop - start).toString('latin1');
  return PLAIN.test(name) ? name : undefined;
}

/** The time is that of each. */
function isSameAuthor(one: ManagedWrite, other: ManagedWrite): boolean {
  return (
    one.manager === other.manager &&
    one.apiVersion === other.apiVersion &&
    one.subresource === other.subresource &&
    one.schema === other.schema &&
    one.ignored === other.ignored
  );
}

/** Nobody writes to what says which fields are owned, so all have the same. */
function copyOf({ metadata, ...draft }: KubeObject, name: string, { now }: ManagedWrite): KubeObject {
  const { managedFields, ...said } = metadata;
  const copy = jsonCopy(draft) as KubeObject;
  copy.metadata = jsonCopy(said);
  if (name !== '') copy.metadata.name = name;
  if (managedFields !== undefined)
    copy.metadata.managedFields = (managedFields as JsonObject[]).map((entry) => ({ ...entry, time: now }));
  return copy;
}

/** Each member that is an object or a list, but for those that are never the same. */
function settle(holder: JsonObject, common: Map<string, JsonValue>, path: string): void {
  for (const key of Object.keys(holder)) {
    const part = holder[key];
    if (typeof part !== 'object' || part === null || OWN.has(key)) continue;
    const at = path + key;
    const other = common.get(at);
    if (other === undefined) {
      makeCommon(part);
      common.set(at, part);
    } else if (other !== null) {
      if (jsonEqual(part, other)) holder[key] = other;
      else common.set(at, null);
    }
  }
}

const OWN = new Set(['metadata', 'managedFields']);

/** Tries another name: the one in the body must be the object's, and nothing else may follow from it. */
async function isOfAnyName(
  known: Known,
  draft: KubeObject,
  make: (body: Uint8Array) => Promise<KubeObject>,
): Promise<boolean> {
  const { body, start, end, author } = known;
  if (start === end) return true;
  const other = `${body.toString('latin1', start, end)}-0`;
  const renamed = Buffer.concat([body.subarray(0, start), Buffer.from(other), body.subarray(end)]);
  const made = await make(renamed);
  return jsonEqual(copyOf(made, '', author), copyOf(draft, other, author));
}
