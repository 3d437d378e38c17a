import { isIP } from 'node:net';
import {
  duplicate,
  forbidden,
  invalid,
  notFound,
  required,
  unsupported,
  type FieldError,
} from '../field-error.ts';
import { getPath, isJsonObject, numberAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import { BAD_IP, formed, oneOf } from './checks.ts';
import { ENV_FIELDS, validateFieldRef, validateResourceRef } from './field-ref.ts';
import { dns1123Label, dns1123Subdomain, envVarName, portName, portNumber } from './names.ts';
import { validateHandler, validateProbe } from './probe.ts';
import { validateResources } from './resources.ts';
import { validateContainerSecurity } from './security-context.ts';

export interface ContainerContext {
  readonly field: string;
  /** Names of the pod's volumes. */
  readonly volumes: ReadonlySet<string>;
  readonly init: boolean;
  /** Names of the pod's resource claims. */
  readonly claims: ReadonlySet<string>;
  readonly hostNetwork: boolean;
  readonly hostUsers: JsonObject[string];
  /** Time to end, seconds. */
  readonly graceSeconds: number | undefined;
  /** Host ports that containers of the same list have taken: `TCP/127.0.0.1/80`. Grows. */
  readonly hostPorts: Set<string>;
}

export function validateContainer(container: JsonObject, context: ContainerContext): FieldError[] {
  const { field } = context;
  const errors: FieldError[] = [];
  const name = stringAt(container, 'name');
  if (name === '') errors.push(required(`${field}.name`));
  else errors.push(...dns1123Label(name).map((detail) => invalid(`${field}.name`, name, detail)));
  const image = stringAt(container, 'image');
  if (image === '') errors.push(required(`${field}.image`));
  else if (image !== image.trim()) {
    errors.push(invalid(`${field}.image`, image, 'must not have leading or trailing whitespace'));
  }
  errors.push(
    ...validatePorts(container, context),
    ...validateEnv(container, field),
    ...validateMounts(container, context),
    ...choice(container, 'imagePullPolicy', { field, supported: ['Always', 'IfNotPresent', 'Never'] }),
    ...choice(container, 'terminationMessagePolicy', { field, supported: ['FallbackToLogsOnError', 'File'] }),
    ...validateResources(container, field),
    ...validateClaims(container, context),
    ...validateDevices(container, context),
    ...validateRestarts(container, context),
    ...validateLifecycle(container, context),
    ...validateContainerSecurity(container, field, context.hostUsers),
  );
  return errors;
}

function choice(
  container: JsonObject,
  key: string,
  how: { readonly field: string; readonly supported: readonly string[] },
): FieldError[] {
  const value = stringAt(container, key);
  const at = `${how.field}.${key}`;
  if (value === '') return [required(at)];
  return how.supported.includes(value) ? [] : [unsupported(at, value, how.supported)];
}

/** Init containers that end have no probes and no hooks; those that restart always are sidecars and have. */
function validateLifecycle(
  container: JsonObject,
  { field, init, graceSeconds }: ContainerContext,
): FieldError[] {
  const sidecar = stringAt(container, 'restartPolicy') === 'Always';
  const errors: FieldError[] = [];
  for (const key of ['livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle']) {
    if (init && !sidecar && container[key] !== undefined) {
      errors.push(
        forbidden(`${field}.${key}`, 'may not be set for init containers without restartPolicy=Always'),
      );
    }
  }
  if (errors.length > 0) return errors;
  for (const key of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    const probe = container[key];
    if (isJsonObject(probe)) errors.push(...validateProbe(probe, `${field}.${key}`, key));
  }
  for (const key of ['postStart', 'preStop']) {
    const handler = getPath(container, 'lifecycle', key);
    const at = `${field}.lifecycle.${key}`;
    if (isJsonObject(handler)) {
      errors.push(...validateHandler(handler, at), ...validateSleep(handler, at, graceSeconds));
    }
  }
  return errors;
}

/** A hook that sleeps ends before its container is made to. */
function validateSleep(handler: JsonObject, at: string, graceSeconds: number | undefined): FieldError[] {
  const seconds = numberAt(handler, 'sleep', 'seconds');
  if (seconds === undefined || graceSeconds === undefined) return [];
  if (seconds >= 0 && seconds <= graceSeconds) return [];
  const detail = `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`;
  return [invalid(`${at}.sleep`, seconds, detail)];
}

/** Claims that a container uses are claims of its pod. */
function validateClaims(container: JsonObject, { field, claims }: ContainerContext): FieldError[] {
  const seen = new Set<string>();
  return objectsAt(container, 'resources', 'claims').flatMap((claim, index) => {
    const at = `${field}.resources.claims[${index}]`;
    const name = stringAt(claim, 'name');
    const key = `${name}/${stringAt(claim, 'request')}`;
    const errors: FieldError[] = [];
    if (name === '') errors.push(required(`${at}.name`));
    else if (!claims.has(name)) {
      errors.push(notFound(`${at}.name`, name));
    }
    if (seen.has(key)) errors.push(duplicate(at, claim));
    seen.add(key);
    return errors;
  });
}

/** Block volumes: a device has one name, and is not mounted as well. */
function validateDevices(container: JsonObject, { field, volumes }: ContainerContext): FieldError[] {
  const mounted = new Set(objectsAt(container, 'volumeMounts').map((mount) => stringAt(mount, 'name')));
  const names = new Set<string>();
  const paths = new Set<string>();
  return objectsAt(container, 'volumeDevices').flatMap((device, index) => {
    const at = `${field}.volumeDevices[${index}]`;
    const name = stringAt(device, 'name');
    const path = stringAt(device, 'devicePath');
    const errors: FieldError[] = [];
    if (name === '') errors.push(required(`${at}.name`));
    else if (names.has(name)) errors.push(invalid(`${at}.name`, name, 'must be unique'));
    else if (!volumes.has(name)) errors.push(notFound(`${at}.name`, name));
    if (path === '') errors.push(required(`${at}.devicePath`));
    if (paths.has(path)) errors.push(invalid(`${at}.devicePath`, path, 'must be unique'));
    if (path.split('/').includes('..'))
      errors.push(invalid(`${at}.devicePath`, path, "must not contain '..'"));
    if (mounted.has(name)) {
      errors.push(invalid(`${at}.name`, name, 'must not already exist in volumeMounts'));
    }
    names.add(name);
    paths.add(path);
    return errors;
  });
}

const RESTART_POLICIES = ['Always', 'Never', 'OnFailure'];

function validateRestarts(container: JsonObject, { field }: ContainerContext): FieldError[] {
  const errors = oneOf(container, 'restartPolicy', { field, supported: RESTART_POLICIES });
  const rules = objectsAt(container, 'restartPolicyRules');
  if (rules.length > 0 && container['restartPolicy'] === undefined) {
    errors.push(required(`${field}.restartPolicy`, 'must specify restartPolicy when restart rules are used'));
  }
  const seen = new Set<string>();
  for (const [index, policy] of objectsAt(container, 'resizePolicy').entries()) {
    const at = `${field}.resizePolicy[${index}]`;
    const name = stringAt(policy, 'resourceName');
    if (seen.has(name)) errors.push(duplicate(at, name));
    seen.add(name);
    errors.push(
      ...oneOf(policy, 'resourceName', { field: at, supported: ['cpu', 'memory'], required: true }),
      ...oneOf(policy, 'restartPolicy', {
        field: at,
        supported: ['NotRequired', 'RestartContainer'],
        required: true,
      }),
    );
  }
  return errors;
}

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];

function validatePorts(container: JsonObject, context: ContainerContext): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [index, port] of objectsAt(container, 'ports').entries()) {
    const at = `${context.field}.ports[${index}]`;
    const name = stringAt(port, 'name');
    if (name !== '') {
      errors.push(...portName(name).map((detail) => invalid(`${at}.name`, name, detail)));
      if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
      names.add(name);
    }
    const number = numberAt(port, 'containerPort') ?? 0;
    if (number === 0) errors.push(required(`${at}.containerPort`));
    else errors.push(...portNumber(number).map((detail) => invalid(`${at}.containerPort`, number, detail)));
    const protocol = stringAt(port, 'protocol');
    if (protocol === '') errors.push(required(`${at}.protocol`));
    else if (!PROTOCOLS.includes(protocol)) errors.push(unsupported(`${at}.protocol`, protocol, PROTOCOLS));
    errors.push(...validateHostPort(port, at, context));
  }
  return errors;
}

function validateHostPort(port: JsonObject, at: string, context: ContainerContext): FieldError[] {
  const hostPort = numberAt(port, 'hostPort') ?? 0;
  if (hostPort === 0) return [];
  const errors = portNumber(hostPort).map((detail) => invalid(`${at}.hostPort`, hostPort, detail));
  const hostIp = stringAt(port, 'hostIP');
  if (hostIp !== '' && isIP(hostIp) === 0) errors.push(invalid(`${at}.hostIP`, hostIp, BAD_IP));
  if (context.hostNetwork && hostPort !== numberAt(port, 'containerPort')) {
    errors.push(
      invalid(
        `${at}.containerPort`,
        port['containerPort'],
        'must match `hostPort` when `hostNetwork` is true',
      ),
    );
  }
  const key = `${stringAt(port, 'protocol')}/${stringAt(port, 'hostIP')}/${hostPort}`;
  if (context.hostPorts.has(key)) errors.push(duplicate(`${at}.hostPort`, key));
  context.hostPorts.add(key);
  return errors;
}

const SOURCES = ['fieldRef', 'resourceFieldRef', 'configMapKeyRef', 'secretKeyRef', 'fileKeyRef'];

function validateEnv(container: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, env] of objectsAt(container, 'env').entries()) {
    const at = `${field}.env[${index}]`;
    const name = stringAt(env, 'name');
    if (name === '') errors.push(required(`${at}.name`));
    else errors.push(...envVarName(name).map((detail) => invalid(`${at}.name`, name, detail)));
    const from = env['valueFrom'];
    if (!isJsonObject(from)) continue;
    const sources = SOURCES.filter((source) => from[source] !== undefined);
    if (sources.length === 0) {
      errors.push(invalid(`${at}.valueFrom`, '', `must specify one of: \`${SOURCES.join('`, `')}\``));
    } else if (stringAt(env, 'value') !== '') {
      errors.push(invalid(`${at}.valueFrom`, '', 'may not be specified when `value` is not empty'));
    } else if (sources.length > 1) {
      errors.push(invalid(`${at}.valueFrom`, '', 'may not have more than one field specified at a time'));
    }
    const fieldRef = from['fieldRef'];
    if (isJsonObject(fieldRef)) {
      errors.push(...validateFieldRef(fieldRef, `${at}.valueFrom.fieldRef`, ENV_FIELDS));
    }
    const resourceRef = from['resourceFieldRef'];
    if (isJsonObject(resourceRef)) {
      errors.push(...validateResourceRef(resourceRef, `${at}.valueFrom.resourceFieldRef`, false));
    }
    for (const source of ['configMapKeyRef', 'secretKeyRef']) {
      const reference = from[source];
      if (!isJsonObject(reference)) continue;
      for (const key of ['name', 'key']) {
        if (stringAt(reference, key) === '') errors.push(required(`${at}.valueFrom.${source}.${key}`));
      }
    }
  }
  for (const [index, source] of objectsAt(container, 'envFrom').entries()) {
    const at = `${field}.envFrom[${index}]`;
    const count = ['configMapRef', 'secretRef'].filter((key) => source[key] !== undefined).length;
    if (count === 0) errors.push(invalid(at, '', 'must specify one of: `configMapRef` or `secretRef`'));
    if (count > 1) errors.push(invalid(at, '', 'may not have more than one field specified at a time'));
    const prefix = stringAt(source, 'prefix');
    if (prefix !== '') errors.push(...formed(prefix, `${at}.prefix`, envVarName));
    for (const key of ['configMapRef', 'secretRef']) {
      const reference = source[key];
      if (!isJsonObject(reference)) continue;
      const name = stringAt(reference, 'name');
      errors.push(
        ...(name === ''
          ? [required(`${at}.${key}.name`)]
          : formed(name, `${at}.${key}.name`, dns1123Subdomain)),
      );
    }
  }
  return errors;
}

function validateMounts(container: JsonObject, { field, volumes }: ContainerContext): FieldError[] {
  const errors: FieldError[] = [];
  const paths = new Set<string>();
  for (const [index, mount] of objectsAt(container, 'volumeMounts').entries()) {
    const at = `${field}.volumeMounts[${index}]`;
    const name = stringAt(mount, 'name');
    if (name === '') errors.push(required(`${at}.name`));
    else if (!volumes.has(name)) errors.push(notFound(`${at}.name`, name));
    const path = stringAt(mount, 'mountPath');
    if (path === '') errors.push(required(`${at}.mountPath`));
    else if (paths.has(path)) errors.push(invalid(`${at}.mountPath`, path, 'must be unique'));
    paths.add(path);
    for (const key of ['subPath', 'subPathExpr']) {
      const value = stringAt(mount, key);
      if (value.startsWith('/')) errors.push(invalid(`${at}.${key}`, value, 'must be a relative path'));
      if (value.split('/').includes('..'))
        errors.push(invalid(`${at}.${key}`, value, "must not contain '..'"));
    }
    const propagation = { field: at, supported: ['Bidirectional', 'HostToContainer', 'None'] };
    errors.push(
      ...oneOf(mount, 'mountPropagation', propagation),
      ...oneOf(mount, 'recursiveReadOnly', {
        field: at,
        supported: ['Disabled', 'Enabled', 'IfPossible'],
      }),
    );
    const privileged = getPath(container, 'securityContext', 'privileged') === true;
    if (mount['mountPropagation'] === 'Bidirectional' && !privileged) {
      const detail = 'Bidirectional mount propagation is available only to privileged containers';
      errors.push(forbidden(`${at}.mountPropagation`, detail));
    }
    if (stringAt(mount, 'subPath') !== '' && stringAt(mount, 'subPathExpr') !== '') {
      errors.push(
        invalid(`${at}.subPathExpr`, mount['subPathExpr'], 'subPathExpr and subPath are mutually exclusive'),
      );
    }
  }
  return errors;
}
