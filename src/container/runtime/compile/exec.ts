/** One process more in a container that runs. */
import type { ProcessConfig, RuntimeConfig } from '../../spec/runtime-config.ts';
import { type Instruction, step } from '../program/instructions.ts';
import { agentState } from './agent-state.ts';
import type { ExecContext } from './context.ts';
import { descriptorSteps, keyringName, terminalSteps } from './create.ts';
import {
  identitySteps,
  lateSeccompSteps,
  personalityStep,
  preparationSteps,
  type ProcessOptions,
  rlimitSteps,
} from './process.ts';
import { steps } from './steps.ts';

/** @param config the container's own: what holds for all of its processes is taken from there */
export function compileExec(
  process: ProcessConfig,
  config: RuntimeConfig,
  context: ExecContext,
): Instruction[] {
  const { seccomp, pid } = context;
  const { initial = '', final = '' } = process.execCPUAffinity ?? {};
  const options: ProcessOptions = {
    keepGroups: context.keepGroups ?? false,
    cwdIsThere: true,
    userByName: context.shim?.user,
    seccomp,
    agentState: agentState(seccomp, { ...context.state('running'), pid }),
  };
  return [
    ...(context.shim === undefined ? [] : [step('output', process.terminal === true ? 'terminal' : 'pipes')]),
    ...descriptorSteps(context),
    ...(seccomp?.listener === undefined ? [] : [step('seccomp-listener', seccomp.listener.path)]),
    // The cgroup's own CPUs would replace it: before it is entered one set holds, from then on another.
    ...(initial === '' ? [] : [step('cpu-affinity', initial)]),
    step('join-process', String(pid), context.startTime),
    ...steps('cgroup', context.procsFiles),
    step('clone'),
    ...rlimitSteps(process),
    ...(process.oomScoreAdj === undefined
      ? []
      : [step('oom-score-adj', String(process.oomScoreAdj), 'strict')]),
    step('enter'),
    ...(final === '' ? [] : [step('cpu-affinity', final)]),
    ...(context.noNewKeyring === true
      ? []
      : [step('keyring', keyringName(context.id, context.shim === undefined ? 'front' : 'shim'))]),
    ...terminalSteps(process, ''),
    step('session'),
    ...personalityStep(config.linux?.personality),
    ...preparationSteps(process, options),
    ...identitySteps(process, options),
    step('find-program'),
    ...lateSeccompSteps(process, options),
    step('exec'),
    ...(context.wait === true ? [step('wait')] : []),
  ];
}
