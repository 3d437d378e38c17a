/* Kernel interfaces newer than the libc's headers. Numbers and layouts are the kernel's (include/uapi/linux). */
#ifndef SAMPAN_ABI_H
#define SAMPAN_ABI_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#define ABI_CLONE_NEWTIME 0x00000080
#ifndef PR_SET_NO_NEW_PRIVS
#define PR_SET_NO_NEW_PRIVS 38
#endif

/* openat2(2), 5.6 */
struct abi_open_how {
	uint64_t flags, mode, resolve;
};
#define ABI_RESOLVE_NO_XDEV 0x01
#define ABI_RESOLVE_NO_MAGICLINKS 0x02
#define ABI_RESOLVE_NO_SYMLINKS 0x04
#define ABI_RESOLVE_BENEATH 0x08
#define ABI_RESOLVE_IN_ROOT 0x10

/* open_tree(2), move_mount(2), fsopen(2), 5.2; mount_setattr(2), 5.12 */
struct abi_mount_attr {
	uint64_t attr_set, attr_clr, propagation, userns_fd;
};
#define ABI_OPEN_TREE_CLONE 1
#define ABI_OPEN_TREE_CLOEXEC O_CLOEXEC
#define ABI_AT_RECURSIVE 0x8000
#define ABI_MOVE_MOUNT_F_EMPTY_PATH 0x04
#define ABI_MOVE_MOUNT_T_EMPTY_PATH 0x40
#define ABI_MOUNT_ATTR_RDONLY 0x01
#define ABI_MOUNT_ATTR_NOSUID 0x02
#define ABI_MOUNT_ATTR_NODEV 0x04
#define ABI_MOUNT_ATTR_NOEXEC 0x08
#define ABI_MOUNT_ATTR_IDMAP 0x00100000
#define ABI_FSOPEN_CLOEXEC 1
#define ABI_FSMOUNT_CLOEXEC 1
#define ABI_FSCONFIG_SET_STRING 1
#define ABI_FSCONFIG_CMD_CREATE 6

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

/* statx(2), the part that we read; mnt_id is 5.8. musl has none of it before 1.2.5. */
struct abi_statx {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, pad;
	uint64_t ino, size, blocks, attributes_mask;
	uint64_t times[8];
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t mnt_id;
	uint64_t spare[13];
};
#define ABI_STATX_MNT_ID 0x1000
#define ABI_STATX_ATTR_MOUNT_ROOT 0x2000
#define ABI_AT_STATX_DONT_SYNC 0x4000
_Static_assert(sizeof(struct abi_statx) == 256, "the kernel's struct statx has 256 bytes");

/* sched_setattr(2), its first version */
struct abi_sched_attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/* seccomp(2) and its filter */
struct abi_sock_fprog {
	uint16_t length;
	const void *filter;
};
#define ABI_SOCK_FILTER_SIZE 8
#define ABI_SECCOMP_SET_MODE_FILTER 1
#define ABI_SECCOMP_FILTER_FLAG_TSYNC 1
#define ABI_SECCOMP_FILTER_FLAG_NEW_LISTENER 8

/* prctl(2), 4.3 */
#define ABI_PR_CAP_AMBIENT 47
#define ABI_PR_CAP_AMBIENT_RAISE 2
#define ABI_PR_CAP_AMBIENT_CLEAR_ALL 4

/* prlimit(2): the same on every architecture that we know, unlike the libc's rlim_t */
struct abi_rlimit {
	uint64_t soft, hard;
};

/* keyctl(2) */
#define ABI_KEYCTL_JOIN_SESSION_KEYRING 1
#define ABI_KEYCTL_SETPERM 5
#define ABI_KEYCTL_DESCRIBE 6

/* clone3(2), 5.3; into a cgroup, 5.7 */
#define ABI_SYS_CLONE3 435
#define ABI_CLONE_INTO_CGROUP UINT64_C(0x200000000)
struct abi_clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

#define ABI_PROC_SUPER_MAGIC 0x9fa0
#define ABI_CGROUP2_SUPER_MAGIC 0x63677270
#define ABI_PROC_ROOT_INODE 1

/* capset(2), version 3: two 32-bit halves */
struct abi_cap_header {
	uint32_t version;
	int pid;
};
struct abi_cap_data {
	uint32_t effective, permitted, inheritable;
};
#define ABI_CAP_VERSION_3 0x20080522

#endif
