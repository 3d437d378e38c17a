/** Which objects a list or watch is about: namespace, labels, fields. */
import { LARGE_BYTES } from '../../../base/yield-to-loop.ts';
import { getPath, isJsonObject, stringAt, type JsonValue } from '../../api/json.ts';
import { parseLabelSelector } from '../../api/label-selector-text.ts';
import { parseFieldSelector, type FieldTerm, type Selector } from '../../api/selector.ts';
import { badRequest } from '../failure.ts';
import type { KubeObject } from '../object.ts';
import type { Resource } from '../resource.ts';
import type { CachedObject } from './watch-cache.ts';

export interface Selection {
  /** Keys of selected objects start with this. */
  readonly prefix: string;
  /** False when every object below the prefix is selected. */
  readonly filters: boolean;
  /** Whether it looks at more than names: at what another program may have made of an object. */
  readonly looksInside: boolean;
  /** What an index can answer: all selected objects have one of these values. */
  readonly indexed: readonly IndexedTerm[];
  /** With `passing`, the object is not kept decoded: a walk over everything would push out what others need. */
  matches(object: CachedObject, passing?: boolean): boolean;
}

/** What no conversion changes. */
const NAMES: ReadonlySet<string> = new Set(['metadata.name', 'metadata.namespace']);

export interface IndexedTerm {
  /** `label app`, `field spec.nodeName`. */
  readonly id: string;
  readonly valueOf: (object: KubeObject) => string | undefined;
  readonly values: readonly string[];
}

export interface SelectionRequest {
  readonly resource: Resource;
  /** '' for all namespaces. */
  readonly namespace: string;
  readonly query: URLSearchParams;
  /** Set for a watch of one object by its path. */
  readonly name?: string;
}

export function selectionOf({ resource, namespace, query, name }: SelectionRequest): Selection {
  const labels = parseLabelSelector(query.get('labelSelector') ?? '');
  const terms = parseFieldSelector(query.get('fieldSelector') ?? '');
  if (name !== undefined && name !== '') terms.push({ field: 'metadata.name', operator: '=', value: name });
  for (const { field } of terms) checkField(resource, field);
  const prefix =
    resource.namespaced && namespace !== '' ? `${resource.prefix}${namespace}/` : resource.prefix;
  const byLabel = labels.requirements.length > 0;
  // What another program has converted is looked into as what is stored.
  const converted = resource.conversion?.program === undefined ? resource.conversion : undefined;
  const ofMetadata = terms.every(({ field }) => field.startsWith('metadata.'));
  return {
    prefix,
    filters: byLabel || terms.length > 0,
    looksInside: byLabel || terms.some(({ field }) => !NAMES.has(field)),
    indexed: indexedTerms(resource, labels, terms),
    matches(cached, passing = false) {
      if (!cached.key.startsWith(prefix)) return false;
      if (!byLabel && terms.length === 0) return true;
      const isLong = cached.length > LARGE_BYTES;
      if (byLabel && isLong && !labels.matches(cached.head.metadata.labels)) return false;
      if (isLong && (ofMetadata || converted === undefined))
        return terms.every((term) => holds(term, (path) => cached.at(path)));
      const stored = passing ? cached.peek() : cached.object;
      if (byLabel && !labels.matches(stored.metadata.labels)) return false;
      const object = converted?.fromStorage(stored) ?? stored;
      return terms.every((term) => holds(term, fieldsOf(object)));
    },
  };
}

function indexedTerms(
  resource: Resource,
  labels: Selector,
  terms: readonly FieldTerm[],
): readonly IndexedTerm[] {
  const found: IndexedTerm[] = [];
  // Labels too may be another program's.
  if (resource.conversion?.program !== undefined) return found;
  for (const { key, operator, values } of labels.requirements) {
    if (operator !== 'In') continue;
    const valueOf = ({ metadata }: KubeObject): string | undefined => {
      const labels = metadata.labels;
      return labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
    };
    found.push({ id: `label ${key}`, values, valueOf });
  }
  // In another version's fields the stored object cannot be looked up.
  if (resource.conversion !== undefined) return found;
  for (const { field, operator, value } of terms) {
    if (operator !== '=' || value === '' || field === 'metadata.namespace') continue;
    found.push({
      id: `field ${field}`,
      values: [value],
      valueOf: (object) => fieldText(fieldsOf(object), field),
    });
  }
  return found;
}

function checkField(resource: Resource, field: string): void {
  if (field === 'metadata.name') return;
  const { selectableFields } = resource.declaration;
  // What upstream has no rules for takes both, and says so.
  const isPlain = selectableFields.length === 0 && resource.type.wire !== undefined;
  if (field === 'metadata.namespace' && (resource.namespaced || isPlain)) return;
  if (selectableFields.includes(field)) return;
  throw badRequest(
    isPlain
      ? `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`
      : notSelectable(resource, field),
  );
}

/** Each of upstream's kinds with its own words. */
function notSelectable({ kind, apiVersion }: Resource, field: string): string {
  if (kind === 'Job') return `field label ${JSON.stringify(field)} not supported for Job`;
  if (kind === 'ResourceSlice')
    return `field label not supported for ${apiVersion}, Kind=ResourceSlice: ${field}`;
  return `field label not supported: ${field}`;
}

/** What an object has at a path. */
type Fields = (path: readonly string[]) => JsonValue | undefined;

function fieldsOf(object: KubeObject): Fields {
  return (path) => getPath(object, ...path);
}

function holds({ field, operator, value }: FieldTerm, fields: Fields): boolean {
  return (fieldText(fields, field) === value) === (operator === '=');
}

/** What absent fields of other types than string read as. */
const ABSENT: Readonly<Record<string, string>> = {
  'spec.unschedulable': 'false',
  'spec.hostNetwork': 'false',
  'status.replicas': '0',
  'status.successful': '0',
};

/** Selectors that upstream has named otherwise than the field of its own kind. */
const RENAMED: Readonly<Record<string, { readonly of: string; readonly path: string } | undefined>> = {
  'status.successful': { of: 'batch/v1', path: 'status.succeeded' },
  // What old clients call the node.
  'spec.host': { of: 'v1', path: 'spec.nodeName' },
};

function fieldText(fields: Fields, field: string): string {
  const renamed = RENAMED[field];
  const path = renamed !== undefined && fields(['apiVersion']) === renamed.of ? renamed.path : field;
  const value = fields(path.split('.'));
  if (value === undefined || value === null) return ABSENT[field] ?? '';
  // An event's source is a structure of which selectors mean the component; newer events have that elsewhere.
  if (isJsonObject(value)) {
    const reporter = fields(['reportingComponent']);
    return stringAt(value, 'component') || (typeof reporter === 'string' ? reporter : '');
  }
  // Accepted, and never true: a list equals no text.
  if (Array.isArray(value)) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
