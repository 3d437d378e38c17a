import type { PodTemplateSpec } from '../api/generated/core-v1.ts';

export const POD_TEMPLATE_HASH = 'pod-template-hash';

/** Digits and consonants that cannot form words and are valid in a label and a DNS name. */
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/**
 * A name for a template's content: equal templates have equal hashes whatever the order of their fields.
 * `collisionCount` gives another hash when two different templates happen to meet.
 */
export function templateHash(template: PodTemplateSpec, collisionCount = 0): string {
  const text = canonical(template) + (collisionCount > 0 ? `#${collisionCount}` : '');
  let rest = fnv1a(text);
  let hash = '';
  for (let i = 0; i < 10; i++) {
    hash += ALPHABET[Number(rest % BigInt(ALPHABET.length))];
    rest /= BigInt(ALPHABET.length);
  }
  return hash;
}

/** True when two templates differ in nothing but the hash label that a deployment adds. */
export function sameTemplate(a: PodTemplateSpec, b: PodTemplateSpec): boolean {
  return canonical(withoutHash(a)) === canonical(withoutHash(b));
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
  const entries = Object.entries(value)
    .filter(
      ([, field]) => field !== undefined && field !== null && !(Array.isArray(field) && field.length === 0),
    )
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`).join(',')}}`;
}

/** FNV-1a, 64 bits. */
function fnv1a(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}
