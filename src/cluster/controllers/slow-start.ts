/**
 * Runs `task` `count` times in batches of 1, 2, 4, … and stops after a batch with a failure: what fails for one (a
 * quota, a bad template) mostly fails for all, and the API need not hear it five hundred times.
 */
export async function slowStart(
  count: number,
  task: () => Promise<void>,
): Promise<{ readonly tried: number; readonly errors: readonly unknown[] }> {
  let tried = 0;
  for (let batch = 1; tried < count; batch *= 2) {
    const size = Math.min(batch, count - tried);
    const results = await Promise.allSettled(Array.from({ length: size }, () => task()));
    tried += size;
    const errors = results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason as unknown] : [],
    );
    if (errors.length > 0) return { tried, errors };
  }
  return { tried, errors: [] };
}
