import type { Clock } from '../../../base/clock.ts';
import { errorMessage } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { Store } from '../../store/store.ts';

/** History is kept for at least this long: what a client may take from one page of a list to the next. */
const KEEP_MS = 5 * 60_000;

/** Holds the revision up to which the last one of several servers compacted. The key is Kubernetes' own, so that its servers count too. */
const TURN = 'compact_rev_key';

export interface CompactorOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Told what has been compacted. */
  readonly forget?: (revision: number) => void;
  /** Others compact the same store: whoever takes the turn first does it. */
  readonly shared?: boolean;
}

/** Forgets, every five minutes, what is older than five minutes. */
export function startCompactor(
  store: Store,
  { clock, log, forget = () => {}, shared = false }: CompactorOptions,
): Disposable {
  let before = 0;
  /** The version of TURN that was seen last; a turn can be taken once from each. */
  let turn = 0;
  let timer: Disposable;
  let disposed = false;

  const takeTurn = async (revision: number): Promise<boolean> => {
    const value = Buffer.from(`${revision}`);
    const taken = await store.txn([{ key: TURN, modRevision: turn }], [{ type: 'put', key: TURN, value }]);
    turn = taken.succeeded ? taken.revision : (taken.current[0]?.modRevision ?? 0);
    return taken.succeeded;
  };

  const compact = async (): Promise<void> => {
    const revision = await store.revision();
    // The first round only looks: what is old is known at the second.
    if (!shared) {
      if (before > 0) await store.compact(before);
    } else if (before > 0) {
      if (await takeTurn(before)) await store.compact(before);
    } else turn = (await store.get(TURN))?.modRevision ?? 0;
    // Also when another server has done it.
    if (before > 0) forget(before);
    before = revision;
  };
  const again = (): void => {
    compact()
      .catch((error: unknown) => log.warn('cannot compact the store', { error: errorMessage(error) }))
      .finally(() => {
        // A store that cannot be reached for an hour is asked every five minutes all the same.
        if (!disposed) timer = clock.after(KEEP_MS, again);
      });
  };
  timer = clock.after(KEEP_MS, again);
  return {
    [Symbol.dispose]() {
      disposed = true;
      timer[Symbol.dispose]();
    },
  };
}
