/** Takes out of an answer what differs between any two servers: ids, times, revisions, addresses and names by chance. */
import type { Json } from './mutations.ts';

const BY_CHANCE = new Set(['uid', 'resourceVersion', 'creationTimestamp', 'deletionTimestamp']);
const TIMES = new Set([
  'time',
  'expirationTimestamp',
  'lastTransitionTime',
  'lastPhaseTransitionTime',
  'lastProbeTime',
  'lastUpdateTime',
  'lastHeartbeatTime',
]);
const ADDRESSES = new Set(['clusterIP', 'nodePort', 'healthCheckNodePort']);

export function normalized(value: Json, field = ''): Json {
  if (Array.isArray(value))
    return field === 'clusterIPs'
      ? value.map(() => '*')
      : inOrder(
          value.map((item) => normalized(item, field)),
          field,
        );
  if (typeof value === 'string') return plain(value, field);
  if (typeof value === 'number') return ADDRESSES.has(field) && value > 0 ? '*' : value;
  if (value === null || typeof value !== 'object') return value;
  const fields = Object.entries(value)
    // A dry run shows it as it came, and nothing stores it.
    .filter(([name]) => name !== 'selfLink')
    .map(([name, inner]): [string, Json] => [name, normalized(inner, name)]);
  return Object.fromEntries(fields.toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

/** Upstream lists the rules of a user's roles in no order. */
function inOrder(items: Json[], field: string): Json[] {
  return field === 'resourceRules' || field === 'nonResourceRules'
    ? items.toSorted((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1))
    : items;
}

function plain(text: string, field: string): Json {
  if (BY_CHANCE.has(field) || TIMES.has(field)) return '*';
  if (ADDRESSES.has(field) && text !== 'None' && text !== '') return '*';
  if (field === 'fieldsV1') return text;
  if (field === 'continue') return plainToken(text);
  if (field === 'cells' && /^\d+m?s$/.test(text)) return '*';
  return text
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uid>')
    .replace(/(Too large resource version: \d+, current): \d+/, '$1: *')
    .replace(/(ResourceVersion in the precondition) \(\d{2,}\)/, '$1 (*)')
    .replace(/(ResourceVersion in object meta): \d+/, '$1: *')
    .replace(/(ResourceVersion in record) \(\d+\)/, '$1 (*)')
    .replace(/("(?:resourceVersion|time|creationTimestamp)\\?":\\?")[^"\\]*/g, '$1*')
    .replace('Key: /registry/', 'Key: /')
    .replace(/^eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+$/, '<token>')
    .replace(/kube-api-access-[a-z0-9]{5}/g, 'kube-api-access-<name>');
}

/** A place in a list, without its revision. */
function plainToken(token: string): Json {
  const place = Buffer.from(token, 'base64url').toString();
  return place.startsWith('{')
    ? place.replace(/"rv":-?\d+/, '"rv":"*"').replace('"start":"/', '"start":"')
    : token;
}

/** The paths at which two values differ, each with both sides. */
export function differences(ours: Json, theirs: Json, path = ''): string[] {
  if (JSON.stringify(ours) === JSON.stringify(theirs)) return [];
  if (isMap(ours) && isMap(theirs)) {
    const fields = new Set([...Object.keys(ours), ...Object.keys(theirs)]);
    return [...fields].flatMap((field) =>
      differences(ours[field] ?? null, theirs[field] ?? null, `${path}.${field}`),
    );
  }
  if (Array.isArray(ours) && Array.isArray(theirs) && ours.length === theirs.length)
    return ours.flatMap((item, index) => differences(item, theirs[index] ?? null, `${path}[${index}]`));
  if (Array.isArray(ours) && Array.isArray(theirs) && ours.length > 0 && theirs.length > 0)
    return [...lacking(ours, theirs, `${path}: only ours`), ...lacking(theirs, ours, `${path}: only theirs`)];
  return [`${path}: ours ${brief(ours)}, theirs ${brief(theirs)}`];
}

function lacking(some: readonly Json[], others: readonly Json[], what: string): string[] {
  const known = new Set(others.map((item) => JSON.stringify(item)));
  return some.filter((item) => !known.has(JSON.stringify(item))).map((item) => `${what} ${brief(item)}`);
}

function isMap(value: Json): value is { [field: string]: Json } {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function brief(value: Json): string {
  const text = JSON.stringify(value);
  return text.length > 700 ? `${text.slice(0, 700)}…` : text;
}
