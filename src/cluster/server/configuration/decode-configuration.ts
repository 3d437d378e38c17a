/** Configuration files of upstream's kinds, decoded strictly: what is not known, or of another type, is refused by its path. */
import { PlatformError } from '../../../base/errors.ts';
import { parseDuration } from '../../api/cel/library/time.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../api/json.ts';
import { parseYaml } from '../../api/yaml.ts';

export type Shape = 'string' | 'strings' | 'bool' | 'duration' | Fields | { readonly listOf: Shape };

export interface Fields {
  readonly fields: Readonly<Record<string, Shape>>;
}

export interface ConfigurationKind {
  readonly kind: string;
  /** Of apiserver.config.k8s.io. */
  readonly versions: readonly string[];
  readonly shape: Fields;
}

const GROUP = 'apiserver.config.k8s.io';

/** Throws `invalid` with the path of the first field that is wrong. */
export async function decodeConfiguration(
  bytes: Uint8Array,
  { kind, versions, shape }: ConfigurationKind,
): Promise<JsonObject> {
  const { value, duplicates } = await parseYaml(bytes);
  if (duplicates[0] !== undefined) throw refused(`strict decoding error: ${duplicates[0]}`);
  if (!isJsonObject(value)) throw refused('want an object');
  const { apiVersion, kind: actual, ...content } = value;
  if (actual !== kind || !versions.some((version) => apiVersion === `${GROUP}/${version}`)) {
    const wanted = versions.map((version) => `${GROUP}/${version}`).join(', ');
    throw refused(`want kind ${kind} of apiVersion ${wanted}`);
  }
  check(content, shape, '');
  return content;
}

function check(value: JsonValue | undefined, shape: Shape, path: string): void {
  if (value === undefined || value === null) return;
  if (shape === 'string' || shape === 'duration') {
    if (typeof value !== 'string') throw refused(`${path}: want a text`);
    if (shape === 'duration') durationMs(value, path);
  } else if (shape === 'bool') {
    if (typeof value !== 'boolean') throw refused(`${path}: want true or false`);
  } else if (shape === 'strings' || 'listOf' in shape) {
    if (!Array.isArray(value)) throw refused(`${path}: want a list`);
    const item = shape === 'strings' ? 'string' : shape.listOf;
    value.forEach((each, i) => {
      if (each === null) throw refused(`${path}[${i}]: must not be null`);
      check(each, item, `${path}[${i}]`);
    });
  } else {
    if (!isJsonObject(value)) throw refused(`${path}: want an object`);
    for (const [name, each] of Object.entries(value)) {
      const at = path === '' ? name : `${path}.${name}`;
      if (!Object.hasOwn(shape.fields, name)) {
        throw refused(`strict decoding error: unknown field ${JSON.stringify(at)}`);
      }
      check(each, shape.fields[name]!, at);
    }
  }
}

/** Of a Go duration like `1m30s`. */
export function durationMs(text: string, path: string): number {
  try {
    return Number(parseDuration(text).nanos / 1_000_000n);
  } catch {
    throw refused(`${path}: ${JSON.stringify(text)} is no duration: want something like 1m30s`);
  }
}

function refused(why: string): PlatformError {
  return new PlatformError('invalid', why);
}
