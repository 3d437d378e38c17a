import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type Instruction, step } from '../../src/container/runtime/program/instructions.ts';
import { buildSanitized, SanitizedRunner } from '../fixtures/sanitized-runner.ts';

before(buildSanitized);

const ids = step('ids', '0', '0', 'set-groups');

test('names, priorities, limits and masks of the user’s process', async () => {
  await using box = new SanitizedRunner();
  const script =
    'hostname; cat /proc/sys/kernel/domainname; umask; cat /proc/self/personality; ulimit -n; ulimit -Hn; ' +
    'cat /proc/self/oom_score_adj; grep Cpus_allowed_list /proc/self/status; awk "{print \\$19}" /proc/self/stat; ' +
    'ionice -p $$; ip addr show lo | grep -c UP; stat -c %a /tmp/made';
  const { stdout, stderr } = await box.run(script, {
    made: [step('rlimit', '7', '100', '200'), step('oom-score-adj', '345', 'strict')],
    inside: [
      step('hostname', 'here'),
      step('domainname', 'example.org'),
      step('loopback'),
      step('keyring', '_ses.test'),
    ],
    identity: [
      step('umask', '027'),
      // Of the user's process alone: what we make has the modes that it is to have.
      step('cwd', '/tmp/made'),
      step('personality', '8'),
      step('io-priority', String((2 << 13) | 3)),
      step('scheduler', '0', '0', '5', '0', '0', '0', '0'),
      step('cpu-affinity', '0,0-0'),
      ids,
    ],
  });
  const lines = 'here example.org 0027 00000008 100 200 345 Cpus_allowed_list:\t0 5'.split(' ');
  assert.deepEqual(stdout.trim().split('\n'), [...lines, 'best-effort: prio 3', '1', '755'], stderr);
});

const capabilities = 'grep -E "^(Cap|NoNew|Groups|Uid|Gid)" /proc/self/status';

function sets(stdout: string): Record<string, string> {
  const lines = stdout.trim().split('\n');
  return Object.fromEntries(lines.map((line) => line.trim().split(/:\s*/) as [string, string]));
}

test('an ordinary user with capabilities: ambient ones survive the exec, others do not', async () => {
  await using box = new SanitizedRunner();
  const identity = [
    step('ids', '1000', '1001', 'set-groups', '5', '7'),
    step('bounding', '421'),
    step('no-new-privileges'),
  ];
  const late = [step('capabilities', '421', '421', '421', '400')];
  const { Uid, Gid, Groups, ...rest } = sets((await box.run(capabilities, { identity, late })).stdout);
  assert.deepEqual([Uid, Gid, Groups], ['1000\t1000\t1000\t1000', '1001\t1001\t1001\t1001', '5 7']);
  assert.deepEqual(rest, {
    CapInh: '0000000000000421',
    CapPrm: '0000000000000400',
    CapEff: '0000000000000400',
    CapBnd: '0000000000000421',
    CapAmb: '0000000000000400',
    NoNewPrivs: '1',
  });
});

test('root has what the bounding set leaves; what nobody has is given to nobody, and is no error', async () => {
  await using box = new SanitizedRunner();
  const identity = [step('ids', '0', '0', 'set-groups'), step('bounding', '421')];
  const all = 'ffffffffffffffff';
  const late = [step('capabilities', all, all, all, all)];
  const root = sets((await box.run(capabilities, { identity, late })).stdout);
  for (const name of ['CapPrm', 'CapEff', 'CapBnd']) assert.equal(root[name], '0000000000000421', name);
  const none = [step('capabilities', '0', '0', '0', '0')];
  const empty = sets(
    (await box.run(capabilities, { identity: [ids, step('bounding', '0')], late: none })).stdout,
  );
  for (const name of ['CapPrm', 'CapEff', 'CapBnd', 'CapInh', 'CapAmb'])
    assert.equal(empty[name], '0000000000000000', name);
});

test('a user namespace: the user there, its capabilities, and groups that stay', async () => {
  await using box = new SanitizedRunner();
  const map = ['0', '0', '65536'] as const;
  const { CapEff, CapAmb, Uid } = sets(
    (
      await box.run(capabilities, {
        parent: [
          step('id-map', 'uid', 'file', ...map),
          step('deny-setgroups'),
          step('id-map', 'gid', 'file', ...map),
        ],
        kinds: ['user', 'pid', 'mnt', 'uts', 'ipc', 'net'],
        identity: [step('ids', '1000', '1000', 'keep-groups')],
        late: [step('capabilities', '400', '400', '400', '400')],
      })
    ).stdout,
  );
  assert.deepEqual([CapEff, CapAmb, Uid], ['0000000000000400', '0000000000000400', '1000\t1000\t1000\t1000']);
});

test('what an attribute is refused for', async () => {
  await using box = new SanitizedRunner();
  const refused: readonly (readonly [Instruction, RegExp])[] = [
    [step('hostname', 'x'.repeat(65)), /sethostname x+: Invalid argument/],
    [step('umask', '8'), /"8" is not a umask/],
    [step('umask', '1777'), /is not a umask/],
    [step('bounding', 'xyz'), /"xyz" is not a mask of capabilities/],
    [step('capabilities', '0', '0', '', '0'), /"" is not a mask of capabilities/],
    [step('ids', '-1', '0', 'set-groups'), /"-1" is not a user or group id/],
    [step('ids', '0', '4294967295', 'set-groups'), /is not a user or group id/],
    [step('ids', '0', '0', 'set-groups', 'x'), /"x" is not a number/],
    [step('cpu-affinity', '0-'), /CPU list "0-"/],
    [step('cpu-affinity', '3-1'), /CPU list "3-1"/],
    [step('cpu-affinity', '99999'), /CPU list "99999"/],
    [step('cpu-affinity', '-1'), /CPU list "-1"/],
    [step('cpu-affinity', '0,,1'), /CPU list/],
    [step('cpu-affinity', '1023'), /run on the CPUs 1023: Invalid argument/],
    [step('scheduler', '77', '0', '0', '0', '0', '0', '0'), /scheduler: policy 77, .*Invalid argument/],
    [step('io-priority', String(7 << 13)), /I\/O priority 57344: Invalid argument/],
    [step('personality', 'x'), /"x" is not a number/],
    [step('user', 'nobody-here'), /unable to find user nobody-here/],
    [step('user', 'app:nogroup-here'), /unable to find group nogroup-here/],
  ];
  for (const [instruction, message] of refused) {
    assert.match((await box.refusal({ identity: [instruction] })).message, message, instruction.opcode);
  }
  assert.match(
    (await box.refusal({ made: [step('rlimit', '99', '1', '1')] })).message,
    /rlimit 99 to 1:1: Invalid/,
  );
  const adjusted = await box.refusal({ made: [step('oom-score-adj', '5000', 'lenient')] });
  assert.match(adjusted.message, /write "5000" to \/proc\/\d+\/oom_score_adj: Invalid/);
});
