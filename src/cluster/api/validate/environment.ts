/** A container's environment: its variables and where they come from. */
import { append } from '../../../base/append.ts';
import { invalid, required, type FieldError } from '../field-error.ts';
import { isJsonObject, objectsAt, stringAt, type JsonObject } from '../json.ts';
import { formed } from './checks.ts';
import { ENV_FIELDS, validateFieldRef, validateResourceRef } from './field-ref.ts';
import { dataKey, dns1123Label, dns1123Subdomain, envVarName, asPrefix } from './names.ts';
import { validateNoBacksteps } from './paths.ts';

const SOURCES = ['fieldRef', 'resourceFieldRef', 'configMapKeyRef', 'secretKeyRef', 'fileKeyRef'];
const ONE_OF =
  'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`';
const ONLY_ONE = 'may not have more than one field specified at a time';

export function validateEnvironment(container: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const variables = objectsAt(container, 'env');
  for (let i = 0; i < variables.length; i++) {
    append(errors, validateVariable(variables[i]!, `${field}.env[${i}]`));
  }
  const sources = objectsAt(container, 'envFrom');
  for (let i = 0; i < sources.length; i++) {
    append(errors, validateSource(sources[i]!, `${field}.envFrom`, `${field}.envFrom[${i}]`));
  }
  return errors;
}

function validateVariable(variable: JsonObject, at: string): FieldError[] {
  const name = stringAt(variable, 'name');
  const errors = name === '' ? [required(`${at}.name`)] : formed(name, `${at}.name`, envVarName);
  const from = variable['valueFrom'];
  if (!isJsonObject(from)) return errors;
  const field = `${at}.valueFrom`;
  const { fieldRef, resourceFieldRef, fileKeyRef } = from;
  if (isJsonObject(fieldRef)) append(errors, validateFieldRef(fieldRef, `${field}.fieldRef`, ENV_FIELDS));
  if (isJsonObject(resourceFieldRef)) {
    append(errors, validateResourceRef(resourceFieldRef, `${field}.resourceFieldRef`, false));
  }
  for (const source of ['configMapKeyRef', 'secretKeyRef']) {
    const reference = from[source];
    if (isJsonObject(reference)) append(errors, validateKeyRef(reference, `${field}.${source}`));
  }
  if (isJsonObject(fileKeyRef)) append(errors, validateFileRef(fileKeyRef, `${field}.fileKeyRef`));
  const given = SOURCES.filter((source) => from[source] !== undefined).length;
  if (given === 0) errors.push(invalid(field, '', ONE_OF));
  else if (stringAt(variable, 'value') !== '') {
    errors.push(invalid(field, '', 'may not be specified when `value` is not empty'));
  } else if (given > 1) errors.push(invalid(field, '', ONLY_ONE));
  return errors;
}

function validateKeyRef(reference: JsonObject, at: string): FieldError[] {
  const key = stringAt(reference, 'key');
  return [
    ...formed(stringAt(reference, 'name'), `${at}.name`, dns1123Subdomain),
    ...(key === '' ? [required(`${at}.key`)] : formed(key, `${at}.key`, dataKey)),
  ];
}

/** A variable of a file that an init container wrote (KEP-3721). */
function validateFileRef(reference: JsonObject, at: string): FieldError[] {
  const [key, volume, path] = ['key', 'volumeName', 'path'].map((name) => stringAt(reference, name));
  return [
    ...(key === '' ? [required(`${at}.key`)] : formed(key ?? '', `${at}.key`, envVarName)),
    ...(volume === ''
      ? [required(`${at}.volumeName`)]
      : formed(volume ?? '', `${at}.volumeName`, dns1123Label)),
    ...(path === '' ? [required(`${at}.path`)] : validateNoBacksteps(path ?? '', `${at}.path`)),
  ];
}

function validateSource(source: JsonObject, field: string, at: string): FieldError[] {
  const prefix = stringAt(source, 'prefix');
  const errors = prefix === '' ? [] : formed(prefix, `${at}.prefix`, envVarName);
  const given = ['configMapRef', 'secretRef'].filter((key) => source[key] !== undefined);
  for (const key of given) {
    const name = stringAt(source, key, 'name');
    append(
      errors,
      name === ''
        ? [required(`${at}.${key}.name`)]
        : formed(name, `${at}.${key}.name`, asPrefix(dns1123Subdomain)),
    );
  }
  // Upstream complains of the list and not of its item.
  if (given.length === 0) {
    errors.push(invalid(field, '', 'must specify one of: `configMapRef` or `secretRef`'));
  }
  if (given.length > 1) errors.push(invalid(field, '', ONLY_ONE));
  return errors;
}
