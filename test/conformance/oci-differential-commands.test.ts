/** The command line of the reference runtime and of the judged one: exit codes, the form of errors, JSON, files. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Judge, type Candidate } from '../fixtures/oci-judge.ts';
import { entry, type Entry } from '../fixtures/oci-transcript.ts';

let judge: Judge;
before(async () => {
  judge = await Judge.make();
});
after(() => judge[Symbol.asyncDispose]());

/** Runs the lines, `ID` and `BUNDLE` filled in, and notes what came of each. */
async function transcript(
  candidate: Candidate,
  lines: readonly string[],
  names: { readonly id: string; readonly bundle: string },
): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const line of lines) {
    const words = line
      .split(' ')
      .filter(Boolean)
      .map((word) => word.replace('ID', names.id).replace('BUNDLE', names.bundle).replace('_', ' '));
    const ran = await candidate.run(words);
    if (line.startsWith('kill') && ran.code === 0) await candidate.stopped(names.id);
    entries.push(entry(line, ran, await candidate.status(names.id)));
  }
  return entries;
}

const SCRIPTS: Readonly<Record<string, readonly string[]>> = {
  'from created to gone': [
    'create --bundle BUNDLE ID',
    'create --bundle BUNDLE ID',
    'run --bundle BUNDLE ID',
    'resume ID',
    'delete --force ID',
    'state ID',
  ],
  'created, then started': [
    'create --bundle BUNDLE ID',
    'exec ID true',
    'start ID',
    'start ID',
    'delete ID',
    'kill ID PLUM',
    'kill ID 99',
    'exec ID true',
    'exec ID false',
    'exec ID no-such-program',
    'exec ID /etc',
    'exec ID sh -c exit_7',
    'exec --cwd /no/such ID pwd',
    'exec --user 1000:1000 ID id',
    'exec --detach ID true',
    'exec ID',
    'resume ID',
    'pause ID',
    'pause ID',
    'exec ID true',
    'delete ID',
    'start ID',
    'resume ID',
    'ps ID',
    'ps --format json ID',
    'ps --format plum ID',
    'update --memory 67108864 ID',
    'update --memory plum ID',
    'events --stats ID',
    'kill ID KILL',
    'kill ID KILL',
    'kill ID 0',
    'start ID',
    'exec ID true',
    'pause ID',
    'resume ID',
    'ps ID',
    'events --stats ID',
    'state ID',
    'delete ID',
    'delete ID',
    'delete --force ID',
  ],
  'killed by name, number and with force': [
    'run --detach --bundle BUNDLE ID',
    'kill ID SIGTERM',
    'delete ID',
    'run --detach --bundle BUNDLE ID',
    'kill ID 9',
    'delete ID',
    'run --detach --bundle BUNDLE ID',
    'kill --all ID KILL',
    'delete ID',
    'create --bundle BUNDLE ID',
    'kill ID KILL',
    'delete ID',
    'run --detach --bundle BUNDLE ID',
    'delete --force ID',
    'create --bundle BUNDLE ID',
    'delete --force ID',
  ],
  'used wrongly': [
    '',
    'plum',
    '--plum list',
    'list --plum',
    'list --format plum',
    '--log-format plum list',
    ...[
      'state',
      'start',
      'kill',
      'delete',
      'run',
      'create',
      'exec',
      'ps',
      'pause',
      'resume',
      'update',
      'events',
    ],
    ...['state', 'start', 'kill', 'delete', 'ps', 'pause', 'resume', 'events --stats'].map(
      (verb) => `${verb} ID`,
    ),
    'exec ID true',
    'update --memory 1 ID',
    'delete --force ID',
    'state ID two',
    'create --bundle /no/such ID',
    'create --bundle BUNDLE a/b',
    'create --bundle BUNDLE ..',
    'create --bundle BUNDLE a:b',
    'create --bundle BUNDLE/rootfs ID',
    'spec --bundle /no/such',
    'help',
    'help create',
    'create --help',
    '--version',
  ],
};

describe('the same command lines', () => {
  for (const [what, lines] of Object.entries(SCRIPTS)) {
    test(what, async () => {
      const { reference, judged } = await judge.both((candidate) => {
        const id = candidate.id();
        return transcript(candidate, lines, { id, bundle: candidate.waiting(id) });
      });
      for (const [index, wanted] of reference.entries()) assert.deepEqual(judged[index], wanted);
    });
  }
});
