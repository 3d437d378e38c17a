import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import { writeBackup, type BackupSummary } from './backup-file.ts';
import { calls } from './etcd-calls.ts';
import { EtcdChannel } from './etcd-channel.ts';
import { callFailure, etcdError } from './etcd-errors.ts';
import type { EtcdTls } from './etcd-target.ts';
import type { SnapshotResponse } from './generated/etcd.ts';

/** A bbolt file is made of pages; the SHA-256 of all of them follows. */
const PAGE = 512;
const HASH = 32;

/** Writes a snapshot of one member to `file`, checked against its own hash. It is what `etcdutl snapshot restore` takes. */
export async function downloadSnapshot(
  options: { readonly endpoints: readonly string[]; readonly tls?: EtcdTls; readonly clock: Clock },
  file: string,
): Promise<BackupSummary> {
  using channel = new EtcdChannel(options);
  // Finds a member that answers before anything is written.
  await channel.call(calls.status, {}, { repeatable: true });
  const bytes = await writeBackup(file, async (temporary) => {
    await using target = await open(temporary, 'w');
    const stream = await channel.download(calls.snapshot, {});
    stream.on('error', () => {});
    const hash = createHash('sha256');
    let held = Buffer.alloc(0);
    let size = 0;
    try {
      for await (const { blob } of stream as AsyncIterable<SnapshotResponse>) {
        size += blob.length;
        // The hash is not part of what it covers: the last bytes wait until more come.
        held = Buffer.concat([held, blob]);
        const body = held.subarray(0, Math.max(0, held.length - HASH));
        hash.update(body);
        await target.write(body);
        held = Buffer.from(held.subarray(body.length));
      }
    } catch (error) {
      const about = { what: 'snapshot', endpoint: channel.endpoint };
      throw callFailure(error) === undefined ? error : etcdError(error, about);
    } finally {
      stream.cancel();
    }
    if (size % PAGE !== HASH || !hash.digest().equals(held)) {
      throw new PlatformError('unavailable', `etcd ${channel.endpoint}: snapshot: did not come whole`, {
        hint: 'try again',
      });
    }
    await target.write(held);
    await target.sync();
  });
  return { kind: 'etcd', bytes };
}
