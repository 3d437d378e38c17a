/** CustomResourceDefinitions. Fields are named as in upstream's internal type, into which v1 is converted first. */
import {
  duplicate,
  forbidden,
  goQuote,
  invalid,
  required,
  unsupported,
  type FieldError,
} from '../field-error.ts';
import { fieldNames, parseJsonPath } from '../json-path.ts';
import {
  getOwn,
  getPath,
  isJsonObject,
  jsonEqual,
  listAt,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
} from '../json.ts';
import { checkOpenApi, checkStructural } from '../structural/check.ts';
import { fillDefaults, prune } from '../structural/prune.ts';
import { parseStructural, type Structural } from '../structural/schema.ts';
import { NO_FIELD, validateValue } from '../structural/validate.ts';
import { tooMany, unchanged } from './checks.ts';
import { dns1035Label, dns1123Subdomain } from './names.ts';
import { validateClient } from './webhooks.ts';

/** What all versions have alike stands above them, and is complained about there. */
type Shared = 'schema' | 'subresources' | 'additionalPrinterColumns' | 'selectableFields';

const ABOVE: Readonly<Record<Shared, string>> = {
  schema: 'validation',
  subresources: 'subresources',
  additionalPrinterColumns: 'additionalPrinterColumns',
  selectableFields: 'selectableFields',
};

function isShared(spec: JsonObject, key: Shared): boolean {
  const [first, ...others] = objectsAt(spec, 'versions').map((version) => getOwn(version, key));
  return others.every((one) => jsonEqual(one ?? null, first ?? null));
}

function pathOf(spec: JsonObject, key: Shared, index: number): string {
  return isShared(spec, key) ? `spec.${ABOVE[key]}` : `spec.versions[${index}].${key}`;
}

/** Where the schema of the version at `index` is: without `.openAPIV3Schema`. */
export function schemaPath(spec: JsonObject, index: number): string {
  return pathOf(spec, 'schema', index);
}

/** What is wrong with a member: version by version, or once where it is everyone's. */
function eachVersion(
  spec: JsonObject,
  key: Shared,
  check: (version: JsonObject, path: string) => FieldError[],
): FieldError[] {
  const versions = objectsAt(spec, 'versions');
  const checked = isShared(spec, key) ? versions.slice(0, 1) : versions;
  return checked.flatMap((version, index) =>
    getOwn(version, key) === undefined ? [] : check(version, pathOf(spec, key, index)),
  );
}

export function validateDefinition(definition: JsonObject): FieldError[] {
  const spec = objectAt(definition, 'spec');
  const group = stringAt(spec, 'group');
  const name = stringAt(definition, 'metadata', 'name');
  const errors: FieldError[] = [];
  if (name !== '' && name !== `${stringAt(spec, 'names', 'plural')}.${group}`) {
    errors.push(invalid('metadata.name', name, 'must be spec.names.plural+"."+spec.group'));
  }
  return [
    ...errors,
    ...validateGroup(group),
    ...validateScope(stringAt(spec, 'scope')),
    ...validateVersions(spec),
    ...validateNames(objectAt(spec, 'names')),
    ...validateShared(spec),
    ...validateConversion(objectAt(spec, 'conversion')),
  ];
}

export function validateDefinitionCreate(definition: JsonObject): FieldError[] {
  const stored = listAt(definition, 'status', 'storedVersions');
  return [
    ...validateApproval(definition, undefined),
    ...validatePreserving(definition, undefined),
    ...(definition['status'] !== undefined && stored.length === 0
      ? [invalid('status.storedVersions', null, 'must have at least one stored version')]
      : []),
  ];
}

function joined(errors: readonly string[], at: string, value: string): FieldError[] {
  return errors.length === 0 ? [] : [invalid(at, value, errors.join(','))];
}

function validateGroup(group: string): FieldError[] {
  const at = 'spec.group';
  if (group === '') return [required(at)];
  const errors = joined(dns1123Subdomain(group), at, group);
  if (errors.length > 0 || group.includes('.')) return errors;
  return [invalid(at, group, 'should be a domain with at least one dot')];
}

function validateScope(scope: string): FieldError[] {
  if (scope === '') return [required('spec.scope')];
  const known = ['Cluster', 'Namespaced'];
  return known.includes(scope) ? [] : [unsupported('spec.scope', scope, known)];
}

function validateVersions(spec: JsonObject): FieldError[] {
  const versions = objectsAt(spec, 'versions');
  const errors: FieldError[] = [];
  for (const [index, version] of versions.entries()) {
    if (isJsonObject(objectAt(version, 'schema')['openAPIV3Schema'])) continue;
    errors.push(required(`spec.versions[${index}].schema.openAPIV3Schema`));
  }
  const names = versions.map((version) => stringAt(version, 'name'));
  for (const [index, version] of versions.entries()) {
    const at = `spec.versions[${index}]`;
    errors.push(...joined(dns1035Label(names[index] ?? ''), `${at}.name`, names[index] ?? ''));
    errors.push(...validateDeprecation(version, `${at}.deprecationWarning`));
  }
  if (new Set(names).size < names.length) {
    errors.push(invalid('spec.versions', versions, 'must contain unique version names'));
  }
  if (versions.filter((version) => version['storage'] === true).length !== 1) {
    const detail = 'must have exactly one version marked as storage version';
    errors.push(invalid('spec.versions', versions.length === 0 ? null : versions, detail));
  }
  // Upstream looks at the first version's name as at one of its own as well.
  errors.push(
    ...(versions.length === 0 || names[0] === ''
      ? []
      : joined(dns1035Label(names[0] ?? ''), 'spec.version', names[0] ?? '')),
  );
  return errors;
}

const MAX_WARNING = 256;

function validateDeprecation(version: JsonObject, at: string): FieldError[] {
  const warning = getOwn(version, 'deprecationWarning');
  if (typeof warning !== 'string') return [];
  const bad = (detail: string): FieldError => invalid(at, warning, detail);
  if (version['deprecated'] !== true) return [bad('can only be set for deprecated versions')];
  const errors: FieldError[] = [];
  if (Buffer.byteLength(warning) > MAX_WARNING) errors.push(bad('must be <= 256 characters long'));
  if (warning === '') errors.push(bad('must not be an empty string'));
  const wrong = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.exec(warning);
  if (wrong !== null) {
    const index = Buffer.byteLength(warning.slice(0, wrong.index));
    const detail = `must only contain printable UTF-8 characters; non-printable character found at index ${index}`;
    errors.push(bad(detail));
  }
  return errors;
}

function validateNames(names: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  const at = (key: string): string => `spec.names.${key}`;
  const fields = ['plural', 'singular', 'kind', 'listKind'];
  for (const key of fields) if (stringAt(names, key) === '') errors.push(required(at(key)));
  for (const key of fields) {
    const value = stringAt(names, key);
    const mixed = key === 'kind' || key === 'listKind';
    const wrong = value === '' ? [] : dns1035Label(mixed ? value.toLowerCase() : value);
    if (wrong.length === 0) continue;
    const prefix = mixed ? 'may have mixed case, but should otherwise match: ' : '';
    errors.push(invalid(at(key), value, `${prefix}${wrong.join(',')}`));
  }
  const list = (key: string): FieldError[] =>
    listAt(names, key).flatMap((item, index) =>
      joined(dns1035Label(textOf(item)), at(`${key}[${index}]`), textOf(item)),
    );
  errors.push(...list('shortNames'));
  const listKind = stringAt(names, 'listKind');
  if (listKind !== '' && stringAt(names, 'kind') === listKind) {
    errors.push(invalid(at('listKind'), listKind, 'kind and listKind may not be the same'));
  }
  return [...errors, ...list('categories')];
}

/** What versions may have together. */
function validateShared(spec: JsonObject): FieldError[] {
  const hasStatus = objectsAt(spec, 'versions').some(
    (version) => getOwn(objectAt(version, 'subresources'), 'status') !== undefined,
  );
  return [
    ...eachVersion(spec, 'schema', (version, path) => {
      const own = isShared(spec, 'subresources')
        ? hasStatus
        : getOwn(objectAt(version, 'subresources'), 'status') !== undefined;
      return validateSchema(objectAt(version, 'schema')['openAPIV3Schema'], path, own);
    }),
    ...eachVersion(spec, 'subresources', (version, path) => {
      const scale = getOwn(objectAt(version, 'subresources'), 'scale');
      return isJsonObject(scale) ? validateScale(scale, `${path}.scale`) : [];
    }),
    ...eachVersion(spec, 'additionalPrinterColumns', (version, path) =>
      objectsAt(version, 'additionalPrinterColumns').flatMap((column, index) =>
        validateColumn(column, `${path}[${index}]`),
      ),
    ),
    ...eachVersion(spec, 'selectableFields', validateSelectable),
  ];
}

/** What a schema's root may say where the status is cut out of it. */
const AT_ROOT = [
  'description',
  'type',
  'format',
  'title',
  'maximum',
  'exclusiveMaximum',
  'minimum',
  'exclusiveMinimum',
  'maxLength',
  'minLength',
  'pattern',
  'maxItems',
  'minItems',
  'uniqueItems',
  'multipleOf',
  'required',
  'items',
  'properties',
  'externalDocs',
  'example',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-validations',
];
const AT_ROOT_NAMES = AT_ROOT.map((name) =>
  name.startsWith('x-')
    ? `X${name.includes('preserve') ? 'PreserveUnknownFields' : 'Validations'}`
    : `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`,
).join(' ');

function validateSchema(schema: JsonObject[string], path: string, hasStatus: boolean): FieldError[] {
  if (!isJsonObject(schema)) return [];
  const at = `${path}.openAPIV3Schema`;
  const errors: FieldError[] = [];
  if (hasStatus) {
    const type = stringAt(schema, 'type');
    const alien = Object.keys(schema).find((key) => !AT_ROOT.includes(key) && schema[key] !== false);
    if (type !== '' && type !== 'object') {
      const detail =
        'only "object" is allowed as the type at the root of the schema if the status subresource is enabled';
      errors.push(invalid(`${at}.type`, type, detail));
    } else if (alien !== undefined) {
      const detail = `only [${AT_ROOT_NAMES}] fields are allowed at the root of the schema if the status subresource is enabled`;
      errors.push(invalid(at, schema, detail));
    }
  }
  if (schema['nullable'] === true) {
    errors.push(forbidden(`${at}.nullable`, 'nullable cannot be true at the root'));
  }
  const structural = checkStructural(schema, at);
  errors.push(...structural);
  const openApi = checkOpenApi(schema, at);
  if (structural.length === 0) errors.push(...checkDefaults(schema, at));
  return [...errors, ...openApi];
}

/** Defaults of a schema whose shape is right. */
function checkDefaults(schema: JsonObject, at: string): FieldError[] {
  // Without patterns that cannot be read there is nothing that parsing could fail on.
  return defaultComplaints(parseStructural(schema), at);
}

/** A default must itself be pruned and valid. */
function defaultComplaints(schema: Structural, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const value = schema.defaultValue;
  if (value !== undefined) {
    const unknown: string[] = [];
    const copy = structuredClone(value);
    prune(copy, schema, unknown, '#');
    if (unknown.length > 0) errors.push(invalid(`${path}.default`, value, 'must not have unknown fields'));
    fillDefaults(copy, schema);
    for (const error of validateValue(copy, schema)) {
      errors.push({
        ...error,
        field: `${path}.default${error.field === '' || error.field === NO_FIELD ? '' : `.${error.field}`}`,
      });
    }
  }
  if (schema.items !== undefined) errors.push(...defaultComplaints(schema.items, `${path}.items`));
  for (const [name, property] of schema.properties) {
    errors.push(...defaultComplaints(property, `${path}.properties[${name}]`));
  }
  return errors;
}

function simplePath(path: string, at: string): FieldError[] {
  return path.startsWith('.') ? [] : [invalid(at, path, 'must be a simple json path starting with .')];
}

function validateScale(scale: JsonObject, path: string): FieldError[] {
  const check = (key: string, roots: readonly string[], where: string): FieldError[] => {
    const text = stringAt(scale, key);
    const at = `${path}.${key}`;
    if (text === '') return key === 'labelSelectorPath' ? [] : [required(at)];
    const wrong = simplePath(text, at);
    if (wrong.length > 0 || roots.some((root) => text.startsWith(root))) return wrong;
    return [invalid(at, text, `should be a json path under ${where}`)];
  };
  return [
    ...check('specReplicasPath', ['.spec.'], '.spec'),
    ...check('statusReplicasPath', ['.status.'], '.status'),
    ...check('labelSelectorPath', ['.spec.', '.status.'], 'either .spec or .status'),
  ];
}

const COLUMN_TYPES = ['boolean', 'date', 'integer', 'number', 'string'];
const COLUMN_FORMATS = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password'];

function validateColumn(column: JsonObject, path: string): FieldError[] {
  const [type, format, text] = ['type', 'format', 'jsonPath'].map((key) => stringAt(column, key));
  const errors: FieldError[] = [];
  if (stringAt(column, 'name') === '') errors.push(required(`${path}.name`));
  const types = `must be one of ${COLUMN_TYPES.join(',')}`;
  if (type === '') errors.push(required(`${path}.type`, types));
  else if (!COLUMN_TYPES.includes(type ?? '')) errors.push(invalid(`${path}.type`, type, types));
  if (format !== '' && !COLUMN_FORMATS.includes(format ?? '')) {
    errors.push(invalid(`${path}.format`, format, `must be one of ${COLUMN_FORMATS.join(',')}`));
  }
  const at = `${path}.JSONPath`;
  return [...errors, ...(text === '' ? [required(at)] : simplePath(text ?? '', at))];
}

const MAX_SELECTABLE = 8;

function validateSelectable(version: JsonObject, path: string): FieldError[] {
  const schema = objectAt(version, 'schema')['openAPIV3Schema'];
  if (!isJsonObject(schema)) {
    return [invalid(path, '', 'may only be set when validations.schema is included')];
  }
  const seen = new Set<string>();
  const errors = objectsAt(version, 'selectableFields').flatMap((field, index) => {
    const at = `${path}[${index}].jsonPath`;
    const text = stringAt(field, 'jsonPath');
    if (text === '') return [required(at)];
    const names = text.startsWith('.') ? fieldNames(parseJsonPath(text) ?? []) : undefined;
    const steps = names ?? [];
    const found = schemaAt(schema, steps);
    if (steps.length === 0) return [invalid(at, text, 'is an invalid path: does not start with a field')];
    if (typeof found === 'string') return [invalid(at, text, `is an invalid path: ${found}`)];
    const problems: FieldError[] = [];
    if (steps[0] === 'metadata') problems.push(invalid(at, text, 'must not point to fields in metadata'));
    if (!['string', 'boolean', 'integer'].includes(stringAt(found, 'type'))) {
      const detail =
        'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.';
      problems.push(invalid(at, text, detail));
    }
    const key = steps.join('.');
    if (seen.has(key)) problems.push(duplicate(at, text));
    seen.add(key);
    return problems;
  });
  return [...errors, ...tooMany(path, seen.size, MAX_SELECTABLE)];
}

/** The schema of a field, or why there is none. */
function schemaAt(schema: JsonObject, steps: readonly string[]): JsonObject | string {
  let current = schema;
  for (const step of steps) {
    const next = getOwn(objectAt(current, 'properties'), step);
    if (!isJsonObject(next)) return 'does not refer to a valid field';
    current = next;
  }
  return current;
}

const REVIEW_VERSIONS = ['v1', 'v1beta1'];

/** Upstream's internal type has the webhook's members directly in the conversion. */
function validateConversion(conversion: JsonObject): FieldError[] {
  const path = 'spec.conversion';
  const strategy = stringAt(conversion, 'strategy');
  const webhook = objectAt(conversion, 'webhook');
  const config = getOwn(webhook, 'clientConfig');
  const versions = listAt(webhook, 'conversionReviewVersions').map((version) => textOf(version));
  const errors: FieldError[] = [];
  if (strategy === '') errors.push(required(`${path}.strategy`));
  else if (strategy !== 'None' && strategy !== 'Webhook') {
    errors.push(unsupported(`${path}.strategy`, strategy, ['None', 'Webhook']));
  }
  if (strategy === 'Webhook') {
    errors.push(
      ...(isJsonObject(config)
        ? validateClient(config, `${path}.webhookClientConfig`)
        : [required(`${path}.webhookClientConfig`, 'required when strategy is set to Webhook')]),
      ...validateReviewVersions(versions, `${path}.conversionReviewVersions`),
    );
    return errors;
  }
  const detail = 'should not be set when strategy is not set to Webhook';
  if (config !== undefined) errors.push(forbidden(`${path}.webhookClientConfig`, detail));
  if (versions.length > 0) errors.push(forbidden(`${path}.conversionReviewVersions`, detail));
  return errors;
}

function validateReviewVersions(versions: readonly string[], at: string): FieldError[] {
  if (versions.length === 0) return [required(at)];
  const errors = versions.flatMap((version, index) => {
    const here = `${at}[${index}]`;
    if (versions.indexOf(version) < index) return [invalid(here, version, 'duplicate version')];
    return dns1035Label(version).map((detail) => invalid(here, version, detail));
  });
  if (!versions.some((version) => REVIEW_VERSIONS.includes(version))) {
    errors.push(invalid(at, [...versions], `must include at least one of ${REVIEW_VERSIONS.join(', ')}`));
  }
  return errors;
}

const APPROVED = 'api-approved.kubernetes.io';
const SEE = 'see https://github.com/kubernetes/enhancements/pull/1111';

type Approval = 'approved' | 'bypassed' | 'invalid' | 'missing';

function approvalOf(definition: JsonObject): Approval {
  const text = stringAt(definition, 'metadata', 'annotations', APPROVED);
  if (text === '') return 'missing';
  if (text.startsWith('unapproved')) return 'bypassed';
  return /^[a-z][a-z0-9+.-]*:\/\/[^/]/i.test(text) && URL.canParse(text) ? 'approved' : 'invalid';
}

/** Kubernetes' own groups are only for what was agreed upon. */
function validateApproval(definition: JsonObject, old: JsonObject | undefined): FieldError[] {
  const group = `.${stringAt(definition, 'spec', 'group')}`;
  if (!group.endsWith('.k8s.io') && !group.endsWith('.kubernetes.io')) return [];
  const approval = approvalOf(definition);
  if (old !== undefined && approvalOf(old) === approval) return [];
  const at = `metadata.annotations[${APPROVED}]`;
  const must = `protected groups must have approval annotation ${goQuote(APPROVED)}`;
  if (approval === 'missing') return [required(at, `${must}, ${SEE}`)];
  if (approval !== 'invalid') return [];
  const text = stringAt(definition, 'metadata', 'annotations', APPROVED);
  return [invalid(at, text, `${must} with either a URL or a reason starting with "unapproved", ${SEE}`)];
}

function validatePreserving(definition: JsonObject, old: JsonObject | undefined): FieldError[] {
  const keeps = (object: JsonObject | undefined): boolean =>
    getPath(object, 'spec', 'preserveUnknownFields') === true;
  if (!keeps(definition) || keeps(old)) return [];
  const detail =
    'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead';
  return [invalid('spec.preserveUnknownFields', true, detail)];
}

export function validateDefinitionUpdate(definition: JsonObject, old: JsonObject): FieldError[] {
  const established = objectsAt(old, 'status', 'conditions').some(
    (one) => one['type'] === 'Established' && one['status'] === 'True',
  );
  return [
    // What is stored was stored under them.
    ...(established ? unchanged(definition, old, 'spec.scope', 'spec.names.kind') : []),
    ...unchanged(definition, old, 'spec.group', 'spec.names.plural'),
    ...validateStoredVersions(definition),
    ...validateApproval(definition, old),
    ...validatePreserving(definition, old),
  ];
}

function validateStoredVersions(definition: JsonObject): FieldError[] {
  const names = new Set(
    objectsAt(definition, 'spec', 'versions').map((version) => stringAt(version, 'name')),
  );
  return listAt(definition, 'status', 'storedVersions').flatMap((item, index) => {
    const version = textOf(item);
    if (names.has(version)) return [];
    const detail = `missing from spec.versions; ${version} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${version} and removes ${version} from status.storedVersions`;
    return [invalid(`status.storedVersions[${index}]`, version, detail)];
  });
}
