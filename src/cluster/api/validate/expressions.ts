/** Expressions in objects: the language is loaded with the first object that has any. */
import { assert } from '../../../base/errors.ts';
import { forbidden, invalid, type FieldError } from '../field-error.ts';
import type * as Devices from './device-expressions.ts';

let devices: typeof Devices | undefined;

/** Selectors of devices can be checked once this has resolved. */
export async function loadDeviceExpressions(): Promise<void> {
  devices ??= await import('./device-expressions.ts');
}

export function deviceExpressionErrors(expression: string, at: string): FieldError[] {
  assert(devices !== undefined, 'expressions are loaded before one is checked');
  const problem = devices.deviceExpressionProblem(expression);
  if (problem === devices.TOO_DEAR) return [forbidden(at, 'too complex, exceeds cost limit')];
  return problem === undefined ? [] : [invalid(at, expression, problem)];
}
