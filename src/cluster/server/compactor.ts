import type { Clock } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Store } from '../store/store.ts';

/** History is kept for at least this long: what a client may take from one page of a list to the next. */
const KEEP_MS = 5 * 60_000;

/** Forgets, every five minutes, what is older than five minutes. */
export function startCompactor(
  store: Store,
  about: { readonly clock: Clock; readonly log: Logger },
): Disposable {
  const { clock, log } = about;
  let before = 0;
  let timer: Disposable;
  const compact = async (): Promise<void> => {
    const revision = await store.revision();
    if (before > 0) await store.compact(before);
    before = revision;
  };
  const again = (): void => {
    compact().catch((error: unknown) => log.warn('cannot compact the store', { error: errorMessage(error) }));
    timer = clock.after(KEEP_MS, again);
  };
  timer = clock.after(KEEP_MS, again);
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}
