/** What Kubernetes' own validation refuses, one file a kind. Objects come decoded and with their defaults. */
import type { FieldError } from './field-error.ts';
import { isJsonObject, type JsonObject } from './json.ts';
import type { KindSchema } from './schema.ts';
import { joined, NONE } from './validate/checks.ts';
import { validateMetadata, validateMetadataUpdate, validatePrefix } from './validate/metadata.ts';
import { RULES, type Rules } from './validate/kind-rules.ts';

const ANY: Rules = { name: 'path-segment' };

function rulesOf(kind: KindSchema): Rules {
  return RULES[`${kind.group}/${kind.kind}`] ?? ANY;
}

/** Complaints about a new object; none means that it may be stored. */
export function validateCreate(kind: KindSchema, object: JsonObject): FieldError[] {
  const rules = rulesOf(kind);
  return joined(
    rules.whole === true ? NONE : validateMetadata(object, rules),
    rules.object?.(object) ?? NONE,
    rules.spec?.(object) ?? NONE,
    rules.create?.(object) ?? NONE,
  );
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
  const metadata = rules.whole === true ? NONE : validateChangedMetadata(object, old, rules);
  if (endpoint === 'status' && rules.status !== undefined) return joined(metadata, rules.status(object, old));
  const update = rules.endpoints?.[endpoint] ?? rules.update;
  return joined(
    metadata,
    rules.object?.(object) ?? NONE,
    // The very spec that is stored was found right when it was written.
    object['spec'] === old['spec'] && isJsonObject(object['spec']) ? NONE : (rules.spec?.(object) ?? NONE),
    update?.(object, old) ?? NONE,
  );
}

function validateChangedMetadata(object: JsonObject, old: JsonObject, rules: Rules): FieldError[] {
  const name = rules.namedOnce === true ? 'path-segment' : rules.name;
  const { clusterScoped = false, custom = false } = rules;
  return joined(
    name === 'path-segment' ? NONE : validatePrefix(object),
    validateMetadataUpdate(object, old),
    validateMetadata(object, { name, clusterScoped, custom }),
  );
}
