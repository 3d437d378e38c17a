/** Label and field selectors (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/). */
import { PlatformError } from '../../base/errors.ts';
import type { LabelSelector } from './generated/meta-v1.ts';

export type LabelOperator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';

export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  readonly values: readonly string[];
}

export type Labels = Readonly<Record<string, string>> | undefined;

/** All requirements must hold; an empty list matches everything. */
export interface Selector {
  readonly requirements: readonly LabelRequirement[];
  matches(labels: Labels): boolean;
}

export const everything: Selector = { requirements: [], matches: () => true };
export const nothing: Selector = { requirements: [], matches: () => false };

const NAME = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)$/;
const VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const DNS1123_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** A qualified name: `name` of up to 63 characters, optionally `prefix/name` with a DNS subdomain as prefix. */
export function isQualifiedName(key: string): boolean {
  const slash = key.indexOf('/');
  const name = slash === -1 ? key : key.slice(slash + 1);
  const prefix = slash === -1 ? undefined : key.slice(0, slash);
  if (prefix !== undefined && (prefix.length > 253 || !DNS1123_SUBDOMAIN.test(prefix))) return false;
  return name.length <= 63 && NAME.test(name);
}

export function isLabelValue(value: string): boolean {
  return value.length <= 63 && VALUE.test(value);
}

export function selectorOf(requirements: readonly LabelRequirement[]): Selector {
  return { requirements, matches: (labels) => requirements.every((item) => holds(item, labels)) };
}

function holds({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    default: {
      if (value === undefined || !/^-?\d+$/.test(value)) return false;
      const limit = Number(values[0]);
      return operator === 'Gt' ? Number(value) > limit : Number(value) < limit;
    }
  }
}

/** The matcher of a LabelSelector: undefined matches nothing, an empty one everything. */
export function selectorFromObject(selector: LabelSelector | undefined): Selector {
  if (selector === undefined) return nothing;
  const requirements: LabelRequirement[] = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
    key,
    operator: 'In',
    values: [value],
  }));
  for (const { key = '', operator = '', values = [] } of selector.matchExpressions ?? []) {
    if (!['In', 'NotIn', 'Exists', 'DoesNotExist'].includes(operator)) {
      throw new PlatformError(
        'invalid',
        `${JSON.stringify(operator)} is not a valid label selector operator`,
      );
    }
    requirements.push({ key, operator: operator as LabelOperator, values });
  }
  return requirements.length === 0 ? everything : selectorOf(requirements);
}

/** The matcher of a plain map, as in a Service: an empty map matches nothing there, so callers check that first. */
export function selectorFromLabels(labels: Labels): Selector {
  return selectorFromObject({ matchLabels: { ...labels } });
}

/** The text form, for a request's query: sorted by key. */
export function formatLabelSelector(selector: Selector): string {
  return selector.requirements
    .map(({ key, operator, values }) => {
      const list = [...values].toSorted().join(',');
      switch (operator) {
        case 'Exists':
          return key;
        case 'DoesNotExist':
          return `!${key}`;
        case 'In':
          return values.length === 1 ? `${key}=${list}` : `${key} in (${list})`;
        case 'NotIn':
          return values.length === 1 ? `${key}!=${list}` : `${key} notin (${list})`;
        case 'Gt':
          return `${key}>${list}`;
        default:
          return `${key}<${list}`;
      }
    })
    .toSorted()
    .join(',');
}

export interface FieldTerm {
  /** `metadata.name`, `spec.nodeName`. */
  readonly field: string;
  readonly operator: '=' | '!=';
  readonly value: string;
}

/** Parses `metadata.name=web,status.phase!=Running`; `\\,`, `\\=` and `\\\\` escape. Throws `invalid`. */
export function parseFieldSelector(text: string): FieldTerm[] {
  const result: FieldTerm[] = [];
  for (const part of text.split(/(?<!\\),/)) {
    if (part === '') continue;
    const match = /^(.*?)(!=|==|=)(.*)$/s.exec(part);
    if (match === null) throw unreadable(`invalid selector: '${text}'; can't understand '${part}'`);
    const [, field = '', operator = '', value = ''] = match;
    // Nothing has to be nothing: upstream's conversion of labels drops it.
    if (field === '' && value === '') continue;
    result.push({ field, operator: operator === '!=' ? '!=' : '=', value: unescaped(value) });
  }
  return result;
}

function unescaped(value: string): string {
  const wrong = /\\(?![\\,=])(.?)/.exec(value.replaceAll(/\\[\\,=]/g, '__'));
  if (wrong !== null)
    throw unreadable(`invalid field selector: invalid escape sequence: \\${wrong[1] ?? ''}`);
  const bare = /[,=]/.exec(value.replaceAll(/\\[\\,=]/g, ''));
  if (bare !== null)
    throw unreadable(`invalid field selector: unescaped character in value: ${bare[0].charCodeAt(0)}`);
  return value.replaceAll(/\\([\\,=])/g, '$1');
}

function unreadable(why: string): PlatformError {
  return new PlatformError('invalid', why, { details: { reason: 'BadRequest' } });
}
