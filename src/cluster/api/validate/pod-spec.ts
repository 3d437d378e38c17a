import { append } from '../../../base/append.ts';
import { forbidden, invalid, notFound, required, unsupported, type FieldError } from '../field-error.ts';
import {
  getPath,
  isJsonObject,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
} from '../json.ts';
import { compareQuantities, formatQuantity, tryParseQuantity } from '../quantity.ts';
import { podAmounts } from '../quota/pod-amounts.ts';
import { formed, joined, longerThan, NONE, notSupported } from './checks.ts';
import {
  validateContainers,
  validateEphemeralContainers,
  validateHostNetwork,
  validateInitContainers,
  validatePadding,
  type ContainerContext,
} from './container.ts';
import { validateLabels } from './metadata.ts';
import { dns1123Label, dns1123Subdomain } from './names.ts';
import { validateAffinity, validateSpread } from './pod-affinity.ts';
import { validateClaims, validateDns, validateGates, validateHostAliases } from './pod-terms.ts';
import { isHugePages, validateContainerResourceName, validateResourceName } from './resource-names.ts';
import { validateRequirements } from './resources.ts';
import { validatePodSecurity, validateSystem } from './security-context.ts';
import { validateTolerations } from './tolerations.ts';
import { validateVolumes } from './volumes.ts';
import { validateHostProcesses } from './windows-options.ts';

export interface PodSpecRules {
  /** A pod itself and not a template of pods. */
  readonly isPod?: boolean;
  /** The pod's name, by which claims are made for it. */
  readonly name?: string;
}

/** The spec of a pod or of a pod template, at `field`. */
export function validatePodSpec(spec: JsonObject, field: string, rules: PodSpecRules = {}): FieldError[] {
  const isPod = rules.isPod === true;
  const grace = numberAt(spec, 'terminationGracePeriodSeconds');
  const { volumes, errors } = validateVolumes(objectsAt(spec, 'volumes'), `${field}.volumes`, {
    isPod,
    name: rules.name ?? '',
  });
  const context: ContainerContext = {
    volumes,
    claims: spec['resourceClaims'] === undefined ? NO_CLAIMS : claimNames(spec),
    hostUsers: spec['hostUsers'],
    graceSeconds: grace,
    restartPolicy: stringAt(spec, 'restartPolicy'),
    isPod,
  };
  const { affinity, resources } = spec;
  return joined(
    grace === undefined ? [required(`${field}.terminationGracePeriodSeconds`)] : NONE,
    errors,
    validateClaims(spec, field),
    validateContainers(spec, field, context),
    validateInitContainers(spec, field, context),
    validateEphemeralContainers(spec, field, context),
    isJsonObject(resources) ? validatePodResources(spec, field, context) : NONE,
    validateHostNetwork(spec, field, isPod),
    chosen(spec, field, 'restartPolicy', ['Always', 'OnFailure', 'Never']),
    chosen(spec, field, 'dnsPolicy', ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']),
    validateLabels(spec['nodeSelector'], `${field}.nodeSelector`),
    validatePodSecurity(spec, field),
    isJsonObject(affinity) ? validateAffinity(affinity, `${field}.affinity`) : NONE,
    validateDns(spec, field),
    validateGates(spec, field),
    validateSpread(objectsAt(spec, 'topologySpreadConstraints'), `${field}.topologySpreadConstraints`, isPod),
    validateHostProcesses(spec, field),
    validateHostUsers(spec, field),
    validateHostname(spec, field),
    named(spec, field, ['serviceAccountName', 'nodeName'], dns1123Subdomain),
    validateDeadline(spec, field),
    named(spec, field, ['hostname', 'subdomain'], dns1123Label),
    validateTolerations(objectsAt(spec, 'tolerations'), `${field}.tolerations`),
    validateHostAliases(spec, field),
    named(spec, field, ['priorityClassName'], dns1123Subdomain),
    validateRuntimeClass(spec, field),
    validatePreemption(spec, field),
    validateOverhead(spec, field),
    validateSystem(spec, field),
    validateFileReferences(spec, field),
  );
}

const NO_CLAIMS: ReadonlySet<string> = new Set();

function claimNames(spec: JsonObject): ReadonlySet<string> {
  const names = objectsAt(spec, 'resourceClaims').map((claim) => stringAt(claim, 'name'));
  return new Set(names.filter((name) => name !== ''));
}

/** What holds of pods and not of templates, whose pods somebody fills in. */
export function validatePodOnly(spec: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (stringAt(spec, 'serviceAccountName') === '') {
    for (const [index, volume] of objectsAt(spec, 'volumes').entries()) {
      for (const [position, source] of objectsAt(volume, 'projected', 'sources').entries()) {
        if (source['serviceAccountToken'] === undefined) continue;
        const at = `${field}.volumes[${index}].projected.sources[${position}].serviceAccountToken`;
        errors.push(forbidden(at, 'must not be specified when serviceAccountName is not set'));
      }
    }
  }
  for (const list of ['containers', 'initContainers']) {
    const containers = objectsAt(spec, list);
    for (let index = 0; index < containers.length; index++) {
      append(errors, validatePadding(containers[index]!, `${field}.${list}[${index}]`));
    }
  }
  return errors;
}

function chosen(
  spec: JsonObject,
  field: string,
  ...[key, supported]: readonly [string, readonly string[]]
): FieldError[] {
  const value = stringAt(spec, key);
  if (supported.includes(value)) return [];
  return value === '' ? [required(`${field}.${key}`)] : notSupported(value, `${field}.${key}`, supported);
}

function named(
  spec: JsonObject,
  field: string,
  ...[keys, rule]: readonly [readonly string[], (value: string) => string[]]
): FieldError[] {
  const errors: FieldError[] = [];
  for (const key of keys) {
    const value = stringAt(spec, key);
    if (value !== '') append(errors, formed(value, `${field}.${key}`, rule));
  }
  return errors;
}

function validateRuntimeClass(spec: JsonObject, field: string): FieldError[] {
  const { runtimeClassName: name } = spec;
  if (typeof name !== 'string') return [];
  return dns1123Subdomain(name).map((detail) => invalid(`${field}.runtimeClassName`, name, detail));
}

function validatePreemption(spec: JsonObject, field: string): FieldError[] {
  const { preemptionPolicy } = spec;
  if (preemptionPolicy === undefined) return [];
  const at = `${field}.preemptionPolicy`;
  return preemptionPolicy === ''
    ? [required(at)]
    : notSupported(preemptionPolicy, at, ['PreemptLowerPriority', 'Never']);
}

/** The overhead counts as a limit. */
function validateOverhead(spec: JsonObject, field: string): FieldError[] {
  const { overhead } = spec;
  if (!isJsonObject(overhead)) return [];
  return validateRequirements({ limits: overhead }, `${field}.overhead`, {
    rule: validateContainerResourceName,
    claims: new Set(),
  });
}

/** A pod with users of its own shares no other namespace with its host. */
function validateHostUsers(spec: JsonObject, field: string): FieldError[] {
  if (spec['hostUsers'] !== false) return [];
  const detail = 'when `hostUsers` is false';
  return [
    // Two of them upstream writes with a capital.
    ...['hostNetwork', 'HostPID', 'HostIPC']
      .filter((key) => spec[key.replace('H', 'h')] === true)
      .map((key) => forbidden(`${field}.${key}`, detail)),
    // Block devices have no mapping of users.
    ...['initContainers', 'containers', 'ephemeralContainers'].flatMap((list) =>
      objectsAt(spec, list).flatMap((container, index) =>
        listAt(container, 'volumeDevices').length === 0
          ? []
          : [forbidden(`${field}.${list}[${index}].volumeDevices`, detail)],
      ),
    ),
  ];
}

/** Not longer than Linux lets a host's name be. */
const MAX_HOSTNAME = 64;

function validateHostname(spec: JsonObject, field: string): FieldError[] {
  const { hostnameOverride: name } = spec;
  if (typeof name !== 'string') return [];
  const at = `${field}.hostnameOverride`;
  return [
    ...['setHostnameAsFQDN', 'hostNetwork']
      .filter((key) => spec[key] === true)
      .map((key) => forbidden(at, `may not be specified when ${key} is true`)),
    ...longerThan(name, MAX_HOSTNAME, at),
    ...formed(name, at, dns1123Subdomain),
  ];
}

/** Files of variables are where an init container can have written them (KEP-3721). */
function validateFileReferences(spec: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const list of ['initContainers', 'containers', 'ephemeralContainers']) {
    const containers = objectsAt(spec, list);
    for (let index = 0; index < containers.length; index++) {
      const variables = objectsAt(containers[index], 'env');
      for (let position = 0; position < variables.length; position++) {
        const reference = getPath(variables[position], 'valueFrom', 'fileKeyRef');
        if (!isJsonObject(reference)) continue;
        const at = `${field}.${list}[${index}].env[${position}].valueFrom.fileKeyRef.volumeName`;
        const name = stringAt(reference, 'volumeName');
        // Of several of one name the last counts.
        const volume = objectsAt(spec, 'volumes').findLast((item) => stringAt(item, 'name') === name);
        if (volume === undefined) errors.push(notFound(at, name));
        else if (volume['emptyDir'] === undefined) {
          errors.push(invalid(at, name, 'referenced volume must be of type emptyDir'));
        }
      }
    }
  }
  return errors;
}

const MAX_DEADLINE = 2_147_483_647;

function validateDeadline(spec: JsonObject, field: string): FieldError[] {
  const deadline = numberAt(spec, 'activeDeadlineSeconds');
  if (deadline === undefined || (deadline >= 1 && deadline <= MAX_DEADLINE)) return [];
  const detail = `must be between 1 and ${MAX_DEADLINE}, inclusive`;
  return [invalid(`${field}.activeDeadlineSeconds`, deadline, detail)];
}

const POD_LEVEL = ['cpu', 'hugepages-', 'memory'];

/** What a pod as a whole may ask for (KEP-2837). */
function podResourceName(name: string, at: string): FieldError[] {
  const errors = validateResourceName(name, at);
  if (errors.length > 0 || POD_LEVEL.includes(name) || isHugePages(name)) return errors;
  return [unsupported(at, name, POD_LEVEL)];
}

function validatePodResources(spec: JsonObject, field: string, context: ContainerContext): FieldError[] {
  const resources = objectAt(spec, 'resources');
  const at = `${field}.resources`;
  if (stringAt(spec, 'os', 'name') === 'windows') return [forbidden(at, 'may not be set for a windows pod')];
  const errors: FieldError[] = [];
  if (resources['claims'] !== undefined) {
    errors.push(forbidden(`${at}.claims`, 'claims may not be set for Resources at pod-level'));
  }
  append(errors, validateRequirements(resources, at, { rule: podResourceName, claims: context.claims }));
  const { resources: _own, ...containers } = spec;
  for (const list of ['requests', 'limits'] as const) {
    for (const [name, sum] of podAmounts({ spec: containers }, list, { overhead: false })) {
      const amount = objectAt(resources, list)[name];
      const whole = amount === undefined ? undefined : tryParseQuantity(textOf(amount));
      // Of limits, only those that are requests as well.
      if (whole === undefined || (list === 'limits' && !isHugePages(name))) continue;
      if (compareQuantities(sum, whole) <= 0) continue;
      const detail = `must be greater than or equal to aggregate container ${list} of ${formatQuantity(sum)}`;
      errors.push(invalid(`${at}.${list}[${name}]`, textOf(amount), detail));
    }
  }
  for (const [index, container] of objectsAt(spec, 'containers').entries()) {
    for (const [name, value] of Object.entries(objectAt(container, 'resources', 'limits'))) {
      const whole = objectAt(resources, 'limits')[name];
      const [own, all] = [tryParseQuantity(textOf(value)), tryParseQuantity(textOf(whole))];
      if (own === undefined || all === undefined || compareQuantities(own, all) <= 0) continue;
      const detail = `must be less than or equal to pod limits of ${textOf(whole)}`;
      errors.push(invalid(`${at}.containers[${index}][${name}].limits`, textOf(value), detail));
    }
  }
  return errors;
}
