import { duplicate, forbidden, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import { fieldNames, parseJsonPath } from '../json-path.ts';
import { getOwn, isJsonObject, listAt, objectAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import { fillDefaults, prune } from '../structural/prune.ts';
import { checkStructural, parseStructural, type Structural } from '../structural/schema.ts';
import { validateValue } from '../structural/validate.ts';
import { dns1035Label, dns1123Subdomain } from './names.ts';

const COLUMN_TYPES = ['boolean', 'date', 'integer', 'number', 'string'];

export function validateDefinition(definition: JsonObject): FieldError[] {
  const spec = objectAt(definition, 'spec');
  const group = stringAt(spec, 'group');
  const plural = stringAt(spec, 'names', 'plural');
  const name = stringAt(definition, 'metadata', 'name');
  const errors: FieldError[] = [];
  if (group === '') errors.push(required('spec.group'));
  else errors.push(...dns1123Subdomain(group).map((detail) => invalid('spec.group', group, detail)));
  if (group !== '' && !group.includes('.'))
    errors.push(invalid('spec.group', group, 'should be a domain with at least one dot'));
  if (plural !== '' && group !== '' && name !== `${plural}.${group}`) {
    errors.push(invalid('metadata.name', name, 'must be spec.names.plural+"."+spec.group'));
  }
  const scope = stringAt(spec, 'scope');
  if (scope === '') errors.push(required('spec.scope'));
  else if (scope !== 'Cluster' && scope !== 'Namespaced') {
    errors.push(unsupported('spec.scope', scope, ['Cluster', 'Namespaced']));
  }
  errors.push(...validateNames(objectAt(spec, 'names')));
  errors.push(...validateVersions(spec));
  errors.push(...validateConversion(spec));
  return errors;
}

function validateNames(names: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  const label = (field: string, value: string): void => {
    errors.push(...dns1035Label(value).map((detail) => invalid(`spec.names.${field}`, value, detail)));
  };
  for (const field of ['plural', 'singular', 'kind', 'listKind']) {
    const value = stringAt(names, field);
    if (value === '') errors.push(required(`spec.names.${field}`));
    else label(field, value.toLowerCase());
    if ((field === 'plural' || field === 'singular') && value !== value.toLowerCase()) {
      errors.push(invalid(`spec.names.${field}`, value, 'must be lowercase'));
    }
  }
  (listAt(names, 'shortNames') as string[]).forEach((value, index) => label(`shortNames[${index}]`, value));
  (listAt(names, 'categories') as string[]).forEach((value, index) => label(`categories[${index}]`, value));
  if (stringAt(names, 'kind') !== '' && stringAt(names, 'kind') === stringAt(names, 'listKind')) {
    errors.push(
      invalid('spec.names.listKind', stringAt(names, 'listKind'), 'kind and listKind may not be the same'),
    );
  }
  return errors;
}

function validateVersions(spec: JsonObject): FieldError[] {
  const versions = objectsAt(spec, 'versions');
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  let stored = 0;
  versions.forEach((version, index) => {
    const path = `spec.versions[${index}]`;
    const name = stringAt(version, 'name');
    errors.push(...dns1035Label(name).map((detail) => invalid(`${path}.name`, name, detail)));
    if (seen.has(name)) errors.push(duplicate(`${path}.name`, name));
    seen.add(name);
    if (version['storage'] === true) stored++;
    errors.push(...validateVersion(version, path));
  });
  if (versions.length === 0) errors.push(required('spec.versions', 'must have at least one version'));
  else if (stored !== 1) {
    errors.push(
      invalid('spec.versions', versions, 'must have exactly one version marked as storage version'),
    );
  }
  return errors;
}

function validateVersion(version: JsonObject, path: string): FieldError[] {
  const schema = getOwn(objectAt(version, 'schema'), 'openAPIV3Schema');
  const errors: FieldError[] = [];
  if (isJsonObject(schema)) {
    const structural = checkStructural(schema, `${path}.schema.openAPIV3Schema`);
    errors.push(...structural);
    if (structural.length === 0) {
      errors.push(...checkDefaults(parseStructural(schema), `${path}.schema.openAPIV3Schema`));
    }
  } else errors.push(required(`${path}.schema.openAPIV3Schema`, 'schemas are required'));
  objectsAt(version, 'additionalPrinterColumns').forEach((column, index) => {
    errors.push(...validateColumn(column, `${path}.additionalPrinterColumns[${index}]`));
  });
  objectsAt(version, 'selectableFields').forEach((field, index) => {
    const text = stringAt(field, 'jsonPath');
    const parsed = parseJsonPath(text);
    if (parsed === undefined || fieldNames(parsed) === undefined) {
      errors.push(invalid(`${path}.selectableFields[${index}].jsonPath`, text, 'is an invalid path'));
    }
  });
  const scale = getOwn(objectAt(version, 'subresources'), 'scale');
  if (isJsonObject(scale)) errors.push(...validateScale(scale, `${path}.subresources.scale`));
  return errors;
}

function validateColumn(column: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (stringAt(column, 'name') === '') errors.push(required(`${path}.name`));
  const type = stringAt(column, 'type');
  if (type === '') errors.push(required(`${path}.type`));
  else if (!COLUMN_TYPES.includes(type)) errors.push(unsupported(`${path}.type`, type, COLUMN_TYPES));
  const text = stringAt(column, 'jsonPath');
  if (text === '') errors.push(required(`${path}.jsonPath`));
  else if (parseJsonPath(text) === undefined)
    errors.push(invalid(`${path}.jsonPath`, text, 'is an invalid path'));
  return errors;
}

function validateScale(scale: JsonObject, path: string): FieldError[] {
  const check = (field: string, root: string): FieldError[] => {
    const text = stringAt(scale, field);
    if (text === '') return field === 'labelSelectorPath' ? [] : [required(`${path}.${field}`)];
    const names = fieldNames(parseJsonPath(text) ?? []);
    const under = root.split('|').includes(names?.[0] ?? '') && (names?.length ?? 0) > 1;
    const roots = root
      .split('|')
      .map((one) => `.${one}`)
      .join(' or ');
    return under ? [] : [invalid(`${path}.${field}`, text, `should be a json path under ${roots}`)];
  };
  return [
    ...check('specReplicasPath', 'spec'),
    ...check('statusReplicasPath', 'status'),
    ...check('labelSelectorPath', 'status|spec'),
  ];
}

function validateConversion(spec: JsonObject): FieldError[] {
  const strategy = stringAt(spec, 'conversion', 'strategy');
  if (strategy === 'None') {
    return getOwn(objectAt(spec, 'conversion'), 'webhook') === undefined
      ? []
      : [forbidden('spec.conversion.webhook', 'should not be set when strategy is not set to Webhook')];
  }
  if (strategy === 'Webhook') return validateWebhook(objectAt(spec, 'conversion'));
  return [unsupported('spec.conversion.strategy', strategy, ['None', 'Webhook'])];
}

function validateWebhook(conversion: JsonObject): FieldError[] {
  const path = 'spec.conversion.webhook';
  const webhook = getOwn(conversion, 'webhook');
  if (!isJsonObject(webhook)) return [required(path, 'required when strategy is set to Webhook')];
  const errors: FieldError[] = [];
  const versions = listAt(webhook, 'conversionReviewVersions');
  if (versions.length === 0) errors.push(required(`${path}.conversionReviewVersions`));
  else if (!versions.includes('v1')) {
    const why = 'must include at least one of v1';
    errors.push(invalid(`${path}.conversionReviewVersions`, versions, why));
  }
  const config = getOwn(webhook, 'clientConfig');
  if (!isJsonObject(config)) return [...errors, required(`${path}.clientConfig`)];
  const url = stringAt(config, 'url');
  const service = getOwn(config, 'service');
  if ((url === '') === (service === undefined)) {
    errors.push(required(`${path}.clientConfig`, 'exactly one of url or service is required'));
  } else if (url !== '' && !/^https:\/\/[^/]/.test(url)) {
    errors.push(invalid(`${path}.clientConfig.url`, url, "'https' is the only allowed URL scheme"));
  } else if (isJsonObject(service)) {
    for (const field of ['namespace', 'name']) {
      if (stringAt(service, field) === '') {
        errors.push(required(`${path}.clientConfig.service.${field}`, `service ${field} is required`));
      }
    }
  }
  return errors;
}

/** A default must itself be pruned and valid. */
function checkDefaults(schema: Structural, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const value = schema.defaultValue;
  if (value !== undefined) {
    const unknown: string[] = [];
    const copy = structuredClone(value);
    prune(copy, schema, unknown, '#');
    if (unknown.length > 0) errors.push(invalid(`${path}.default`, value, 'must not have unknown fields'));
    fillDefaults(copy, schema);
    for (const error of validateValue(copy, schema)) {
      errors.push({ ...error, field: `${path}.default${error.field === '' ? '' : `.${error.field}`}` });
    }
  }
  for (const [name, property] of schema.properties) {
    errors.push(...checkDefaults(property, `${path}.properties[${name}]`));
  }
  if (schema.items !== undefined) errors.push(...checkDefaults(schema.items, `${path}.items`));
  return errors;
}

export function validateDefinitionUpdate(definition: JsonObject, old: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  for (const path of [['group'], ['names', 'plural'], ['scope'], ['names', 'kind']]) {
    const [now, before] = [stringAt(definition, 'spec', ...path), stringAt(old, 'spec', ...path)];
    if (now !== before) errors.push(invalid(`spec.${path.join('.')}`, now, 'field is immutable'));
  }
  const versions = objectsAt(definition, 'spec', 'versions').map((version) => stringAt(version, 'name'));
  (listAt(definition, 'status', 'storedVersions') as string[]).forEach((version, index) => {
    if (!versions.includes(version)) {
      const why =
        'missing from spec.versions; must remain in spec.versions until status.storedVersions is updated';
      errors.push(invalid(`status.storedVersions[${index}]`, version, why));
    }
  });
  return errors;
}
