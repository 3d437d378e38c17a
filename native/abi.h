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
#ifndef PR_SET_NO_NEW_PRIVS
#define PR_SET_NO_NEW_PRIVS 38
#endif

/* openat2(2), 5.6 */
struct abi_open_how {
	uint64_t flags, mode, resolve;
};
#define ABI_RESOLVE_NO_MAGICLINKS 0x02
#define ABI_RESOLVE_NO_SYMLINKS 0x04
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
#define ABI_FSOPEN_CLOEXEC 1
#define ABI_FSMOUNT_CLOEXEC 1
#define ABI_FSCONFIG_SET_STRING 1
#define ABI_FSCONFIG_CMD_CREATE 6

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

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
