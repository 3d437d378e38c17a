/** Waits for a machine's end, not for ever. */
import type { Machine } from './machine.ts';
import type { Report } from './report.ts';

export interface Follow {
  readonly machine: Pick<Machine, 'ended' | 'kill' | 'console'>;
  readonly report: Report;
  /** Until the guest's test runner speaks. */
  readonly bootSeconds: number;
  /** For all of the lane, and how much of it had passed at power-on. */
  readonly seconds: number;
  readonly spentSeconds: number;
}

/** Resolves when the machine is off, to what went wrong; tests that failed are not its concern. */
export async function follow(options: Follow): Promise<string | undefined> {
  const { machine, report, bootSeconds, seconds, spentSeconds } = options;
  let trouble: string | undefined;
  const stop = (why: string): void => {
    trouble ??= why;
    machine.kill();
  };
  const timers = [
    setTimeout(() => {
      if (!report.booted) stop(`the guest did not reach its test runner within ${bootSeconds} s`);
    }, bootSeconds * 1000),
    setTimeout(() => stop(`the deadline of ${seconds} s has passed`), (seconds - spentSeconds) * 1000),
  ];
  const interrupted = (signal: NodeJS.Signals): void => stop(`${signal} came`);
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    await machine.ended;
  } finally {
    for (const timer of timers) clearTimeout(timer);
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
  }
  if (trouble !== undefined || report.complete) return trouble;
  const panicked = machine.console.some((line) => line.includes('Kernel panic - not syncing'));
  return panicked ? 'the guest panicked' : 'the guest went off before its tests had ended';
}
