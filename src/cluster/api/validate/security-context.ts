/** What the processes of pods and containers may do. */
import { duplicate, forbidden, invalid, required, type FieldError } from '../field-error.ts';
import {
  getPath,
  isJsonObject,
  listAt,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
} from '../json.ts';
import { oneOf } from './checks.ts';

const MAX_ID = 2_147_483_647;
const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;
const SYSCTL_TEXT = '([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?';

function validateId(value: JsonObject[string], at: string): FieldError[] {
  return typeof value === 'number' && (value < 0 || value > MAX_ID)
    ? [invalid(at, value, `must be between 0 and ${MAX_ID}, inclusive`)]
    : [];
}

/** Profiles of seccomp and AppArmor: a type, and a file's name when it is the node's own. */
function validateProfile(holder: JsonObject, key: string, at: string): FieldError[] {
  const profile = holder[key];
  if (!isJsonObject(profile)) return [];
  const field = `${at}.${key}`;
  const word = key === 'seccompProfile' ? 'seccomp' : 'AppArmor';
  const supported = ['Localhost', 'RuntimeDefault', 'Unconfined'];
  const errors = oneOf(profile, 'type', { field, supported, required: true });
  const file = profile['localhostProfile'];
  if (profile['type'] === 'Localhost') {
    if (file === undefined || file === '') {
      const detail = `must be set when ${word} type is Localhost`;
      errors.push(required(`${field}.localhostProfile`, detail));
    } else {
      const path = textOf(file);
      if (path.startsWith('/')) {
        errors.push(invalid(`${field}.localhostProfile`, path, 'must be a relative path'));
      }
      if (path.split('/').includes('..')) {
        errors.push(invalid(`${field}.localhostProfile`, path, "must not contain '..'"));
      }
    }
  } else if (file !== undefined) {
    const detail = `can only be set when ${word} type is Localhost`;
    errors.push(invalid(`${field}.localhostProfile`, file, detail));
  }
  return errors;
}

export function validatePodSecurity(spec: JsonObject, field: string): FieldError[] {
  const context = objectAt(spec, 'securityContext');
  const at = `${field}.securityContext`;
  const errors = ['fsGroup', 'runAsUser', 'runAsGroup'].flatMap((key) =>
    validateId(context[key], `${at}.${key}`),
  );
  for (const [index, group] of listAt(context, 'supplementalGroups').entries()) {
    errors.push(...validateId(group, `${at}.supplementalGroups[${index}]`));
  }
  if (spec['shareProcessNamespace'] === true && spec['hostPID'] === true) {
    const detail = 'ShareProcessNamespace and HostPID cannot both be enabled';
    errors.push(invalid(`${field}.shareProcessNamespace`, true, detail));
  }
  errors.push(
    ...validateSysctls(context, at),
    ...oneOf(context, 'fsGroupChangePolicy', { field: at, supported: ['Always', 'OnRootMismatch'] }),
    ...oneOf(context, 'supplementalGroupsPolicy', { field: at, supported: ['Merge', 'Strict'] }),
    ...oneOf(context, 'seLinuxChangePolicy', { field: at, supported: ['MountOption', 'Recursive'] }),
    ...validateProfile(context, 'seccompProfile', at),
    ...validateProfile(context, 'appArmorProfile', at),
  );
  return errors;
}

function validateSysctls(context: JsonObject, at: string): FieldError[] {
  const names = new Set<string>();
  return objectsAt(context, 'sysctls').flatMap((sysctl, index) => {
    const here = `${at}.sysctls[${index}].name`;
    const name = stringAt(sysctl, 'name');
    const errors: FieldError[] = [];
    if (name === '') errors.push(required(here));
    else if (name.length > 253 || !SYSCTL.test(name)) {
      errors.push(invalid(here, name, `must have at most 253 characters and match regex ^${SYSCTL_TEXT}$`));
    } else if (names.has(name)) errors.push(duplicate(here, name));
    names.add(name);
    return errors;
  });
}

export function validateContainerSecurity(
  container: JsonObject,
  field: string,
  hostUsers: JsonObject[string],
): FieldError[] {
  const context = container['securityContext'];
  if (!isJsonObject(context)) return [];
  const at = `${field}.securityContext`;
  const errors = ['runAsUser', 'runAsGroup'].flatMap((key) => validateId(context[key], `${at}.${key}`));
  errors.push(...oneOf(context, 'procMount', { field: at, supported: ['Default', 'Unmasked'] }));
  if (context['procMount'] === 'Unmasked' && hostUsers !== false) {
    const detail = '`hostUsers` must be false to use `Unmasked`';
    errors.push(invalid(`${at}.procMount`, context['procMount'], detail));
  }
  errors.push(
    ...validateProfile(context, 'seccompProfile', at),
    ...validateProfile(context, 'appArmorProfile', at),
  );
  if (context['allowPrivilegeEscalation'] !== false) return errors;
  if (context['privileged'] === true) {
    const detail = 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true';
    errors.push(invalid(at, context, detail));
  }
  if (listAt(context, 'capabilities', 'add').includes('CAP_SYS_ADMIN')) {
    const detail = 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN';
    errors.push(invalid(at, context, detail));
  }
  return errors;
}

/** What pods of the one system cannot say, because it means something only on the other. */
const NOT_ON_WINDOWS = [
  'hostPID',
  'hostIPC',
  'securityContext.appArmorProfile',
  'securityContext.seLinuxOptions',
  'securityContext.seccompProfile',
  'securityContext.fsGroup',
  'securityContext.fsGroupChangePolicy',
  'securityContext.sysctls',
  'shareProcessNamespace',
  'securityContext.runAsUser',
  'securityContext.runAsGroup',
  'securityContext.supplementalGroups',
  'securityContext.supplementalGroupsPolicy',
];
const NOT_IN_WINDOWS_CONTAINERS = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'capabilities',
  'readOnlyRootFilesystem',
  'privileged',
  'allowPrivilegeEscalation',
  'procMount',
  'runAsUser',
  'runAsGroup',
];

export function validateSystem(spec: JsonObject, field: string): FieldError[] {
  const { os } = spec;
  if (!isJsonObject(os)) return [];
  const name = stringAt(os, 'name');
  const errors = oneOf(os, 'name', {
    field: `${field}.os`,
    supported: ['linux', 'windows'],
    required: true,
  });
  const refuse = (holder: JsonObject, at: string, paths: readonly string[]): void => {
    for (const path of paths) {
      const value = getPath(holder, ...path.split('.'));
      if (value === undefined || value === false) continue;
      errors.push(forbidden(`${at}.${path}`, 'cannot be set for a windows pod'));
    }
  };
  if (name === 'windows') refuse(spec, field, NOT_ON_WINDOWS);
  const windows = 'windows options cannot be set for a linux pod';
  if (name === 'linux' && getPath(spec, 'securityContext', 'windowsOptions') !== undefined) {
    errors.push(forbidden(`${field}.securityContext.windowsOptions`, windows));
  }
  for (const list of ['initContainers', 'containers', 'ephemeralContainers']) {
    for (const [index, container] of objectsAt(spec, list).entries()) {
      const at = `${field}.${list}[${index}].securityContext`;
      const context = objectAt(container, 'securityContext');
      if (name === 'windows') refuse(context, at, NOT_IN_WINDOWS_CONTAINERS);
      if (name === 'linux' && context['windowsOptions'] !== undefined) {
        errors.push(forbidden(`${at}.windowsOptions`, windows));
      }
    }
  }
  return errors;
}
