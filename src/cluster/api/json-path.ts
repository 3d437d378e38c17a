/**
 * The part of kubectl's JSONPath that definitions use for columns and selectable fields: `.spec.a`, `['a.b']`, `[0]`, `[*]`,
 * `..a` is not taken, filters like `[?(@.type=="Ready")]` are.
 */
import { getOwn, isJsonObject, type JsonValue } from './json.ts';

type Step =
  | { readonly type: 'field'; readonly name: string }
  | { readonly type: 'index'; readonly index: number }
  | { readonly type: 'all' }
  | { readonly type: 'filter'; readonly path: JsonPath; readonly equal: boolean; readonly value: JsonValue };

export type JsonPath = readonly Step[];

const FIELD = /^\.?([A-Za-z0-9_\-/\\.]+?)(?=$|[.[])/;
const QUOTED = /^\[(?:'([^']*)'|"([^"]*)")\]/;
const INDEX = /^\[(-?\d+)\]/;
const ALL = /^(?:\[\*\]|\.\*)/;
const FILTER = /^\[\?\(\s*@(\.[^=!\s]+)\s*(==|!=)\s*(?:'([^']*)'|"([^"]*)"|([\w.-]+))\s*\)\]/;

/** Undefined when the text is not such a path. */
export function parseJsonPath(text: string): JsonPath | undefined {
  let rest = text
    .trim()
    .replace(/^\{(.*)\}$/, '$1')
    .replace(/^\$/, '');
  if (rest !== '' && !/^[.[]/.test(rest)) return undefined;
  const steps: Step[] = [];
  while (rest !== '' && rest !== '.') {
    let match: RegExpExecArray | null;
    if ((match = ALL.exec(rest)) !== null) steps.push({ type: 'all' });
    else if ((match = FILTER.exec(rest)) !== null) {
      const path = parseJsonPath(match[1]!);
      if (path === undefined) return undefined;
      const value = match[3] ?? match[4] ?? literal(match[5]!);
      steps.push({ type: 'filter', path, equal: match[2] === '==', value });
    } else if ((match = INDEX.exec(rest)) !== null) steps.push({ type: 'index', index: Number(match[1]) });
    else if ((match = QUOTED.exec(rest)) !== null) steps.push({ type: 'field', name: match[1] ?? match[2]! });
    else if ((match = fieldAt(rest)) !== null)
      steps.push({ type: 'field', name: match[1]!.replaceAll('\\.', '.') });
    else return undefined;
    rest = rest.slice(match[0].length);
  }
  return steps;
}

/** A name ends at a dot that no backslash stands before. */
function fieldAt(text: string): RegExpExecArray | null {
  return /^\.((?:[A-Za-z0-9_\-/]|\\\.)+)/.exec(text) ?? (text.startsWith('.') ? null : FIELD.exec(text));
}

function literal(text: string): JsonValue {
  if (text === 'true' || text === 'false') return text === 'true';
  const number = Number(text);
  return Number.isNaN(number) ? text : number;
}

/** Everything that the path leads to. */
export function findAll(value: JsonValue | undefined, path: JsonPath): JsonValue[] {
  let found: JsonValue[] = value === undefined ? [] : [value];
  for (const step of path) found = found.flatMap((item) => take(item, step));
  return found;
}

function take(item: JsonValue, step: Step): JsonValue[] {
  switch (step.type) {
    case 'field': {
      const value = isJsonObject(item) ? getOwn(item, step.name) : undefined;
      return value === undefined ? [] : [value];
    }
    case 'index': {
      const value = Array.isArray(item) ? item.at(step.index) : undefined;
      return value === undefined ? [] : [value];
    }
    case 'all':
      if (Array.isArray(item)) return item;
      return isJsonObject(item) ? Object.values(item).filter((value) => value !== undefined) : [];
    default:
      break;
  }
  return Array.isArray(item)
    ? item.filter((one) => findAll(one, step.path).includes(step.value) === step.equal)
    : [];
}

/** The names of a path that only goes down by fields, undefined for any other. */
export function fieldNames(path: JsonPath): readonly string[] | undefined {
  const names = path.map((step) => (step.type === 'field' ? step.name : undefined));
  return names.every((name) => name !== undefined) ? names : undefined;
}
