/** What the declarations of all groups have in common. */
import type {
  PrinterColumn,
  ResourceDeclaration,
  ScalePaths,
  SubresourceDeclaration,
  Verb,
} from '../resource-declaration.ts';

export const ALL_VERBS: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];

export const STATUS: SubresourceDeclaration = { name: 'status', verbs: ['get', 'patch', 'update'] };
export const SCALE: SubresourceDeclaration = {
  name: 'scale',
  kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
  verbs: ['get', 'patch', 'update'],
};
export const SCALE_PATHS: ScalePaths = {
  specReplicas: ['spec', 'replicas'],
  statusReplicas: ['status', 'replicas'],
  labelSelector: ['spec', 'selector'],
};

export interface Facts {
  readonly group?: string;
  readonly version?: string;
  readonly resource: string;
  readonly singular?: string;
  readonly kind: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly namespaced?: boolean;
  readonly verbs?: readonly Verb[];
  readonly subresources?: readonly SubresourceDeclaration[];
  readonly scale?: ScalePaths;
  readonly columns: readonly PrinterColumn[];
  readonly rowConditions?: ResourceDeclaration['rowConditions'];
  readonly rowOrder?: ResourceDeclaration['rowOrder'];
  readonly selectableFields?: readonly string[];
  readonly storage?: ResourceDeclaration['storage'];
  readonly hasGeneration?: boolean;
  readonly returnsDeleted?: boolean;
  readonly virtual?: boolean;
  readonly deprecation?: string;
}

export function declare(facts: Facts): ResourceDeclaration {
  const { group = '', version = 'v1', resource, kind, subresources = [] } = facts;
  return {
    group,
    version,
    resource,
    singular: facts.singular ?? kind.toLowerCase(),
    kind,
    listKind: `${kind}List`,
    shortNames: facts.shortNames ?? [],
    categories: facts.categories ?? [],
    namespaced: facts.namespaced ?? true,
    verbs: facts.verbs ?? ALL_VERBS,
    subresources,
    ...(facts.scale === undefined ? {} : { scale: facts.scale }),
    columns: facts.columns,
    ...(facts.rowOrder === undefined ? {} : { rowOrder: facts.rowOrder }),
    ...(facts.rowConditions === undefined ? {} : { rowConditions: facts.rowConditions }),
    selectableFields: facts.selectableFields ?? [],
    storage: facts.storage ?? { group, version, resource },
    hasStatus: subresources.includes(STATUS),
    hasGeneration: facts.hasGeneration ?? false,
    virtual: facts.virtual ?? false,
    ...(facts.returnsDeleted === undefined ? {} : { returnsDeleted: facts.returnsDeleted }),
    ...(facts.deprecation === undefined ? {} : { deprecation: facts.deprecation }),
  };
}
