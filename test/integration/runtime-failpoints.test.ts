import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { armFailpoints } from '../../src/base/failpoint.ts';
import { isPlatformError } from '../../src/base/errors.ts';
import type { Instruction } from '../../src/container/runtime/program/instructions.ts';
import { decodeProgram } from '../../src/container/runtime/program/program-text.ts';
import { createRuntime } from '../../src/container/runtime/shim-runtime.ts';
import { RuntimeFixture } from '../fixtures/runtime-fixture.ts';

async function programOf(box: RuntimeFixture): Promise<Instruction[]> {
  await box.runtime.create(box.spec(['true'], { id: 'sample' }));
  const program = decodeProgram(readFileSync(join(box.instance.runDir, 'c/sample/program')));
  await box.runtime.delete('sample');
  return program;
}

for (const action of ['error', 'kill', 'die'] as const) {
  test(`failure at any instruction leaves nothing behind: ${action}`, { timeout: 120_000 }, async () => {
    await using box = new RuntimeFixture();
    const program = await programOf(box);
    const created = program.findIndex(({ opcode }) => opcode === 'created');
    assert.ok(program.length > 40 && created > 30);
    for (const [index, { opcode }] of program.entries()) {
      const number = index + 1;
      const shimEnvironment = { SAMPAN_SHIM_FAIL: `${number}:${action}` };
      await using runtime = createRuntime({ ...box.options, shimEnvironment });
      const spec = box.spec(['true'], { id: `f${number}` });
      if (index <= created) {
        await assert.rejects(runtime.create(spec), (error) => {
          assert.ok(isPlatformError(error));
          if (action === 'error')
            assert.deepEqual([error.details['step'], error.details['opcode']], [number, opcode]);
          return true;
        });
      } else {
        await runtime.create(spec);
        if (action === 'die') await runtime.start(spec.id).catch(() => {});
        else await assert.rejects(runtime.start(spec.id));
        const state = await runtime.wait(spec.id);
        assert.notEqual(state.exitCode, 0, opcode);
        await runtime.delete(spec.id);
      }
      await box.assertNothingLeft();
    }
  });
}

test('failure at any step of our own leaves nothing behind', async () => {
  await using box = new RuntimeFixture();
  for (const name of ['intent', 'cgroup', 'program', 'shim']) {
    armFailpoints(`runtime.create.${name}=error`);
    try {
      await assert.rejects(box.runtime.create(box.spec(['true'])), /failpoint/);
    } finally {
      armFailpoints('');
    }
    await box.assertNothingLeft();
  }
});

test('a missing shim says how to build it', async () => {
  await using box = new RuntimeFixture({ shimPath: '/nowhere/sampan-shim' });
  await assert.rejects(box.runtime.create(box.spec(['true'])), (error) => {
    assert.ok(isPlatformError(error, 'unavailable'));
    assert.match(error.hint ?? '', /make native/);
    return true;
  });
});
