import {
  duplicate,
  forbidden,
  invalid,
  notFound,
  required,
  unsupported,
  type FieldError,
} from '../field-error.ts';
import { isJsonObject, listAt, numberAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import { formed } from './checks.ts';
import { validateContainer, type ContainerContext } from './container.ts';
import { validateLabels } from './metadata.ts';
import { dns1123Label, dns1123Subdomain } from './names.ts';
import { validateAffinity, validateSpread } from './pod-affinity.ts';
import {
  validateClaims,
  validateDns,
  validateGates,
  validateHostAliases,
  validateOverhead,
} from './pod-terms.ts';
import { validatePodSecurity, validateSystem } from './security-context.ts';
import { validateTolerations } from './tolerations.ts';
import { validateVolumes } from './volumes.ts';

/** Names of the pod's volumes that do not stand in its spec. */
export interface PodSpecRules {
  readonly volumes?: readonly string[];
}

/** The spec of a pod or of a pod template, at `field`. */
export function validatePodSpec(spec: JsonObject, field: string, rules: PodSpecRules = {}): FieldError[] {
  const volumes = new Set([
    ...objectsAt(spec, 'volumes').map((volume) => stringAt(volume, 'name')),
    ...(rules.volumes ?? []),
  ]);
  const { affinity } = spec;
  return [
    ...validateVolumes(objectsAt(spec, 'volumes'), `${field}.volumes`),
    ...validateClaims(spec, field),
    ...validateContainers(spec, field, volumes),
    ...validateEphemeral(spec, field),
    ...validateChoices(spec, field),
    ...validateNumbers(spec, field),
    ...validateNames(spec, field),
    ...validateLabels(spec['nodeSelector'], `${field}.nodeSelector`),
    ...validatePodSecurity(spec, field),
    ...(isJsonObject(affinity) ? validateAffinity(affinity, `${field}.affinity`) : []),
    ...validateDns(spec, field),
    ...validateGates(spec, field),
    ...validateSpread(objectsAt(spec, 'topologySpreadConstraints'), `${field}.topologySpreadConstraints`),
    ...validateHostUsers(spec, field),
    ...validateTolerations(objectsAt(spec, 'tolerations'), `${field}.tolerations`),
    ...validateHostAliases(spec, field),
    ...validateOverhead(spec, field),
    ...validateSystem(spec, field),
  ];
}

function validateContainers(spec: JsonObject, field: string, volumes: ReadonlySet<string>): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  const claims = new Set(objectsAt(spec, 'resourceClaims').map((claim) => stringAt(claim, 'name')));
  if (listAt(spec, 'containers').length === 0) errors.push(required(`${field}.containers`));
  for (const list of ['containers', 'initContainers'] as const) {
    const hostPorts = new Set<string>();
    for (const [index, container] of objectsAt(spec, list).entries()) {
      const context: ContainerContext = {
        field: `${field}.${list}[${index}]`,
        volumes,
        claims,
        init: list === 'initContainers',
        hostNetwork: spec['hostNetwork'] === true,
        hostUsers: spec['hostUsers'],
        graceSeconds: numberAt(spec, 'terminationGracePeriodSeconds'),
        hostPorts,
      };
      errors.push(...validateContainer(container, context));
      const name = stringAt(container, 'name');
      if (name !== '' && names.has(name)) errors.push(duplicate(`${context.field}.name`, name));
      names.add(name);
    }
  }
  return errors;
}

const NOT_EPHEMERAL = [
  'ports',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
  'resources',
  'resizePolicy',
];

/** Containers for looking into a running pod: they serve nobody and get nothing of their own. */
function validateEphemeral(spec: JsonObject, field: string): FieldError[] {
  const others = new Set(
    ['containers', 'initContainers'].flatMap((list) =>
      objectsAt(spec, list).map((container) => stringAt(container, 'name')),
    ),
  );
  const names = new Set(others);
  return objectsAt(spec, 'ephemeralContainers').flatMap((container, index) => {
    const at = `${field}.ephemeralContainers[${index}]`;
    const name = stringAt(container, 'name');
    const target = stringAt(container, 'targetContainerName');
    const errors = name === '' ? [required(`${at}.name`)] : formed(name, `${at}.name`, dns1123Label);
    if (name !== '' && names.has(name)) errors.push(duplicate(`${at}.name`, name));
    names.add(name);
    if (target !== '' && !others.has(target)) errors.push(notFound(`${at}.targetContainerName`, target));
    if (stringAt(container, 'image') === '') errors.push(required(`${at}.image`));
    for (const key of NOT_EPHEMERAL) {
      const value = container[key];
      const empty = isJsonObject(value)
        ? Object.keys(value).length === 0
        : listAt({ value }, 'value').length === 0;
      if (!empty) errors.push(forbidden(`${at}.${key}`, 'cannot be set for an Ephemeral Container'));
    }
    return errors;
  });
}

/** A pod with users of its own shares no other namespace with its host. */
function validateHostUsers(spec: JsonObject, field: string): FieldError[] {
  if (spec['hostUsers'] !== false) return [];
  return ['hostNetwork', 'hostPID', 'hostIPC']
    .filter((key) => spec[key] === true)
    .map((key) => forbidden(`${field}.${key}`, 'when `hostUsers` is false'));
}

const CHOICES: Readonly<Record<string, readonly string[]>> = {
  restartPolicy: ['Always', 'OnFailure', 'Never'],
  dnsPolicy: ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'],
  preemptionPolicy: ['Never', 'PreemptLowerPriority'],
};

function validateChoices(spec: JsonObject, field: string): FieldError[] {
  return Object.entries(CHOICES).flatMap(([key, supported]) => {
    const value = stringAt(spec, key);
    return value === '' || supported.includes(value)
      ? []
      : [unsupported(`${field}.${key}`, value, supported)];
  });
}

function validateNumbers(spec: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const deadline = numberAt(spec, 'activeDeadlineSeconds');
  if (deadline !== undefined && (deadline < 1 || deadline > 2_147_483_647)) {
    errors.push(
      invalid(`${field}.activeDeadlineSeconds`, deadline, 'must be between 1 and 2147483647, inclusive'),
    );
  }
  const grace = numberAt(spec, 'terminationGracePeriodSeconds');
  if (grace !== undefined && grace < 0) {
    errors.push(
      invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must be greater than or equal to 0'),
    );
  }
  return errors;
}

function validateNames(spec: JsonObject, field: string): FieldError[] {
  const rules: readonly (readonly [string, (value: string) => string[]])[] = [
    ['serviceAccountName', dns1123Subdomain],
    ['nodeName', dns1123Subdomain],
    ['priorityClassName', dns1123Subdomain],
    ['runtimeClassName', dns1123Subdomain],
    ['hostname', dns1123Label],
    ['subdomain', dns1123Label],
  ];
  const errors = rules.flatMap(([key, rule]) => {
    const value = stringAt(spec, key);
    return value === '' ? [] : rule(value).map((detail) => invalid(`${field}.${key}`, value, detail));
  });
  for (const [index, secret] of objectsAt(spec, 'imagePullSecrets').entries()) {
    if (stringAt(secret, 'name') === '') {
      errors.push(required(`${field}.imagePullSecrets[${index}].name`));
    }
  }
  return errors;
}
