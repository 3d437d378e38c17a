import { PlatformError } from '../../base/errors.ts';

const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** A quantity (`100m`, `1.5Gi`, `2e3`) as a number: what the kernel's limits are computed from. */
export function parseQuantity(text: string | number): number {
  if (typeof text === 'number') return text;
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)$/.exec(text);
  const suffix = SUFFIXES[match?.[3] ?? ''];
  if (match === null || suffix === undefined) throw new PlatformError('invalid', `quantity "${text}"`);
  const number = Number(match[1]! + (match[2] ?? ''));
  // Small suffixes divide: 100m is exactly 0.1, where 100 * 1e-3 need not be.
  return suffix < 1 ? number / Math.round(1 / suffix) : number * suffix;
}
