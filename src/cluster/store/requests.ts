/** What every implementation checks before it acts, and the errors that all of them give in the same words. */
import { PlatformError } from '../../base/errors.ts';
import type { Compare, Op } from './store.ts';

/** Operations that one transaction may hold. */
export const MAX_OPS = 4096;

export function checkTransaction(compares: readonly Compare[], ops: readonly Op[]): void {
  if (ops.length > MAX_OPS) {
    throw new PlatformError('invalid', `transaction: ${ops.length} operations, at most ${MAX_OPS}`);
  }
  const seen = ops.length > 1 ? new Set<string>() : undefined;
  for (const { key } of ops) {
    if (seen?.has(key) === true)
      throw new PlatformError('invalid', `transaction: key "${key}" is written twice`);
    checkKey(key);
    seen?.add(key);
  }
  for (const { key } of compares) if (seen?.has(key) !== true) checkKey(key);
}

function checkKey(key: string): void {
  if (key === '') throw new PlatformError('invalid', 'key: must not be empty');
  // A lone surrogate has no UTF-8 form, so it could not be found again under its name.
  if (!key.isWellFormed()) throw new PlatformError('invalid', `key ${JSON.stringify(key)}: not well-formed`);
  // SQLite ends a text at a zero byte in some of its functions.
  if (key.includes('\0')) throw new PlatformError('invalid', `key ${JSON.stringify(key)}: holds a zero byte`);
}

/** The revision to read at; 0 or absent means the newest. */
export function readRevision(wanted: number | undefined, newest: number, compacted: number): number {
  const revision = wanted ?? 0;
  if (revision === 0) return newest;
  if (!Number.isSafeInteger(revision) || revision < 0 || revision > newest) {
    throw new PlatformError('invalid', `revision ${revision}: is in the future, the newest is ${newest}`);
  }
  if (revision < compacted) throw expired(revision, compacted);
  return revision;
}

export function checkCompaction(revision: number, newest: number): void {
  if (!Number.isSafeInteger(revision) || revision < 0 || revision > newest) {
    throw new PlatformError('invalid', `compact to revision ${revision}: the newest is ${newest}`);
  }
}

export function checkTtl(ttlSeconds: number): void {
  if (!Number.isSafeInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > 9_000_000) {
    throw new PlatformError('invalid', `lease: ttl of ${ttlSeconds} s: want a whole number of 1 to 9000000`);
  }
}

export function expired(revision: number, compacted: number): PlatformError {
  return new PlatformError('expired', `revision ${revision} has been compacted, the oldest is ${compacted}`, {
    details: { revision, compacted },
  });
}

export function leaseNotFound(lease: number): PlatformError {
  return new PlatformError('not-found', `lease ${lease} does not exist or has run out`);
}

export function closed(): PlatformError {
  return new PlatformError('cancelled', 'the store is closed');
}
