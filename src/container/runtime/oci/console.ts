import { PlatformError } from '../../../base/errors.ts';
import type { ConsoleTarget } from '../compile/context.ts';
import { callerPath, type OciContext } from './context.ts';

export interface ConsoleOptions {
  readonly consoleSocket?: string | undefined;
  /** In the foreground the caller's own terminal shows the container's. */
  readonly relayTerminal: boolean;
  readonly detached: boolean;
}

/** Where the terminal's master goes; `undefined` without a terminal. */
export function consoleTarget(
  context: OciContext,
  process: { readonly terminal?: boolean } | undefined,
  { consoleSocket, relayTerminal, detached }: ConsoleOptions,
): ConsoleTarget | undefined {
  const terminal = process?.terminal === true;
  if (consoleSocket !== undefined && consoleSocket !== '') {
    if (!terminal || !detached) {
      throw new PlatformError(
        'invalid',
        'cannot use console socket if it will not detach or allocate tty (process.terminal)',
      );
    }
    return { type: 'socket', path: callerPath(context, consoleSocket) };
  }
  if (!terminal) return undefined;
  if (!relayTerminal) {
    throw new PlatformError(
      'invalid',
      'cannot allocate tty if it will detach without setting console socket',
    );
  }
  return { type: 'relay' };
}
