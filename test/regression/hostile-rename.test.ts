/** A part of a mount's way that is exchanged while it is gone, by somebody who shares the volume: CVE-2021-30465. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Instruction, step } from '../../src/container/runtime/program/instructions.ts';
import { ExchangeRacer } from '../fixtures/exchange-racer.ts';
import { ProgramRunner } from '../fixtures/program-runner.ts';

/** A volume with two folders of the same shape, and what is to be mounted in one of them. */
function volumeOf(box: ProgramRunner): { volume: string; marker: string } {
  const volume = box.folder('volume');
  const marker = box.folder('marker');
  writeFileSync(join(marker, 'marker'), 'marker\n');
  for (const name of ['a', 'b']) mkdirSync(join(volume, name, 'place'), { recursive: true });
  return { volume, marker };
}

/** Makes containers until one is refused since the place of its mount was another a moment later. */
async function untilMoved(box: ProgramRunner, inside: readonly Instruction[]): Promise<void> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    assert.ok(performance.now() < deadline, 'no mount was ever found to be moved');
    const outcome = await box.attempt(['true'], { inside });
    if ('code' in outcome) continue;
    assert.equal(outcome.errno, 'ESTALE', outcome.message);
    assert.match(outcome.message, /\/vol\/a\/place in the container: renamed while/);
    return;
  }
}

test('a mount that was moved with its place is noticed', { timeout: 90_000 }, async () => {
  await using box = new ProgramRunner();
  const { volume, marker } = volumeOf(box);
  await using racer = new ExchangeRacer(join(volume, 'a'), join(volume, 'b'));
  const bind = box.bind(volume, '/vol');
  await untilMoved(box, [bind, box.bind(marker, '/vol/a/place')]);
  await untilMoved(box, [bind, step('mount', 'tmpfs', 'tmpfs', '/vol/a/place', '0', '')]);
  await racer[Symbol.asyncDispose]();
});

test('a folder that is a link every other moment leads nowhere outside', { timeout: 90_000 }, async () => {
  await using box = new ProgramRunner();
  const { volume, marker } = volumeOf(box);
  const canary = box.folder('canary');
  mkdirSync(join(volume, 'c', 'place'), { recursive: true });
  symlinkSync(canary, join(volume, 'link'));
  await using racer = new ExchangeRacer(join(volume, 'c'), join(volume, 'link'));
  const inside = [
    box.bind(volume, '/vol'),
    box.bind(marker, '/vol/c/place'),
    step('device', '/vol/c/fifo', 'p', '600', '0', '0', '0', '0'),
    step('mount', 'tmpfs', 'tmpfs', '/vol/c/made/by/us', '0', ''),
  ];
  for (let round = 0; round < 40; round++) {
    const outcome = await box.attempt(['true'], { inside });
    if ('errno' in outcome) assert.match(outcome.errno, /^(ESTALE|ENOENT|ELOOP)$/, outcome.message);
  }
  await racer[Symbol.asyncDispose]();
  assert.deepEqual(readdirSync(canary), []);
});
