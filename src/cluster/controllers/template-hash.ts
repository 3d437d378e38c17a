import { yieldToLoop } from '../../base/yield-to-loop.ts';
import type { PodTemplateSpec } from '../api/generated/core-v1.ts';

export const POD_TEMPLATE_HASH = 'pod-template-hash';

/** Digits and consonants that cannot form words and are valid in a label and a DNS name. */
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** Characters that are hashed in one go: of the smallest values about half a millisecond's worth. */
const SLICE = 4 * 1024;

/**
 * A name for a template's content: equal templates have equal hashes whatever the order of their fields.
 * `collisionCount` gives another hash when two different templates happen to meet.
 */
export async function templateHash(template: PodTemplateSpec, collisionCount = 0): Promise<string> {
  const sum = new Fnv1a();
  let text = '';
  for (const token of canonicalTokens(template)) {
    text += token;
    if (text.length < SLICE) continue;
    sum.add(text);
    text = '';
    await yieldToLoop();
  }
  sum.add(text + (collisionCount > 0 ? `#${collisionCount}` : ''));
  let rest = sum.value;
  let hash = '';
  for (let i = 0; i < 10; i++) {
    hash += ALPHABET[Number(rest % BigInt(ALPHABET.length))];
    rest /= BigInt(ALPHABET.length);
  }
  return hash;
}

/** True when two templates differ in nothing but the hash label that a deployment adds. */
export function sameTemplate(a: PodTemplateSpec, b: PodTemplateSpec): boolean {
  return sameValue(withoutHash(a), withoutHash(b));
}

/** Whether both have the same canonical form, without making it. */
function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => sameValue(item, b[i]));
  }
  return !Array.isArray(b) && sameMembers(a as Members, b as Members);
}

type Members = Readonly<Record<string, unknown>>;

function sameMembers(a: Members, b: Members): boolean {
  let more = 0;
  for (const key in a) {
    if (isLeftOut(a[key])) continue;
    more++;
    if (!Object.hasOwn(b, key) || !sameValue(a[key], b[key])) return false;
  }
  for (const key in b) if (!isLeftOut(b[key])) more--;
  return more === 0;
}

function isLeftOut(field: unknown): boolean {
  return field === undefined || field === null || (Array.isArray(field) && field.length === 0);
}

/** The template without the label that names its hash. */
export function withoutHash(template: PodTemplateSpec): PodTemplateSpec {
  const labels = template.metadata?.labels;
  if (labels?.[POD_TEMPLATE_HASH] === undefined) return template;
  const { [POD_TEMPLATE_HASH]: _hash, ...rest } = labels;
  return { ...template, metadata: { ...template.metadata, labels: rest } };
}

/**
 * JSON with sorted keys. Null, undefined and empty lists are left out: clients differ in whether they send them and
 * they mean the same. Empty objects stay, `emptyDir: {}` says something.
 */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const members = value as Members;
  let text = '';
  for (const key of keysOf(members))
    text += `${text === '' ? '{' : ','}${JSON.stringify(key)}:${canonical(members[key])}`;
  return text === '' ? '{}' : `${text}}`;
}

function keysOf(members: Members): string[] {
  return Object.keys(members)
    .filter((key) => !isLeftOut(members[key]))
    .sort();
}

/** `canonical`, piece by piece. */
function* canonicalTokens(value: unknown): Generator<string, void, undefined> {
  let separator = '';
  if (Array.isArray(value)) {
    yield '[';
    for (const item of value) {
      yield separator;
      yield* canonicalTokens(item);
      separator = ',';
    }
    yield ']';
  } else if (typeof value === 'object' && value !== null) {
    const members = value as Members;
    yield '{';
    for (const key of keysOf(members)) {
      yield `${separator}${JSON.stringify(key)}:`;
      yield* canonicalTokens(members[key]);
      separator = ',';
    }
    yield '}';
  } else yield canonical(value);
}

/** FNV-1a, 64 bits, in two halves: with a bigint for every byte a long template takes a hundred times as long. */
class Fnv1a {
  #high = 0xcbf29ce4;
  #low = 0x84222325;

  add(text: string): void {
    const bytes = Buffer.from(text);
    let [high, low] = [this.#high, this.#low];
    for (let i = 0; i < bytes.length; i++) {
      low = (low ^ bytes[i]!) >>> 0;
      // Times 2^40 + 0x1b3; what is shifted out of the lower half's product is less than 2^9.
      const product = low * 0x1b3;
      high = (high * 0x1b3 + Math.floor(product / 2 ** 32) + ((low << 8) >>> 0)) >>> 0;
      low = product >>> 0;
    }
    [this.#high, this.#low] = [high, low];
  }

  get value(): bigint {
    return (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }
}
