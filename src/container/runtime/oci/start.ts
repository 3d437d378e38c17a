/** `start`: lets init execute the user's program. */
import { closeSync, constants, openSync, unlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import { failpoint } from '../../../base/failpoint.ts';
import type { RuntimeConfig } from '../../spec/runtime-config.ts';
import type { LockedContainer, StoredContainer } from './container-folder.ts';
import type { OciContext } from './context.ts';
import { codeOfErrno } from './front.ts';
import { runHooks } from './parent-hooks.ts';
import { START_SOCKET, statusOf } from './status.ts';

export async function startContainer(context: OciContext, id: string): Promise<void> {
  const { folders, front } = context;
  using lock = await folders.lock(id, front.lost);
  const stored = folders.get(id);
  const status = statusOf(context, stored);
  if (status === 'stopped') throw new PlatformError('conflict', 'cannot start a container that has stopped');
  if (status !== 'created')
    throw new PlatformError('conflict', `cannot start an already ${status} container`);
  await startHeld(context, { lock, stored, config: folders.config(id) });
}

export async function startHeld(
  context: OciContext,
  {
    lock,
    stored,
    config,
    made = false,
  }: { lock: LockedContainer; stored: StoredContainer; config: RuntimeConfig; made?: boolean },
): Promise<void> {
  if (config.process === undefined) {
    throw new PlatformError('invalid', 'process: wanted for start; config.json has none');
  }
  failpoint('oci.start');
  await letGo(lock.folder);
  failpoint('oci.started');
  await runHooks(context, stored, { name: 'poststart', config, made });
}

/** The end of the connection without a word is the exec: its descriptors were closed by it. */
async function letGo(folder: string): Promise<void> {
  const socket = await dial(folder);
  const said = await talk(socket);
  // Kept until now: a crash before this leaves a container that can be started, or says that it is.
  unlinkSync(join(folder, START_SOCKET));
  if (said !== '') throw startError(said);
}

function talk(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    const said: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => said.push(chunk));
    socket.on('error', (error) => reject(initGone(error)));
    socket.on('close', () => resolve(String(Buffer.concat(said))));
    socket.write('start\n');
  });
}

function dial(folder: string): Promise<Socket> {
  // A folder's descriptor stands in for a name that is too long for a socket's address.
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  return new Promise((resolve, reject) => {
    const socket = connect(`/proc/self/fd/${fd}/${START_SOCKET}`);
    socket.once('connect', () => {
      closeSync(fd);
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error) => {
      closeSync(fd);
      reject(initGone(error));
    });
  });
}

function initGone(cause: unknown): PlatformError {
  return new PlatformError('conflict', 'cannot start a container whose init has ended', { cause });
}

/** `error <errno> <exit code or 0> <message>` */
function startError(line: string): PlatformError {
  const match = /^error (?:start )?(\S+) (\d+) (.*)/s.exec(line.trim());
  const [, errno = '', exitCode = '0', message = line.trim()] = match ?? [];
  return new PlatformError(codeOfErrno(errno), message, {
    details: { errno, exitCode: Number(exitCode) },
  });
}
