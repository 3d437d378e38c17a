/** The one mapper from our errors to Kubernetes' Status (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/). */
import { errorMessage, isPlatformError, type ErrorCode, type PlatformError } from '../../base/errors.ts';
import type { Status, StatusCause } from './generated/meta-v1.ts';
import {
  CAUSE_REASONS,
  formatFieldErrors,
  fieldErrorText,
  MAX_TOLD,
  type FieldError,
} from './field-error.ts';

/** What the request was about. */
export interface StatusContext {
  readonly group?: string | undefined;
  /** Plural: `deployments`. */
  readonly resource?: string | undefined;
  readonly kind?: string | undefined;
  readonly name?: string | undefined;
}

const BY_CODE: Readonly<Record<ErrorCode, { readonly code: number; readonly reason: string }>> = {
  invalid: { code: 400, reason: 'BadRequest' },
  'not-found': { code: 404, reason: 'NotFound' },
  'already-exists': { code: 409, reason: 'AlreadyExists' },
  conflict: { code: 409, reason: 'Conflict' },
  expired: { code: 410, reason: 'Expired' },
  unauthenticated: { code: 401, reason: 'Unauthorized' },
  forbidden: { code: 403, reason: 'Forbidden' },
  unsupported: { code: 415, reason: 'UnsupportedMediaType' },
  unavailable: { code: 503, reason: 'ServiceUnavailable' },
  exhausted: { code: 500, reason: 'InternalError' },
  timeout: { code: 504, reason: 'Timeout' },
  cancelled: { code: 504, reason: 'Timeout' },
  internal: { code: 500, reason: 'InternalError' },
};

/**
 * The Status of an error. A PlatformError's details may hold `fieldErrors` (422 Invalid with a cause each, of
 * another `kind` than the context's where one is given), `reason` and
 * `code` (instead of the code's own), `retryAfterSeconds`, or a whole `status` of another server, which passes through.
 */
export function statusOf(error: unknown, context: StatusContext = {}): Status {
  if (!isPlatformError(error)) {
    return failure(
      { code: 500, reason: 'InternalError' },
      `Internal error occurred: ${errorMessage(error)}`,
      context,
    );
  }
  const { details } = error;
  if (isStatus(details['status'])) return details['status'];
  if (Array.isArray(details['fieldErrors'])) {
    const kind = typeof details['kind'] === 'string' ? details['kind'] : context.kind;
    return invalidStatus(details['fieldErrors'] as FieldError[], { ...context, kind });
  }
  const base = BY_CODE[error.code];
  const code = typeof details['code'] === 'number' ? details['code'] : base.code;
  const reason = typeof details['reason'] === 'string' ? details['reason'] : base.reason;
  // A bad request is about what was sent, and not about an object.
  const about = reason === 'BadRequest' ? {} : context;
  const status = failure({ code, reason }, message(error, reason, about), about);
  if (typeof details['retryAfterSeconds'] === 'number') {
    status.details = { ...status.details, retryAfterSeconds: details['retryAfterSeconds'] };
  }
  return status;
}

function isStatus(value: unknown): value is Status {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'Status';
}

function failure(
  { code, reason }: { readonly code: number; readonly reason: string },
  text: string,
  context: StatusContext,
): Status {
  const details = {
    ...(context.name ? { name: context.name } : {}),
    ...(context.group ? { group: context.group } : {}),
    ...(context.resource ? { kind: context.resource } : {}),
  };
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: text,
    reason,
    ...(Object.keys(details).length > 0 ? { details } : {}),
    code,
  };
}

/** `deployments.apps "web"`. */
function subject({ group, resource, name }: StatusContext): string | undefined {
  if (resource === undefined || name === undefined || name === '') return undefined;
  return `${resource}${group ? `.${group}` : ''} ${JSON.stringify(name)}`;
}

function message(error: PlatformError, reason: string, context: StatusContext): string {
  const what = subject(context);
  if (what !== undefined) {
    if (reason === 'NotFound') return `${what} not found`;
    if (reason === 'AlreadyExists') return `${what} already exists`;
    if (reason === 'Conflict') return `Operation cannot be fulfilled on ${what}: ${error.message}`;
  }
  if (reason === 'InternalError') return `Internal error occurred: ${error.message}`;
  return error.message;
}

function invalidStatus(errors: readonly FieldError[], context: StatusContext): Status {
  const { group, kind = '', name = '' } = context;
  const causes: StatusCause[] = errors.slice(0, MAX_TOLD).map((item) => ({
    reason: item.isType === true ? 'FieldValueTypeInvalid' : CAUSE_REASONS[item.type],
    message: fieldErrorText(item),
    field: item.field,
  }));
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `${kind}${group ? `.${group}` : ''} ${JSON.stringify(name)} is invalid: ${formatFieldErrors(errors)}`,
    reason: 'Invalid',
    details: {
      ...(name === '' ? {} : { name }),
      ...(group ? { group } : {}),
      ...(kind !== '' && { kind }),
      causes,
    },
    code: 422,
  };
}
