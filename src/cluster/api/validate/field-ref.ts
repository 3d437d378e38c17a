/** What a container may read of its own pod: fields and resources. */
import { invalid, required, unsupported, type FieldError } from '../field-error.ts';
import { stringAt, type JsonObject } from '../json.ts';
import { formed } from './checks.ts';
import { qualifiedName } from './names.ts';

/** Fields that variables show. */
export const ENV_FIELDS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];
/** Fields that files show. */
export const FILE_FIELDS = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];
/** Fields that have a name at all, whoever may show them. */
const KNOWN = new Set([
  ...ENV_FIELDS,
  ...FILE_FIELDS,
  'spec.host',
  'spec.restartPolicy',
  'spec.schedulerName',
  'status.phase',
]);

export function validateFieldRef(
  reference: JsonObject,
  at: string,
  supported: readonly string[],
): FieldError[] {
  const path = stringAt(reference, 'fieldPath');
  const version = stringAt(reference, 'apiVersion');
  if (version === '') return [required(`${at}.apiVersion`)];
  if (path === '') return [required(`${at}.fieldPath`)];
  const subscripted = /^(.+)\['(.*)'\]$/.exec(path);
  const name = subscripted?.[1] ?? path;
  if (version !== 'v1') {
    const detail = `error converting fieldPath: unsupported pod version: ${version}`;
    return [invalid(`${at}.fieldPath`, path, detail)];
  }
  const labelled = name === 'metadata.annotations' || name === 'metadata.labels';
  if (subscripted !== null) {
    if (!labelled) {
      const detail = `error converting fieldPath: field label does not support subscript: ${path}`;
      return [invalid(`${at}.fieldPath`, path, detail)];
    }
    const key = subscripted[2] ?? '';
    return formed(name === 'metadata.annotations' ? key.toLowerCase() : key, at, qualifiedName);
  }
  if (!KNOWN.has(path)) {
    const detail = `error converting fieldPath: field label not supported: ${path}`;
    return [invalid(`${at}.fieldPath`, path, detail)];
  }
  // The old name of a field is still understood.
  const field = path === 'spec.host' ? 'spec.nodeName' : path;
  return supported.includes(field) ? [] : [unsupported(`${at}.fieldPath`, field, supported)];
}

const RESOURCES = ['limits', 'requests'].flatMap((list) =>
  ['cpu', 'ephemeral-storage', 'memory'].map((name) => `${list}.${name}`),
);

const SIZES = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'];

/** `inVolume`: files are not a container's, so they name it. */
export function validateResourceRef(reference: JsonObject, at: string, inVolume: boolean): FieldError[] {
  const resource = stringAt(reference, 'resource');
  const errors: FieldError[] = [];
  const huge = /^(limits|requests)\.hugepages-/.test(resource);
  if (inVolume && stringAt(reference, 'containerName') === '') errors.push(required(`${at}.containerName`));
  else if (resource === '') errors.push(required(`${at}.resource`));
  else if (!RESOURCES.includes(resource) && !huge) {
    errors.push(unsupported(`${at}.resource`, resource, RESOURCES));
  }
  const divisor = stringAt(reference, 'divisor');
  const name = resource.slice(resource.indexOf('.') + 1);
  if (divisor === '' || divisor === '0' || (!huge && !RESOURCES.includes(resource))) return errors;
  const allowed = name === 'cpu' ? ['1m', '1'] : SIZES;
  if (allowed.includes(divisor)) return errors;
  const units = name === 'cpu' ? '1m and 1' : SIZES.join(', ');
  const what = huge ? 'hugepages' : name === 'ephemeral-storage' ? 'local ephemeral storage' : name;
  // The value that is shown is the resource's name and not the divisor.
  const detail = `only divisor's values ${units} are supported with the ${what} resource`;
  return [...errors, invalid(`${at}.divisor`, resource, detail)];
}
