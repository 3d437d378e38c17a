/** The user's process: who it is, what it may do, and how it is found. For a container's first and for those of `exec`. */
import type { CapabilitiesConfig, ProcessConfig } from '../../spec/runtime-config.ts';
import { capabilitySetMask } from '../capabilities.ts';
import { type Instruction, step } from '../program/instructions.ts';
import type { SeccompProgram } from '../seccomp/compile-seccomp.ts';
import {
  ioPriorityValue,
  PERSONALITIES,
  rlimitNumber,
  SCHEDULER_FLAGS,
  SCHEDULER_POLICIES,
} from './process-numbers.ts';
import { clean, steps } from './steps.ts';

export interface ProcessOptions {
  /** A container that runs has the folder, or it is the caller's mistake. */
  readonly cwdIsThere?: boolean;
  /** `user[:group]` by the image's files, instead of the numbers. */
  readonly userByName?: string | undefined;
  /** setgroups(2) is denied in this user namespace. */
  readonly keepGroups?: boolean;
  readonly seccomp?: SeccompProgram | undefined;
  /** What the seccomp agent reads, in front of the process' pid and behind it. */
  readonly agentState?: readonly [prefix: string, suffix: string] | undefined;
}

/** By the parent, on the process it has made: rlimits that only the host's root may raise. */
export function rlimitSteps({ rlimits = [] }: ProcessConfig): Instruction[] {
  return rlimits.map(({ type, soft, hard }) =>
    step('rlimit', String(rlimitNumber(type)), rlimit(soft), rlimit(hard)),
  );
}

/** Doubles end at 2^53; RLIM_INFINITY comes as 2^64. */
function rlimit(value: number): string {
  return value >= 2 ** 64 ? String(2n ** 64n - 1n) : String(BigInt(value));
}

/** What is prepared with all privileges: nothing of it is in force before `identity`, except how it is scheduled. */
export function preparationSteps(process: ProcessConfig, options: ProcessOptions): Instruction[] {
  const { user, scheduler, ioPriority } = process;
  const environment = environmentOf(process.env);
  const gids = (user.additionalGids ?? []).map(String);
  return [
    ...(scheduler === undefined ? [] : [schedulerStep(scheduler)]),
    ...(ioPriority === undefined ? [] : [step('io-priority', String(ioPriorityValue(ioPriority)))]),
    step('umask', (user.umask ?? 0o022).toString(8)),
    ...steps('environment', environment),
    options.cwdIsThere === true ? step('cwd', clean(process.cwd), 'there') : step('cwd', clean(process.cwd)),
    options.userByName === undefined
      ? step(
          'ids',
          String(user.uid),
          String(user.gid),
          options.keepGroups === true ? 'keep-groups' : 'set-groups',
          ...gids,
        )
      : step('user', options.userByName, ...gids),
    ...(environment.some((entry) => entry.startsWith('HOME=')) ? [] : [step('home')]),
    ...steps('arguments', process.args ?? []),
  ];
}

export function personalityStep(personality: { readonly domain: string } | undefined): Instruction[] {
  return personality === undefined ? [] : [step('personality', String(PERSONALITIES[personality.domain]))];
}

/**
 * From all privileges to those of the user's process. Without no_new_privs only CAP_SYS_ADMIN may install a filter, so
 * it comes before the capabilities go; with it (`lateSeccompSteps`) as late as possible, so that the filter need not
 * allow what is done here.
 */
export function identitySteps(process: ProcessConfig, options: ProcessOptions): Instruction[] {
  const { capabilities = {}, apparmorProfile = '', selinuxLabel = '' } = process;
  const isEarly = process.noNewPrivileges !== true;
  return [
    ...(apparmorProfile === '' ? [] : [step('apparmor-profile', apparmorProfile)]),
    ...(selinuxLabel === '' ? [] : [step('selinux-label', selinuxLabel)]),
    ...(isEarly ? seccompSteps(options) : [step('no-new-privileges')]),
    step('bounding', capabilitySetMask(capabilities.bounding)),
    step('identity'),
    capabilitiesStep(capabilities),
  ];
}

export function lateSeccompSteps(process: ProcessConfig, options: ProcessOptions): Instruction[] {
  return process.noNewPrivileges === true ? seccompSteps(options) : [];
}

function seccompSteps({ seccomp, agentState }: ProcessOptions): Instruction[] {
  if (seccomp === undefined) return [];
  const [flags, filter] = [String(seccomp.flags), seccomp.filter.toString('hex')];
  return [
    seccomp.listener === undefined || agentState === undefined
      ? step('seccomp', flags, filter)
      : step('seccomp', flags, filter, ...agentState),
  ];
}

function capabilitiesStep({ effective, permitted, inheritable, ambient }: CapabilitiesConfig): Instruction {
  return step(
    'capabilities',
    capabilitySetMask(effective),
    capabilitySetMask(permitted),
    capabilitySetMask(inheritable),
    capabilitySetMask(ambient),
  );
}

function schedulerStep(scheduler: NonNullable<ProcessConfig['scheduler']>): Instruction {
  const { policy, flags = [], nice = 0, priority = 0, runtime = 0, deadline = 0, period = 0 } = scheduler;
  const bits = flags.reduce((all, flag) => all | (SCHEDULER_FLAGS[flag] ?? 0), 0);
  const numbers = [SCHEDULER_POLICIES[policy] ?? 0, bits, nice, priority, runtime, deadline, period];
  return { opcode: 'scheduler', args: numbers.map(String) };
}

/** As runc hands it on: of two entries with one name the later, and no empty HOME. */
function environmentOf(entries: readonly string[] = []): string[] {
  const byName = new Map(entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry]));
  if (byName.get('HOME') === 'HOME=') byName.delete('HOME');
  return [...byName.values()];
}
