/** CustomResourceDefinitions. Fields are named as in upstream's internal type, into which v1 is converted first. */
import { append } from '../../../base/append.ts';
import { duplicate, forbidden, invalid, required, unsupported, type FieldError } from '../field-error.ts';
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
import { checkDefinitionSchema } from '../structural/check-definition.ts';
import { hasDefault } from '../structural/unsupported.ts';
import { findField } from '../structural/field-path.ts';
import { validateApproval } from './api-approval.ts';
import { caBundleProblem } from './ca-bundle.ts';
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
  return [
    ...['name', 'generateName'].flatMap((key) => validateName(definition, key)),
    ...validateSpec(definition, undefined),
    ...validateStoredVersions(definition),
    ...validateApproval(definition, undefined),
    ...validatePreserving(definition, undefined),
  ];
}

export function validateDefinitionUpdate(definition: JsonObject, old: JsonObject): FieldError[] {
  return [
    ...validateSpec(definition, old),
    // What is stored was stored under them.
    ...(isEstablished(old) ? unchanged(definition, old, 'spec.scope', 'spec.names.kind') : []),
    ...unchanged(definition, old, 'spec.group', 'spec.names.plural'),
    ...validateStoredVersions(definition),
    ...validateApproval(definition, old),
    ...validatePreserving(definition, old),
  ];
}

/** Its controllers write it, who may take back stored versions after a migration. */
export function validateDefinitionStatus(definition: JsonObject): FieldError[] {
  return validateNames(objectAt(definition, 'status', 'acceptedNames'), 'status.acceptedNames');
}

function validateSpec(definition: JsonObject, old: JsonObject | undefined): FieldError[] {
  const spec = objectAt(definition, 'spec');
  const group = stringAt(spec, 'group');
  const names = objectAt(spec, 'names');
  return [
    ...validateGroup(group),
    ...validateScope(stringAt(spec, 'scope')),
    ...validateWithDefaults(spec),
    ...validateVersions(spec),
    ...['plural', 'singular', 'kind', 'listKind'].flatMap((key) =>
      stringAt(names, key) === '' ? [required(`spec.names.${key}`)] : [],
    ),
    ...validateNames(names, 'spec.names'),
    ...validateShared(spec, objectAt(old, 'spec')),
    ...validateConversion(objectAt(spec, 'conversion'), old),
  ];
}

/** What is kept though nobody knows it can neither be filled in nor converted. */
function validateWithDefaults(spec: JsonObject): FieldError[] {
  if (spec['preserveUnknownFields'] !== true) return [];
  const strategy = stringAt(spec, 'conversion', 'strategy');
  return [
    ...(hasDefaults(spec)
      ? [invalid('spec.preserveUnknownFields', true, 'must be false in order to use defaults in the schema')]
      : []),
    ...(strategy === '' || strategy === 'None'
      ? []
      : [
          invalid('spec.conversion.strategy', strategy, 'must be None if spec.preserveUnknownFields is true'),
        ]),
  ];
}

function hasDefaults(spec: JsonObject): boolean {
  return objectsAt(spec, 'versions').some((version) => {
    const schema = objectAt(version, 'schema')['openAPIV3Schema'];
    return isJsonObject(schema) && hasDefault(schema);
  });
}

function validateName(definition: JsonObject, key: string): FieldError[] {
  const [name, spec] = [stringAt(definition, 'metadata', key), objectAt(definition, 'spec')];
  if (name === '' || name === `${stringAt(spec, 'names', 'plural')}.${stringAt(spec, 'group')}`) return [];
  return [invalid(`metadata.${key}`, name, 'must be spec.names.plural+"."+spec.group')];
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
    append(errors, joined(dns1035Label(names[index] ?? ''), `${at}.name`, names[index] ?? ''));
    append(errors, validateDeprecation(version, `${at}.deprecationWarning`));
  }
  if (new Set(names).size < names.length) {
    errors.push(invalid('spec.versions', [...versions], 'must contain unique version names'));
  }
  if (versions.filter((version) => version['storage'] === true).length !== 1) {
    const detail = 'must have exactly one version marked as storage version';
    errors.push(invalid('spec.versions', getOwn(spec, 'versions') ?? null, detail));
  }
  // Upstream looks at the first version's name as at one of its own as well.
  append(
    errors,
    versions.length === 0 || names[0] === ''
      ? []
      : joined(dns1035Label(names[0] ?? ''), 'spec.version', names[0] ?? ''),
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

function validateNames(names: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const at = (key: string): string => `${path}.${key}`;
  for (const key of ['plural', 'singular', 'kind', 'listKind']) {
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
  append(errors, list('shortNames'));
  const listKind = stringAt(names, 'listKind');
  if (listKind !== '' && stringAt(names, 'kind') === listKind) {
    errors.push(invalid(at('listKind'), listKind, 'kind and listKind may not be the same'));
  }
  return [...errors, ...list('categories')];
}

/** What versions may have together. */
function validateShared(spec: JsonObject, old: JsonObject): FieldError[] {
  const statusOf = (version: JsonObject): boolean =>
    getOwn(objectAt(version, 'subresources'), 'status') !== undefined;
  const hasStatus = objectsAt(spec, 'versions').some(statusOf);
  return [
    ...eachVersion(spec, 'schema', (version, path) => {
      const schema = objectAt(version, 'schema')['openAPIV3Schema'];
      if (!isJsonObject(schema)) return [];
      const before = objectsAt(old, 'versions').find(({ name }) => name === version['name']);
      return checkDefinitionSchema(schema, `${path}.openAPIV3Schema`, {
        hasStatus: isShared(spec, 'subresources') ? hasStatus : statusOf(version),
        isKnown: jsonEqual(objectAt(before, 'schema')['openAPIV3Schema'] ?? null, schema),
      });
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
    const found = findField(text, schema, false);
    if (typeof found === 'string') return [invalid(at, text, `is an invalid path: ${found}`)];
    const problems: FieldError[] = [];
    if (found.names[0] === 'metadata') {
      problems.push(invalid(at, text, 'must not point to fields in metadata'));
    }
    if (!['string', 'boolean', 'integer'].includes(stringAt(found.schema, 'type'))) {
      const detail =
        'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.';
      problems.push(invalid(at, text, detail));
    }
    const key = found.names.join('.');
    if (seen.has(key)) problems.push(duplicate(at, text));
    seen.add(key);
    return problems;
  });
  return [...errors, ...tooMany(path, seen.size, MAX_SELECTABLE)];
}

const REVIEW_VERSIONS = ['v1', 'v1beta1'];

/** Upstream's internal type has the webhook's members directly in the conversion. */
function validateConversion(conversion: JsonObject, old: JsonObject | undefined): FieldError[] {
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
    append(
      errors,
      isJsonObject(config)
        ? [
            ...validateClient(config, `${path}.webhookClientConfig`),
            ...validateTrust(config, old, `${path}.webhookClientConfig.caBundle`),
          ]
        : [required(`${path}.webhookClientConfig`, 'required when strategy is set to Webhook')],
    );
    append(errors, validateReviewVersions(versions, `${path}.conversionReviewVersions`));
    return errors;
  }
  const detail = 'should not be set when strategy is not set to Webhook';
  if (config !== undefined) errors.push(forbidden(`${path}.webhookClientConfig`, detail));
  if (versions.length > 0) errors.push(forbidden(`${path}.conversionReviewVersions`, detail));
  return errors;
}

/** Only once it is established: before, it only waits for a bundle that can be read. */
function validateTrust(config: JsonObject, old: JsonObject | undefined, at: string): FieldError[] {
  const bundle = stringAt(config, 'caBundle');
  if (bundle === '' || old === undefined || !isEstablished(old)) return [];
  const before = stringAt(old, 'spec', 'conversion', 'webhook', 'clientConfig', 'caBundle');
  const problem = caBundleProblem(bundle);
  if (problem === undefined || (before !== '' && caBundleProblem(before) !== undefined)) return [];
  return [invalid(at, bundle, problem)];
}

function isEstablished(definition: JsonObject): boolean {
  return objectsAt(definition, 'status', 'conditions').some(
    (one) => one['type'] === 'Established' && one['status'] === 'True',
  );
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

function validatePreserving(definition: JsonObject, old: JsonObject | undefined): FieldError[] {
  const keeps = (object: JsonObject | undefined): boolean =>
    getPath(object, 'spec', 'preserveUnknownFields') === true;
  if (!keeps(definition) || keeps(old)) return [];
  const detail =
    'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead';
  return [invalid('spec.preserveUnknownFields', true, detail)];
}

function validateStoredVersions(definition: JsonObject): FieldError[] {
  const at = 'status.storedVersions';
  const stored = listAt(definition, 'status', 'storedVersions').map((item) => textOf(item));
  if (stored.length === 0) return [invalid(at, null, 'must have at least one stored version')];
  const names = new Set(
    objectsAt(definition, 'spec', 'versions').map((version) => stringAt(version, 'name')),
  );
  return stored.flatMap((version, index) => {
    if (names.has(version)) return [];
    const detail = `missing from spec.versions; ${version} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${version} and removes ${version} from status.storedVersions`;
    return [invalid(`${at}[${index}]`, version, detail)];
  });
}
