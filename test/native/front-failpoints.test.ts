/** Every instruction of a creation and of an exec fails, kills the front, or ends init: nothing is left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Instruction, step } from '../../src/container/runtime/program/instructions.ts';
import { eventually } from '../fixtures/eventually.ts';
import { FrontFixture, type FrontProcess } from './front-fixture.ts';

const HOOK = [
  step('leave'),
  step('hook-state', '{', '}'),
  step('hook', 'createRuntime', '/bin/true', '0', '1', 'true'),
  step('enter'),
];
const DEVPTS = step('mount', 'devpts', 'devpts', '/dev/pts', '0', 'newinstance,ptmxmode=0666');
const TERMINAL = [step('console', '24', '80', 'bind'), step('session')];

async function failAt(
  front: FrontProcess,
  program: readonly Instruction[],
  { number, how }: { readonly number: number; readonly how: string },
): Promise<string> {
  const outcome = await front.execute(program);
  if (outcome === undefined) return (await front.ended).signal ?? 'ended';
  if (how === 'error') {
    assert.ok(outcome.verb === 'error' && outcome.number === number, JSON.stringify(outcome));
    assert.match(outcome.message, /failpoint/);
  }
  return outcome.verb;
}

for (const how of ['error', 'kill', 'die'] as const) {
  test(`create: ${how} at every instruction leaves no process`, async () => {
    await using box = new FrontFixture();
    const folder = box.folder('state');
    const program = box.container(folder, ['sleep', '100'], {
      parent: [step('console-to', 'relay')],
      made: [step('cgroup')],
      inside: [...HOOK, DEVPTS, ...TERMINAL],
    });
    const last = program.findIndex(({ opcode }) => opcode === 'created');
    for (let number = 1; number <= last + 1; number++) {
      await using front = box.start({ env: { SAMPAN_OCI_FAIL: `${number}:${how}` } });
      const came = await failAt(
        front,
        [...program.slice(0, 1), ...withFolder(program.slice(1), box, number)],
        {
          number,
          how,
        },
      );
      // An init that ends by itself at a turn's end has been told to; else the front cannot tell why.
      assert.ok(['error', 'SIGKILL'].includes(came), `${number} ${program[number - 1]!.opcode}: ${came}`);
      const left = came === 'SIGKILL' ? 0 : 1;
      await eventually(program[number - 1]!.opcode, () => box.processes().length === left);
    }
  });
}

/** Sockets are bound once. */
function withFolder(program: readonly Instruction[], box: FrontFixture, number: number): Instruction[] {
  return program.map((one) => (one.opcode === 'listen' ? step('listen', box.folder(`s${number}`)) : one));
}

test('exec: error and kill at every instruction leave the container alone, and nothing of the exec', async () => {
  await using box = new FrontFixture();
  await using holder = box.start();
  const folder = box.folder('state');
  const pid = await holder.make(box.container(folder, ['sleep', '100'], { inside: [DEVPTS] }));
  await box.begin(folder);
  await holder.exit(0);
  const program = box.exec(pid, ['sleep', '100'], {
    parent: [step('console-to', 'relay')],
    inside: [step('console', '24', '80', ''), step('session')],
  });
  for (const how of ['error', 'kill', 'die']) {
    for (let number = 1; number <= program.length; number++) {
      await using front = box.start({ env: { SAMPAN_OCI_FAIL: `${number}:${how}` } });
      const came = await failAt(front, program, { number, how });
      assert.ok(['error', 'SIGKILL'].includes(came), `${number} ${program[number - 1]!.opcode}: ${came}`);
      const left = came === 'SIGKILL' ? 1 : 2;
      await eventually(program[number - 1]!.opcode, () => box.processes().length === left);
    }
  }
  assert.ok(box.processes().includes(pid));
  process.kill(pid, 'SIGKILL');
});

test('what fails behind the start is told to who starts it', async () => {
  await using box = new FrontFixture();
  for (const how of ['error', 'kill', 'die']) {
    const folder = box.folder(how);
    const program = box.container(folder, ['sleep', '100']);
    await using front = box.start({ env: { SAMPAN_OCI_FAIL: `${program.length}:${how}` } });
    await front.make(program);
    const said = await box.begin(folder);
    assert.match(said, how === 'error' ? new RegExp(`^error ${program.length} exec EIO 0 failpoint`) : /^$/);
    assert.equal(await front.wait(), { error: 125, kill: 137, die: 1 }[how]);
    await front.exit(0);
  }
});
