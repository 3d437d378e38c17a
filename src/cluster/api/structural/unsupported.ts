/** Words of the schema language that no CustomResourceDefinition may use. */
import {
  getOwn,
  isJsonObject,
  objectAt,
  objectsAt,
  stringAt,
  type JsonObject,
  type JsonValue,
} from '../json.ts';

/** In the order in which they are refused. */
export const NEVER = ['id', 'additionalItems', 'patternProperties', 'definitions', 'dependencies', '$ref'];
export const MAY_BE_EMPTY: ReadonlySet<string> = new Set(['id', 'patternProperties', 'definitions']);

export function isEmpty(value: JsonValue): boolean {
  return value === '' || (isJsonObject(value) && Object.keys(value).length === 0);
}

/** Whether it has any of what a structural schema cannot be made of, itself or below. */
export function isBeyondStructure(json: JsonObject): boolean {
  if (stringAt(json, '$schema') !== '' || Array.isArray(getOwn(json, 'items'))) return true;
  if (getOwn(json, 'x-kubernetes-preserve-unknown-fields') === false) return true;
  const own = NEVER.some((name) => {
    const value = getOwn(json, name);
    return value !== undefined && (name === 'additionalItems' || !isEmpty(value));
  });
  return own || schemasBelow(json).some(isBeyondStructure);
}

/** Whether it fills in anything, itself or below. */
export function hasDefault(json: JsonObject): boolean {
  return getOwn(json, 'default') !== undefined || schemasBelow(json).some(hasDefault);
}

function schemasBelow(json: JsonObject): readonly JsonObject[] {
  return [
    ...['additionalProperties', 'items', 'not'].map((name) => getOwn(json, name)),
    ...Object.values(objectAt(json, 'properties')),
    ...['allOf', 'anyOf', 'oneOf'].flatMap((name) => objectsAt(json, name)),
  ].filter(isJsonObject);
}
