import { forbidden, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import { isJsonObject, listAt, numberAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import { formed, notNegative } from './checks.ts';
import { httpHeaderName, portName, portNumber } from './names.ts';

const PROBES = ['exec', 'httpGet', 'tcpSocket', 'grpc'];
const HOOKS = ['exec', 'httpGet', 'tcpSocket', 'sleep'];
const NUMBERS = [
  'initialDelaySeconds',
  'timeoutSeconds',
  'periodSeconds',
  'successThreshold',
  'failureThreshold',
];

export function validateProbe(
  probe: JsonObject,
  field: string,
  kind: 'livenessProbe' | 'readinessProbe' | 'startupProbe',
): FieldError[] {
  const errors = [
    ...validateHandler(probe, field, { graceSeconds: undefined, hook: false }),
    ...notNegative(probe, field, ...NUMBERS),
  ];
  const at = `${field}.terminationGracePeriodSeconds`;
  const grace = numberAt(probe, 'terminationGracePeriodSeconds');
  if (grace !== undefined && grace <= 0) errors.push(invalid(at, grace, 'must be greater than 0'));
  if (kind === 'readinessProbe') {
    if (grace !== undefined) errors.push(invalid(at, grace, 'must not be set for readinessProbes'));
    return errors;
  }
  const successes = numberAt(probe, 'successThreshold') ?? 0;
  if (successes !== 1) errors.push(invalid(`${field}.successThreshold`, successes, 'must be 1'));
  return errors;
}

export interface HandlerRules {
  /** The pod's time to end, in which a hook that sleeps must be through. */
  readonly graceSeconds: number | undefined;
  /** A hook and not a probe. */
  readonly hook: boolean;
}

/** What a probe or a hook does: exactly one of the handlers. */
export function validateHandler(handler: JsonObject, field: string, rules: HandlerRules): FieldError[] {
  const given = (rules.hook ? HOOKS : PROBES).filter((name) => isJsonObject(handler[name]));
  const [name] = given;
  const value = name === undefined ? undefined : handler[name];
  if (name === undefined || !isJsonObject(value)) return [required(field, 'must specify a handler type')];
  return [
    ...validateOne(value, { at: `${field}.${name}`, name, graceSeconds: rules.graceSeconds }),
    ...given
      .slice(1)
      .map((other) => forbidden(`${field}.${other}`, 'may not specify more than 1 handler type')),
  ];
}

function validateOne(
  value: JsonObject,
  how: { readonly at: string; readonly name: string; readonly graceSeconds: number | undefined },
): FieldError[] {
  const { at, name, graceSeconds } = how;
  switch (name) {
    case 'exec':
      return listAt(value, 'command').length === 0 ? [required(`${at}.command`)] : [];
    case 'httpGet':
      return validateHttp(value, at);
    case 'sleep': {
      const seconds = numberAt(value, 'seconds') ?? 0;
      if (graceSeconds === undefined || (seconds >= 0 && seconds <= graceSeconds)) return [];
      const detail = `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`;
      return [invalid(at, seconds, detail)];
    }
    default:
      return validatePort(value, at);
  }
}

function validateHttp(value: JsonObject, at: string): FieldError[] {
  const scheme = stringAt(value, 'scheme');
  return [
    ...(stringAt(value, 'path') === '' ? [required(`${at}.path`)] : []),
    ...validatePort(value, at),
    ...(scheme === 'HTTP' || scheme === 'HTTPS'
      ? []
      : [unsupported(`${at}.scheme`, scheme, ['HTTP', 'HTTPS'])]),
    ...objectsAt(value, 'httpHeaders').flatMap((header) =>
      formed(stringAt(header, 'name'), `${at}.httpHeaders`, httpHeaderName),
    ),
  ];
}

function validatePort(handler: JsonObject, at: string): FieldError[] {
  return validatePortOrName(handler['port'], `${at}.port`);
}

/** A port by its number or by its name. */
export function validatePortOrName(port: JsonObject[string], at: string): FieldError[] {
  if (typeof port === 'string') return formed(port, at, portName);
  const number = typeof port === 'number' ? port : 0;
  return portNumber(number).map((detail) => invalid(at, number, detail));
}
