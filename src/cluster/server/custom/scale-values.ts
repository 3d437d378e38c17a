/** What an object says of its replicas, where its definition says that the scale endpoint finds it. */
import { invalid, type FieldError } from '../../api/field-error.ts';
import { getOwn, isJsonObject, type JsonObject, type JsonValue } from '../../api/json.ts';
import type { ScalePaths } from '../../api/resource-declaration.ts';

const MOST = 2 ** 31 - 1;

export function scaleErrors(object: JsonObject, paths: ScalePaths): FieldError[] {
  const { specReplicas, statusReplicas, labelSelector: selector } = paths;
  const text = valueAt(object, selector);
  return [
    ...replicasErrors(object, specReplicas),
    ...replicasErrors(object, statusReplicas),
    ...(text === undefined || typeof text === 'string' || selector.length === 0
      ? []
      : [invalid(`.${selector.join('.')}`, '', accessorError(selector, text, 'string'))]),
  ];
}

function replicasErrors(object: JsonObject, steps: readonly string[]): FieldError[] {
  const at = `.${steps.join('.')}`;
  const value = valueAt(object, steps);
  if (value === undefined || steps.length === 0) return [];
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    return [invalid(at, 0, accessorError(steps, value, 'int64'))];
  }
  if (value < 0) return [invalid(at, value, 'should be a non-negative integer')];
  return value > MOST ? [invalid(at, value, `should be less than or equal to ${MOST}`)] : [];
}

function valueAt(object: JsonObject, steps: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = object;
  for (const step of steps) value = isJsonObject(value) ? getOwn(value, step) : undefined;
  return value;
}

/** As upstream's program names types and writes values. */
function accessorError(steps: readonly string[], value: JsonValue, wanted: string): string {
  const [type, shown] = goValue(value);
  return `.${steps.join('.')} accessor error: ${shown} is of the type ${type}, expected ${wanted}`;
}

function goValue(value: JsonValue): readonly [type: string, shown: string] {
  if (value === null) return ['<nil>', '<nil>'];
  if (Array.isArray(value)) return ['[]interface {}', `[${value.map((item) => goValue(item)[1]).join(' ')}]`];
  if (isJsonObject(value)) {
    const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
    const shown = entries.map(([key, item]) => `${key}:${goValue(item ?? null)[1]}`);
    return ['map[string]interface {}', `map[${shown.join(' ')}]`];
  }
  if (typeof value === 'number') return [Number.isInteger(value) ? 'int64' : 'float64', String(value)];
  return [typeof value === 'boolean' ? 'bool' : 'string', String(value)];
}
