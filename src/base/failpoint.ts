/**
 * Named places where a test can make the program fail or die. Off, a failpoint is one comparison.
 *
 * SAMPAN_FAILPOINTS="kernel.cgroup.create=error;store.commit=kill:3" makes the first throw each time and the
 * second end the process with SIGKILL on its third hit.
 */
import { PlatformError } from './errors.ts';

interface Armed {
  readonly action: 'error' | 'kill';
  countdown: number;
}

let armed: Map<string, Armed> | undefined;
let onHit: ((name: string) => void) | undefined;

/** Arms failpoints from their text form; an empty string disarms all. */
export function armFailpoints(text: string): void {
  armed = text === '' ? undefined : new Map();
  for (const entry of text.split(';')) {
    const match = /^([\w.-]+)=(error|kill)(?::(\d+))?$/.exec(entry.trim());
    if (match === null) {
      if (entry.trim() !== '')
        throw new PlatformError('invalid', `failpoint "${entry}": want name=error|kill[:n]`);
      continue;
    }
    armed?.set(match[1]!, { action: match[2] as 'error' | 'kill', countdown: Number(match[3] ?? 1) });
  }
}

/** Calls `listener` on every failpoint that is passed: how a test finds the names. */
export function traceFailpoints(listener: ((name: string) => void) | undefined): void {
  onHit = listener;
}

/** Marks a step that may be made to fail. Put it before the step takes effect. */
export function failpoint(name: string): void {
  if (armed === undefined && onHit === undefined) return;
  onHit?.(name);
  const point = armed?.get(name);
  if (point === undefined || --point.countdown > 0) return;
  if (point.action === 'kill') process.kill(process.pid, 'SIGKILL');
  throw new PlatformError('internal', `failpoint ${name}`);
}
