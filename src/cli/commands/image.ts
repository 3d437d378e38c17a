import { PlatformError } from '../../base/errors.ts';
import { packHostImage } from '../../container/image/pack.ts';
import { openImageStore, type OpenImageStore } from '../../container/image/store.ts';
import type { CommandInput, OptionValue } from '../command-table.ts';
import { instanceOptions } from '../instance-options.ts';
import { table, wantsJson } from '../output.ts';

export async function run({ options, operands }: CommandInput): Promise<number> {
  const [action, ...rest] = operands;
  const { instance } = instanceOptions(options);
  const store = openImageStore({ dataDir: instance.dataDir });
  switch (action) {
    case 'from-host':
      return fromHost(store, rest, options);
    case 'ls':
      return list(store, wantsJson(options));
    case 'rm':
      for (const reference of rest) await store.remove(reference);
      return 0;
    default:
      throw new PlatformError('invalid', `image ${action ?? ''}: want from-host, ls or rm`, {
        hint: 'see `sampan help image`',
      });
  }
}

async function fromHost(
  store: OpenImageStore,
  operands: readonly string[],
  options: CommandInput['options'],
): Promise<number> {
  const [name, ...programs] = operands;
  if (name === undefined || programs.length === 0) {
    throw new PlatformError('invalid', 'image from-host: want a NAME and at least one PROGRAM', {
      hint: 'see `sampan help image`',
    });
  }
  const { cmd, entrypoint } = options;
  const workingDir = options['workdir'];
  const { image } = await packHostImage({
    store,
    name,
    programs,
    ...(process.env['PATH'] !== undefined && { path: process.env['PATH'] }),
    files: filesOf(options['add']),
    ...(typeof entrypoint === 'string' && { entrypoint: wordsOf(entrypoint) }),
    ...(typeof cmd === 'string' && { cmd: wordsOf(cmd) }),
    ...(typeof workingDir === 'string' && { workingDir }),
  });
  process.stdout.write(`${image.reference} ${image.digest} ${megabytes(image.size)}\n`);
  return 0;
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

function filesOf(value: OptionValue): { source: string; destination: string }[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly string[]).map((pair) => {
    const [source, destination] = pair.split(':');
    if (!source || !destination?.startsWith('/')) {
      throw new PlatformError('invalid', `--add ${pair}: want FILE:PATH with an absolute PATH`);
    }
    return { source, destination };
  });
}

async function list(store: OpenImageStore, json: boolean): Promise<number> {
  const images = await store.list();
  if (json) {
    const rows = images.map(({ reference, digest, configDigest, size }) => ({
      reference,
      digest,
      id: configDigest,
      size,
    }));
    process.stdout.write(`${JSON.stringify(rows)}\n`);
  } else {
    const rows = images.map(({ reference, configDigest, size }) => [
      reference,
      configDigest.slice(7, 19),
      megabytes(size),
    ]);
    process.stdout.write(table(['REFERENCE', 'ID', 'SIZE'], rows));
  }
  return 0;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)}MB`;
}
