import { resolve } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { linuxKernel } from '../../kernel/linux.ts';
import type { CommandInput } from '../command-table.ts';
import { askDaemon } from '../control-socket.ts';
import { findDaemon, takeOwnership } from '../daemon.ts';
import { backupDatastore, checkDatastore } from '../datastore.ts';
import { instanceOptions } from '../instance-options.ts';

/** A running daemon writes the backup, because only it may look into its database; otherwise this process does. */
export async function run({ options, operands }: CommandInput): Promise<number> {
  const [name, ...others] = operands;
  if (name === undefined || others.length > 0) {
    throw new PlatformError(
      'invalid',
      name === undefined ? 'backup: FILE is missing' : `backup: unexpected "${others[0]}"`,
      {
        hint: 'see `sampan help backup`',
      },
    );
  }
  const file = resolve(name);
  const { instance } = instanceOptions(options);
  const datastore = options['datastore'] as string | undefined;
  await checkDatastore(datastore);
  const kernel = linuxKernel();
  const running = findDaemon(kernel, instance);
  if (running !== undefined) {
    if (running.phase !== 'ready') {
      throw new PlatformError('unavailable', `process ${running.pid} is ${running.phase}`, {
        hint: 'try again in a moment',
      });
    }
    report(file, await askDaemon(instance.runDir, { do: 'backup', file }));
    return 0;
  }
  using stack = new DisposableStack();
  stack.use(takeOwnership(kernel, instance));
  const parts = { instance, clock: systemClock, random: systemRandom, log: silentLogger, datastore };
  report(file, { ...(await backupDatastore(parts, file)) });
  return 0;
}

function report(file: string, { kind, bytes }: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${file}: ${String(bytes)} bytes${kind === 'etcd' ? ', a snapshot of etcd' : ''}\n`);
}
