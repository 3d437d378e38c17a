import { PlatformError } from '../../base/errors.ts';
import { newId } from '../../base/random.ts';
import type { ImageRecord } from '../../container/image/image-store.ts';
import { openImageStore } from '../../container/image/store.ts';
import { runForeground } from '../../container/runtime/foreground.ts';
import type { ContainerSpec, ProcessSpec, Resources } from '../../container/runtime/runtime.ts';
import type { Snapshot } from '../../container/spec/snapshot.ts';
import { cgroupHost } from '../../kernel/cgroup.ts';
import { nativeFile } from '../../kernel/native-files.ts';
import type { CommandInput } from '../command-table.ts';
import { instanceOptions } from '../instance-options.ts';
import { requireNode } from '../require-node.ts';

type Options = CommandInput['options'];

/** Docker's exit code for "the container could not be made". */
const CANNOT_CREATE = 125;

export async function run({ options, operands }: CommandInput): Promise<number> {
  const [reference, ...args] = operands;
  if (reference === undefined) {
    throw new PlatformError('invalid', 'run: want an IMAGE', {
      hint: 'see `sampan help run`',
      details: { exitCode: CANNOT_CREATE },
    });
  }
  requireNode();
  const { instance } = instanceOptions(options);
  const images = openImageStore({ dataDir: instance.dataDir });
  const image = await images.get(reference);
  const id = newId();
  const key = `run-${id}`;
  const root = await images.prepareSnapshot(key, image);
  try {
    const spec = containerSpec({ id, root, image, args, options });
    return await runForeground(
      { instance, cgroups: cgroupHost(), shimPath: nativeFile('sampan-shim') },
      spec,
    );
  } finally {
    await images.removeSnapshot(key);
  }
}

interface SpecInput {
  readonly id: string;
  readonly root: Snapshot;
  readonly image: ImageRecord;
  readonly args: readonly string[];
  readonly options: Options;
}

export function containerSpec({ id, root, image, args, options }: SpecInput): ContainerSpec {
  const network = text(options, 'network') ?? 'none';
  if (network !== 'none' && network !== 'host') {
    throw new PlatformError('invalid', `--network ${network}: want none or host`);
  }
  const privileged = options['privileged'] === true;
  return {
    id,
    root,
    readonlyRoot: options['read-only'] === true,
    hostname: text(options, 'hostname') ?? id.slice(0, 12),
    process: processSpec(image, args, options),
    hostNetwork: network === 'host',
    cgroup: `run/${id}`,
    resources: resourcesOf(options),
    privileged,
    noNewPrivileges: !privileged,
    stdio: { type: 'inherit' },
  };
}

/** The image's defaults, overridden as docker does: arguments replace Cmd, and Entrypoint stays. */
function processSpec(image: ImageRecord, args: readonly string[], options: Options): ProcessSpec {
  const config = image.config.config ?? {};
  const command = [...(config.Entrypoint ?? []), ...(args.length > 0 ? args : (config.Cmd ?? []))];
  if (command.length === 0) {
    throw new PlatformError('invalid', `image ${image.reference} has no default command`, {
      hint: 'give a COMMAND',
    });
  }
  return {
    args: command,
    env: [
      ...(config.Env ?? []),
      ...(process.stdin.isTTY ? ['TERM=xterm'] : []),
      ...list(options, 'env').map(withValue),
    ],
    cwd: text(options, 'workdir') ?? config.WorkingDir ?? '/',
    user: text(options, 'user') ?? config.User ?? '',
  };
}

/** `NAME` alone takes the value from our own environment, as docker does. */
function withValue(variable: string): string {
  if (variable.includes('=')) return variable;
  return `${variable}=${process.env[variable] ?? ''}`;
}

function resourcesOf(options: Options): Resources {
  const memory = text(options, 'memory');
  const cpus = text(options, 'cpus');
  const pids = text(options, 'pids-limit');
  return {
    ...(memory !== undefined && { memoryLimit: sizeOf(memory) }),
    ...(cpus !== undefined && {
      cpuPeriod: 100_000,
      cpuQuota: Math.round(positive('--cpus', cpus) * 100_000),
    }),
    ...(pids !== undefined && { pidsLimit: positive('--pids-limit', pids) }),
  };
}

/** Bytes of `64m`, `1g`, `4096`. */
export function sizeOf(value: string): number {
  const match = /^(\d+(?:\.\d+)?)([bkmg]?)b?$/i.exec(value);
  if (match === null)
    throw new PlatformError('invalid', `--memory ${value}: want bytes, or a number with k, m or g`);
  const exponent = ['', 'k', 'm', 'g'].indexOf(match[2]!.toLowerCase().replace('b', ''));
  return Math.round(Number(match[1]) * 1024 ** exponent);
}

function positive(name: string, value: string): number {
  const number = Number(value);
  if (!(number > 0)) throw new PlatformError('invalid', `${name} ${value}: want a number above 0`);
  return number;
}

function text(options: Options, name: string): string | undefined {
  const value = options[name];
  return typeof value === 'string' ? value : undefined;
}

function list(options: Options, name: string): readonly string[] {
  const value = options[name];
  return Array.isArray(value) ? (value as readonly string[]) : [];
}
