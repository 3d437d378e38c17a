import { getPath, numberAt, objectAt, stringAt, textOf, type JsonObject, type JsonValue } from '../json.ts';
import type { PrinterColumn } from '../resource-declaration.ts';
import { ageColumn, countColumn, flagColumn, lengthColumn, nameColumn, textColumn } from './columns.ts';
import { selectorFromObject, formatLabelSelector } from '../selector.ts';

/** A number or a percentage, `N/A` where there is none. */
function amountColumn(name: string, path: readonly string[]): PrinterColumn {
  return {
    name,
    type: 'string',
    cell: (object) => {
      const value = getPath(object, ...path);
      return value === undefined ? 'N/A' : textOf(value);
    },
  };
}

export const disruptionBudgetColumns: readonly PrinterColumn[] = [
  nameColumn,
  amountColumn('Min Available', ['spec', 'minAvailable']),
  amountColumn('Max Unavailable', ['spec', 'maxUnavailable']),
  countColumn('Allowed Disruptions', ['status', 'disruptionsAllowed']),
  ageColumn,
];

export const resourceQuotaColumns: readonly PrinterColumn[] = [
  nameColumn,
  { name: 'Request', type: 'string', cell: (object) => usage(object, false) },
  { name: 'Limit', type: 'string', cell: (object) => usage(object, true) },
  ageColumn,
];

function usage(quota: JsonObject, limits: boolean): string {
  const used = objectAt(quota, 'status', 'used');
  return Object.entries(objectAt(quota, 'status', 'hard'))
    .filter(([name]) => name.startsWith('limits.') === limits)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, hard]) => `${name}: ${stringAt(used, name) || '0'}/${textOf(hard)}`)
    .join(', ');
}

export const priorityClassColumns: readonly PrinterColumn[] = [
  nameColumn,
  countColumn('Value', ['value']),
  flagColumn('Global-Default', ['globalDefault']),
  ageColumn,
  textColumn('PreemptionPolicy', ['preemptionPolicy']),
];

export const runtimeClassColumns: readonly PrinterColumn[] = [
  nameColumn,
  textColumn('Handler', ['handler']),
  ageColumn,
];

/** In the order in which requests are held against them. */
export function byPrecedence(a: JsonObject, b: JsonObject): number {
  const precedence = (object: JsonObject): number => numberAt(object, 'spec', 'matchingPrecedence') ?? 0;
  const name = (object: JsonObject): string => stringAt(object, 'metadata', 'name');
  return precedence(a) - precedence(b) || (name(a) < name(b) ? -1 : 1);
}

export const flowSchemaColumns: readonly PrinterColumn[] = [
  nameColumn,
  textColumn('PriorityLevel', ['spec', 'priorityLevelConfiguration', 'name']),
  { ...countColumn('MatchingPrecedence', ['spec', 'matchingPrecedence']), type: 'string' },
  textColumn('DistinguisherMethod', ['spec', 'distinguisherMethod', 'type'], '<none>'),
  ageColumn,
  {
    name: 'MissingPL',
    type: 'string',
    cell: (object) => {
      const conditions = getPath(object, 'status', 'conditions');
      const dangling = Array.isArray(conditions)
        ? conditions.find((item) => stringAt(item, 'type') === 'Dangling')
        : undefined;
      return dangling === undefined ? '?' : stringAt(dangling, 'status');
    },
  },
];

function limitedColumn(name: string, ...path: readonly string[]): PrinterColumn {
  const cell = (object: JsonObject): JsonValue => {
    const missing = getPath(object, 'spec', 'limited', ...path.slice(0, -1)) === undefined;
    return missing ? '<none>' : (getPath(object, 'spec', 'limited', ...path) ?? 0);
  };
  return { name, type: 'string', cell };
}

export const priorityLevelColumns: readonly PrinterColumn[] = [
  nameColumn,
  textColumn('Type', ['spec', 'type']),
  limitedColumn('NominalConcurrencyShares', 'nominalConcurrencyShares'),
  limitedColumn('Queues', 'limitResponse', 'queuing', 'queues'),
  limitedColumn('HandSize', 'limitResponse', 'queuing', 'handSize'),
  limitedColumn('QueueLengthLimit', 'limitResponse', 'queuing', 'queueLengthLimit'),
  ageColumn,
];

export const webhookColumns: readonly PrinterColumn[] = [
  nameColumn,
  lengthColumn('Webhooks', ['webhooks']),
  ageColumn,
];

const paramKindColumn: PrinterColumn = {
  name: 'ParamKind',
  type: 'string',
  cell: (object) => {
    const kind = getPath(object, 'spec', 'paramKind');
    return kind === undefined ? '<unset>' : `${stringAt(kind, 'apiVersion')}/${stringAt(kind, 'kind')}`;
  },
};

export const validatingPolicyColumns: readonly PrinterColumn[] = [
  nameColumn,
  lengthColumn('Validations', ['spec', 'validations']),
  paramKindColumn,
  ageColumn,
];

export const mutatingPolicyColumns: readonly PrinterColumn[] = [
  nameColumn,
  lengthColumn('Mutations', ['spec', 'mutations']),
  paramKindColumn,
  ageColumn,
];

export const policyBindingColumns: readonly PrinterColumn[] = [
  nameColumn,
  textColumn('PolicyName', ['spec', 'policyName']),
  { name: 'ParamRef', type: 'string', cell: paramRef },
  ageColumn,
];

/** `namespace/name`; a star where the namespace is that of the object that is admitted. */
function paramRef(binding: JsonObject): string {
  const reference = objectAt(binding, 'spec', 'paramRef');
  const name = stringAt(reference, 'name');
  if (name !== '') return `${stringAt(reference, 'namespace') || '*'}/${name}`;
  return reference['selector'] === undefined
    ? '<unset>'
    : formatLabelSelector(selectorFromObject(objectAt(reference, 'selector')));
}
