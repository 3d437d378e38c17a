/**
 * The same configuration through the reference runtime and the judged one: what a process inside sees, section by section
 * (`fixtures/oci-probe.ts`), the exit code, and whether there were errors. A difference that is wanted stands with its
 * reason in the case (`fixtures/oci-cases.ts`, `fixtures/oci-refused.ts`).
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ACCEPTED } from '../fixtures/oci-cases.ts';
import { baseConfig, Judge, type Config } from '../fixtures/oci-judge.ts';
import { REFUSED } from '../fixtures/oci-refused.ts';

describe('the same configuration through both runtimes', () => {
  let judge: Judge;
  before(async () => {
    judge = await Judge.make();
  });
  after(() => judge[Symbol.asyncDispose]());

  for (const { what, change, options = [], differs = {} } of [...ACCEPTED, ...REFUSED]) {
    test(what, async () => {
      const { reference, judged } = await judge.both((candidate) =>
        candidate.see((id, bundle) => {
          const config = structuredClone(baseConfig(judge.host, id)) as Config;
          change(config, { candidate, bundle });
          return config;
        }, options),
      );
      // A case that does not do what its list says proves nothing.
      const ended = `the reference ended with ${reference.code} ${reference.stderr}`;
      assert.equal(
        reference.code === 0,
        ACCEPTED.some((each) => each.what === what),
        ended,
      );
      assert.equal(
        judged.code === 0,
        reference.code === 0,
        `${judged.stderr}\nreference: ${reference.stderr}`,
      );
      for (const name of Object.keys(differs)) {
        for (const { sections } of [reference, judged]) delete (sections as Record<string, string>)[name];
      }
      assert.deepEqual(judged.sections, reference.sections);
      assert.equal(judged.code, reference.code, judged.stderr);
      assert.equal(judged.stderr === '', reference.stderr === '', judged.stderr);
    });
  }
});
