import { isJsonObject, type JsonValue } from './json.ts';

/** As fmt's %+v prints decoded JSON: `map[spec:map[replicas:two]]`. */
export function goText(value: JsonValue): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return `[${value.map((item) => goText(item)).join(' ')}]`;
  if (!isJsonObject(value)) return String(value);
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `map[${entries.map(([key, item]) => `${key}:${goText(item ?? null)}`).join(' ')}]`;
}

/** Go's type of decoded JSON. */
export function goTypeOf(value: JsonValue): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return '[]interface {}';
  if (isJsonObject(value)) return 'map[string]interface {}';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

/** As fmt's %#v prints decoded JSON, or YAML, whose keys may be anything: `map[string]interface {}{"a":1}`. */
export function goSyntax(value: JsonValue, keys = 'string'): string {
  if (value === null) return 'interface {}(nil)';
  if (typeof value !== 'object') return JSON.stringify(value);
  const items = Array.isArray(value)
    ? value.map((item) => goSyntax(item, keys))
    : Object.keys(value)
        .toSorted()
        .map((key) => `${JSON.stringify(key)}:${goSyntax(value[key] ?? null, keys)}`);
  const type = Array.isArray(value) ? '[]interface {}' : `map[${keys}]interface {}`;
  return `${type}{${items.join(', ')}}`;
}
