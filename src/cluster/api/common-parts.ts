/**
 * Parts that many objects have in common and that are held once, as the spec of all replicas: what follows from such a part
 * alone is found out once.
 */
import { isJsonObject, setOwn, type JsonObject, type JsonValue } from './json.ts';

const common = new WeakSet<object>();

/** From now on many objects have this part: nobody changes it. */
export function makeCommon(part: JsonObject | JsonValue[]): void {
  common.add(part);
}

export function isCommon(part: JsonValue | undefined): part is JsonObject | JsonValue[] {
  return typeof part === 'object' && part !== null && common.has(part);
}

/** `derive`, which looks at nothing but the part and whose answers nobody changes, asked once about each common part. */
export function oncePerPart<P extends JsonObject | JsonValue[], A>(derive: (part: P) => A): (part: P) => A {
  const answers = new WeakMap<object, A>();
  return (part) => {
    if (!common.has(part)) return derive(part);
    let answer = answers.get(part);
    if (answer === undefined) answers.set(part, (answer = derive(part)));
    return answer;
  };
}

export function jsonText(value: JsonValue): string {
  return typeof value === 'object' && value !== null ? textOfPart(value) : JSON.stringify(value);
}

const textOfPart = oncePerPart((part) => JSON.stringify(part));

/** JSON of an object, some of whose members are common: what is no object or list comes first. */
export function jsonAround(object: JsonObject): string {
  return joined(object, (value) => jsonText(value));
}

/** As `jsonAround`, of an object's metadata: common is also what its managers own. */
export function metadataJson(metadata: JsonObject): string {
  return joined(metadata, (value, key) =>
    key === 'managedFields' && Array.isArray(value) ? `[${value.map(ownedJson).join(',')}]` : jsonText(value),
  );
}

function ownedJson(entry: JsonValue): string {
  return isJsonObject(entry) ? jsonAround(entry) : JSON.stringify(entry);
}

function joined(
  object: JsonObject,
  textOf: (value: JsonObject | JsonValue[], key: string) => string,
): string {
  const plain: JsonObject = {};
  let parts = '';
  for (const key of Object.keys(object)) {
    const value = object[key];
    if (typeof value === 'object' && value !== null)
      parts += `${parts === '' ? '' : ','}${JSON.stringify(key)}:${textOf(value, key)}`;
    else if (value !== undefined) setOwn(plain, key, value);
  }
  const text = JSON.stringify(plain);
  if (parts === '') return text;
  return text === '{}' ? `{${parts}}` : `${text.slice(0, -1)},${parts}}`;
}
