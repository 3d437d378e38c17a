import { duplicate, forbidden, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import { isJsonObject, numberAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import { tryParseQuantity } from '../quantity.ts';
import { dns1123Label } from './names.ts';

const HOST_PATH_TYPES = [
  '',
  'DirectoryOrCreate',
  'Directory',
  'FileOrCreate',
  'File',
  'Socket',
  'CharDevice',
  'BlockDevice',
];

/** Members that a source cannot do without. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  hostPath: ['path'],
  secret: ['secretName'],
  configMap: ['name'],
  persistentVolumeClaim: ['claimName'],
  nfs: ['server', 'path'],
  csi: ['driver'],
  image: ['reference'],
};

export function validateVolumes(volumes: readonly JsonObject[], field: string): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [index, volume] of volumes.entries()) {
    const at = `${field}[${index}]`;
    const name = stringAt(volume, 'name');
    if (name === '') errors.push(required(`${at}.name`));
    else errors.push(...dns1123Label(name).map((detail) => invalid(`${at}.name`, name, detail)));
    if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
    names.add(name);
    errors.push(...validateSource(volume, at));
  }
  return errors;
}

function validateSource(volume: JsonObject, at: string): FieldError[] {
  const sources = Object.keys(volume).filter((key) => key !== 'name' && isJsonObject(volume[key]));
  if (sources.length === 0) return [required(at, 'must specify a volume type')];
  const errors = sources
    .slice(1)
    .map((source) => forbidden(`${at}.${source}`, 'may not specify more than 1 volume type'));
  const [type = ''] = sources;
  const source = volume[type];
  if (!isJsonObject(source)) return errors;
  for (const key of REQUIRED[type] ?? []) {
    if (stringAt(source, key) === '') errors.push(required(`${at}.${type}.${key}`));
  }
  const mode = numberAt(source, 'defaultMode');
  if (mode !== undefined && (mode < 0 || mode > 0o777)) {
    errors.push(
      invalid(
        `${at}.${type}.defaultMode`,
        mode,
        'must be a number between 0 and 0777 (octal), both inclusive',
      ),
    );
  }
  if (type === 'hostPath') errors.push(...validateHostPath(source, `${at}.hostPath`));
  if (type === 'emptyDir') errors.push(...validateEmptyDir(source, `${at}.emptyDir`));
  for (const [index, item] of objectsAt(source, 'items').entries()) {
    const path = stringAt(item, 'path');
    const itemAt = `${at}.${type}.items[${index}].path`;
    if (path === '') errors.push(required(itemAt));
    else if (path.startsWith('/')) errors.push(invalid(itemAt, path, 'must be a relative path'));
    else if (path.split('/').includes('..')) errors.push(invalid(itemAt, path, "must not contain '..'"));
  }
  return errors;
}

function validateHostPath(source: JsonObject, at: string): FieldError[] {
  const errors: FieldError[] = [];
  const path = stringAt(source, 'path');
  if (path.split('/').includes('..')) errors.push(invalid(`${at}.path`, path, "must not contain '..'"));
  const type = stringAt(source, 'type');
  if (!HOST_PATH_TYPES.includes(type)) errors.push(unsupported(`${at}.type`, type, HOST_PATH_TYPES));
  return errors;
}

function validateEmptyDir(source: JsonObject, at: string): FieldError[] {
  const limit = stringAt(source, 'sizeLimit');
  const quantity = tryParseQuantity(limit);
  if (limit === '' || quantity === undefined || quantity.nano >= 0n) return [];
  return [forbidden(`${at}.sizeLimit`, 'SizeLimit field must be a valid resource quantity')];
}
