/** Hooks after the creation: poststart and poststop, run by the front in the caller's namespaces. */
import { errorMessage } from '../../../base/errors.ts';
import type { HookStage, RuntimeConfig } from '../../spec/runtime-config.ts';
import { hookSteps } from '../compile/hooks.ts';
import { type Instruction, step } from '../program/instructions.ts';
import type { StoredContainer } from './container-folder.ts';
import { callerEnvironment, OCI_VERSION, type OciContext } from './context.ts';

/**
 * A hook that fails is warned of, and the ones after it run (runtime.md, "Lifecycle").
 * @param config as it was at the creation
 */
export async function runHooks(
  context: OciContext,
  stored: StoredContainer,
  stage: {
    readonly name: HookStage;
    readonly config: RuntimeConfig;
    /** This caller's front has made init, and so puts its pid in. */
    readonly made?: boolean;
  },
): Promise<void> {
  const { id, bundle, annotations } = stored;
  const [state, ...hooks] = hookSteps(stage.config, [stage.name], {
    state: (status) => ({
      ociVersion: OCI_VERSION,
      id,
      status,
      bundle,
      ...(annotations === undefined ? {} : { annotations }),
    }),
    environment: callerEnvironment(context),
    folder: bundle,
  });
  if (state === undefined) return;
  // Without a caller there is nobody to run them.
  if (context.front.lost.aborted) return;
  const known =
    stage.made === true ? state : withPid(state, stage.name === 'poststop' ? 0 : stored.init?.pid);
  for (const hook of hooks) {
    try {
      await context.front.execute([known, hook]);
    } catch (error) {
      if (context.front.lost.aborted) throw error;
      context.warn(`${hook.args[0]}: ${errorMessage(error)}`);
    }
  }
}

function withPid(state: Instruction, pid = 0): Instruction {
  const [prefix = '', suffix = '', folder = ''] = state.args;
  return step('hook-state', `${prefix}${pid}`, suffix, folder);
}
