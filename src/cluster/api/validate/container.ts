/** Containers of all three lists of a pod: what holds for each, and what only for one kind of them. */
import { append } from '../../../base/append.ts';
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
import { formed, joined, NONE, notSupported, tooMany } from './checks.ts';
import { validateEnvironment } from './environment.ts';
import { validateDevices, validateMounts } from './mounts.ts';
import { dns1123Label, portName, portNumber } from './names.ts';
import { validateHandler, validateProbe } from './probe.ts';
import { validateResources } from './resources.ts';
import { validateContainerSecurity } from './security-context.ts';

/** What containers need to know of their pod. */
export interface ContainerContext {
  /** The pod's volumes that are right, by name. */
  readonly volumes: ReadonlyMap<string, JsonObject>;
  /** Names of the pod's resource claims. */
  readonly claims: ReadonlySet<string>;
  readonly hostUsers: JsonObject[string];
  /** Time to end, seconds. */
  readonly graceSeconds: number | undefined;
  readonly restartPolicy: string;
  /** A pod itself, not a template of one. */
  readonly isPod: boolean;
}

export function validateContainers(spec: JsonObject, field: string, context: ContainerContext): FieldError[] {
  const containers = objectsAt(spec, 'containers');
  const at = `${field}.containers`;
  if (containers.length === 0) return [required(at)];
  const names = new Set<string>();
  const errors: FieldError[] = [];
  for (let index = 0; index < containers.length; index++) {
    const container = containers[index]!;
    const here = `${at}[${index}]`;
    append(errors, validateCommon(container, here, context));
    const name = stringAt(container, 'name');
    if (names.has(name)) errors.push(duplicate(`${here}.name`, name));
    names.add(name);
    append(errors, validateHooks(container, here, context.graceSeconds));
    append(errors, validateRestarts(container, here, 'regular'));
  }
  append(errors, checkHostPorts(containers, at));
  return errors;
}

const SERVING = ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'];

/** Those that end have no probes and no hooks; those that restart always are sidecars and have. */
export function validateInitContainers(
  spec: JsonObject,
  field: string,
  context: ContainerContext,
): FieldError[] {
  if (spec['initContainers'] === undefined) return [];
  const at = `${field}.initContainers`;
  const names = new Set(objectsAt(spec, 'containers').map((container) => stringAt(container, 'name')));
  return objectsAt(spec, 'initContainers').flatMap((container, index) => {
    const here = `${at}[${index}]`;
    const errors = [
      ...validateCommon(container, here, context),
      ...validateRestarts(container, here, 'init'),
    ];
    const name = stringAt(container, 'name');
    if (names.has(name)) errors.push(duplicate(`${here}.name`, name));
    if (name !== '') names.add(name);
    // They run one after the other, so that only a container's own ports can meet; upstream calls each the first.
    append(errors, checkHostPorts([container], at));
    if (container['restartPolicy'] === 'Always') {
      return [...errors, ...validateHooks(container, here, context.graceSeconds)];
    }
    const detail = 'may not be set for init containers without restartPolicy=Always';
    return errors.concat(
      SERVING.filter((key) => container[key] !== undefined).map((key) => forbidden(`${here}.${key}`, detail)),
      objectsAt(container, 'resizePolicy').flatMap(({ restartPolicy }, position) =>
        restartPolicy === 'RestartContainer'
          ? [
              invalid(
                `${here}.resizePolicy[${position}].restartPolicy`,
                restartPolicy,
                "must not be set to 'RestartContainer' for non-sidecar initContainers",
              ),
            ]
          : [],
      ),
    );
  });
}

/** Members that the containers for looking into a running pod do not have: they serve nobody. */
const NOT_EPHEMERAL = [
  'ports',
  'resources',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
];

export function validateEphemeralContainers(
  spec: JsonObject,
  field: string,
  context: ContainerContext,
): FieldError[] {
  if (spec['ephemeralContainers'] === undefined) return [];
  const others = new Set(
    ['containers', 'initContainers'].flatMap((list) =>
      objectsAt(spec, list).map((container) => stringAt(container, 'name')),
    ),
  );
  const names = new Set(others);
  const detail = 'cannot be set for an Ephemeral Container';
  return objectsAt(spec, 'ephemeralContainers').flatMap((container, index) => {
    const at = `${field}.ephemeralContainers[${index}]`;
    const errors = [...validateCommon(container, at, context), ...validatePadding(container, at)];
    const name = stringAt(container, 'name');
    const target = stringAt(container, 'targetContainerName');
    if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
    names.add(name);
    if (target !== '' && !others.has(target)) errors.push(notFound(`${at}.targetContainerName`, target));
    for (const key of NOT_EPHEMERAL) {
      if (isSet(container[key], key)) errors.push(forbidden(`${at}.${key}`, detail));
    }
    for (const [position, mount] of objectsAt(container, 'volumeMounts').entries()) {
      for (const key of ['subPath', 'subPathExpr']) {
        if (stringAt(mount, key) === '') continue;
        errors.push(forbidden(`${at}.volumeMounts[${position}].${key}`, detail));
      }
    }
    return errors;
  });
}

/** Resources are no pointer in Go: a container that has none has empty ones. */
function isSet(value: JsonObject[string], key: string): boolean {
  return key === 'resources' && isJsonObject(value) ? Object.keys(value).length > 0 : value !== undefined;
}

/** Of pods and not of templates, which people fill in afterwards. */
export function validatePadding(container: JsonObject, at: string): FieldError[] {
  const image = stringAt(container, 'image');
  return image === image.trim()
    ? []
    : [invalid(`${at}.image`, image, 'must not have leading or trailing whitespace')];
}

function validateCommon(container: JsonObject, at: string, context: ContainerContext): FieldError[] {
  const name = stringAt(container, 'name');
  return joined(
    name === '' ? [required(`${at}.name`)] : formed(name, `${at}.name`, dns1123Label),
    stringAt(container, 'image') === '' ? [required(`${at}.image`)] : NONE,
    choice(container, 'terminationMessagePolicy', { at, supported: ['File', 'FallbackToLogsOnError'] }),
    validatePorts(container, at),
    validateEnvironment(container, at),
    validateMounts(container, at, context.volumes),
    validateDevices(container, at, context.volumes),
    choice(container, 'imagePullPolicy', { at, supported: ['Always', 'IfNotPresent', 'Never'] }),
    validateResources(container, `${at}.resources`, context.claims),
    validateResizePolicy(container, at, context.restartPolicy),
    validateContainerSecurity(container, at, context.hostUsers),
  );
}

function choice(
  container: JsonObject,
  key: string,
  how: { readonly at: string; readonly supported: readonly string[] },
): FieldError[] {
  const value = stringAt(container, key);
  if (how.supported.includes(value)) return [];
  const field = `${how.at}.${key}`;
  return value === '' ? [required(field)] : [unsupported(field, value, how.supported)];
}

function validateHooks(container: JsonObject, at: string, graceSeconds: number | undefined): FieldError[] {
  const { lifecycle } = container;
  const errors: FieldError[] = [];
  for (const key of ['postStart', 'preStop']) {
    const handler = isJsonObject(lifecycle) ? lifecycle[key] : undefined;
    if (isJsonObject(handler)) {
      append(errors, validateHandler(handler, `${at}.lifecycle.${key}`, { graceSeconds, hook: true }));
    }
  }
  for (const key of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    const probe = container[key];
    if (isJsonObject(probe)) append(errors, validateProbe(probe, `${at}.${key}`, key));
  }
  return errors;
}

const ACTIONS = ['Restart', 'RestartAllContainers'];
const MAX_RULES = 20;
const MAX_EXIT_CODES = 255;

/** A container's own way of restarting, by its exit code (KEP-5307). */
function validateRestarts(container: JsonObject, at: string, kind: 'init' | 'regular'): FieldError[] {
  const policy = container['restartPolicy'];
  const rules = objectsAt(container, 'restartPolicyRules');
  if (policy === undefined && rules.length === 0) return [];
  const errors =
    policy === undefined
      ? [required(`${at}.restartPolicy`, 'must specify restartPolicy when restart rules are used')]
      : notSupported(policy, `${at}.restartPolicy`, ['Always', 'Never', 'OnFailure']);
  if (policy === undefined && kind === 'init') return errors;
  append(errors, tooMany(`${at}.restartPolicyRules`, rules.length, MAX_RULES));
  for (const [index, rule] of rules.entries()) {
    const here = `${at}.restartPolicyRules[${index}]`;
    const { exitCodes } = rule;
    append(errors, notSupported(rule['action'] ?? '', `${here}.action`, ACTIONS));
    if (isJsonObject(exitCodes)) {
      const operator = exitCodes['operator'] ?? '';
      const values = listAt(exitCodes, 'values');
      append(errors, notSupported(operator, `${here}.exitCodes.operator`, ['In', 'NotIn']));
      append(errors, tooMany(`${here}.exitCodes.values`, values.length, MAX_EXIT_CODES));
    } else errors.push(required(`${here}.exitCodes`, 'must be specified'));
  }
  return errors;
}

const RESIZED = ['cpu', 'memory'];
const RESIZE_POLICIES = ['NotRequired', 'RestartContainer'];

function validateResizePolicy(container: JsonObject, at: string, podPolicy: string): FieldError[] {
  if (container['resizePolicy'] === undefined) return [];
  const field = `${at}.resizePolicy`;
  const seen = new Set<string>();
  return objectsAt(container, 'resizePolicy').flatMap((policy, index) => {
    const errors: FieldError[] = [];
    const name = stringAt(policy, 'resourceName');
    const restart = stringAt(policy, 'restartPolicy');
    if (seen.has(name)) errors.push(duplicate(`${field}[${index}]`, name));
    seen.add(name);
    append(errors, name === '' ? [required(field)] : notSupported(name, field, RESIZED));
    append(errors, restart === '' ? [required(field)] : notSupported(restart, field, RESIZE_POLICIES));
    if (podPolicy === 'Never' && restart !== 'NotRequired') {
      errors.push(invalid(field, restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"));
    }
    return errors;
  });
}

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];

function validatePorts(container: JsonObject, field: string): FieldError[] {
  const names = new Set<string>();
  const errors: FieldError[] = [];
  const ports = objectsAt(container, 'ports');
  for (let index = 0; index < ports.length; index++) {
    const port = ports[index]!;
    const at = `${field}.ports[${index}]`;
    const name = stringAt(port, 'name');
    const misnamed = name === '' ? [] : formed(name, `${at}.name`, portName);
    append(errors, misnamed);
    if (name !== '' && misnamed.length === 0 && names.has(name)) errors.push(duplicate(`${at}.name`, name));
    if (name !== '' && misnamed.length === 0) names.add(name);
    const number = numberAt(port, 'containerPort') ?? 0;
    if (number === 0) errors.push(required(`${at}.containerPort`));
    else
      append(
        errors,
        portNumber(number).map((detail) => invalid(`${at}.containerPort`, number, detail)),
      );
    const hostPort = numberAt(port, 'hostPort') ?? 0;
    if (hostPort !== 0) {
      append(
        errors,
        portNumber(hostPort).map((detail) => invalid(`${at}.hostPort`, hostPort, detail)),
      );
    }
    append(errors, choice(port, 'protocol', { at, supported: PROTOCOLS }));
  }
  return errors;
}

function checkHostPorts(containers: readonly JsonObject[], field: string): FieldError[] {
  const taken = new Set<string>();
  const errors: FieldError[] = [];
  for (let index = 0; index < containers.length; index++) {
    const ports = objectsAt(containers[index], 'ports');
    for (let position = 0; position < ports.length; position++) {
      const port = ports[position]!;
      const number = numberAt(port, 'hostPort') ?? 0;
      if (number === 0) continue;
      const key = `${stringAt(port, 'protocol')}/${stringAt(port, 'hostIP')}/${number}`;
      if (taken.has(key)) errors.push(duplicate(`${field}[${index}].ports[${position}].hostPort`, key));
      taken.add(key);
    }
  }
  return errors;
}

/** On the host's network a port is the host's; templates may leave that to the pod's defaults. */
export function validateHostNetwork(spec: JsonObject, field: string, isPod: boolean): FieldError[] {
  if (spec['hostNetwork'] !== true) return [];
  const detail = 'must match `containerPort` when `hostNetwork` is true';
  return objectsAt(spec, 'containers').flatMap((container, index) =>
    objectsAt(container, 'ports').flatMap((port, position) => {
      const hostPort = numberAt(port, 'hostPort') ?? 0;
      const fits = hostPort === (numberAt(port, 'containerPort') ?? 0) || (!isPod && hostPort === 0);
      const at = `${field}.containers[${index}].ports[${position}].hostPort`;
      return fits ? [] : [invalid(at, hostPort, detail)];
    }),
  );
}
