import { PlatformError } from '../../../base/errors.ts';
import { jsonTypeName } from '../go-errors.ts';
import { isJsonObject, jsonCopy, jsonEqual, setOwn, type JsonObject, type JsonValue } from '../json.ts';

/** Kubernetes' own bound. */
export const MAX_PATCH_OPERATIONS = 10_000;

/** What `copy` operations may add in all, in characters of JSON: a short patch must not make a huge document. */
const MAX_COPIED = 3 * 1024 * 1024;

/** JSON Patch (RFC 6902). Throws `invalid`: BadRequest when malformed, Invalid (422) when it cannot be applied. */
export function jsonPatch(document: JsonValue, operations: JsonValue): JsonValue {
  if (!Array.isArray(operations)) throw undecodable(operations);
  if (operations.length > MAX_PATCH_OPERATIONS) {
    throw new PlatformError(
      'invalid',
      `The allowed maximum operations in a JSON patch is ${MAX_PATCH_OPERATIONS}, got ${operations.length}`,
      { details: { reason: 'RequestEntityTooLarge', code: 413 } },
    );
  }
  const run = new Run(jsonCopy(document));
  for (const operation of operations) {
    if (!isJsonObject(operation)) throw undecodable(operation);
    run.apply(operation);
  }
  return run.document;
}

class Run {
  document: JsonValue;
  #copied = 0;

  constructor(document: JsonValue) {
    this.document = document;
  }

  apply(operation: JsonObject): void {
    const op = operation['op'];
    const path = pointer(operation, 'path');
    switch (op) {
      case 'add':
        return this.#add(path, jsonCopy(valueOf(operation)));
      case 'remove':
        this.#remove(path);
        return;
      case 'replace':
        return this.#replace(path, jsonCopy(valueOf(operation)));
      case 'test': {
        if (!jsonEqual(this.#find(path) ?? null, valueOf(operation))) {
          throw inapplicable(`testing value ${text(path)} failed: test failed`);
        }
        return;
      }
      case 'move': {
        const from = pointer(operation, 'from');
        if (path.length > from.length && from.every((part, index) => part === path[index])) {
          throw inapplicable(`cannot move ${text(from)} into itself`);
        }
        return this.#add(path, this.#remove(from));
      }
      case 'copy': {
        const from = pointer(operation, 'from');
        const value = this.#find(from);
        if (value === undefined)
          throw inapplicable(
            `copy operation does not apply: doc is missing from path: ${text(from)}: missing value`,
          );
        this.#copied += JSON.stringify(value).length;
        if (this.#copied > MAX_COPIED) throw inapplicable('the copy operations add too much data');
        return this.#add(path, jsonCopy(value));
      }
      default:
        throw inapplicable(`unknown operation ${JSON.stringify(op ?? null)} in a JSON patch`);
    }
  }

  #find(path: readonly string[]): JsonValue | undefined {
    let current: JsonValue | undefined = this.document;
    for (const part of path) {
      if (Array.isArray(current)) current = current[indexIn(current, part)];
      else if (isJsonObject(current)) current = Object.hasOwn(current, part) ? current[part] : undefined;
      else return undefined;
    }
    return current;
  }

  #parent(
    path: readonly string[],
    what: 'add' | 'remove' | 'replace',
  ): { parent: JsonObject | JsonValue[]; last: string } {
    const last = path.at(-1) ?? '';
    const parent = this.#find(path.slice(0, -1));
    if (Array.isArray(parent) || isJsonObject(parent)) return { parent, last };
    const shown = what === 'replace' ? text(path) : `"${text(path)}"`;
    throw inapplicable(`${what} operation does not apply: doc is missing path: ${shown}: missing value`);
  }

  #add(path: readonly string[], value: JsonValue): void {
    if (path.length === 0) {
      this.document = value;
      return;
    }
    const { parent, last } = this.#parent(path, 'add');
    if (!Array.isArray(parent)) return setOwn(parent, last, value);
    // Behind the last is a place too: -1 is that.
    const index = last === '-' ? parent.length : indexIn([...parent, null], last);
    if (index < 0 || index > parent.length)
      throw inapplicable(`error in add for path: '${text(path)}': ${noIndex(last)}`);
    parent.splice(index, 0, value);
  }

  #remove(path: readonly string[]): JsonValue {
    if (path.length === 0) {
      const whole = this.document;
      this.document = null;
      return whole;
    }
    const { parent, last } = this.#parent(path, 'remove');
    const value = this.#find(path);
    if (value === undefined) {
      const why = Array.isArray(parent)
        ? noIndex(last)
        : `Unable to remove nonexistent key: ${last}: missing value`;
      throw inapplicable(`error in remove for path: '${text(path)}': ${why}`);
    }
    if (Array.isArray(parent)) parent.splice(indexIn(parent, last), 1);
    else delete parent[last];
    return value;
  }

  #replace(path: readonly string[], value: JsonValue): void {
    if (path.length === 0) {
      this.document = value;
      return;
    }
    const { parent, last } = this.#parent(path, 'replace');
    // Of an object, what is not there is replaced as well: upstream's library does, the RFC does not.
    if (!Array.isArray(parent)) return setOwn(parent, last, value);
    const index = indexIn(parent, last);
    if (index < 0 || index >= parent.length)
      throw inapplicable(
        `replace operation does not apply: doc is missing key: ${text(path)}: missing value`,
      );
    parent[index] = value;
  }
}

const INDEX = /^-?(0|[1-9]\d*)$/;

/** Negative ones count from the end, as in upstream's library; -1 for what is none, or before the first. */
function indexIn(list: readonly JsonValue[], text: string): number {
  if (!INDEX.test(text)) return -1;
  const index = Number(text);
  return index < 0 ? Math.max(-1, list.length + index) : index;
}

function pointer(operation: JsonObject, key: 'path' | 'from'): string[] {
  const value = operation[key];
  if (typeof value !== 'string' || (value !== '' && !value.startsWith('/'))) {
    throw inapplicable(`"${key}" of an operation of a JSON patch must be a JSON pointer`);
  }
  return value
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function noIndex(index: string): string {
  return `Unable to access invalid index: ${index}: invalid index referenced`;
}

/** One that is missing is null. */
function valueOf(operation: JsonObject): JsonValue {
  return operation['value'] ?? null;
}

function text(path: readonly string[]): string {
  return path.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('') || '""';
}

/** In the words of Go's decoder; the type is the list's, or an operation's. */
function undecodable(value: JsonValue): PlatformError {
  const message = `error decoding patch: json: cannot unmarshal ${jsonTypeName(value)} into Go value of type []handlers.jsonPatchOp`;
  return new PlatformError('invalid', message, { details: { reason: 'BadRequest' } });
}

/** Clients get upstream's words: it keeps to itself which operation failed, and about which object. */
function inapplicable(message: string): PlatformError {
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'the server rejected our request due to an error in our request',
    reason: 'Invalid',
    details: {},
    code: 422,
  };
  return new PlatformError('invalid', message, { details: { status } });
}
