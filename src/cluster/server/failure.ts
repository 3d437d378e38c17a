/**
 * Failures with Kubernetes' own wording. Clients match on reason and on parts of the message, so both are kept in
 * this file alone. Each carries its whole Status in `details.status`, which the API's status mapper passes through.
 */
import { PlatformError, type ErrorCode } from '../../base/errors.ts';
import { fieldErrorsError, invalid, type FieldError } from '../api/field-error.ts';
import { statusOf } from '../api/status.ts';

export interface GroupResource {
  readonly group: string;
  readonly resource: string;
}

export interface StatusCause {
  readonly reason: string;
  readonly message?: string;
  readonly field?: string;
}

interface Facts {
  readonly code: ErrorCode;
  readonly http: number;
  readonly reason: string;
  readonly on?: GroupResource;
  readonly name?: string | undefined;
  readonly causes?: readonly StatusCause[];
  /** Details without anything in them: what generic code of upstream leaves, like its router. */
  readonly bare?: boolean;
  readonly retryAfterSeconds?: number;
  readonly continueToken?: string;
}

/** `deployments.apps`, or `pods` for the core group. */
export function qualified(on: GroupResource): string {
  return on.group === '' ? on.resource : `${on.resource}.${on.group}`;
}

function failure(message: string, facts: Facts): PlatformError {
  const { on, name, causes, retryAfterSeconds, http, reason } = facts;
  const about = {
    ...(name !== undefined && name !== '' && { name }),
    ...(on !== undefined && on.group !== '' && { group: on.group }),
    ...(on !== undefined && { kind: on.resource }),
    ...(causes !== undefined && { causes }),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  };
  const details = facts.bare === true || Object.keys(about).length > 0 ? { details: about } : {};
  const head = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: facts.continueToken === undefined ? {} : { continue: facts.continueToken },
    status: 'Failure',
  };
  return new PlatformError(facts.code, message, {
    details: {
      status: { ...head, message, ...(reason !== '' && { reason }), ...details, code: http },
      ...(facts.bare === true && { bare: true }),
    },
  });
}

export function notFound(on: GroupResource, name: string): PlatformError {
  return failure(`${qualified(on)} "${name}" not found`, {
    code: 'not-found',
    http: 404,
    reason: 'NotFound',
    on,
    name,
  });
}

/** A name that could be no segment of a key in the store. */
export function unkeyable(name: string, why: string): PlatformError {
  return badRequest(`Name parameter invalid: ${JSON.stringify(name)}: ${why}`);
}

/** The path belongs to nothing that is served. */
export function noSuchPath(): PlatformError {
  return failure('the server could not find the requested resource', {
    code: 'not-found',
    http: 404,
    reason: 'NotFound',
    bare: true,
  });
}

export function alreadyExists(on: GroupResource, name: string, isGoing = false): PlatformError {
  const message = `${isGoing ? 'object is being deleted: ' : ''}${qualified(on)} "${name}" already exists`;
  return failure(message, { code: 'already-exists', http: 409, reason: 'AlreadyExists', on, name });
}

export function conflict(on: GroupResource, name: string, why: string): PlatformError {
  const message = `Operation cannot be fulfilled on ${qualified(on)} "${name}": ${why}`;
  return failure(message, { code: 'conflict', http: 409, reason: 'Conflict', on, name });
}

/** Server-side apply met fields that others own; `cause` has them in `details.conflicts`. */
export function applyConflict(cause: PlatformError): PlatformError {
  const causes = (cause.details['conflicts'] ?? []) as readonly StatusCause[];
  return failure(cause.message, { code: 'conflict', http: 409, reason: 'Conflict', causes });
}

/** An applied configuration that is not of its kind: `.spec.foo: field not declared in schema`. */
export function untypedPatch(
  on: { readonly group: string; readonly version: string; readonly kind: string },
  { namespace, name }: { readonly namespace: string; readonly name: string },
  problems: readonly string[],
): PlatformError {
  const where = `${namespace}/${name}; ${on.group}/${on.version}, Kind=${on.kind}`;
  const list = typedProblems(problems);
  const text = list.length === 1 ? list[0]! : `errors:\n${list.map((each) => `  ${each}`).join('\n')}`;
  const message = `failed to create typed patch object (${where}): ${text}`;
  return failure(message, { code: 'invalid', http: 500, reason: '' });
}

/** An applied configuration that has the shape of its kind, and a value in it that is none. */
export function unconvertible(
  on: { readonly group: string; readonly version: string; readonly kind: string },
  { namespace, name }: { readonly namespace: string; readonly name: string },
  why: string,
): PlatformError {
  const kind = `${on.group}/${on.version}, Kind=${on.kind}`;
  const message = `failed to convert new object (${namespace}/${name}; ${kind}) to proper version: unable to convert unstructured object to ${kind}: ${why}`;
  return failure(message, { code: 'invalid', http: 500, reason: '' });
}

/** Of several unknown fields of one object the first by name is told. */
function typedProblems(problems: readonly string[]): readonly string[] {
  const byParent = new Map<string, string>();
  for (const problem of problems) {
    const [, path] = /^unknown field "(.*)"$/.exec(problem) ?? [];
    if (path === undefined) return problems;
    const parent = path.slice(0, path.lastIndexOf('.') + 1);
    const before = byParent.get(parent);
    if (before === undefined || path < before) byParent.set(parent, path);
  }
  return [...byParent.values()].map((path) => `.${path}: field not declared in schema`);
}

/** For an object that is not the one of the path: what is wrong with its fields. */
export function invalidObject(
  about: { readonly group: string; readonly kind: string; readonly name: string },
  errors: readonly FieldError[],
): PlatformError {
  const cause = fieldErrorsError(errors);
  return new PlatformError('invalid', cause.message, { cause, details: { status: statusOf(cause, about) } });
}

export const MODIFIED =
  'the object has been modified; please apply your changes to the latest version and try again';

export function forbidden(
  on: GroupResource,
  name: string,
  why: string,
  causes?: readonly StatusCause[],
): PlatformError {
  const message = `${qualified(on)}${name === '' ? '' : ` "${name}"`} is forbidden: ${why}`;
  const extra = causes === undefined ? {} : { causes };
  return failure(message, { code: 'forbidden', http: 403, reason: 'Forbidden', on, name, ...extra });
}

/** A path outside the resources. */
export function forbiddenPath(user: string, verb: string, path: string, reason = ''): PlatformError {
  const because = reason === '' ? '' : `: ${reason}`;
  const message = `forbidden: User "${user}" cannot ${verb} path "${path}"${because}`;
  return failure(message, { code: 'forbidden', http: 403, reason: 'Forbidden', bare: true });
}

export function unauthorized(): PlatformError {
  return failure('Unauthorized', { code: 'unauthenticated', http: 401, reason: 'Unauthorized' });
}

export function badRequest(message: string): PlatformError {
  return failure(message, { code: 'invalid', http: 400, reason: 'BadRequest' });
}

/** Where upstream has no reason to give: a resourceVersion that is no number, two ports on one node port. */
export function unexplained(message: string): PlatformError {
  return failure(message, { code: 'invalid', http: 500, reason: '' });
}

/** Told by the storage, which has no reason for it. */
export function versionOfNew(): PlatformError {
  return unexplained('resourceVersion should not be set on objects to be created');
}

export function methodNotAllowed(): PlatformError {
  const message = 'the server does not allow this method on the requested resource';
  return failure(message, { code: 'invalid', http: 405, reason: 'MethodNotAllowed', bare: true });
}

/** There is such a path, and nothing that does this to what is there. */
export function verbNotSupported(on: GroupResource, verb: string): PlatformError {
  const message = `${verb} is not supported on resources of kind ${JSON.stringify(qualified(on))}`;
  return failure(message, { code: 'invalid', http: 405, reason: 'MethodNotAllowed', on });
}

/** None of the media types that the client names is one of these. */
export function notAcceptable(offered: readonly string[]): PlatformError {
  const message = `406: Not Acceptable\n\nAvailable representations: ${offered.join(', ')}`;
  return failure(message, { code: 'invalid', http: 406, reason: 'NotAcceptable', bare: true });
}

/** The media type is known, what it is to be shown as is not. */
export function notShownSo(offered: readonly string[]): PlatformError {
  return notAcceptableSo(`only the following media types are accepted: ${offered.join(', ')}`);
}

export function notAcceptableSo(why: string): PlatformError {
  return failure(why, { code: 'invalid', http: 406, reason: 'NotAcceptable' });
}

export function unsupportedMediaType(accepted: readonly string[]): PlatformError {
  const message = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`;
  return failure(message, { code: 'invalid', http: 415, reason: 'UnsupportedMediaType' });
}

/** A patch in something that is no patch. */
export function unsupportedPatchType(): PlatformError {
  const message = '415: Unsupported Media Type';
  return failure(message, { code: 'invalid', http: 415, reason: 'UnsupportedMediaType', bare: true });
}

export function tooLarge(limit: number): PlatformError {
  const message = `Request entity too large: limit is ${limit}`;
  return failure(message, { code: 'invalid', http: 413, reason: 'RequestEntityTooLarge' });
}

export function expired(message: string): PlatformError {
  return failure(message, { code: 'expired', http: 410, reason: 'Expired' });
}

/** With a token that goes on from the same key in the newest state. */
export function expiredContinue(continueToken: string): PlatformError {
  const message =
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.';
  return failure(message, { code: 'expired', http: 410, reason: 'Expired', continueToken });
}

/** It took longer than any request but a watch may. */
export function requestTimeout(): PlatformError {
  const message = 'Timeout: request did not complete within the allotted timeout';
  return failure(message, { code: 'timeout', http: 504, reason: 'Timeout' });
}

/** Too many requests at once; the client comes back by itself. */
export function tooManyRequests(retryAfterSeconds: number): PlatformError {
  const message = 'too many requests, please try again later';
  return failure(message, { code: 'exhausted', http: 429, reason: 'TooManyRequests', retryAfterSeconds });
}

/** An eviction that a disruption budget does not allow; `why` is its cause. */
export function disruptionRefused(why: string, retryAfterSeconds?: number): PlatformError {
  return failure("Cannot evict pod as it would violate the pod's disruption budget.", {
    code: 'exhausted',
    http: 429,
    reason: 'TooManyRequests',
    causes: [{ reason: 'DisruptionBudget', message: why }],
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  });
}

export function tooOldToWatch(asked: number, oldest: number): PlatformError {
  return expired(`too old resource version: ${asked} (${oldest})`);
}

/** With `waited`, the version has been waited for: the client may come again. */
export function tooLargeVersion(asked: number, current: number, waited = true): PlatformError {
  const message = `Timeout: Too large resource version: ${asked}, current: ${current}`;
  const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }];
  return failure(message, {
    code: 'unavailable',
    http: 504,
    reason: 'Timeout',
    causes,
    ...(waited && { retryAfterSeconds: 1 }),
  });
}

/** Of kinds that nobody changes without having seen what is there; upstream names the resource for the kind. */
export function revisionRequired(resource: GroupResource): PlatformError {
  const error = invalid('metadata.resourceVersion', 0, 'must be specified for an update');
  const { message, details } = fieldErrorsError([error]);
  return new PlatformError('invalid', message, { details: { ...details, kind: resource.resource } });
}
