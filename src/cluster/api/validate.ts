/** What Kubernetes' own validation refuses, one file a kind. Objects come decoded and with their defaults. */
import type { FieldError } from './field-error.ts';
import type { JsonObject } from './json.ts';
import type { KindSchema } from './schema.ts';
import { validateMetadata, validateMetadataUpdate, validatePrefix } from './validate/metadata.ts';
import { RULES, type Rules } from './validate/kind-rules.ts';

const ANY: Rules = { name: 'path-segment' };

function rulesOf(kind: KindSchema): Rules {
  return RULES[`${kind.group}/${kind.kind}`] ?? ANY;
}

/** Complaints about a new object; none means that it may be stored. */
export function validateCreate(kind: KindSchema, object: JsonObject): FieldError[] {
  const rules = rulesOf(kind);
  return [
    ...(rules.whole === true ? [] : validateMetadata(object, rules)),
    ...(rules.object?.(object) ?? []),
    ...(rules.create?.(object) ?? []),
  ];
}

/** The object before, and the endpoint at which it changes: `status`, `resize`, or `main`. */
export interface ChangeOf {
  readonly old: JsonObject;
  readonly endpoint?: string;
}

/** Complaints about a changed object: what a new one would get, and fields that must not change. */
export function validateUpdate(kind: KindSchema, object: JsonObject, change: ChangeOf): FieldError[] {
  const { old, endpoint = 'main' } = change;
  const rules = rulesOf(kind);
  const name = rules.namedOnce === true ? 'path-segment' : rules.name;
  const metadata =
    rules.whole === true
      ? []
      : [
          ...(name === 'path-segment' ? [] : validatePrefix(object)),
          ...validateMetadataUpdate(object, old),
          ...validateMetadata(object, { ...rules, name }),
        ];
  if (endpoint === 'status' && rules.status !== undefined) return [...metadata, ...rules.status(object, old)];
  const update = rules.endpoints?.[endpoint] ?? rules.update;
  return [...metadata, ...(rules.object?.(object) ?? []), ...(update?.(object, old) ?? [])];
}
