/** Joins a client's streams with a process', and tells how it ended. */
import { finished, pipeline } from 'node:stream/promises';
import type { Readable, Writable } from 'node:stream';

import { errorMessage } from '../../../base/errors.ts';
import type { ContainerStreams, ExecStreams } from '../../../container/cri/streaming.ts';
import type { Status } from '../../api/generated/meta-v1.ts';
import type { RemoteSession } from './remote-session.ts';

const SUCCESS: Status = { metadata: {}, status: 'Success' };

/** Runs until the process has ended, or its client has gone: then it is killed. */
export async function runRemote(
  session: RemoteSession,
  { start, command }: { readonly start: () => Promise<ExecStreams>; readonly command: readonly string[] },
): Promise<void> {
  let status: Status;
  try {
    using process = await start();
    const kill = (): void => process[Symbol.dispose]();
    if (session.gone.aborted) kill();
    session.gone.addEventListener('abort', kill, { once: true });
    const outputs = join(session, process);
    const exitCode = await process.exited;
    await outputs;
    status = exitCode === 0 ? SUCCESS : failedWith(exitCode, command);
  } catch (error) {
    status = internalError(`error executing command in container: ${errorMessage(error)}`);
  }
  await end(session, status);
}

/** The same for a container that runs already: it is not ended by its client's end. */
export async function attachRemote(
  session: RemoteSession,
  start: () => Promise<ContainerStreams>,
): Promise<void> {
  let status: Status;
  try {
    using container = await start();
    const letGo = (): void => container[Symbol.dispose]();
    if (session.gone.aborted) letGo();
    session.gone.addEventListener('abort', letGo, { once: true });
    await join(session, container);
    status = SUCCESS;
  } catch (error) {
    status = internalError(`error attaching to container: ${errorMessage(error)}`);
  }
  await end(session, status);
}

/** Resolves when all output has reached the client. */
async function join(session: RemoteSession, process: ContainerStreams): Promise<void> {
  session.onResize((size) => process.resize(size));
  // A process that does not read to the end of its input is no failure.
  if (session.stdin !== undefined && process.stdin !== undefined)
    pipeline(session.stdin, process.stdin).catch(() => session.stdin?.resume());
  await Promise.all([copy(process.stdout, session.stdout), copy(process.stderr, session.stderr)]);
}

async function copy(from: Readable | undefined, to: Writable | undefined): Promise<void> {
  if (from === undefined) return;
  if (to === undefined) {
    from.resume();
    await finished(from).catch(() => {});
    return;
  }
  // The client has gone, or never wanted it: whoever ends the process sees to the rest.
  await pipeline(from, to).catch(() => from.resume());
}

async function end(session: RemoteSession, status: Status): Promise<void> {
  // An output that nothing was ever copied to.
  for (const output of [session.stdout, session.stderr]) if (output?.writable === true) output.end();
  await session.finish(status);
}

/** As client-go reads it: the cause `ExitCode` is what the command line ends with. */
export function failedWith(exitCode: number, command: readonly string[]): Status {
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: error executing command [${command.join(' ')}], exit code ${exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  };
}

export function internalError(message: string): Status {
  return {
    metadata: {},
    status: 'Failure',
    message: `Internal error occurred: ${message}`,
    reason: 'InternalError',
    details: { causes: [{ message }] },
    code: 500,
  };
}
