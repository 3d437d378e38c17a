import { resolve } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import { armFailpoints } from '../../base/failpoint.ts';
import { backupKind } from '../../cluster/store/backup-file.ts';
import { restoreSqlite } from '../../cluster/store/backup-restore.ts';
import { linuxKernel } from '../../kernel/linux.ts';
import type { CommandInput } from '../command-table.ts';
import { takeOwnership } from '../daemon.ts';
import { databaseFile } from '../datastore.ts';
import { instanceOptions } from '../instance-options.ts';

export async function run({ options, operands }: CommandInput): Promise<number> {
  const [name, ...others] = operands;
  if (name === undefined || others.length > 0) {
    throw new PlatformError(
      'invalid',
      name === undefined ? 'restore: FILE is missing' : `restore: unexpected "${others[0]}"`,
      {
        hint: 'see `sampan help restore`',
      },
    );
  }
  armFailpoints(process.env['SAMPAN_FAILPOINTS'] ?? '');
  const file = resolve(name);
  const { instance } = instanceOptions(options);
  if ((await backupKind(file)) === 'etcd') {
    throw new PlatformError(
      'unsupported',
      `${file}: is a snapshot of an etcd, which only etcd's own tool can restore`,
      {
        hint: `stop etcd and run \`etcdutl snapshot restore ${file} --bump-revision 1000000000 --mark-compacted --data-dir NEW\` for each member`,
      },
    );
  }
  using stack = new DisposableStack();
  // Held to the end: nobody starts on what is half restored.
  stack.use(takeOwnership(linuxKernel(), instance));
  const { revision, backupRevision } = await restoreSqlite(file, databaseFile(instance));
  process.stdout.write(`restored revision ${backupRevision}; the cluster goes on at ${revision}\n`);
  return 0;
}
