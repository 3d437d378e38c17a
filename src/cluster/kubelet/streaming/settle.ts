/** Between promises and the callbacks that node's streams want. */

/** Calls `done` when the work is done, or with what went wrong. */
export async function settle(work: Promise<void>, done: (error?: Error) => void): Promise<void> {
  try {
    await work;
  } catch (error) {
    done(error instanceof Error ? error : new Error(String(error)));
    return;
  }
  done();
}

/** `ended` never rejects. */
export async function afterwards(ended: Promise<void>, act: () => void): Promise<void> {
  await ended;
  act();
}
