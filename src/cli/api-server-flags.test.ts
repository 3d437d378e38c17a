import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { readApiServerFlags } from './api-server-flags.ts';

const clock = new ManualClock();
const read = async (options: Record<string, string>) => await readApiServerFlags(options, clock);

let dir = '';
const file = (name: string, text: string): string => {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
};
before(() => (dir = mkdtempSync(join(tmpdir(), 'sampan-flags-'))));
after(() => rmSync(dir, { recursive: true }));

const POLICY = 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n';

test('without flags everything is as upstream has it', async () => {
  const { args, server, audit } = await read({});
  assert.deepEqual(args, []);
  assert.equal(audit, undefined);
  assert.deepEqual(server, {
    flowControl: { totalSeats: 600 },
    flags: {},
    limits: { requestMs: 60_000, minWatchMs: 1_800_000, eventSeconds: 3600 },
    nodePortRange: [30_000, 32_767],
  });
});

test('flags reach the server, and another process as they were', async () => {
  const given = {
    'max-requests-inflight': '10',
    'max-mutating-requests-inflight': '5',
    'enable-priority-and-fairness': 'false',
    'event-ttl': '90m',
    'request-timeout': '2m',
    'min-request-timeout': '60',
    'service-node-port-range': '20000+99',
  };
  const { args, server } = await read(given);
  assert.deepEqual(server, {
    inFlight: { reading: 10, writing: 5 },
    // As `/flagz` shows them.
    flags: given,
    limits: { requestMs: 120_000, minWatchMs: 60_000, eventSeconds: 5400 },
    nodePortRange: [20_000, 20_099],
  });
  const again = Object.fromEntries(args.map((arg) => arg.slice(2).split('=') as [string, string]));
  assert.deepEqual((await read(again)).server, server);
});

test('what is recorded, and where', async () => {
  const policy = file('policy.yaml', POLICY);
  const { audit, args } = await read({
    'audit-policy-file': policy,
    'audit-log-path': join(dir, 'audit.log'),
    'audit-log-maxsize': '1',
    'audit-log-maxbackup': '3',
    'audit-log-maxage': '2',
  });
  assert.deepEqual(audit?.file, {
    path: join(dir, 'audit.log'),
    maxBytes: 1024 * 1024,
    maxBackups: 3,
    maxAgeMs: 172_800_000,
  });
  assert.ok(args.includes(`--audit-policy-file=${policy}`));
});

test('mistakes name the flag, the file and the field', async () => {
  const policy = file('policy.yaml', POLICY);
  const bad = file('bad.yaml', POLICY.replace('Metadata', 'Everything'));
  const config = file('kubeconfig', 'apiVersion: v1\nkind: Config\ncurrent-context: none\n');
  const cases: readonly (readonly [Record<string, string>, RegExp])[] = [
    [
      { 'audit-policy-file': bad, 'audit-log-path': '-' },
      /--audit-policy-file .*bad\.yaml: .*rules\[0\]\.level/,
    ],
    [{ 'audit-policy-file': join(dir, 'none'), 'audit-log-path': '-' }, /--audit-policy-file .*ENOENT/],
    [{ 'audit-policy-file': policy }, /say where too/],
    [{ 'audit-log-path': '-' }, /nothing is recorded without --audit-policy-file/],
    [
      { 'audit-policy-file': policy, 'audit-log-path': join(dir, 'no/audit.log') },
      /there is no folder .*\/no$/,
    ],
    [
      { 'audit-policy-file': policy, 'audit-webhook-config-file': config },
      /--audit-webhook-config-file .*kubeconfig: current-context: contexts has no "none"/,
    ],
    [{ 'audit-webhook-mode': 'sometimes' }, /want one of batch, blocking, blocking-strict/],
    [{ 'max-requests-inflight': '-1' }, /--max-requests-inflight -1: want a whole number/],
    [{ 'max-requests-inflight': '0', 'max-mutating-requests-inflight': '0' }, /at least one request/],
    [{ 'enable-priority-and-fairness': 'yes' }, /want true or false/],
    [{ 'event-ttl': '1 hour' }, /--event-ttl 1 hour: want a time/],
    [{ 'request-timeout': '0s' }, /longer than nothing/],
    [{ 'service-node-port-range': '32767-30000' }, /the first and the last port/],
    [{ 'service-node-port-range': '1-70000' }, /the first and the last port/],
  ];
  for (const [options, message] of cases)
    await assert.rejects(read(options), message, JSON.stringify(options));
});
