/** Names in a process' configuration as the kernel's numbers; the checks list the same names. */

/** include/uapi/asm-generic/resource.h, in the order of their numbers. */
export const RLIMITS: readonly string[] =
  'CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME'
    .split(' ')
    .map((name) => `RLIMIT_${name}`);

export function rlimitNumber(name: string): number {
  return RLIMITS.indexOf(name);
}

/** include/uapi/linux/sched.h */
export const SCHEDULER_POLICIES: Readonly<Record<string, number>> = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
};

export const SCHEDULER_FLAGS: Readonly<Record<string, number>> = {
  SCHED_FLAG_RESET_ON_FORK: 0x01,
  SCHED_FLAG_RECLAIM: 0x02,
  SCHED_FLAG_DL_OVERRUN: 0x04,
  SCHED_FLAG_KEEP_POLICY: 0x08,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40,
};

/** include/uapi/linux/ioprio.h */
export const IO_CLASSES: Readonly<Record<string, number>> = {
  IOPRIO_CLASS_RT: 1,
  IOPRIO_CLASS_BE: 2,
  IOPRIO_CLASS_IDLE: 3,
};

export function ioPriorityValue(ioPriority: { readonly class: string; readonly priority: number }): number {
  return ((IO_CLASSES[ioPriority.class] ?? 0) << 13) | ioPriority.priority;
}

/** include/uapi/linux/personality.h */
export const PERSONALITIES: Readonly<Record<string, number>> = { LINUX: 0, LINUX32: 8 };
