import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlatformError } from '../../base/errors.ts';
import { fieldErrorsError, invalid, required } from './field-error.ts';
import { statusOf } from './status.ts';

const web = { group: 'apps', resource: 'deployments', kind: 'Deployment', name: 'web' };

test('each kind of failure has its code, reason and words', () => {
  const cases = [
    [new PlatformError('not-found', 'x'), 404, 'NotFound', 'deployments.apps "web" not found'],
    [new PlatformError('already-exists', 'x'), 409, 'AlreadyExists', 'deployments.apps "web" already exists'],
    [
      new PlatformError('conflict', 'the object has been modified'),
      409,
      'Conflict',
      'Operation cannot be fulfilled on deployments.apps "web": the object has been modified',
    ],
    [new PlatformError('expired', 'too old'), 410, 'Expired', 'too old'],
    [new PlatformError('invalid', 'bad'), 400, 'BadRequest', 'bad'],
    [new PlatformError('forbidden', 'no'), 403, 'Forbidden', 'no'],
    [new PlatformError('unauthenticated', 'Unauthorized'), 401, 'Unauthorized', 'Unauthorized'],
    [new Error('boom'), 500, 'InternalError', 'Internal error occurred: boom'],
    [
      new PlatformError('invalid', 'too big', { details: { reason: 'RequestEntityTooLarge', code: 413 } }),
      413,
      'RequestEntityTooLarge',
      'too big',
    ],
  ] as const;
  for (const [error, code, reason, message] of cases) {
    const status = statusOf(error, web);
    assert.deepEqual([status.code, status.reason, status.message], [code, reason, message]);
    // A bad request is not about an object.
    const about = reason === 'BadRequest' ? undefined : { name: 'web', group: 'apps', kind: 'deployments' };
    assert.deepEqual(status.details, about);
  }
});

test('field errors become a 422 with a cause each', () => {
  const error = fieldErrorsError([required('spec.a'), invalid('spec.b', -1, 'must not be negative')]);
  assert.deepEqual(statusOf(error, web), {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message:
      'Deployment.apps "web" is invalid: [spec.a: Required value, spec.b: Invalid value: -1: must not be negative]',
    reason: 'Invalid',
    details: {
      name: 'web',
      group: 'apps',
      kind: 'Deployment',
      causes: [
        { reason: 'FieldValueRequired', message: 'Required value', field: 'spec.a' },
        { reason: 'FieldValueInvalid', message: 'Invalid value: -1: must not be negative', field: 'spec.b' },
      ],
    },
    code: 422,
  });
});

test('retry hints travel, a foreign Status passes through', () => {
  const busy = new PlatformError('unavailable', 'busy', {
    details: { code: 429, reason: 'TooManyRequests', retryAfterSeconds: 1 },
  });
  assert.equal(statusOf(busy).details?.retryAfterSeconds, 1);
  const status = { kind: 'Status', code: 418 };
  assert.equal(statusOf(new PlatformError('internal', 'x', { details: { status } })), status);
});
