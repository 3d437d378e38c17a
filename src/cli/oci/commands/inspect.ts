/** list, ps, events, features, spec: what is there, and what could be. */
import { PlatformError } from '../../../base/errors.ts';
import { listContainers } from '../../../container/runtime/oci/list.ts';
import type { Command } from '../command.ts';
import { table } from '../table.ts';

const list: Command = {
  name: 'list',
  summary: 'list the containers',
  usage: '',
  description: 'Those whose state is below --root.',
  examples: [
    ['list', ''],
    ['--root /run/other list --format json', 'of another root, for a program'],
  ],
  flags: [
    { name: 'format', alias: 'f', type: 'string', help: 'table or json', default: 'table' },
    { name: 'quiet', alias: 'q', type: 'boolean', help: 'ids alone' },
  ],
  args: { min: 0, max: 0 },
  run({ context, flags, print }) {
    const format = flags.string('format');
    const containers = listContainers(context);
    if (flags.boolean('quiet')) {
      print(containers.map(({ id }) => `${id}\n`).join(''));
    } else if (format === 'json') {
      print(`${JSON.stringify(containers.length === 0 ? null : containers)}\n`);
    } else if (format === 'table') {
      const rows = containers.map((each) => {
        return [each.id, String(each.pid), each.status, each.bundle, each.created, each.owner];
      });
      print(table(['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED', 'OWNER'], rows));
    } else {
      throw new PlatformError('invalid', 'invalid format option');
    }
    return Promise.resolve(0);
  },
};

const ps: Command = {
  name: 'ps',
  summary: 'list the processes of a container',
  usage: '<container-id> [ps options]',
  description: 'With the ps of this host, and its options; -ef when there are none.',
  examples: [
    ['ps web', ''],
    ['ps web -o pid,comm', 'with options of ps'],
    ['ps --format json web', 'the process ids alone'],
  ],
  flags: [{ name: 'format', alias: 'f', type: 'string', help: 'table or json', default: 'table' }],
  args: { min: 1 },
  verbatim: true,
  async run({ context, flags, args, print }) {
    const { processesOf, processTable } = await import('../../../container/runtime/oci/ps.ts');
    const format = flags.string('format');
    const pids = processesOf(context, args[0]!);
    if (format === 'json') print(`${JSON.stringify(pids.length === 0 ? null : pids)}\n`);
    else if (format === 'table') print(await processTable(pids, args.slice(1)));
    else throw new PlatformError('invalid', 'invalid format option');
    return 0;
  },
};

const events: Command = {
  name: 'events',
  summary: 'print what a container uses, and each time that it runs out of memory, as JSON',
  usage: '<container-id>',
  description: 'A line at each interval, until the container ends.',
  examples: [
    ['events --interval 1s web', ''],
    ['events --stats web', 'once'],
  ],
  flags: [
    { name: 'interval', type: 'duration', help: 'time between two lines of statistics', default: '5s' },
    { name: 'stats', type: 'boolean', help: 'print the statistics once' },
  ],
  args: { min: 1, max: 1 },
  async run({ context, flags, args, print }) {
    const { statsOf, watchEvents } = await import('../../../container/runtime/oci/events.ts');
    const { statisticsReplacer } = await import('../../../container/runtime/cgroup/cgroup.ts');
    const line = (event: unknown): void => print(`${JSON.stringify(event, statisticsReplacer)}\n`);
    const [id = ''] = args;
    const intervalMs = flags.duration('interval') ?? 0;
    if (flags.boolean('stats')) {
      line(statsOf(context, id));
      return 0;
    }
    if (intervalMs <= 0) throw new PlatformError('invalid', 'duration interval must be greater than 0');
    await watchEvents(context, id, { intervalMs, report: line });
    return 0;
  },
};

const features: Command = {
  name: 'features',
  summary: 'print what this runtime can do, as JSON',
  usage: '',
  description: 'By features.md of the runtime specification.',
  examples: [['features', '']],
  flags: [],
  args: { min: 0 },
  async run({ print, version }) {
    const { runtimeFeatures } = await import('../../../container/runtime/oci/features.ts');
    print(`${JSON.stringify(runtimeFeatures(version), undefined, 4)}\n`);
    return 0;
  },
};

const spec: Command = {
  name: 'spec',
  summary: 'write a config.json to begin with',
  usage: '',
  description: 'A shell at a terminal in the folder rootfs of the bundle; nothing is overwritten.',
  examples: [
    ['spec --bundle /bundles/web', ''],
    ['spec --rootless', 'for a container of an ordinary user'],
  ],
  flags: [
    {
      name: 'bundle',
      alias: 'b',
      type: 'string',
      help: 'folder to write it to; default: the current folder',
    },
    { name: 'rootless', type: 'boolean', help: 'for an ordinary user: the own id is root inside' },
  ],
  args: { min: 0, max: 0 },
  async run({ context, flags }) {
    const { writeSpec } = await import('../../../container/runtime/oci/spec.ts');
    writeSpec(context, flags.string('bundle') ?? '.', { rootless: flags.boolean('rootless') });
    return 0;
  },
};

export const INSPECTION: readonly Command[] = [list, ps, events, features, spec];
