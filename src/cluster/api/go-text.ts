import { isJsonObject, type JsonValue } from './json.ts';

/** As fmt's %+v prints decoded JSON: `map[spec:map[replicas:two]]`. */
export function goText(value: JsonValue): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return `[${value.map((item) => goText(item)).join(' ')}]`;
  if (!isJsonObject(value)) return String(value);
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `map[${entries.map(([key, item]) => `${key}:${goText(item ?? null)}`).join(' ')}]`;
}
