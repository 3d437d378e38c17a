/** Resolves after everything else that waits on the event loop has had a turn: between two slices of long work. */
export function yieldToLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
