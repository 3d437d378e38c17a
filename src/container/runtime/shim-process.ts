/** Starts a shim and hears from it, over descriptor 3, how the creation went. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { PlatformError } from '../../base/errors.ts';
import { codeOfErrno } from './shim-connection.ts';

export interface ShimOptions {
  readonly shimPath: string;
  readonly folder: string;
  readonly containerId: string;
  /** The container uses our stdio, and ends when we do. */
  readonly foreground: boolean;
  readonly environment: Readonly<Record<string, string>>;
  /** One that was started ahead; only for a container that is not in the foreground. */
  readonly spare?: SpareShim | undefined;
}

/** A shim that waits to hear which container is its own: it ends when `control` does. */
export interface SpareShim {
  readonly control: Duplex;
}

/** Kept open in the foreground: the shim ends its container when it closes. */
export type Leash = Disposable;

/** How long the kernel may take for all mounts, in milliseconds; on a slow disk overlayfs waits for it. */
const CREATE_TIMEOUT_MS = 60_000;

/** Resolves when the container is created. Errors name the container, the step and what the kernel said. */
export async function startShim(options: ShimOptions): Promise<Leash> {
  const { foreground, containerId, spare, folder } = options;
  const { control, failed } =
    spare === undefined ? spawnShim(options) : { control: spare.control, failed: never() };
  if (spare !== undefined) {
    (control as Socket).ref();
    control.write(`${folder}\n`);
  }
  const line = await Promise.race([firstLine(control), failed]);
  if (!line.startsWith('created ')) throw creationError(containerId, line);
  if (!foreground) control.destroy();
  return { [Symbol.dispose]: () => control.destroy() };
}

const never = (): Promise<never> => new Promise(() => {});

function spawnShim({ shimPath, folder, foreground, environment }: ShimOptions): {
  readonly control: Duplex;
  readonly failed: Promise<never>;
} {
  const errors = foreground ? undefined : openSync(join(folder, 'shim.err'), 'a', 0o600);
  try {
    const child = spawn(shimPath, [folder], {
      detached: !foreground,
      env: environment,
      stdio: foreground ? ['inherit', 'inherit', 'inherit', 'pipe'] : ['ignore', 'ignore', errors, 'pipe'],
    });
    const failed = new Promise<never>((_resolve, reject) => {
      child.once('error', (error) => reject(cannotStart(shimPath, error)));
    });
    failed.catch(() => {});
    return { control: child.stdio[3] as Duplex, failed };
  } finally {
    if (errors !== undefined) closeSync(errors);
  }
}

/** As many bytes as the path that a spare is told may have, with its end of line: it takes the place of that many blanks. */
const FOLDER_ROOM = 256;

export function fitsSpare(folder: string): boolean {
  return Buffer.byteLength(folder) < FOLDER_ROOM;
}

/** A shim for the next container. It is of no use to anybody but us, and ends when we do. */
export function spawnSpare(
  shimPath: string,
  environment: Readonly<Record<string, string>>,
): SpareShim & Disposable {
  const child = spawn(shimPath, [' '.repeat(FOLDER_ROOM)], {
    detached: true,
    env: environment,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const control = child.stdio[3] as Socket;
  // What is wrong with it is found, and said, by whoever wants to use it.
  child.once('error', () => control.destroy());
  control.on('error', () => {});
  // It says nothing before it is used: what can be read is its end.
  control.once('end', () => control.destroy()).resume();
  child.unref();
  control.unref();
  return { control, [Symbol.dispose]: () => control.destroy() };
}

export function cannotStart(shimPath: string, error: Error): PlatformError {
  return new PlatformError('unavailable', `cannot start ${shimPath}: ${error.message}`, {
    cause: error,
    hint: 'build the native programs with: make native',
  });
}

/** Empty when the shim ended without a word. */
function firstLine(stream: Duplex): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => {
      stream.destroy();
      reject(
        new PlatformError('timeout', `the container was not created within ${CREATE_TIMEOUT_MS / 1000} s`),
      );
    }, CREATE_TIMEOUT_MS);
    const done = (): void => {
      clearTimeout(timer);
      resolve(text.split('\n')[0]!);
    };
    stream.setEncoding('utf8');
    stream.on('data', (part: string) => {
      text += part;
      if (text.includes('\n')) done();
    });
    stream.on('error', done);
    stream.on('close', done);
  });
}

/** `error <number> <opcode> <errno> <exit code> <message>` */
export function creationError(containerId: string, line: string): PlatformError {
  const match = /^error (\d+) ([a-z-]+) (\w+) (\d+) (.*)$/s.exec(line);
  if (match === null) {
    return new PlatformError('internal', `container ${containerId}: its shim ended while creating it`);
  }
  const [, number, opcode, errno, exitCode, message] = match;
  const details = {
    step: Number(number),
    opcode,
    errno,
    ...(exitCode === '0' ? {} : { exitCode: Number(exitCode) }),
  };
  // These two are what the user asked for, in the words that runc's users know.
  const asked = opcode === 'find-program' || opcode === 'user';
  const text = asked ? message! : `container ${containerId}: step ${number} (${opcode}): ${message}`;
  return new PlatformError(asked ? 'invalid' : codeOfErrno(errno!), text, { details });
}
