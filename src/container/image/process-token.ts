import { readFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';

/**
 * Names for half-made things on disk that say which process makes them: `<pid>-<start time>-<random>`. The start
 * time (field 22 of /proc/<pid>/stat, in clock ticks) tells a process from a later one with the same pid, so that a
 * sweep removes what the dead left and never what another living process is writing.
 */
export function ownToken(): string {
  return `${process.pid}-${startTime(process.pid) ?? '0'}-${randomBytes(6).toString('hex')}`;
}

/** True while the process that made the token lives; false also for what is not a token. */
export function tokenAlive(token: string): boolean {
  const match = /^(\d+)-(\d+)-[0-9a-f]+/.exec(token);
  return match !== null && startTime(Number(match[1])) === match[2];
}

/** True when the token is of this very process. */
export function tokenIsOwn(token: string): boolean {
  return token.startsWith(`${process.pid}-`) && tokenAlive(token);
}

function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command name in parentheses may hold spaces and parentheses itself; fields count from the last ")".
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
