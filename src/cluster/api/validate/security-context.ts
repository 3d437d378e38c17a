/** What the processes of pods and containers may do. */
import { append } from '../../../base/append.ts';
import {
  duplicate,
  forbidden,
  goShown,
  invalid,
  required,
  type FieldError,
  type GoMember,
} from '../field-error.ts';
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
import { joined, longerThan, notSupported } from './checks.ts';
import { validateDescendingPath } from './paths.ts';
import { validateWindowsOptions } from './windows-options.ts';

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
  const type = stringAt(profile, 'type');
  const errors =
    type === ''
      ? [required(`${field}.type`, `type is required when ${key} is set`)]
      : notSupported(type, `${field}.type`, ['Localhost', 'RuntimeDefault', 'Unconfined']);
  const file = profile['localhostProfile'];
  const path = `${field}.localhostProfile`;
  if (type === 'Localhost') {
    if (file === undefined) errors.push(required(path, `must be set when ${word} type is Localhost`));
    else if (key === 'seccompProfile') append(errors, validateDescendingPath(textOf(file), path));
    else append(errors, validateProfileName(textOf(file), path));
  } else if (file !== undefined && (key === 'seccompProfile' || errors.length === 0)) {
    // Upstream shows the whole profile for the one and the name for the other.
    const shown = key === 'seccompProfile' ? goShown(profile, PROFILE) : file;
    errors.push(invalid(path, shown, `can only be set when ${word} type is Localhost`));
  }
  return errors;
}

/** Not longer than a path can be. */
const MAX_PROFILE_NAME = 4095;

function validateProfileName(name: string, at: string): FieldError[] {
  const errors: FieldError[] = [];
  if (name.trim() !== name) errors.push(invalid(at, name, 'must not be padded with whitespace'));
  else if (name === '') errors.push(required(at, 'must be set when AppArmor type is Localhost'));
  return [...errors, ...longerThan(name, MAX_PROFILE_NAME, at)];
}

export function validatePodSecurity(spec: JsonObject, field: string): FieldError[] {
  const context = objectAt(spec, 'securityContext');
  const at = `${field}.securityContext`;
  const shared: FieldError[] = [];
  if (spec['shareProcessNamespace'] === true && spec['hostPID'] === true) {
    const detail = 'ShareProcessNamespace and HostPID cannot both be enabled';
    shared.push(invalid(`${at}.shareProcessNamespace`, true, detail));
  }
  // By default there is one with nothing in it.
  if (isEmpty(context)) return shared;
  const errors: FieldError[] = [];
  for (const key of ['fsGroup', 'runAsUser', 'runAsGroup']) {
    if (context[key] !== undefined) append(errors, validateId(context[key], `${at}.${key}`));
  }
  for (const [index, group] of listAt(context, 'supplementalGroups').entries()) {
    append(errors, validateId(group, `${at}.supplementalGroups[${index}]`));
  }
  return joined(
    errors,
    shared,
    validateSysctls(spec, context, at),
    chosen(context, at, 'fsGroupChangePolicy', ['Always', 'OnRootMismatch']),
    validateProfile(context, 'seccompProfile', at),
    validateWindowsOptions(context, at),
    validateProfile(context, 'appArmorProfile', at),
    chosen(context, at, 'supplementalGroupsPolicy', ['Merge', 'Strict']),
    chosen(context, at, 'seLinuxChangePolicy', ['Recursive']),
  );
}

function isEmpty(context: JsonObject): boolean {
  for (const _ in context) return false;
  return true;
}

function chosen(
  context: JsonObject,
  at: string,
  ...[key, supported]: readonly [string, readonly string[]]
): FieldError[] {
  return context[key] === undefined ? [] : notSupported(context[key], `${at}.${key}`, supported);
}

/** Of IPC, in the kernel's list of what each IPC namespace has for itself. */
const IPC_SYSCTL = /^kernel\.(sem|shm.*|msg.*)$|^fs\.mqueue\./;

function validateSysctls(spec: JsonObject, context: JsonObject, at: string): FieldError[] {
  const sysctls = objectsAt(context, 'sysctls');
  if (sysctls.length === 0) return [];
  const names = new Set<string>();
  return sysctls.flatMap((sysctl, index) => {
    const here = `${at}.sysctls[${index}].name`;
    const name = stringAt(sysctl, 'name');
    const errors: FieldError[] = [];
    if (name === '') errors.push(required(here));
    else if (name.length > 253 || !SYSCTL.test(name)) {
      errors.push(invalid(here, name, `must have at most 253 characters and match regex ^${SYSCTL_TEXT}$`));
    } else if (names.has(name)) errors.push(duplicate(here, name));
    names.add(name);
    const dotted = name.replaceAll('/', '.');
    if (spec['hostNetwork'] === true && dotted.startsWith('net.')) {
      errors.push(invalid(here, name, "may not be specified when 'hostNetwork' is true"));
    } else if (spec['hostIPC'] === true && IPC_SYSCTL.test(dotted)) {
      errors.push(invalid(here, name, "may not be specified when 'hostIPC' is true"));
    }
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
  const errors: FieldError[] = [];
  for (const key of ['runAsUser', 'runAsGroup']) {
    if (context[key] !== undefined) append(errors, validateId(context[key], `${at}.${key}`));
  }
  const { procMount } = context;
  if (procMount !== undefined) {
    append(errors, notSupported(procMount, `${at}.procMount`, ['Default', 'Unmasked']));
    if (procMount === 'Unmasked' && hostUsers !== false) {
      errors.push(invalid(`${at}.procMount`, procMount, '`hostUsers` must be false to use `Unmasked`'));
    }
  }
  append(errors, validateProfile(context, 'seccompProfile', at));
  if (context['allowPrivilegeEscalation'] === false) {
    if (context['privileged'] === true) {
      const detail = 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true';
      errors.push(invalid(at, goShown(context, CONTEXT), detail));
    }
    if (listAt(context, 'capabilities', 'add').includes('CAP_SYS_ADMIN')) {
      const detail = 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN';
      errors.push(invalid(at, goShown(context, CONTEXT), detail));
    }
  }
  return joined(errors, validateWindowsOptions(context, at), validateProfile(context, 'appArmorProfile', at));
}

const texts = (...names: readonly string[]): GoMember[] => names.map((name) => ({ name }));
const optional = (...names: readonly string[]): GoMember[] => names.map((name) => ({ name, zero: null }));
const PROFILE: readonly GoMember[] = [...texts('type'), ...optional('localhostProfile')];
/** As upstream declares it. */
const CONTEXT: readonly GoMember[] = [
  { name: 'capabilities', zero: null, members: optional('add', 'drop') },
  ...optional('privileged'),
  {
    name: 'seLinuxOptions',
    go: 'SELinuxOptions',
    zero: null,
    members: texts('user', 'role', 'type', 'level'),
  },
  {
    name: 'windowsOptions',
    zero: null,
    members: [
      { name: 'gmsaCredentialSpecName', go: 'GMSACredentialSpecName', zero: null },
      { name: 'gmsaCredentialSpec', go: 'GMSACredentialSpec', zero: null },
      ...optional('runAsUserName', 'hostProcess'),
    ],
  },
  ...optional(
    'runAsUser',
    'runAsGroup',
    'runAsNonRoot',
    'readOnlyRootFilesystem',
    'allowPrivilegeEscalation',
    'procMount',
  ),
  { name: 'seccompProfile', zero: null, members: PROFILE },
  { name: 'appArmorProfile', zero: null, members: PROFILE },
];

/** What pods of the one system cannot say, because it means something only on the other. */
const NOT_ON_WINDOWS = [
  'securityContext.appArmorProfile',
  'securityContext.seLinuxOptions',
  'hostUsers',
  'hostPID',
  'hostIPC',
  'securityContext.seccompProfile',
  'securityContext.fsGroup',
  'securityContext.fsGroupChangePolicy',
  'securityContext.sysctls',
  'shareProcessNamespace',
  'securityContext.runAsUser',
  'securityContext.runAsGroup',
  'securityContext.supplementalGroups',
  'securityContext.supplementalGroupsPolicy',
  'securityContext.seLinuxChangePolicy',
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
  if (name === '') return [required(`${field}.os.name`)];
  const errors = notSupported(name, `${field}.os`, ['linux', 'windows']);
  const refuse = (holder: JsonObject, at: string, paths: readonly string[]): void => {
    for (const path of paths) {
      const value = getPath(holder, ...path.split('.'));
      if (value === undefined || ((path === 'hostPID' || path === 'hostIPC') && value === false)) continue;
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
