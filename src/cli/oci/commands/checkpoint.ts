import type { CriuOptions } from '../../../container/runtime/oci/criu.ts';
import { BUNDLE, type Command, CONSOLE_SOCKET, DETACH, PID_FILE } from '../command.ts';
import type { Flag, FlagValues } from '../flags.ts';

const CRIU_FLAGS: readonly Flag[] = [
  { name: 'image-path', type: 'string', help: 'folder of the images; default: checkpoint' },
  { name: 'work-path', type: 'string', help: 'folder for logs; default: that of the images' },
  { name: 'tcp-established', type: 'boolean', help: 'allow open TCP connections' },
  { name: 'ext-unix-sk', type: 'boolean', help: 'allow unix sockets to the outside' },
  { name: 'shell-job', type: 'boolean', help: 'allow processes of a session from outside' },
  { name: 'lazy-pages', type: 'boolean', help: 'memory is fetched when it is needed (userfaultfd)' },
  { name: 'file-locks', type: 'boolean', help: 'allow file locks' },
  {
    name: 'manage-cgroups-mode',
    type: 'string',
    help: 'soft, full, strict or ignore: what criu does with cgroups',
    default: 'soft',
  },
  { name: 'empty-ns', type: 'list', help: 'network: make the namespace, leave out what was in it' },
  { name: 'auto-dedup', type: 'boolean', help: 'drop what is in newer images from older ones' },
];

function criuOptions(flags: FlagValues): CriuOptions {
  return {
    imagePath: flags.string('image-path'),
    workPath: flags.string('work-path'),
    tcpEstablished: flags.boolean('tcp-established'),
    extUnixSk: flags.boolean('ext-unix-sk'),
    shellJob: flags.boolean('shell-job'),
    fileLocks: flags.boolean('file-locks'),
    autoDedup: flags.boolean('auto-dedup'),
    lazyPages: flags.boolean('lazy-pages'),
    manageCgroups: flags.string('manage-cgroups-mode'),
    emptyNamespaces: flags.list('empty-ns'),
  };
}

const checkpoint: Command = {
  name: 'checkpoint',
  summary: 'write the processes of a container down, to go on later or elsewhere',
  usage: '<container-id>',
  description: 'By criu, which must be installed. The container is deleted then, unless it is left running.',
  examples: [
    ['checkpoint --image-path /var/tmp/web web', ''],
    ['checkpoint --leave-running --image-path /var/tmp/web web', 'and it goes on'],
  ],
  flags: [
    ...CRIU_FLAGS,
    { name: 'parent-path', type: 'string', help: 'images of a pre-dump, relative to the image path' },
    { name: 'leave-running', type: 'boolean', help: 'let it go on afterwards' },
    {
      name: 'status-fd',
      type: 'integer',
      help: 'descriptor that gets a NUL byte when lazy pages are ready',
      default: '-1',
    },
    { name: 'page-server', type: 'string', help: 'ADDRESS:PORT of a page server' },
    { name: 'pre-dump', type: 'boolean', help: 'its memory alone, and it goes on' },
  ],
  args: { min: 1, max: 1 },
  async run({ context, flags, args }) {
    const { checkpointContainer } = await import('../../../container/runtime/oci/checkpoint.ts');
    await checkpointContainer(context, args[0]!, {
      ...criuOptions(flags),
      leaveRunning: flags.boolean('leave-running'),
      preDump: flags.boolean('pre-dump'),
      parentPath: flags.string('parent-path'),
      pageServer: flags.string('page-server'),
      statusFd: flags.integer('status-fd'),
    });
    return 0;
  },
};

const restore: Command = {
  name: 'restore',
  summary: 'make a container anew from a checkpoint',
  usage: '<container-id>',
  description:
    'By criu, which must be installed. In the foreground it waits for the end of the container, and deletes it.',
  examples: [['restore --detach --bundle /bundles/web --image-path /var/tmp/web web', '']],
  flags: [
    CONSOLE_SOCKET,
    ...CRIU_FLAGS,
    BUNDLE,
    DETACH,
    PID_FILE,
    { name: 'no-subreaper', type: 'boolean', help: 'taken for compatibility' },
    { name: 'no-pivot', type: 'boolean', help: 'taken for compatibility; criu enters the root' },
    { name: 'lsm-profile', type: 'string', help: 'TYPE:NAME of the security profile of its processes' },
    { name: 'lsm-mount-context', type: 'string', help: 'security context of its mounts' },
  ],
  args: { min: 1, max: 1 },
  async run({ context, flags, args }) {
    const { restoreContainer } = await import('../../../container/runtime/oci/restore.ts');
    return restoreContainer(context, {
      ...criuOptions(flags),
      id: args[0]!,
      bundle: flags.string('bundle') ?? '.',
      pidFile: flags.string('pid-file'),
      detached: flags.boolean('detach'),
      lsmProfile: flags.string('lsm-profile'),
      lsmMountContext: flags.string('lsm-mount-context'),
    });
  },
};

export const CHECKPOINTS: readonly Command[] = [checkpoint, restore];
