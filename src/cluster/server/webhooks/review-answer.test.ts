import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindSchema } from '../../api/schema.ts';
import { readReview } from './review-answer.ts';

const review = kindSchema('admission.k8s.io', 'v1beta1', 'AdmissionReview')!;
const STATUS = { kind: 'Status', apiVersion: 'v1', status: 'Failure', message: 'go away' };

function read(
  body: unknown,
  { status = 200, type = 'application/json' } = {},
): ReturnType<typeof readReview> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return readReview({ request: '', status, type, bytes: Buffer.from(text) }, review);
}

test('an answer is a review in JSON or YAML, which need not say so', async () => {
  const response = { uid: '', allowed: true };
  const head = { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1beta1' };
  assert.deepEqual(await read({ ...head, response }), { ...head, response });
  assert.deepEqual(await read({ response: { allowed: true } }), { response });
  assert.deepEqual(await read('response: {allowed: true}'), { response });
  assert.deepEqual(await read('null'), {});
});

test('what is no review is refused in the words of the client that everybody knows', async () => {
  const cases: readonly [unknown, RegExp][] = [
    ['', /^0-length response with status code: 200 and content type: application\/json$/],
    ['{"a":', /^couldn't get version\/kind; json parse error: unexpected end of JSON input$/],
    [
      '[]',
      /^couldn't get version\/kind; json parse error: json: cannot unmarshal array into Go value of type/,
    ],
    [{ response: { allowed: 'yes' } }, /AdmissionResponse\.response\.allowed of type bool$/],
    [{ apiVersion: 'a/b/c' }, /^unexpected GroupVersion string: a\/b\/c$/],
    [{ apiVersion: 'v1', kind: 'Pod' }, /^no kind "Pod" is registered for version "v1" in scheme/],
    [
      { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' },
      /^converting \(v1\.AdmissionReview\) to \(v1beta1\.AdmissionReview\): unknown conversion$/,
    ],
    [STATUS, /^converting \(v1\.Status\) to \(v1beta1\.AdmissionReview\): unknown conversion$/],
  ];
  for (const [body, message] of cases) await assert.rejects(read(body), { code: 'unavailable', message });
});

test('a status that says no is told by what the program says, or by what statuses mean', async () => {
  const cases: readonly [unknown, { status: number; type?: string }, string][] = [
    [STATUS, { status: 500 }, 'go away'],
    [{}, { status: 500 }, 'an error on the server ("unknown") has prevented the request from succeeding'],
    [
      ' oh no\n',
      { status: 500, type: 'text/plain' },
      'an error on the server ("oh no") has prevented the request from succeeding',
    ],
    ['', { status: 404 }, 'the server could not find the requested resource'],
    ['keep out', { status: 403, type: 'text/plain' }, 'keep out'],
    [
      '',
      { status: 302 },
      'the server responded with the status code 302 but did not return more information',
    ],
  ];
  for (const [body, head, message] of cases) await assert.rejects(read(body, head), { message });
});
