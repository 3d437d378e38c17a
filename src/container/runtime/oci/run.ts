/** `run`: create and start; in the foreground also the wait for its end, and delete. */
import { isPlatformError, PlatformError } from '../../../base/errors.ts';
import { step } from '../program/instructions.ts';
import type { OciContext } from './context.ts';
import { createContainer, type CreateOptions } from './create.ts';
import { destroy } from './delete.ts';
import { startHeld } from './start.ts';

export interface RunOptions extends CreateOptions {
  /** In the foreground: not deleted at the end. */
  readonly keep: boolean;
}

/**
 * The exit code of the process, 128 + signal when it was killed; 0 at once when it is detached. In the foreground the
 * container belongs to its caller: when that goes away, so does the container.
 */
export async function runContainer(context: OciContext, options: RunOptions): Promise<number> {
  const code = await createAndStart(context, options);
  if (options.detached) return code;
  // From here on others may look at it, signal it, execute in it, delete it.
  try {
    const outcome = await context.front.execute([step('wait')]);
    if (outcome.type !== 'exited')
      throw new PlatformError('internal', 'the front does not know how it ended');
    if (!options.keep) await destroyAgain(context, options.id);
    return outcome.code;
  } catch (error) {
    await destroyAgain(context, options.id);
    throw error;
  }
}

async function createAndStart(context: OciContext, options: RunOptions): Promise<number> {
  using created = await createContainer(context, { ...options, relayTerminal: !options.detached });
  try {
    await startHeld(context, { ...created, made: true });
    return 0;
  } catch (error) {
    await destroy(context, created.lock, created.stored);
    throw error;
  }
}

/** Unless another verb has done so. */
async function destroyAgain(context: OciContext, id: string): Promise<void> {
  try {
    using lock = await context.folders.lock(id);
    await destroy(context, lock, context.folders.get(id));
  } catch (error) {
    if (!isPlatformError(error, 'not-found')) throw error;
  }
}
