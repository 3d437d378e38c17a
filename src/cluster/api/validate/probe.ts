import { forbidden, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import { isJsonObject, listAt, numberAt, stringAt, type JsonObject } from '../json.ts';
import { portName, portNumber } from './names.ts';

const HANDLERS = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'];
const NOT_NEGATIVE = 'must be greater than or equal to 0';

export function validateProbe(
  probe: JsonObject,
  field: string,
  kind: 'livenessProbe' | 'readinessProbe' | 'startupProbe',
): FieldError[] {
  const errors = validateHandler(probe, field);
  for (const key of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ]) {
    const value = numberAt(probe, key);
    if (value !== undefined && value < 0) errors.push(invalid(`${field}.${key}`, value, NOT_NEGATIVE));
  }
  const successes = numberAt(probe, 'successThreshold') ?? 1;
  if (kind !== 'readinessProbe' && successes !== 1) {
    errors.push(invalid(`${field}.successThreshold`, successes, 'must be 1'));
  }
  const grace = numberAt(probe, 'terminationGracePeriodSeconds');
  if (grace !== undefined) {
    if (kind === 'readinessProbe') {
      errors.push(
        invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must not be set for readinessProbes'),
      );
    } else if (grace <= 0) {
      errors.push(invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must be greater than 0'));
    }
  }
  return errors;
}

/** What a probe or a hook does: exactly one of the handlers. */
export function validateHandler(handler: JsonObject, field: string): FieldError[] {
  const given = HANDLERS.filter((name) => isJsonObject(handler[name]));
  const errors: FieldError[] = [];
  if (given.length === 0) errors.push(required(field, 'must specify a handler type'));
  for (const name of given.slice(1)) {
    errors.push(forbidden(`${field}.${name}`, 'may not specify more than 1 handler type'));
  }
  const [name] = given;
  const value = name === undefined ? undefined : handler[name];
  if (name === undefined || !isJsonObject(value)) return errors;
  const at = `${field}.${name}`;
  if (name === 'exec' && listAt(value, 'command').length === 0) errors.push(required(`${at}.command`));
  if (name === 'httpGet') {
    if (stringAt(value, 'path') === '') errors.push(required(`${at}.path`));
    const scheme = stringAt(value, 'scheme');
    if (scheme !== 'HTTP' && scheme !== 'HTTPS') {
      errors.push(unsupported(`${at}.scheme`, scheme, ['HTTP', 'HTTPS']));
    }
  }
  if (name === 'httpGet' || name === 'tcpSocket' || name === 'grpc') errors.push(...validatePort(value, at));
  return errors;
}

function validatePort(handler: JsonObject, at: string): FieldError[] {
  const { port } = handler;
  if (typeof port === 'string') {
    return portName(port).map((detail) => invalid(`${at}.port`, port, detail));
  }
  const number = typeof port === 'number' ? port : 0;
  return portNumber(number).map((detail) => invalid(`${at}.port`, number, detail));
}
