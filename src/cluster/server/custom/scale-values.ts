/** What an object says of its replicas, where its definition says that the scale endpoint finds it. */
import { invalid, type FieldError } from '../../api/field-error.ts';
import { goText, goTypeOf } from '../../api/go-text.ts';
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
  return `.${steps.join('.')} accessor error: ${goText(value)} is of the type ${goTypeOf(value)}, expected ${wanted}`;
}
