/**
 * The same configuration through the reference runtime and the judged one: what a process inside sees, section by section
 * (`fixtures/oci-probe.ts`), the exit code, and whether there were errors. A difference that is wanted stands with its
 * reason in the case (`fixtures/oci-cases.ts`, `fixtures/oci-refused.ts`).
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ACCEPTED } from '../fixtures/oci-cases.ts';
import { baseConfig, Judge, type Config } from '../fixtures/oci-judge.ts';
import { differences } from '../fixtures/oci-probe.ts';
import { REFUSED } from '../fixtures/oci-refused.ts';

/** Differences that are wanted wherever they show. */
const WANTED: readonly { readonly line: RegExp; readonly why: string }[] = [
  {
    line: /^mounts: \w+ only: anonymous \/ \/sys\/fs\/cgroup r[wo],\S+ - tmpfs /,
    why: 'the folder that the hierarchies hang in is read-only and small when its mount is asked to be read-only',
  },
  {
    line: /^mounts: judged only: .* \/sys\/fs\/cgroup\/unified r[wo],\S+ - cgroup2 /,
    why: 'on a hybrid machine the container is in the second hierarchy too, and sees its part of it',
  },
  {
    line: /^mounts: \w+ only: anonymous \/ \/sys\/fs\/cgroup\/systemd \S+ - cgroup (systemd|cgroup) \S+$/,
    why: 'the name that a cgroup mount is given as its source means nothing',
  },
  {
    line: /^mounts: \w+ only: anonymous \/(null)? \/\S+ r[wo]\S* - (tmpfs|devtmpfs) (tmpfs|devtmpfs) r[wo]\S*$/,
    why: 'what masks a path carries nosuid, nodev and noexec, and has no room',
  },
];

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
      const unlike = differences(reference.sections, judged.sections);
      assert.deepEqual(
        unlike.filter((each) => !WANTED.some(({ line }) => line.test(each))),
        [],
      );
      assert.equal(judged.code, reference.code, judged.stderr);
      assert.equal(judged.stderr === '', reference.stderr === '', judged.stderr);
    });
  }
});
