/** APIServices: where a group's version is served from. */
import { append } from '../../../base/append.ts';
import { invalid, required, unsupported, type FieldError } from '../field-error.ts';
import { isJsonObject, numberAt, objectAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import { formed, needed } from './checks.ts';
import { dns1035Label, dns1123Subdomain, pathSegment, portNumber } from './names.ts';

const STATES = ['True', 'False', 'Unknown'];

export function validateApiService(object: JsonObject): FieldError[] {
  const spec = objectAt(object, 'spec');
  const [group, version] = [stringAt(spec, 'group'), stringAt(spec, 'version')];
  const errors = ['generateName', 'name'].flatMap((key) => validateName(object, key, `${version}.${group}`));
  if (group !== '') append(errors, formed(group, 'spec.group', dns1123Subdomain));
  else if (version !== 'v1') {
    errors.push(required('spec.group', 'only v1 may have an empty group and it better be legacy kube'));
  }
  append(errors, formed(version, 'spec.version', dns1035Label));
  append(errors, priority(spec, 'groupPriorityMinimum', 20_000));
  append(errors, priority(spec, 'versionPriority', 1000));
  const bundle = Buffer.from(stringAt(spec, 'caBundle'), 'base64');
  const insecure = spec['insecureSkipTLSVerify'] === true;
  const { service } = spec;
  if (!isJsonObject(service)) {
    const local = 'local APIServices may not have';
    if (bundle.length > 0)
      errors.push(invalid('spec.caBundle', `${bundle.length} bytes`, `${local} a caBundle`));
    if (insecure) {
      errors.push(invalid('spec.insecureSkipTLSVerify', true, `${local} insecureSkipTLSVerify`));
    }
    return errors;
  }
  append(errors, needed(service, 'spec.service', 'namespace', 'name'));
  const port = numberAt(service, 'port') ?? 0;
  const wrong = portNumber(port).map((detail) => `port is not valid: ${detail}`);
  append(
    errors,
    wrong.map((detail) => invalid('spec.service.port', port, detail)),
  );
  if (insecure && bundle.length > 0) {
    errors.push(invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present'));
  }
  return errors;
}

/** Only the status endpoint can bring a condition that is none. */
export function validateApiServiceUpdate(object: JsonObject): FieldError[] {
  return objectsAt(object, 'status', 'conditions').flatMap((condition, at) => {
    const status = stringAt(condition, 'status');
    return STATES.includes(status) ? [] : [unsupported(`status.conditions[${at}].status`, status, STATES)];
  });
}

function validateName(object: JsonObject, key: string, wanted: string): FieldError[] {
  const name = stringAt(object, 'metadata', key);
  // What is no segment of a path has been complained about already.
  if (name === '' || name === wanted || pathSegment(name).length > 0) return [];
  const detail = `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wanted)}`;
  return [invalid(`metadata.${key}`, name, detail)];
}

function priority(spec: JsonObject, key: string, most: number): FieldError[] {
  const value = numberAt(spec, key) ?? 0;
  return value > 0 && value <= most
    ? []
    : [invalid(`spec.${key}`, value, `must be positive and less than ${most}`)];
}
