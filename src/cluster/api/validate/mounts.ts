/** Where a container sees its volumes: as folders and as block devices. */
import { append } from '../../../base/append.ts';
import { forbidden, invalid, notFound, required, type FieldError } from '../field-error.ts';
import { getPath, objectsAt, stringAt, type JsonObject } from '../json.ts';
import { notSupported } from './checks.ts';
import { validateDescendingPath } from './paths.ts';

const PROPAGATIONS = ['Bidirectional', 'HostToContainer', 'None'];

function pairs(container: JsonObject, list: string, key: string): ReadonlyMap<string, string> {
  return new Map(objectsAt(container, list).map((item) => [stringAt(item, 'name'), stringAt(item, key)]));
}

export function validateMounts(
  container: JsonObject,
  field: string,
  volumes: ReadonlyMap<string, JsonObject>,
): FieldError[] {
  if (container['volumeMounts'] === undefined) return [];
  const devices = pairs(container, 'volumeDevices', 'devicePath');
  const devicePaths = new Set(devices.values());
  const paths = new Set<string>();
  const list = `${field}.volumeMounts`;
  return objectsAt(container, 'volumeMounts').flatMap((mount, index) => {
    const at = `${list}[${index}]`;
    const [name, path] = [stringAt(mount, 'name'), stringAt(mount, 'mountPath')];
    const errors: FieldError[] = [];
    if (name === '') errors.push(required(`${at}.name`));
    if (!volumes.has(name)) errors.push(notFound(`${at}.name`, name));
    if (path === '') errors.push(required(`${at}.mountPath`));
    if (paths.has(path)) errors.push(invalid(`${at}.mountPath`, path, 'must be unique'));
    paths.add(path);
    if (devices.has(name)) {
      errors.push(invalid(`${at}.name`, name, 'must not already exist in volumeDevices'));
    }
    if (devicePaths.has(path)) {
      errors.push(invalid(`${at}.mountPath`, path, 'must not already exist as a path in volumeDevices'));
    }
    // From here on upstream names the list and not the item.
    const [subPath, expression] = [stringAt(mount, 'subPath'), stringAt(mount, 'subPathExpr')];
    append(errors, validateDescendingPath(subPath, `${list}.subPath`));
    if (subPath !== '' && expression !== '') {
      errors.push(invalid(`${at}.subPathExpr`, expression, 'subPathExpr and subPath are mutually exclusive'));
    }
    append(errors, validateDescendingPath(expression, `${list}.subPathExpr`));
    append(errors, validatePropagation(mount, container, `${list}.mountPropagation`));
    append(errors, validateRecursion(mount, `${list}.recursiveReadOnly`));
    return errors;
  });
}

function validatePropagation(mount: JsonObject, container: JsonObject, at: string): FieldError[] {
  const { mountPropagation } = mount;
  if (mountPropagation === undefined) return [];
  const errors = notSupported(mountPropagation, at, PROPAGATIONS);
  const privileged = getPath(container, 'securityContext', 'privileged') === true;
  if (mountPropagation === 'Bidirectional' && !privileged) {
    const detail = 'Bidirectional mount propagation is available only to privileged containers';
    errors.push(forbidden(at, detail));
  }
  return errors;
}

function validateRecursion(mount: JsonObject, at: string): FieldError[] {
  const { recursiveReadOnly, mountPropagation } = mount;
  if (recursiveReadOnly === undefined || recursiveReadOnly === 'Disabled') return [];
  const wrong = notSupported(recursiveReadOnly, at, ['Disabled', 'Enabled', 'IfPossible']);
  if (wrong.length > 0) return wrong;
  const errors: FieldError[] = [];
  if (mount['readOnly'] !== true) {
    errors.push(forbidden(at, 'may only be specified when readOnly is true'));
  }
  if (mountPropagation !== undefined && mountPropagation !== 'None') {
    errors.push(forbidden(at, 'may only be specified when mountPropagation is None or not specified'));
  }
  return errors;
}

/** A device has one name, is a claim's, and is not mounted as well. */
export function validateDevices(
  container: JsonObject,
  field: string,
  volumes: ReadonlyMap<string, JsonObject>,
): FieldError[] {
  if (container['volumeDevices'] === undefined) return [];
  const mounts = pairs(container, 'volumeMounts', 'mountPath');
  const mountPaths = new Set(mounts.values());
  const [names, paths] = [new Set<string>(), new Set<string>()];
  return objectsAt(container, 'volumeDevices').flatMap((device, index) => {
    const at = `${field}.volumeDevices[${index}]`;
    const [name, path] = [stringAt(device, 'name'), stringAt(device, 'devicePath')];
    const volume = volumes.get(name);
    const errors: FieldError[] = [];
    if (name === '') errors.push(required(`${at}.name`));
    if (names.has(name)) errors.push(invalid(`${at}.name`, name, 'must be unique'));
    if (volume === undefined) errors.push(notFound(`${at}.name`, name));
    else if (volume['persistentVolumeClaim'] === undefined && volume['ephemeral'] === undefined) {
      const detail = 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode';
      errors.push(invalid(`${at}.name`, name, detail));
    }
    if (path === '') errors.push(required(`${at}.devicePath`));
    if (paths.has(path)) errors.push(invalid(`${at}.devicePath`, path, 'must be unique'));
    if (path.split('/').includes('..')) {
      errors.push(invalid(`${at}.devicePath`, path, "can not contain backsteps ('..')"));
    } else paths.add(path);
    if (mounts.has(name)) {
      errors.push(invalid(`${at}.name`, name, 'must not already exist in volumeMounts'));
    }
    if (mountPaths.has(path)) {
      errors.push(invalid(`${at}.devicePath`, path, 'must not already exist as a path in volumeMounts'));
    }
    if (name !== '') names.add(name);
    return errors;
  });
}
