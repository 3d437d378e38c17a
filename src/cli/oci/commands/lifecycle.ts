/** create, start, run, state, kill, delete: what every `podman run` and `docker run` pays for. */
import { createContainer, type CreateOptions } from '../../../container/runtime/oci/create.ts';
import { deleteContainer } from '../../../container/runtime/oci/delete.ts';
import { killContainer } from '../../../container/runtime/oci/kill.ts';
import { runContainer } from '../../../container/runtime/oci/run.ts';
import { signalNumber } from '../../../container/runtime/oci/signals.ts';
import { startContainer } from '../../../container/runtime/oci/start.ts';
import { stateOf } from '../../../container/runtime/oci/state.ts';
import { type Call, type Command, CREATE_FLAGS, DETACH, preservedDescriptors } from '../command.ts';

function createOptions(call: Call, detached: boolean): CreateOptions {
  const { flags, args } = call;
  return {
    id: args[0]!,
    bundle: flags.string('bundle') ?? '.',
    pidFile: flags.string('pid-file'),
    consoleSocket: flags.string('console-socket'),
    noPivot: flags.boolean('no-pivot'),
    noNewKeyring: flags.boolean('no-new-keyring'),
    preserveFds: preservedDescriptors(call),
    detached,
  };
}

const create: Command = {
  name: 'create',
  summary: 'create a container',
  usage: '<container-id>',
  description:
    'Makes a container from a bundle: a folder with config.json and a root file system. Its process waits for `start`.\n' +
    'A creation that fails leaves nothing behind.',
  examples: [
    ['create --bundle /bundles/web web', 'the terminal and streams are those of the caller'],
    ['create --bundle /bundles/web --pid-file /run/web.pid web', 'and the process id is written to a file'],
  ],
  flags: CREATE_FLAGS,
  args: { min: 1, max: 1 },
  failure: 'create failed',
  async run(call) {
    const created = await createContainer(call.context, createOptions(call, true));
    created[Symbol.dispose]();
    return 0;
  },
};

const start: Command = {
  name: 'start',
  summary: 'run the process of a container that was created',
  usage: '<container-id>',
  description: 'Succeeds when the program has been executed.',
  examples: [['start web', '']],
  flags: [],
  args: { min: 1, max: 1 },
  async run({ context, args }) {
    await startContainer(context, args[0]!);
    return 0;
  },
};

const run: Command = {
  name: 'run',
  summary: 'create and run a container',
  usage: '<container-id>',
  description:
    'Creates and starts a container from a bundle, waits for its process to end, deletes it, and ends with the exit\n' +
    'code of the process (128 + signal when it was killed). Signals are passed on.',
  examples: [
    ['run --bundle /bundles/web web', 'in the foreground'],
    ['run --detach --bundle /bundles/web web', 'in the background'],
  ],
  flags: [
    ...CREATE_FLAGS,
    DETACH,
    { name: 'keep', type: 'boolean', help: 'do not delete the container when it has ended' },
    { name: 'no-subreaper', type: 'boolean', help: 'taken for compatibility; orphans are never adopted' },
  ],
  args: { min: 1, max: 1 },
  failure: 'run failed',
  run(call) {
    const detached = call.flags.boolean('detach');
    return runContainer(call.context, { ...createOptions(call, detached), keep: call.flags.boolean('keep') });
  },
};

const state: Command = {
  name: 'state',
  summary: 'print the state of a container as JSON',
  usage: '<container-id>',
  description:
    'The state as the runtime specification has it, with root file system, creation time and owner.',
  examples: [['state web', '']],
  flags: [],
  args: { min: 1, max: 1 },
  run({ context, args, print }) {
    print(JSON.stringify(stateOf(context, args[0]!), undefined, 2));
    return Promise.resolve(0);
  },
};

const kill: Command = {
  name: 'kill',
  summary: 'send a signal to the process of a container (default: TERM)',
  usage: '<container-id> [signal]',
  description: 'The signal is a name with or without SIG, or a number.',
  examples: [
    ['kill web', 'asks it to end'],
    ['kill web KILL', 'ends it'],
    ['kill --all web HUP', 'every process in its cgroup'],
  ],
  flags: [
    {
      name: 'all',
      alias: 'a',
      type: 'boolean',
      help: 'to every process of the container, not its first one alone',
    },
  ],
  args: { min: 1, max: 2 },
  async run({ context, args, flags }) {
    const signal = signalNumber(args[1] ?? 'TERM');
    await killContainer(context, args[0]!, { signal, all: flags.boolean('all') });
    return 0;
  },
};

const remove: Command = {
  name: 'delete',
  summary: 'delete a container that has stopped, with all that was made for it',
  usage: '<container-id>',
  description: 'Removes its cgroup and its state, then runs the poststop hooks.',
  examples: [
    ['delete web', ''],
    ['delete --force web', 'kills it first; no error when there is none'],
  ],
  flags: [
    {
      name: 'force',
      alias: 'f',
      type: 'boolean',
      help: 'also when it has not stopped (SIGKILL), or does not exist',
    },
  ],
  args: { min: 1, max: 1 },
  async run({ context, args, flags }) {
    await deleteContainer(context, args[0]!, { force: flags.boolean('force') });
    return 0;
  },
};

export const LIFECYCLE: readonly Command[] = [create, start, run, state, kill, remove];
