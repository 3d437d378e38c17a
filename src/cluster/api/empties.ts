/**
 * Empty lists and maps. Nothing stores them, and Go writes few of them; but while a write is worked on, upstream tells what
 * was sent as `[]` or `{}` from what was not sent.
 */
import type { JsonObject } from './json.ts';
import type { FieldSchema } from './schema.ts';

/**
 * Which of them stay. `owned`: those by which the owners of fields tell what was sent from what is there: what is always
 * written, and all that is in atomic lists, which are compared as Go has them. `told`: those that checks tell from none.
 * Undefined: both. `none`: as storage has it.
 */
export type Empties = 'owned' | 'told' | 'none' | undefined;

/** By kind, where upstream's checks, or its count of generations, ask whether there is one: at these paths, or below one. */
const TOLD: Readonly<Record<string, { readonly below?: string; readonly at?: RegExp }>> = {
  ConfigMap: { at: /^binaryData$/ },
  CustomResourceDefinition: { at: /\.dependencies$/ },
  HorizontalPodAutoscaler: { at: /\.policies$/ },
  MutatingWebhookConfiguration: { below: 'webhooks' },
  NetworkPolicy: { below: 'spec' },
  Pod: { at: /^spec\.overhead$/ },
  ResourceSlice: { at: /^spec\.(?:devices|sharedCounters)$/ },
  Secret: { at: /^data$/ },
  ValidatingWebhookConfiguration: { below: 'webhooks' },
};
/** Of pods, and of templates of pods. */
const POD_CLAIMS = /(?:^|\.)spec\.resources\.claims$/;
/** An applied configuration may not have them, not even none; in an update none means that they be forgotten. */
const MANAGED_FIELDS = 'metadata.managedFields';
/** Kinds that are stored as JSON: what is always written is stored as it is. */
const STORED_AS_JSON: ReadonlySet<string> = new Set(['CustomResourceDefinition']);

interface Place {
  readonly kind: string;
  readonly path: string;
  /** In an atomic list. */
  readonly inAtomic: boolean;
}

/** Of an empty list or map. */
export function isKeptEmpty({ always }: FieldSchema, place: Place, empties: Empties): boolean {
  const { kind, path, inAtomic } = place;
  if (always && STORED_AS_JSON.has(kind)) return true;
  if (empties === 'none') return false;
  if (empties !== 'told' && (always || inAtomic || path === MANAGED_FIELDS)) return true;
  return empties !== 'owned' && isTold(kind, path);
}

function isTold(kind: string, path: string): boolean {
  const { below, at } = TOLD[kind] ?? {};
  if (path === MANAGED_FIELDS || POD_CLAIMS.test(path) || at?.test(path) === true) return true;
  return below !== undefined && path.startsWith(below);
}

const EMPTIES = Symbol('empties');

/** Notes on an object, and so on its shallow copies, that there are such in it. */
export function noteEmpties(object: JsonObject): void {
  Object.assign(object, { [EMPTIES]: true });
}

export function hasEmpties(object: object): boolean {
  return EMPTIES in object;
}
