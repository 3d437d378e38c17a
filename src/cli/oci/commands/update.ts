import { readFileSync } from 'node:fs';
import { PlatformError } from '../../../base/errors.ts';
import { parseJson } from '../../../container/runtime/config/validate.ts';
import { callerPath } from '../../../container/runtime/oci/context.ts';
import { reasonOf } from '../../../container/runtime/oci/file-error.ts';
import type { ResourcesConfig } from '../../../container/spec/runtime-config.ts';
import type { Call, Command } from '../command.ts';
import type { Flag, FlagValues } from '../flags.ts';

/** Flag, where it goes in `linux.resources`, how it is read, what it is. */
const LIMITS = [
  ['blkio-weight', 'blockIO.weight', 'number', 'weight of its block I/O, 10 to 1000'],
  ['cpu-period', 'cpu.period', 'number', 'microseconds in which the quota may be used'],
  ['cpu-quota', 'cpu.quota', 'number', 'microseconds of CPU time in each period; -1: no limit'],
  ['cpu-burst', 'cpu.burst', 'number', 'microseconds that may be saved up beyond the quota'],
  ['cpu-share', 'cpu.shares', 'number', 'CPU weight against other containers; 1024 is usual'],
  ['cpu-rt-period', 'cpu.realtimePeriod', 'number', 'microseconds in which the realtime quota may be used'],
  ['cpu-rt-runtime', 'cpu.realtimeRuntime', 'number', 'microseconds of realtime in each period'],
  ['cpu-idle', 'cpu.idle', 'number', '1: runs when nobody else wants to'],
  ['cpuset-cpus', 'cpu.cpus', 'text', 'CPUs to run on: 0-3,7'],
  ['cpuset-mems', 'cpu.mems', 'text', 'memory nodes to use'],
  ['memory', 'memory.limit', 'size', 'limit of memory; -1: none'],
  ['memory-reservation', 'memory.reservation', 'size', 'memory that is kept when others want more'],
  ['memory-swap', 'memory.swap', 'size', 'limit of memory and swap together; -1: none'],
  ['pids-limit', 'pids.limit', 'number', 'how many processes and threads there may be; -1: no limit'],
] as const;

const SCHEMATA = [
  ['l3-cache-schema', 'line of the resctrl schemata file for the L3 cache'],
  ['mem-bw-schema', 'line of the resctrl schemata file for memory bandwidth'],
] as const;

export const update: Command = {
  name: 'update',
  summary: 'change the limits of a container',
  usage: '<container-id>',
  description:
    'Sizes are bytes, or have a unit: 512m, 2g. A file has what `linux.resources` of config.json has, and what is not\n' +
    'in it stays as it is; with a file no other option counts.',
  examples: [
    ['update --memory 512m --pids-limit 200 web', ''],
    ['update --resources limits.json web', ''],
    ['update --resources - web', 'from standard input'],
  ],
  flags: [
    {
      name: 'resources',
      alias: 'r',
      type: 'string',
      help: 'file with the limits as JSON; - is standard input',
    },
    ...LIMITS.map(([name, , , help]): Flag => ({ name, type: 'string', help })),
    ...SCHEMATA.map(([name, help]): Flag => ({ name, type: 'string', help })),
    { name: 'kernel-memory', type: 'string', help: 'without effect: the kernel has no such limit any more' },
    {
      name: 'kernel-memory-tcp',
      type: 'string',
      help: 'without effect: the kernel has no such limit any more',
    },
  ],
  args: { min: 1, max: 1 },
  async run(call) {
    const { updateContainer } = await import('../../../container/runtime/oci/update.ts');
    const { context, flags, args } = call;
    const file = flags.string('resources');
    const schemata = SCHEMATA.flatMap(([name]) => flags.string(name) ?? []).filter((line) => line !== '');
    await updateContainer(context, args[0]!, {
      resources: file === undefined ? resourcesOf(flags) : await fromFile(call, file),
      ...(schemata.length === 0 ? {} : { schemata }),
    });
    return 0;
  },
};

async function fromFile({ context }: Call, file: string): Promise<ResourcesConfig> {
  const isInput = file === '-';
  const path = isInput ? '/dev/stdin' : callerPath(context, file);
  try {
    const text = isInput ? String(await context.front.read(path)) : readFileSync(path, 'utf8');
    return parseJson(text, isInput ? 'standard input' : path) as ResourcesConfig;
  } catch (error) {
    if (error instanceof PlatformError) throw error;
    throw new PlatformError('invalid', `open ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

export function resourcesOf(flags: FlagValues): ResourcesConfig {
  const resources: Record<string, Record<string, unknown>> = {};
  for (const [name, place, kind] of LIMITS) {
    const text = flags.string(name);
    if (text === undefined || text === '') continue;
    const [group = '', field = ''] = place.split('.');
    const value = kind === 'text' ? text : kind === 'size' ? sizeOf(name, text) : numberOf(name, text);
    resources[group] = { ...resources[group], [field]: value };
  }
  return resources;
}

function numberOf(flag: string, text: string): number {
  if (!/^-?\d+$/.test(text)) {
    throw new PlatformError('invalid', `invalid value for ${flag}: ${JSON.stringify(text)} is not a number`);
  }
  return Number(text);
}

/** `-1`, `1048576`, `512m`, `1.5GiB`: units are powers of 1024. */
function sizeOf(flag: string, text: string): number {
  if (text === '-1') return -1;
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp])?i?b?$/i.exec(text);
  if (match === null)
    throw new PlatformError('invalid', `invalid value for ${flag}: invalid size: '${text}'`);
  const power = 'kmgtp'.indexOf((match[2] ?? '').toLowerCase() || '-') + 1;
  return Math.floor(Number(match[1]) * 1024 ** power);
}
