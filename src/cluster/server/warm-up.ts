/**
 * Some parts of the program are loaded when something first needs them, so that it starts quickly. To compile one takes ten
 * to twenty milliseconds, for which the first who needs it would hold up everybody: the most common are loaded when the
 * start is over, one at a time.
 */
import { sleep, type Clock } from '../../base/clock.ts';
import { parseYaml } from '../api/yaml.ts';

/** When clients that waited for the start have been answered. */
const AFTER_MS = 3000;
const BETWEEN_MS = 500;

const PARTS: readonly (() => Promise<unknown>)[] = [
  () => parseYaml(Buffer.from('a: [b]\n')),
  () => import('../api/openapi.ts'),
];

/** Ends early, and says nothing, when the signal aborts. */
export async function warmUp(clock: Clock, signal: AbortSignal): Promise<void> {
  try {
    await sleep(clock, AFTER_MS, signal);
    for (const load of PARTS) {
      await load();
      await sleep(clock, BETWEEN_MS, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
