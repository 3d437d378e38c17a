/**
 * Some parts of the program are loaded when something first needs them, so that it starts quickly. To compile them takes up to
 * twenty milliseconds, for which the first who needs one would hold up everybody: they are loaded when the start is over,
 * one at a time, and while there is little to do. Then some of them are tried out.
 */
import { sleep, type Clock } from '../../base/clock.ts';
import { loadPatterns, patternProblem } from '../api/pattern/lazy.ts';
import { loadRules } from '../api/structural/lazy-rules.ts';
import { loadDeviceExpressions } from '../api/validate/expressions.ts';
import { parseYaml } from '../api/yaml.ts';

/** When clients that waited for the start have been answered. */
const AFTER_MS = 3000;
const BETWEEN_MS = 250;
/** After more requests since the last part the next one waits: whoever sends so many waits for none of this. */
const QUIET = 50;
/** So long in all: without a part somebody's first request would hold up all those others. */
const PATIENCE_MS = 60_000;

/** Each takes a few milliseconds: what one needs stands before it, and has had a turn of its own. */
const PARTS: readonly (() => Promise<unknown>)[] = [
  () => import('yaml'),
  () => parseYaml(Buffer.from('a')),
  () => parseYaml(Buffer.from('a: [b]\n')),
  () => import('node:http2'),
  () => import('./http/http2-sessions.ts'),
  () => import('jose'),
  () => import('node:https'),
  () => import('./handlers/connect/forward.ts'),
  () => import('./webhooks/client.ts'),
  () => import('./custom/webhook-conversion.ts'),
  loadPatterns,
  async () => patternProblem('a'),
  () => import('../api/cel/parser.ts'),
  () => import('../api/cel/library/kubernetes.ts'),
  () => import('../api/cel/program.ts'),
  () => import('./admission/policy/questions.ts'),
  () => import('./admission/policy/ask.ts'),
  () => import('./admission/policy/validating.ts'),
  () => import('./admission/policy/mutating.ts'),
  () => import('./admission/policy/type-checking.ts'),
  loadRules,
  loadDeviceExpressions,
  () => compiled('true'),
  () => compiled("'a'.matches('a')"),
  () => compiled("['a'].all(x, x.matches('a'))"),
];

/** The tables of functions are made with the first one. */
async function compiled(expression: string): Promise<void> {
  const { compile, environmentOf } = await import('../api/cel/program.ts');
  compile(expression, environmentOf(new Map()));
}

/** `requests`: how many have come by now. Ends early, and says nothing, when the signal aborts. */
export async function warmUp(clock: Clock, signal: AbortSignal, requests: () => number): Promise<void> {
  let patience = PATIENCE_MS / BETWEEN_MS;
  const pause = async (): Promise<void> => {
    for (;;) {
      const before = requests();
      await sleep(clock, BETWEEN_MS, signal);
      if (requests() - before <= QUIET || patience-- <= 0) return;
    }
  };
  try {
    await sleep(clock, AFTER_MS - BETWEEN_MS, signal);
    for (const load of PARTS) {
      await pause();
      await load();
    }
    const { SAMPLES } = await import('./warm-up-samples.ts');
    for (const sample of SAMPLES) {
      await pause();
      await sample(clock);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
