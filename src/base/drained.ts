import type { Duplex } from 'node:stream';

/** Resolves when there is room again, or nobody is there any more. */
export function drained(stream: { on: Duplex['on']; off: Duplex['off']; destroyed: boolean }): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) return resolve();
    const done = (): void => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}
