import { PlatformError } from '../base/errors.ts';
import { preflight } from '../kernel/preflight.ts';

/** Throws for the first thing that this machine lacks to run containers. */
export function requireNode(): void {
  const [problem] = preflight();
  if (problem !== undefined) throw new PlatformError('unsupported', problem.what, { hint: problem.hint });
}
