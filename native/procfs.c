/*
 * What is written below /proc decides what the user's process may do, and a write that ends elsewhere (a masked
 * /proc/self/attr, a tmpfs in place of /proc) seems to have worked: CVE-2019-16884, CVE-2019-19921, CVE-2025-52881.
 * So the descriptor is a procfs's root by type and inode, no mount inside it is crossed, no magic link is followed; where
 * that does not lead to the file, a procfs is made that is mounted nowhere.
 */
#include "root.h"

#include "abi.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

static int mounted = -1, own = -1;

static int open_mounted(void)
{
	OWNED_FD fd = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs system;
	struct stat info;
	if (fd < 0 || fstatfs(fd, &system) < 0 || fstat(fd, &info) < 0)
		return -1;
	if (system.f_type != ABI_PROC_SUPER_MAGIC || info.st_ino != ABI_PROC_ROOT_INODE) {
		errno = ENODEV;
		return -1;
	}
	return release_fd(&fd);
}

static int open_own(void)
{
	OWNED_FD context = (int)syscall(SYS_fsopen, "proc", ABI_FSOPEN_CLOEXEC);
	if (context < 0 || syscall(SYS_fsconfig, context, ABI_FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return (int)syscall(SYS_fsmount, context, ABI_FSMOUNT_CLOEXEC,
			    ABI_MOUNT_ATTR_NOSUID | ABI_MOUNT_ATTR_NODEV | ABI_MOUNT_ATTR_NOEXEC);
}

static int open_in(int procfs, const char *path, uint64_t flags)
{
	struct abi_open_how how = {
	    .flags = flags | O_CLOEXEC,
	    .resolve = ABI_RESOLVE_BENEATH | ABI_RESOLVE_NO_MAGICLINKS | ABI_RESOLVE_NO_XDEV,
	};
	int fd;
	do
		fd = (int)syscall(SYS_openat2, procfs, path, &how, sizeof how);
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd;
}

int procfs_open(const char *path, uint64_t flags)
{
	if (own < 0 && mounted < 0)
		mounted = open_mounted();
	int fd = -1;
	if (own < 0 && mounted >= 0) {
		fd = open_in(mounted, path, flags);
		/* The rest are answers about the file itself, which another procfs would give as well. */
		if (fd >= 0 || (errno != EXDEV && errno != ELOOP && errno != EROFS && errno != ENOENT))
			return fd;
	}
	int code = errno;
	/* A procfs of our own costs a super block, and its end a wait for every processor: only when it is needed. */
	if (own < 0)
		own = open_own();
	if (own < 0) {
		errno = code;
		return -1;
	}
	return open_in(own, path, flags);
}

int procfs_write(const char *path, const char *value)
{
	OWNED_FD fd = procfs_open(path, O_WRONLY);
	if (fd < 0)
		return -1;
	size_t length = strlen(value);
	ssize_t written = write(fd, value, length);
	if (written >= 0 && (size_t)written != length) {
		errno = EIO;
		return -1;
	}
	return written < 0 ? -1 : 0;
}

void procfs_close(void)
{
	close_owned(&mounted);
	close_owned(&own);
	mounted = own = -1;
}
