import type { ProcessConfig } from '../../spec/runtime-config.ts';
import type { OciContext } from './context.ts';

/** Socket activation (sd_listen_fds(3)): as many descriptors of the caller's are for the process, which is 1 inside. */
export function listeningDescriptors({ front }: Pick<OciContext, 'front'>): number {
  const count = Number(front.request.env['LISTEN_FDS'] ?? 0);
  return Number.isSafeInteger(count) && count > 0 ? count : 0;
}

export function withListenVariables(
  context: Pick<OciContext, 'front'>,
  process: ProcessConfig,
): ProcessConfig {
  const count = listeningDescriptors(context);
  if (count === 0) return process;
  return { ...process, env: [...(process.env ?? []), `LISTEN_FDS=${count}`, 'LISTEN_PID=1'] };
}
