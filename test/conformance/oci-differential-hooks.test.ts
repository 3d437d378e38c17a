/** The six stages of hooks through both runtimes: order, what they read, where they run, and what a failure does. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../fixtures/eventually.ts';
import { Judge, type Candidate, type Config } from '../fixtures/oci-judge.ts';

const STAGES = [
  'prestart',
  'createRuntime',
  'createContainer',
  'startContainer',
  'poststart',
  'poststop',
] as const;
type Stage = (typeof STAGES)[number];

let judge: Judge;
before(async () => {
  judge = await Judge.make();
});
after(() => judge[Symbol.asyncDispose]());

/** Two hooks a stage. Each writes a line: stage, number, what it read, where it is, its environment. */
function hook(bundle: string, stage: Stage, number: number): Config {
  // The hook of the last stage before the program runs inside, where the bundle is the root.
  const notes = stage === 'startContainer' ? '/notes' : join(bundle, 'rootfs/notes');
  const script =
    'state=$(cat); echo "$0|$state|$(readlink /proc/self/ns/mnt)|$(readlink /proc/self/ns/pid)|$PWD|$FLAVOUR|$HOME" >>' +
    notes;
  return {
    path: '/bin/sh',
    args: ['sh', '-c', script, `${stage} ${number}`],
    env: ['FLAVOUR=plum', 'PATH=/bin:/usr/bin'],
  };
}

/** Where the working directory stands in `where`, after two namespaces. */
const PWD = 2;

interface Note {
  readonly who: string;
  readonly state: Config;
  readonly where: readonly string[];
}

function notes(candidate: Candidate, names: { bundle: string; id: string; pid: number }): Note[] {
  const file = join(names.bundle, 'rootfs/notes');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [who = '', state = '', mount = '', pid = '', ...rest] = line.split('|');
      const parsed: Config = JSON.parse(state);
      assert.equal(parsed.id, names.id);
      assert.equal(parsed.bundle, names.bundle);
      // Those two run inside and may be told the pid there; after its end a container may have a pid or none.
      if (!/^(createContainer|startContainer|poststop)/.test(who)) assert.equal(parsed.pid, names.pid, who);
      const { ociVersion: _version, id: _id, bundle: _bundle, pid: _pid, ...others } = parsed;
      const host = candidate.hostNamespaces();
      const places = [mount, pid].map((link) => (host.includes(link) ? 'of the host' : 'own'));
      return {
        who,
        state: others,
        where: [...places, ...rest.map((each) => each.replace(names.bundle, '<bundle>'))],
      };
    });
}

describe('hooks', () => {
  test('run in order, read the state, and stand where the specification puts them', async () => {
    const { reference, judged } = await judge.both(async (candidate) => {
      const id = candidate.id();
      const bundle = candidate.waiting(id, (config, folder) => {
        config.annotations = { plum: 'ripe' };
        config.hooks = Object.fromEntries(
          STAGES.map((stage) => [stage, [1, 2].map((n) => hook(folder, stage, n))]),
        );
      });
      const names = (): string[] => notes(candidate, { bundle, id, pid }).map(({ who }) => who);
      let pid = 0;
      await candidate.ok('create', '--bundle', bundle, id);
      ({ pid } = JSON.parse(await candidate.ok('state', id)) as { pid: number });
      const created = names();
      await candidate.ok('start', id);
      // runc's start does not wait for what init still has to do.
      await eventually('the hooks of the start', () => {
        return ['startContainer 2', 'poststart 2'].every((who) => names().includes(who));
      });
      await candidate.ok('kill', id, 'KILL');
      await candidate.stopped(id);
      await candidate.ok('delete', id);
      return { created, notes: notes(candidate, { bundle, id, pid }) };
    });
    // runc 1.1 runs poststart at the end of create; the specification wants it after the start.
    const before = judged.created.filter((who) => !who.startsWith('poststart'));
    assert.deepEqual(
      before,
      ['prestart', 'createRuntime', 'createContainer'].flatMap((who) => [`${who} 1`, `${who} 2`]),
    );
    const order = (all: readonly Note[], stages: RegExp): string[] =>
      all.map(({ who }) => who).filter((who) => stages.test(who));
    for (const stages of [/^(?!poststart)/, /^poststart/]) {
      assert.deepEqual(order(judged.notes, stages), order(reference.notes, stages));
    }
    // Of the status in those two runc says less than the specification, which has them created and running.
    const compared = ({ who, state, where }: Note): Config => ({
      ...{ who, annotations: state.annotations },
      // runc runs the last ones in whatever folder delete was called from.
      where: who.startsWith('poststop') ? where.filter((_, index) => index !== PWD) : where,
      status: /^(prestart|poststart)/.test(who) ? 'other' : state.status,
    });
    const sorted = (all: readonly Note[]): Config[] =>
      all.map(compared).toSorted((a, b) => (a.who < b.who ? -1 : 1));
    assert.deepEqual(sorted(judged.notes), sorted(reference.notes));
  });

  for (const stage of STAGES) {
    test(`a ${stage} hook that fails`, async () => {
      const { reference, judged } = await judge.both(async (candidate) => {
        const id = candidate.id();
        const bundle = candidate.waiting(id, (config) => {
          config.process.args = ['/bin/sh', '-c', 'echo ran > /ran'];
          config.hooks = { [stage]: [{ path: '/bin/sh', args: ['sh', '-c', 'echo plum >&2; exit 3'] }] };
        });
        const { code, stderr } = await candidate.run(['run', '--bundle', bundle, id]);
        if (candidate === judge.judged) assert.notEqual(stderr, '', 'a failure without a word');
        const seen = {
          failed: code !== 0,
          // runc 1.1 has run this hook before the program, the specification after its start.
          ran: stage !== 'poststart' && existsSync(join(bundle, 'rootfs/ran')),
          status: await candidate.status(id),
          cgroups: globSync(`/sys/fs/cgroup/*${judge.host.cgroupParent}/${id}`).length,
        };
        await candidate.ok('delete', '--force', id);
        return seen;
      });
      assert.deepEqual(judged, reference);
    });
  }

  test('a hook that takes longer than it may is killed, and fails', async () => {
    const { reference, judged } = await judge.both(async (candidate) => {
      const id = candidate.id();
      const bundle = candidate.waiting(id, (config) => {
        config.hooks = { createRuntime: [{ path: '/bin/sleep', args: ['sleep', '1000'], timeout: 1 }] };
      });
      const { code, stderr } = await candidate.run(['run', '--bundle', bundle, id]);
      await eventually('the hook to be gone', () => {
        return !judge.host.processes().some((pid) => commandOf(pid).startsWith('sleep\u00001000'));
      });
      return {
        code,
        told: /timeout|killed/.test(stderr),
        status: await candidate.status(id),
      };
    });
    assert.deepEqual(judged, reference);
  });

  test('a hook whose program is missing, or that has no absolute path', async () => {
    const { reference, judged } = await judge.both(async (candidate) => {
      const codes: number[] = [];
      for (const path of ['/no/such', 'sh', '/etc/passwd']) {
        const id = candidate.id();
        const bundle = candidate.waiting(id, (config) => (config.hooks = { prestart: [{ path }] }));
        codes.push((await candidate.run(['run', '--bundle', bundle, id])).code);
        assert.equal(await candidate.status(id), 'none');
      }
      return codes;
    });
    assert.deepEqual(judged, reference);
  });
});

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
