/**
 * What Docker lets a container do when nobody says otherwise (moby's profiles/seccomp, as of engine 29): everything else
 * answers EPERM, what is newer than this list ENOSYS.
 */
import { PlatformError } from '../../../base/errors.ts';
import type { SeccompConfig } from '../../spec/runtime-config.ts';
import { ENOSYS, EPERM } from './vocabulary.ts';

type Rule = NonNullable<SeccompConfig['syscalls']>[number];

/** Calls that every container may make. */
const EVERYBODY = {
  files: `open openat openat2 creat close close_range read readv pread64 preadv preadv2 write writev pwrite64 pwritev
    pwritev2 lseek _llseek truncate truncate64 ftruncate ftruncate64 fallocate fsync fdatasync sync syncfs sync_file_range
    sendfile sendfile64 splice tee vmsplice copy_file_range readahead fadvise64 fadvise64_64 cachestat dup dup2 dup3 fcntl
    fcntl64 flock ioctl pipe pipe2 umask`,
  paths: `access faccessat faccessat2 chdir fchdir getcwd mkdir mkdirat rmdir mknod mknodat link linkat symlink symlinkat
    unlink unlinkat rename renameat renameat2 readlink readlinkat getdents getdents64 name_to_handle_at`,
  attributes: `stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 fstatfs fstatfs64 statmount
    listmount chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 fchownat lchown lchown32 utime utimes utimensat
    utimensat_time64 futimesat setxattr setxattrat lsetxattr fsetxattr getxattr getxattrat lgetxattr fgetxattr listxattr
    listxattrat llistxattr flistxattr removexattr removexattrat lremovexattr fremovexattr`,
  waiting: `select _newselect pselect6 pselect6_time64 poll ppoll ppoll_time64 epoll_create epoll_create1 epoll_ctl
    epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4 inotify_init
    inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark io_setup io_destroy io_submit io_cancel io_getevents
    io_pgetevents io_pgetevents_time64`,
  memory: `brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 mlockall munlock munlockall mseal
    remap_file_pages membarrier memfd_create memfd_secret map_shadow_stack pkey_alloc pkey_free pkey_mprotect`,
  processes: `fork vfork execve execveat exit exit_group wait4 waitid waitpid getpid getppid gettid getpgid getpgrp setpgid
    getsid setsid prctl getcpu pidfd_open pidfd_send_signal process_mrelease kill tkill tgkill pause set_tid_address
    set_robust_list get_robust_list set_thread_area get_thread_area rseq restart_syscall uretprobe riscv_hwprobe`,
  signals: `rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn`,
  locks: `futex futex_time64 futex_waitv futex_wait futex_wake futex_requeue`,
  identity: `getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 getresgid getresgid32
    getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32
    setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32 capget capset`,
  limits: `getrlimit ugetrlimit setrlimit prlimit64 getrusage getpriority setpriority ioprio_get ioprio_set sysinfo uname
    getrandom seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self`,
  scheduling: `sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam sched_setparam
    sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval
    sched_rr_get_interval_time64`,
  time: `time times gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 clock_nanosleep
    clock_nanosleep_time64 clock_adjtime clock_adjtime64 adjtimex nanosleep alarm getitimer setitimer timer_create
    timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
    timerfd_gettime64 timerfd_settime timerfd_settime64`,
  sockets: `socketcall socketpair bind listen accept accept4 connect shutdown getsockname getpeername getsockopt setsockopt
    send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64`,
  queues: `ipc msgget msgsnd msgrcv msgctl semget semop semctl semtimedop semtimedop_time64 shmget shmat shmdt shmctl mq_open
    mq_unlink mq_notify mq_getsetattr mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64`,
};

/** Calls that ask for a capability, by the capability in the container's bounding set. */
const CAPABLE: Readonly<Record<string, string>> = {
  CAP_BPF: 'bpf',
  CAP_DAC_READ_SEARCH: 'open_by_handle_at',
  CAP_PERFMON: 'perf_event_open',
  CAP_SYSLOG: 'syslog',
  CAP_SYS_ADMIN: `bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr
    lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd
    setdomainname sethostname setns syslog umount umount2 unshare`,
  CAP_SYS_BOOT: 'reboot',
  CAP_SYS_CHROOT: 'chroot',
  CAP_SYS_MODULE: 'delete_module init_module finit_module',
  CAP_SYS_NICE: 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node',
  CAP_SYS_PACCT: 'acct',
  CAP_SYS_PTRACE: 'kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace',
  CAP_SYS_RAWIO: 'iopl ioperm',
  CAP_SYS_TIME: 'settimeofday stime clock_settime clock_settime64',
  CAP_SYS_TTY_CONFIG: 'vhangup',
};

const MACHINE = {
  x64: {
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
    calls: 'arch_prctl modify_ldt',
  },
  arm64: {
    architectures: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
    calls: 'arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls',
  },
} as const;

/** Before this version ptrace was a way around seccomp: a tracer could change the call after the filter had seen it. */
const PTRACE_SAFE = { major: 4, minor: 8 };
const PTRACE = 'ptrace process_vm_readv process_vm_writev';

/** Address families whose sockets reach the host: the kernel's crypto (AF_ALG), and other machines (AF_VSOCK). */
const AF_ALG = 38;
const AF_VSOCK = 40;

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const NEW_NAMESPACES = 0x7e02_0000;

/** PER_LINUX, PER_LINUX32, both with UNAME26, and the question what it is. */
const PERSONALITIES = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/**
 * Docker's default profile for a container with `capabilities` (`CAP_…`, its bounding set) on a host of `arch`.
 * `kernelVersion` is the release as uname(2) says it; without it the kernel counts as one of 4.8 or later.
 */
export function dockerDefaultSeccomp(options: {
  readonly capabilities: readonly string[];
  readonly arch: 'x64' | 'arm64';
  readonly kernelVersion?: string;
}): SeccompConfig {
  const machine = MACHINE[options.arch];
  const has = new Set(options.capabilities);
  const plain = [...Object.values(EVERYBODY), machine.calls];
  if (ptraceIsSafe(options.kernelVersion)) plain.push(PTRACE);
  for (const [capability, calls] of Object.entries(CAPABLE)) if (has.has(capability)) plain.push(calls);

  const syscalls: Rule[] = [allow(plain.join(' ').split(/\s+/))];
  syscalls.push(
    allowWhere('socket', 'SCMP_CMP_LT', AF_ALG),
    allowWhere('socket', 'SCMP_CMP_EQ', AF_ALG + 1),
    allowWhere('socket', 'SCMP_CMP_GT', AF_VSOCK),
    ...PERSONALITIES.map((value) => allowWhere('personality', 'SCMP_CMP_EQ', value)),
  );
  if (!has.has('CAP_SYS_ADMIN')) {
    syscalls.push(
      allowWhere('clone', 'SCMP_CMP_MASKED_EQ', NEW_NAMESPACES),
      // Its flags stand in memory, where no filter can look: the C library falls back to clone.
      { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
    );
  }
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: EPERM,
    architectures: machine.architectures,
    syscalls,
  };
}

function allow(names: readonly string[]): Rule {
  return { names, action: 'SCMP_ACT_ALLOW' };
}

/** On the first argument; masked, none of the bits may be there. */
function allowWhere(name: string, op: string, value: number): Rule {
  const valueTwo = op === 'SCMP_CMP_MASKED_EQ' ? { valueTwo: 0 } : {};
  return { names: [name], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value, ...valueTwo, op }] };
}

function ptraceIsSafe(kernelVersion: string | undefined): boolean {
  if (kernelVersion === undefined) return true;
  const match = /^(\d+)\.(\d+)/.exec(kernelVersion);
  if (match === null) {
    throw new PlatformError('invalid', `kernelVersion: must begin with two numbers, not ${kernelVersion}`);
  }
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major > PTRACE_SAFE.major || (major === PTRACE_SAFE.major && minor >= PTRACE_SAFE.minor);
}
