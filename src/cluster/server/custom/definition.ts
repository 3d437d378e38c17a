/** A CustomResourceDefinition as the resources that it makes. */
import { isDeepStrictEqual } from 'node:util';

import { ageColumn, nameColumn } from '../../api/printers/columns.ts';
import { fieldNames, findAll, parseJsonPath } from '../../api/json-path.ts';
import {
  getOwn,
  isJsonObject,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  type JsonObject,
  type JsonValue,
} from '../../api/json.ts';
import type {
  PrinterColumn,
  ResourceDeclaration,
  ScalePaths,
  SubresourceDeclaration,
} from '../../api/resource-declaration.ts';
import { lazily } from '../../api/lazily.ts';
import { apiVersionOf } from '../../api/schema.ts';
import type { ruleCheck } from '../../api/structural/rules.ts';
import { loadPatterns } from '../../api/pattern/lazy.ts';
import { Structural } from '../../api/structural/schema.ts';
import { humanDuration, timeToMs } from '../../api/time.ts';
import { fillDefaults, prune } from '../../api/structural/prune.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import type { ServerParts } from '../context.ts';
import type { KubeObject } from '../object.ts';
import { USERS_METADATA, type Conversion, type Resource } from '../resource.ts';
import { customType } from './custom-type.ts';
import { definitionHead, hasRules, versionSchema } from './definition-head.ts';

/** In upstream's order, which clients show. */
const VERBS = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch'] as const;

/** One resource for each served version; none while another definition has the names. */
export async function resourcesOf(stored: CachedObject, server: ServerParts): Promise<readonly Resource[]> {
  const definition = definitionHead(stored);
  if (!hasCondition(definition, 'NamesAccepted') || !hasCondition(definition, 'Established')) return [];
  const [rules] = await Promise.all([hasRules(stored) ? ruleLanguage() : undefined, loadPatterns()]);
  const versions = objectsAt(definition, 'spec', 'versions');
  const schemas = new Map(
    versions.map((version) => {
      const name = stringAt(version, 'name');
      return [name, lazily(() => new Structural(versionSchema(stored, name)))];
    }),
  );
  const served = versions.filter((version) => version['served'] === true);
  return await Promise.all(
    served.map((version) => resourceOf({ definition, version, stored, schemas, rules, server })),
  );
}

/** Expressions are read only where there are some. */
async function ruleLanguage(): Promise<typeof ruleCheck> {
  return (await import('../../api/structural/rules.ts')).ruleCheck;
}

export function storageVersion(definition: KubeObject): string {
  const stored = objectsAt(definition, 'spec', 'versions').find((version) => version['storage'] === true);
  return stringAt(stored, 'name');
}

export function hasCondition(object: KubeObject, type: string): boolean {
  return objectsAt(object, 'status', 'conditions').some(
    (one) => one['type'] === type && one['status'] === 'True',
  );
}

interface Facts {
  readonly definition: KubeObject;
  readonly version: JsonObject;
  readonly stored: CachedObject;
  /** By version: read when the first object comes. */
  readonly schemas: ReadonlyMap<string, () => Structural>;
  readonly rules: typeof ruleCheck | undefined;
  readonly server: ServerParts;
}

async function resourceOf(facts: Facts): Promise<Resource> {
  const { definition, version, stored, schemas, rules } = facts;
  const storage = storageVersion(definition);
  const group = stringAt(definition, 'spec', 'group');
  const names = objectAt(definition, 'status', 'acceptedNames');
  const kind = stringAt(names, 'kind');
  const plural = stringAt(names, 'plural');
  const name = stringAt(version, 'name');
  const namespaced = stringAt(definition, 'spec', 'scope') === 'Namespaced';
  const subresources = objectAt(version, 'subresources');
  const hasStatus = getOwn(subresources, 'status') !== undefined;
  const scale = scalePaths(subresources);
  const schema = schemas.get(name)!;
  const statusSchema = lazily(() => schema().narrowed((property) => property === 'status'));
  const declaration: ResourceDeclaration = {
    group,
    version: name,
    resource: plural,
    singular: stringAt(names, 'singular') || kind.toLowerCase(),
    kind,
    listKind: stringAt(names, 'listKind') || `${kind}List`,
    shortNames: listAt(names, 'shortNames') as string[],
    categories: listAt(names, 'categories') as string[],
    namespaced,
    verbs: VERBS,
    subresources: subresourceDeclarations(hasStatus, scale !== undefined),
    ...(scale !== undefined && { scale }),
    columns: columnsOf(version),
    selectableFields: objectsAt(version, 'selectableFields').map((field) =>
      stringAt(field, 'jsonPath').replace(/^\./, ''),
    ),
    storage: { group, version: storage, resource: plural },
    hasStatus,
    hasGeneration: true,
    virtual: false,
    openApi: () => versionSchema(stored, name),
    ...(version['deprecated'] === true && { deprecation: deprecation(version, { group, kind, name }) }),
  };
  return {
    declaration,
    group,
    version: name,
    resource: plural,
    kind,
    apiVersion: apiVersionOf(group, name),
    namespaced,
    type: customType({
      group,
      version: name,
      kind,
      namespaced,
      schema,
      scale,
      ...(rules !== undefined && { rules: lazily(() => rules(schema())) }),
    }),
    prefix: prefixOf(definition),
    strategy: hasStatus
      ? {
          conditional: true,
          fixedInStatus: USERS_METADATA,
          prepareForCreate: (object) => {
            delete object.status;
            // Nobody has sent it, but its default is there.
            fillDefaults(object, statusSchema());
          },
        }
      : { conditional: true },
    ...(await conversionOf(name, facts)),
  };
}

/** `/registry/example.com/widgets/`, as upstream. */
export function prefixOf(definition: KubeObject): string {
  return `/registry/${stringAt(definition, 'spec', 'group')}/${stringAt(definition, 'spec', 'names', 'plural')}/`;
}

function deprecation(
  version: JsonObject,
  { group, kind, name }: { group: string; kind: string; name: string },
): string {
  return stringAt(version, 'deprecationWarning') || `${apiVersionOf(group, name)} ${kind} is deprecated`;
}

/** None where all that is stored is in this version already, and was written by the rules that hold now. */
async function conversionOf(
  name: string,
  { definition, schemas, server }: Facts,
): Promise<{ readonly conversion?: Conversion }> {
  const group = stringAt(definition, 'spec', 'group');
  const storage = storageVersion(definition);
  const stored = listAt(definition, 'status', 'storedVersions');
  const alone = name === storage && stored.every((version) => version === name);
  if (alone && definition.metadata.generation === 1) return {};
  const [here, there] = [apiVersionOf(group, name), apiVersionOf(group, storage)];
  const finish = (object: JsonObject, apiVersion: string): KubeObject => {
    const schema = schemas.get(apiVersion.slice(group.length + 1));
    return schema === undefined ? (object as KubeObject) : reread(object, schema());
  };
  const conversion = objectAt(definition, 'spec', 'conversion');
  if (alone || stringAt(conversion, 'strategy') !== 'Webhook')
    return { conversion: renaming(here, there, finish) };
  const { webhookConversion } = await import('./webhook-conversion.ts');
  return {
    conversion: webhookConversion({
      server,
      clientConfig: objectAt(conversion, 'webhook', 'clientConfig'),
      reviewVersions: listAt(conversion, 'webhook', 'conversionReviewVersions') as string[],
      kind: stringAt(definition, 'status', 'acceptedNames', 'kind'),
      place: { group, version: name, resource: stringAt(definition, 'status', 'acceptedNames', 'plural') },
      here,
      stored: there,
      finish,
    }),
  };
}

/** What was stored, as the schema of today has it: the object itself where that makes no difference. */
function reread(object: JsonObject, schema: Structural): KubeObject {
  const pruned = prune(object, schema) as KubeObject;
  fillDefaults(pruned, schema);
  return isDeepStrictEqual(pruned, object) ? (object as KubeObject) : pruned;
}

/** Conversion strategy None: versions differ in their name, and in what their schemas know and add. */
function renaming(
  here: string,
  stored: string,
  finish: (object: JsonObject, apiVersion: string) => KubeObject,
): Conversion {
  return {
    fromStorage: (object) =>
      finish(object.apiVersion === here ? object : { ...object, apiVersion: here }, here),
    toStorage: (object) => (object.apiVersion === stored ? object : { ...object, apiVersion: stored }),
  };
}

function subresourceDeclarations(status: boolean, scale: boolean): readonly SubresourceDeclaration[] {
  return [
    ...(status ? [{ name: 'status', verbs: ['get', 'patch', 'update'] as const }] : []),
    ...(scale
      ? [
          {
            name: 'scale',
            kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
            verbs: ['get', 'patch', 'update'] as const,
          },
        ]
      : []),
  ];
}

function scalePaths(subresources: JsonObject): ScalePaths | undefined {
  const scale = getOwn(subresources, 'scale');
  if (!isJsonObject(scale)) return undefined;
  const path = (name: string): readonly string[] =>
    fieldNames(parseJsonPath(stringAt(scale, name)) ?? []) ?? [];
  return {
    specReplicas: path('specReplicasPath'),
    statusReplicas: path('statusReplicasPath'),
    labelSelector: path('labelSelectorPath'),
  };
}

/** Unlike those of built-in kinds it is a date. */
const AGE: PrinterColumn = { ...ageColumn, type: 'date' };

function columnsOf(version: JsonObject): readonly PrinterColumn[] {
  const own = objectsAt(version, 'additionalPrinterColumns').map(columnOf);
  return [nameColumn, ...(own.length === 0 ? [AGE] : own)];
}

function columnOf(column: JsonObject): PrinterColumn {
  const type = stringAt(column, 'type') as PrinterColumn['type'];
  const jsonPath = stringAt(column, 'jsonPath');
  const path = parseJsonPath(jsonPath) ?? [];
  const description = stringAt(column, 'description');
  return {
    name: stringAt(column, 'name'),
    type,
    format: stringAt(column, 'format'),
    description: description || `Custom resource definition column (in JSONPath format): ${jsonPath}`,
    priority: numberAt(column, 'priority') ?? 0,
    cell: (object, now) => cellOf(findAll(object, path), type, now),
  };
}

/** Several results are shown with commas between them; a time as the time since. */
function cellOf(values: readonly JsonValue[], type: PrinterColumn['type'], now: number): JsonValue {
  const [first] = values;
  if (first === undefined || first === null) return null;
  if (type === 'date') {
    const since = typeof first === 'string' ? timeToMs(first) : undefined;
    return since === undefined ? '<invalid>' : humanDuration(now - since);
  }
  if (type === 'string')
    return values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join(',');
  return typeof first === (type === 'boolean' ? 'boolean' : 'number') ? first : null;
}
