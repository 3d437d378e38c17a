import assert from 'node:assert/strict';
import { test } from 'node:test';
import { splitMessages } from './netlink.ts';
import { recordingKernel } from './recording.ts';
import { createServiceRules, type ServiceRule } from './service-rules.ts';

const endpoint = (n: number): { ip: string; port: number } => ({ ip: `10.64.0.${n}`, port: 8080 });
const rule = (n: number, more: Partial<ServiceRule> = {}): ServiceRule => ({
  id: `default/s${n}`,
  protocol: 'tcp',
  clusterIP: `10.128.${n >> 8}.${n & 255}`,
  port: 80,
  endpoints: [endpoint(2), endpoint(3)],
  ...more,
});

function setUp(): {
  kernel: ReturnType<typeof recordingKernel>;
  rules: ReturnType<typeof createServiceRules>;
} {
  const kernel = recordingKernel();
  return { kernel, rules: createServiceRules({ kernel, table: 't', podCidr: '10.64.0.0/16' }) };
}

/** nf_tables message numbers of a transaction, without the batch's ends. */
const steps = (messages: Uint8Array | undefined): number[] =>
  splitMessages(Buffer.from(messages ?? []))
    .map(({ type }) => type & 0xff)
    .slice(1, -1);
const ADD_ELEMENTS = 12;
const DELETE_ELEMENTS = 14;

test('a change sends its own elements only, however many services there are', () => {
  const { kernel, rules } = setUp();
  const many = Array.from({ length: 500 }, (_, n) => rule(n));
  rules.apply(many);
  const first = kernel.requests[0]!.messages.length;
  rules.apply([...many, rule(1000)]);
  assert.deepEqual(steps(kernel.requests[1]?.messages), [ADD_ELEMENTS]);
  assert.ok(kernel.requests[1]!.messages.length < 400 && first > 50_000);
  rules.apply(many);
  assert.deepEqual(steps(kernel.requests[2]?.messages), [DELETE_ELEMENTS]);
});

test('an equal state sends nothing, also when the objects are new', () => {
  const { kernel, rules } = setUp();
  rules.apply([rule(1), rule(2)]);
  rules.apply([rule(2), rule(1)]);
  assert.equal(kernel.requests.length, 1);
});

test('an endpoint that changes is deleted before it is added', () => {
  const { kernel, rules } = setUp();
  rules.apply([rule(1)]);
  rules.apply([rule(1, { endpoints: [endpoint(2), endpoint(9)] })]);
  // The endpoint's element and the pod's hairpin element each.
  assert.deepEqual(steps(kernel.requests[1]?.messages), [
    DELETE_ELEMENTS,
    ADD_ELEMENTS,
    DELETE_ELEMENTS,
    ADD_ELEMENTS,
  ]);
});

test('two rules with one address are refused before anything is sent; an address may move', () => {
  const { kernel, rules } = setUp();
  rules.apply([rule(1)]);
  assert.throws(() => rules.apply([rule(1), rule(1, { id: 'other' })]), {
    code: 'invalid',
    message: /both claim tcp 10.128.0.1:80/,
  });
  assert.throws(() => rules.apply([rule(1), rule(1)]), { code: 'invalid', message: /given twice/ });
  assert.equal(kernel.requests.length, 1);
  rules.apply([rule(1, { id: 'other' })]);
  assert.throws(() => rules.apply([rule(1, { nodePort: 70_000 })]), {
    code: 'invalid',
    message: /port 70000/,
  });
});

test('after a failure the next apply writes everything again', () => {
  const { kernel, rules } = setUp();
  rules.apply([rule(1)]);
  const whole = kernel.requests[0]!.messages.length;
  kernel.fail('request', 'ENOENT');
  assert.throws(() => rules.apply([rule(1), rule(2)]), { code: 'not-found' });
  rules.apply([rule(1), rule(2)]);
  assert.ok(kernel.requests.at(-1)!.messages.length > whole);
});
