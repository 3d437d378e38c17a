import type { JsonValue } from '../json.ts';

/** Freezes the value through and through: who writes to any part of it throws. Returns it. */
export function frozen<T extends JsonValue>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) frozen(member ?? null);
    Object.freeze(value);
  }
  return value;
}
