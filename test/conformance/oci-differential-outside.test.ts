/** What the reference runtime and the judged one let be seen from outside: JSON, files, cgroups, hooks, descriptors. */
import assert from 'node:assert/strict';
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Judge, type Candidate, type Config } from '../fixtures/oci-judge.ts';
import { differences, type Sections } from '../fixtures/oci-probe.ts';
import { shape } from '../fixtures/oci-transcript.ts';

let judge: Judge;
before(async () => {
  judge = await Judge.make();
});
after(() => judge[Symbol.asyncDispose]());

/** Paths that the reference has and the judged one lacks; more than the reference says is no fault. */
function lacking(reference: unknown, judged: unknown): string[] {
  const seen = shape(judged);
  return shape(reference).filter((path) => !seen.includes(path));
}

async function end(candidate: Candidate, id: string): Promise<void> {
  await candidate.ok('delete', '--force', id);
}

describe('what is printed as JSON', () => {
  test('state: created, running, stopped', async () => {
    const { reference, judged } = await judge.both(async (candidate) => {
      const id = candidate.id();
      const bundle = candidate.waiting(id, (c) => (c.annotations = { plum: 'ripe' }));
      const states: Config[] = [];
      const note = async (): Promise<void> => {
        const state: Config = JSON.parse(await candidate.ok('state', id));
        assert.equal(state.id, id);
        assert.equal(state.bundle, bundle);
        assert.equal(state.rootfs, join(bundle, 'rootfs'));
        assert.equal(existsSync(`/proc/${state.pid}/ns`), state.status !== 'stopped');
        states.push({ status: state.status, annotations: state.annotations, shape: shape(state) });
      };
      await candidate.ok('create', '--bundle', bundle, id);
      await note();
      await candidate.ok('start', id);
      await note();
      await candidate.ok('pause', id);
      await note();
      await candidate.ok('resume', id);
      await candidate.ok('kill', id, 'KILL');
      await candidate.stopped(id);
      await note();
      await candidate.ok('delete', id);
      return states;
    });
    assert.deepEqual(judged, reference);
  });

  test('list, ps, events --stats, features', async () => {
    const { reference, judged } = await judge.both(async (candidate) => {
      const { id } = await candidate.running();
      const list = JSON.parse(await candidate.ok('list', '--format', 'json')) as Config[];
      const table = (await candidate.ok('list')).split('\n');
      const pids = JSON.parse(await candidate.ok('ps', '--format', 'json', id)) as number[];
      const { pid } = JSON.parse(await candidate.ok('state', id)) as { pid: number };
      const stats: Config = JSON.parse(await candidate.ok('events', '--stats', id));
      const seen = {
        listed: list.filter((each) => each.id === id).length,
        members: shape(list),
        header: table[0]!.split(/\s+/),
        row: table.filter((line) => line.startsWith(id)).length,
        quiet: (await candidate.ok('list', '-q')).split('\n').filter((each) => each === id).length,
        first: pids.includes(pid),
        processes: (await candidate.ok('ps', id)).split('\n')[0]!.split(/\s+/),
        columns: (await candidate.ok('ps', id, '-o', 'pid,comm')).split('\n')[0]!.trim().split(/\s+/),
        type: stats.type as string,
        stats,
        features: JSON.parse(await candidate.ok('features')),
      };
      await end(candidate, id);
      return seen;
    });
    const { stats, features, ...rest } = reference;
    const { stats: judgedStats, features: judgedFeatures, ...judgedRest } = judged;
    assert.deepEqual(judgedRest, rest);
    assert.deepEqual(lacking(stats, judgedStats), []);
    // What a runtime says of itself is in annotations by its own name.
    assert.deepEqual(
      lacking(features, judgedFeatures).filter((path) => !path.startsWith('.annotations')),
      [],
    );
    for (const list of ['hooks', 'mountOptions'] as const) {
      const missing = (features[list] as string[]).filter((each) => !judgedFeatures[list].includes(each));
      assert.deepEqual(missing, [], list);
    }
  });

  test('spec: the configuration that it writes, for root and for users', async () => {
    const { reference, judged } = await judge.both(async (candidate) => {
      const specs: Config[] = [];
      for (const options of [[], ['--rootless']]) {
        const folder = join(judge.host.dir, `spec-${candidate.id()}`);
        mkdirSync(folder);
        await candidate.ok('spec', ...options, '--bundle', folder);
        const spec: Config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
        // The version and the name are its own.
        delete spec.ociVersion;
        delete spec.hostname;
        // As newer ones of runc have it: no ambient capabilities, and a cgroup namespace wherever there are some.
        delete spec.process.capabilities.ambient;
        spec.linux.namespaces = spec.linux.namespaces.filter(({ type }: Config) => type !== 'cgroup');
        specs.push(spec);
        assert.equal((await candidate.run(['spec', '--bundle', folder])).code, 1, 'a second time');
      }
      return specs;
    });
    assert.deepEqual(judged, reference);
  });
});

describe('what is left in files', () => {
  test('--pid-file of create, run and exec', async () => {
    const { reference, judged } = await judge.both(async (candidate) => {
      const file = join(judge.host.dir, `pid-${candidate.name}`);
      const id = candidate.id();
      await candidate.ok('create', '--pid-file', file, '--bundle', candidate.waiting(id), id);
      const { pid } = JSON.parse(await candidate.ok('state', id)) as { pid: number };
      assert.equal(readFileSync(file, 'utf8'), String(pid));
      await candidate.ok('start', id);
      await candidate.ok('exec', '--detach', '--pid-file', file, id, 'sleep', '1000');
      const exec = Number(readFileSync(file, 'utf8'));
      assert.match(readFileSync(`/proc/${exec}/cmdline`, 'utf8'), /^sleep\0/);
      await end(candidate, id);
      return readFileSync(file, 'utf8').replace(/\d+/, 'pid');
    });
    assert.equal(judged, reference);
  });

  test('--log in text and JSON', async () => {
    const { reference, judged } = await judge.both(async (candidate) => {
      const forms: Config[] = [];
      for (const format of ['text', 'json']) {
        const file = join(judge.host.dir, `log-${candidate.name}-${format}`);
        const { code, stderr } = await candidate.run([
          '--log',
          file,
          '--log-format',
          format,
          'state',
          'nobody',
        ]);
        const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
        const line = lines.at(-1)!;
        const parsed =
          format === 'json'
            ? Object.keys(JSON.parse(line) as object).toSorted()
            : /^time="[^"]+" level=error msg="container does not exist"$/.test(line);
        forms.push({ code, parsed, told: stderr.trim().replace(candidate.runtime, '') });
      }
      return forms;
    });
    assert.deepEqual(judged, reference);
  });

  test('a run that fails leaves neither state nor cgroup, and its id is free', async () => {
    await judge.both(async (candidate) => {
      const id = candidate.id();
      const wrong = candidate.waiting(id, (c) => (c.process.args = ['no-such-program']));
      assert.notEqual((await candidate.run(['run', '--bundle', wrong, id])).code, 0);
      const late = candidate.waiting(id, (c) =>
        c.mounts.push({ destination: '/x', type: 'plumfs', source: 'x' }),
      );
      assert.notEqual((await candidate.run(['run', '--bundle', late, id])).code, 0);
      const cgroups = globSync(`/sys/fs/cgroup/*${judge.host.cgroupParent}/${id}`);
      assert.deepEqual([await candidate.status(id), cgroups], ['none', []]);
      const right = candidate.waiting(id, (c) => (c.process.args = ['true']));
      assert.equal((await candidate.run(['run', '--bundle', right, id])).code, 0);
    });
  });
});

describe('what reaches the kernel', () => {
  test('update: each flag, and a file of resources', async () => {
    const files = [
      ...[
        'memory/memory.limit_in_bytes',
        'memory/memory.soft_limit_in_bytes',
        'memory/memory.memsw.limit_in_bytes',
      ],
      ...[
        'cpu/cpu.shares',
        'cpu/cpu.cfs_quota_us',
        'cpu/cpu.cfs_period_us',
        'pids/pids.max',
        'cpuset/cpuset.cpus',
      ],
    ];
    const { reference, judged } = await judge.both(async (candidate) => {
      const { id } = await candidate.running();
      const values = (): string[] =>
        files.map((file) => {
          const [controller, name] = file.split('/');
          const path = `/sys/fs/cgroup/${controller}${judge.host.cgroupParent}/${id}/${name}`;
          return `${name} ${readFileSync(path, 'utf8').trim()}`;
        });
      const seen: string[][] = [];
      const flags = [
        ['--memory', '67108864', '--memory-swap', '134217728', '--memory-reservation', '33554432'],
        ['--cpu-share', '300', '--cpu-quota', '50000', '--cpu-period', '200000'],
        ['--pids-limit', '55', '--cpuset-cpus', '0'],
        ['--memory', '-1', '--memory-swap', '-1', '--pids-limit', '-1'],
      ];
      for (const words of flags) {
        await candidate.ok('update', ...words, id);
        seen.push(values());
      }
      const resources = { cpu: { shares: 400, quota: 25_000, period: 100_000 }, pids: { limit: 44 } };
      const { code, stderr } = await candidate.run(['update', '-r', '-', id], JSON.stringify(resources));
      assert.equal(code, 0, stderr);
      seen.push(values());
      await end(candidate, id);
      return seen;
    });
    assert.deepEqual(judged, reference);
  });

  test('exec: what a second process sees, as it is and with options', async () => {
    const { reference, judged } = await judge.both(async (candidate) => {
      const { id, bundle } = await candidate.running();
      const process = {
        // runc 1.1 does not look at a umask and a score here, which the judged one does.
        user: { uid: 1000, gid: 1001, additionalGids: [2000] },
        args: ['/probe'],
        env: ['PATH=/bin', 'FROM=file'],
        cwd: '/var',
        capabilities: { bounding: ['CAP_KILL'], effective: ['CAP_KILL'], permitted: ['CAP_KILL'] },
        rlimits: [{ type: 'RLIMIT_NOFILE', soft: 77, hard: 88 }],
        noNewPrivileges: true,
      };
      const runs: (readonly string[])[] = [
        [id, '/probe'],
        ['--cwd', '/home', '--env', 'A=1', '--env', 'PATH=/bin', '--user', '1000:1001', id, '/probe'],
        ['--additional-gids', '2000', '--cap', 'CAP_CHOWN', '--no-new-privs', id, '/probe'],
        ['--process', join(bundle, 'process.json'), id],
      ];
      writeFileSync(join(bundle, 'process.json'), JSON.stringify(process));
      const seen: Sections[] = [];
      for (const words of runs) {
        const ran = await candidate.run(['exec', ...words]);
        assert.equal(ran.code, 0, `${candidate.name} exec ${words.join(' ')}: ${ran.stderr}`);
        seen.push(candidate.read(ran.stdout, { bundle, id }));
      }
      await end(candidate, id);
      return seen;
    });
    for (const [index, wanted] of reference.entries()) {
      const seen = withoutOwnNumbers(judged[index]!);
      const unlike = differences(withOpenFilesOf(seen, withoutOwnNumbers(wanted)), seen);
      assert.deepEqual(unlike, [], `exec ${index}`);
    }
    assert.match(judged.at(-1)!['limits']!, /^Max open files +77 +88 /m);
  });

  test('--preserve-fds hands descriptors on, and nothing else gets in', async () => {
    const { reference, judged } = await judge.both(async (candidate) => {
      const id = candidate.id();
      const script = 'ls /proc/self/fd; cat <&3; cat <&4; echo $LISTEN_FDS';
      const bundle = candidate.waiting(id, (c) => {
        c.process.args = ['/bin/sh', '-c', script];
        c.process.env.push('LISTEN_FDS=2');
      });
      const command = candidate.command(['run', '--preserve-fds', '2', '--bundle', bundle, id]).join(' ');
      const given = 'exec 3<<A 4<<B 5</etc/passwd\nthree\nA\nfour\nB\n';
      return judge.host.ok(['sh', '-c', `${given}exec ${command}`]);
    });
    assert.equal(judged, reference);
    assert.match(judged, /three\nfour/);
  });
});

const OPEN_FILES = /^Max open files +(\d+) +(\d+) .*$/m;

/**
 * Now and then Go's runtime in runc's init has the last word about open files, and raises the soft limit to the hard one
 * (https://github.com/opencontainers/runc/issues/4195): then what the judged one has is taken, if the hard limit is the same.
 */
function withOpenFilesOf(judged: Sections, reference: Sections): Sections {
  const { limits = '' } = reference;
  const [line, soft, hard] = OPEN_FILES.exec(limits) ?? [];
  const [own, , ownHard] = OPEN_FILES.exec(judged['limits'] ?? '') ?? [];
  if (line === undefined || own === undefined || soft !== hard || hard !== ownHard) return reference;
  return { ...reference, limits: limits.replace(line, own) };
}

/** Mounts are as in the container, which its own test compares; numbers of processes count up. */
function withoutOwnNumbers(sections: Sections): Sections {
  const { mounts: _mounts, identity: _identity, processes: _processes, ...rest } = sections;
  return rest;
}
