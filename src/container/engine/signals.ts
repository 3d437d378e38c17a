import { constants } from 'node:os';
import { PlatformError } from '../../base/errors.ts';
import type { Signal } from '../cri/generated/types.ts';

export const SIGTERM = constants.signals.SIGTERM;
export const SIGKILL = constants.signals.SIGKILL;

const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** A signal's number from `SIGTERM`, `TERM`, `15`, `SIGRTMIN+3` (image config) or `SIGRTMINPLUS3` (CRI). */
export function signalNumber(name: string): number {
  const text = name.toUpperCase().replace(/^(?!SIG|\d)/, 'SIG');
  const realTime = /^SIGRT(MIN|MAX)(?:(?:\+|PLUS|-|MINUS)(\d+))?$/.exec(text);
  const offset = Number(realTime?.[2] ?? 0);
  const number = realTime
    ? realTime[1] === 'MIN'
      ? SIGRTMIN + offset
      : SIGRTMAX - offset
    : /^\d+$/.test(text)
      ? Number(text)
      : (constants.signals as Readonly<Record<string, number>>)[text];
  if (number !== undefined && number >= 1 && number <= SIGRTMAX) return number;
  throw new PlatformError('invalid', `"${name}" is not a signal`, { details: { signal: name } });
}

/** What stops a container: the pod's word, then the image's, then SIGTERM. */
export function stopSignalOf(asked: Signal | undefined, image: string | undefined): number {
  if (asked !== undefined && asked !== 'RUNTIME_DEFAULT') return signalNumber(asked);
  return image === undefined || image === '' ? SIGTERM : signalNumber(image);
}
