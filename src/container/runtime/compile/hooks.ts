/** Hooks in the configuration's order; each reads the container's state on stdin (runtime.md, "State"). */
import { PlatformError } from '../../../base/errors.ts';
import type { HookConfig, HookStage, RuntimeConfig, RuntimeState } from '../../spec/runtime-config.ts';
import { type Instruction, step } from '../program/instructions.ts';
import { MAX_ARGS } from '../program/program-text.ts';
import type { StateWithoutPid } from './context.ts';

export interface HookContext {
  readonly state: StateWithoutPid;
  /** For hooks that name none of their own: the caller's, or for `startContainer` the process'. */
  readonly environment?: readonly string[];
  /** Where they are; without it where their process is. */
  readonly folder?: string;
}

/** Empty when there are none of this stage. */
export function hookSteps(
  config: RuntimeConfig,
  stages: readonly HookStage[],
  context: HookContext,
): Instruction[] {
  return stages.flatMap((stage) => stageSteps(config, stage, context));
}

function stageSteps(config: RuntimeConfig, stage: HookStage, context: HookContext): Instruction[] {
  const hooks = config.hooks?.[stage] ?? [];
  if (hooks.length === 0) return [];
  const around = stateAroundPid(context.state(STATUS[stage]));
  const state =
    context.folder === undefined
      ? step('hook-state', ...around)
      : step('hook-state', ...around, context.folder);
  return [
    state,
    ...hooks.map((hook, index) => hookStep(`hooks.${stage}[${index}]`, hook, context.environment)),
  ];
}

/** Prestart hooks are older than the state `creating`: in version 1.0 of the specification the container was created by then. */
const STATUS: Readonly<Record<HookStage, RuntimeState['status']>> = {
  prestart: 'created',
  createRuntime: 'creating',
  createContainer: 'creating',
  startContainer: 'created',
  poststart: 'running',
  poststop: 'stopped',
};

/** The state as JSON, in front of init's pid and behind it. */
export function stateAroundPid(state: Omit<RuntimeState, 'pid'>): [prefix: string, suffix: string] {
  const { ociVersion, id, status, ...rest } = state;
  return [
    `${JSON.stringify({ ociVersion, id, status }).slice(0, -1)},"pid":`,
    `,${JSON.stringify(rest).slice(1)}`,
  ];
}

function hookStep(name: string, hook: HookConfig, environment: readonly string[] = []): Instruction {
  const args = hook.args === undefined || hook.args.length === 0 ? [hook.path] : hook.args;
  const all = [...args, ...(hook.env ?? environment)];
  if (all.length > MAX_ARGS - 4) {
    throw new PlatformError(
      'invalid',
      `${name}: ${all.length} arguments and variables; want at most ${MAX_ARGS - 4}`,
    );
  }
  return step('hook', name, hook.path, String((hook.timeout ?? 0) * 1000), String(args.length), ...all);
}
