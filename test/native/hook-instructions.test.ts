import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { type Instruction, step } from '../../src/container/runtime/program/instructions.ts';
import { eventually } from '../fixtures/eventually.ts';
import { isAlive } from './front-fixture.ts';
import { buildSanitized, SanitizedRunner } from '../fixtures/sanitized-runner.ts';

before(buildSanitized);

const ids = step('ids', '0', '0', 'set-groups');

function hook(name: string, script: string, timeout = 0, ...environment: string[]): Instruction {
  return step('hook', name, '/bin/sh', String(timeout), '3', 'sh', '-c', script, ...environment);
}

/** In the parent, as prestart and createRuntime hooks are. */
function inParent(...hooks: Instruction[]): Instruction[] {
  return [step('leave'), ...hooks, step('enter')];
}

test('a hook of the parent: state, folder, environment, arguments, no descriptor, no signal held back', async () => {
  await using box = new SanitizedRunner();
  const out = join(box.dir, 'out');
  const script =
    `{ cat; echo; pwd; env | sort; echo "$0 $#"; ls /proc/self/fd | wc -l; umask; ` +
    `grep -E "Sig(Blk|Ign)" /proc/self/status; } > ${out}`;
  const state = step('hook-state', '{"pid":', `,"x":"${'y'.repeat(200_000)}"}`, '/usr');
  // A descriptor that the front was given and that is not close-on-exec.
  const fd = openSync('/', 'r');
  const { code } = await box.run('true', {
    inside: inParent(state, hook('createRuntime', script, 5000, 'A=b c', 'PATH=/bin:/usr/bin')),
    descriptors: [fd],
  });
  closeSync(fd);
  assert.equal(code, 0);
  const [json, ...lines] = readFileSync(out, 'utf8').trim().split('\n');
  const { pid, x } = JSON.parse(json!) as { pid: number; x: string };
  assert.ok(pid > 1 && x.length === 200_000);
  assert.deepEqual(lines, [
    '/usr',
    'A=b c',
    'PATH=/bin:/usr/bin',
    'PWD=/usr',
    'sh 0',
    '4',
    '0022',
    'SigBlk:\t0000000000000000',
    'SigIgn:\t0000000000000000',
  ]);
});

test('hooks of init: in the root, with the pid that the container sees; an environment of nothing', async () => {
  await using box = new SanitizedRunner();
  const say = 'cat > /tmp/$WHICH; pwd >> /tmp/$WHICH; grep SigBlk /proc/self/status >> /tmp/$WHICH';
  const state = step('hook-state', '<', '>');
  // Before pivot the host's files, of which the root is where the hook is; behind it the container's alone.
  const early = hook('createContainer', 'pwd > tmp/early; cat >> tmp/early; env >> tmp/early');
  const { stdout } = await box.run('cat /tmp/early /tmp/late', {
    inside: [state, early],
    identity: [step('cwd', '/etc'), ids, state, hook('startContainer', say, 0, 'WHICH=late', 'PATH=/bin')],
  });
  assert.match(
    stdout,
    new RegExp(`^${box.root}\n<1>(PWD=.*\n)?(OLDPWD.*\n)?(_=.*\n)?<1>/etc\nSigBlk:\t0+\n$`),
  );
});

test('what a hook fails with', async () => {
  await using box = new SanitizedRunner();
  const failures: readonly (readonly [Instruction, string, RegExp])[] = [
    [
      hook('a', 'echo first >&2; echo last >&2; exit 3'),
      'EIO',
      /^a hook \/bin\/sh: exit status 3: first last$/,
    ],
    [hook('b', 'kill -9 $$'), 'EIO', /^b hook \/bin\/sh: killed by signal 9$/],
    [hook('c', 'yes | head -c 300000 >&2; yes | head -c 300000; exit 1'), 'EIO', /exit status 1: .*y y y$/],
    [
      hook('d', 'echo slow >&2; sleep 60 & sleep 60', 100),
      'ETIMEDOUT',
      /not ended after 100 ms, killed: slow$/,
    ],
    [
      step('hook', 'e', '/no/such/hook', '0', '1', 'x'),
      'ENOENT',
      /^e hook: exec \/no\/such\/hook: No such file/,
    ],
    [
      step('hook', 'f', '/etc/passwd', '0', '1', 'x'),
      'EACCES',
      /^f hook: exec \/etc\/passwd: Permission denied/,
    ],
    [step('hook', 'g', '/bin/true', '0', '2', 'x'), 'EINVAL', /2 arguments/],
    [step('hook', 'h', '/bin/true', '-1', '1', 'x'), 'EINVAL', /-1 ms/],
  ];
  for (const [instruction, errno, message] of failures) {
    const refusal = await box.refusal({ inside: inParent(step('hook-state', '', ''), instruction) });
    assert.deepEqual([refusal.opcode, refusal.errno], ['hook', errno], refusal.message);
    assert.match(refusal.message, message);
  }
  const stateless = await box.refusal({ inside: inParent(hook('i', 'true')) });
  assert.match(stateless.message, /no state/);
  const lost = inParent(step('hook-state', '', '', '/no/such/folder'), hook('j', 'true'));
  assert.match(
    (await box.refusal({ inside: lost })).message,
    /^j hook \/bin\/sh: enter \/no\/such\/folder: No such/,
  );
});

test('a hook that is too slow is killed with its children', async () => {
  await using box = new SanitizedRunner();
  const pids = join(box.dir, 'pids');
  const slow = hook('slow', `sleep 60 & echo $! > ${pids}; echo $$ >> ${pids}; wait`, 300);
  await box.refusal({ inside: inParent(step('hook-state', '', ''), slow) });
  const [child, parent] = readFileSync(pids, 'utf8').trim().split('\n').map(Number);
  assert.ok(!isAlive(parent!));
  await eventually('the child to be gone', () => !isAlive(child!));
});

test('a hook that leaves a process behind, and one that reads nothing, hold up nobody', async () => {
  await using box = new SanitizedRunner();
  const done = join(box.dir, 'done');
  const state = step('hook-state', 'x'.repeat(500_000), '');
  const { code } = await box.run('true', {
    inside: inParent(
      state,
      hook('quiet', 'exec sleep 0', 20_000),
      // The pipe of its output stays open, and is written to.
      hook('left', `(while ! test -e ${done}; do echo y; done >&2) & exit 0`, 20_000),
      hook('last', `: > ${done}`, 20_000),
    ),
  });
  assert.equal(code, 0);
  assert.ok(existsSync(done));
});
