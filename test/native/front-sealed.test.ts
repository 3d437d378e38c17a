/** CVE-2019-5736: a container that gets at the file which the runtime runs must not be able to write to it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { step } from '../../src/container/runtime/program/instructions.ts';
import { eventually } from '../fixtures/eventually.ts';
import { type ContainerOptions, FrontFixture, isAlive, type StartOptions } from './front-fixture.ts';

/** Opens what the process named in /victim runs while it runs it, and writes to it when it has ended. */
const THIEF = `
until [ -s /victim ]; do sleep 0.02; done
read pid </victim
if ( : </proc/$pid/exe ); then exec 9</proc/$pid/exe; echo opened >>/result; else echo closed >>/result; fi
while [ -e /proc/$pid ]; do sleep 0.02; done
( echo overwritten >/proc/self/fd/9 ) && echo written >>/result
( echo overwritten >>/proc/self/fd/9 ) && echo appended >>/result
echo done >>/result
`;

interface Case {
  readonly name: string;
  readonly start: StartOptions;
  readonly container: ContainerOptions;
  /** An init of ours cannot even be opened from another user namespace. */
  readonly init: 'opened' | 'closed';
  /** What the runtime is seen to run. */
  readonly runs: RegExp;
  readonly prepare?: (box: FrontFixture) => void;
}

const USER = 1000;
const OWN_USER_NAMESPACE = [
  step('deny-setgroups'),
  step('id-map', 'uid', 'file', '0', String(USER), '1'),
  step('id-map', 'gid', 'file', '0', String(USER), '1'),
];

const CASES: readonly Case[] = [
  // In the host's user namespace and with every capability: nothing but the file's own place protects it.
  { name: 'root', start: {}, container: {}, init: 'opened', runs: /^\/sampan-oci$/ },
  {
    name: 'an ordinary user',
    start: { uid: USER },
    container: {
      parent: OWN_USER_NAMESPACE,
      kinds: ['user', 'pid', 'mnt', 'uts', 'ipc', 'net'],
      identity: [step('ids', '0', '0', 'keep-groups')],
    },
    init: 'closed',
    runs: /^\/memfd:sampan \(deleted\)$/,
    // The file is the container's root's own: it could write to it.
    prepare: (box) => {
      for (const path of [box.dir, box.root, box.front]) chownSync(path, USER, USER);
    },
  },
];

for (const { name, start, container, init, runs, prepare } of CASES) {
  for (const way of ['the init of an exec', 'an image’s program #!/proc/self/exe'] as const) {
    test(`${name}: ${way} is opened by the container, which cannot write to it`, async () => {
      await using box = new FrontFixture();
      chmodSync(box.dir, 0o755);
      writeFileSync(join(box.root, 'bin/evil'), '#!/proc/self/exe\n');
      chmodSync(join(box.root, 'bin/evil'), 0o755);
      const folder = box.folder('state');
      chmodSync(folder, 0o777);
      prepare?.(box);
      const before = hashOf(box.front);
      const { mode } = statSync(box.front);
      const byImage = way !== 'the init of an exec';
      const pid = await thief(box, folder, { start, container });
      await victim(box, { pid, start, container, runs, byImage });
      const result = await eventually('the thief to be done', () => {
        const text = readResult(box);
        return text.includes('done') && text;
      });
      assert.equal(result, `${byImage ? 'opened' : init}\ndone\n`);
      assert.equal(hashOf(box.front), before);
      assert.equal(statSync(box.front).mode, mode);
      await eventually('the container to end', () => !isAlive(pid));
    });
  }
}

/** No front is left that runs the file: that alone would keep it from being written to (ETXTBSY). */
async function thief(
  box: FrontFixture,
  folder: string,
  { start, container }: Pick<Case, 'start' | 'container'>,
): Promise<number> {
  await using front = box.start(start);
  const pid = await front.make(box.container(folder, ['sh', '-c', THIEF], container));
  await box.begin(folder);
  await front.exit(0);
  return pid;
}

interface Victim extends Pick<Case, 'start' | 'container' | 'runs'> {
  readonly pid: number;
  readonly byImage: boolean;
}

async function victim(box: FrontFixture, { pid, start, container, runs, byImage }: Victim): Promise<void> {
  const { identity = [step('ids', '0', '0', 'set-groups')] } = container;
  // The image's program is ourselves, with a connection to a brain that never speaks.
  const descriptors = byImage ? (['pipe'] as const) : [];
  await using front = box.start({ ...start, descriptors });
  const program = box.exec(pid, [byImage ? '/bin/evil' : 'true'], {
    identity,
    environment: ['SAMPAN_OCI_CONNECTION=3'],
    ...(byImage ? { parent: [step('preserve-fds', '1')] } : { made: [step('ask', 'x')] }),
  });
  const answer = await front.execute(program);
  assert.ok(answer?.verb === 'done' || answer?.verb === 'ask', JSON.stringify(answer));
  assert.match(readlinkSync(`/proc/${answer.pid}/exe`), runs);
  const inside = /^NSpid:.*\t(\d+)$/m.exec(readFileSync(`/proc/${answer.pid}/status`, 'utf8'))![1]!;
  writeFileSync(join(box.root, 'victim'), inside);
  await eventually('the thief to have it', () => readResult(box) !== '');
  front.child.kill('SIGKILL');
  process.kill(answer.pid, 'SIGKILL');
}

function readResult(box: FrontFixture): string {
  const path = join(box.root, 'result');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
