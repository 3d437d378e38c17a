/** Hooks of a container's life: what its author wants to be done just after its start and just before its end. */
import { sleep } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Container, LifecycleHandler } from '../api/generated/core-v1.ts';
import type { KubeletContext } from './context.ts';
import { httpProbe, type ProbeOutcome, type ProbeTarget } from './probe.ts';

export interface HookCall {
  readonly target: ProbeTarget & { readonly container: Container };
  /** How long it may take; 0: as long as it likes. */
  readonly seconds: number;
}

/** Never throws: what goes wrong is a hook that failed. */
export async function runHook(
  context: KubeletContext,
  hook: LifecycleHandler,
  { target, seconds }: HookCall,
): Promise<ProbeOutcome> {
  const { clock, runtime } = context;
  try {
    if (hook.exec !== undefined) {
      if (runtime.execSync === undefined) return failed('the runtime runs no commands');
      const { containerId } = target;
      const cmd = hook.exec.command ?? [];
      const { exitCode = 0, stdout, stderr } = await runtime.execSync({ containerId, cmd, timeout: seconds });
      if (exitCode === 0) return { success: true, message: '' };
      const output = Buffer.concat([stdout ?? Buffer.alloc(0), stderr ?? Buffer.alloc(0)]).toString('utf8');
      return failed(`command '${cmd.join(' ')}' exited with ${exitCode}: ${output}`);
    }
    if (hook.httpGet !== undefined) {
      return await httpProbe(hook.httpGet, {
        target,
        timeoutSeconds: seconds === 0 ? HTTP_SECONDS : seconds,
        clock,
      });
    }
    const asked = hook.sleep?.seconds ?? 0;
    await sleep(clock, (seconds === 0 ? asked : Math.min(asked, seconds)) * 1000);
    return { success: true, message: '' };
  } catch (error) {
    return failed(errorMessage(error));
  }
}

/** Of a hook that has no deadline of its own. */
const HTTP_SECONDS = 60;

const failed = (message: string): ProbeOutcome => ({ success: false, message });
