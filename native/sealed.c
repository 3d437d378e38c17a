/*
 * Never run from a file that a container could write to (CVE-2019-5736). A process in a container may get at the file
 * that we run, by /proc/<pid>/exe of one of ours, or because an image's program is `#!/proc/self/exe`, and once we have
 * ended it may be opened for writing. So whoever enters a container runs from a place where that fails:
 *
 *   - a detached, read-only copy of the mount that the file is on: nothing is copied and the memory of the program is
 *     shared with all others that run it, but it takes CAP_SYS_ADMIN;
 *   - a sealed memfd with a copy of the file, for everyone else.
 *
 * Of the mount the folder is taken and not the file alone: a descriptor of a mount's root would be enough for whoever
 * has CAP_SYS_ADMIN somewhere to make the mount writable again; one of a file below it is not.
 */
#include "shim.h"

#include "abi.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Set for the program that we run anew. It says what was done; whether that is so the kernel says. */
#define MARK "SAMPAN_SEALED"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static bool is_sealed(int self)
{
	struct statvfs system;
	if (getenv(MARK) == NULL)
		return false;
	int seals = fcntl(self, F_GET_SEALS);
	if (seals >= 0)
		return (seals & SEALS) == SEALS;
	return fstatvfs(self, &system) == 0 && (system.f_flag & ST_RDONLY) != 0;
}

/* Returns only when it fails. */
static int run_from_mount(char **arguments, char **environment)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
	if (length <= 0)
		return fail_errno("read /proc/self/exe");
	path[length] = 0;
	char *name = strrchr(path, '/');
	if (name == NULL)
		return fail(EINVAL, "%s is not a path", path);
	*name++ = 0;
	OWNED_FD tree = (int)syscall(SYS_open_tree, AT_FDCWD, *path == 0 ? "/" : path, ABI_OPEN_TREE_CLONE | ABI_OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return fail_errno("open_tree %s", path);
	struct abi_mount_attr attr = {.attr_set = ABI_MOUNT_ATTR_RDONLY};
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
		return fail_errno("mount_setattr %s", path);
	/* The file may have been replaced since we were started. */
	struct stat there, self;
	if (fstatat(tree, name, &there, 0) < 0 || stat("/proc/self/exe", &self) < 0)
		return fail_errno("stat %s/%s", path, name);
	if (there.st_dev != self.st_dev || there.st_ino != self.st_ino)
		return fail(ESTALE, "%s/%s is not what we run any more", path, name);
	syscall(SYS_execveat, tree, name, arguments, environment, 0);
	return fail_errno("execute %s/%s anew", path, name);
}

static int run_from_memory(int self, char **arguments, char **environment)
{
	struct stat info;
	OWNED_FD copy = memfd_create("sampan", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	/* A kernel before 6.3, where what is executable need not be said. */
	if (copy < 0 && errno == EINVAL)
		copy = memfd_create("sampan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy < 0 || fstat(self, &info) < 0)
		return fail_errno("memfd_create");
	for (off_t done = 0; done < info.st_size;) {
		ssize_t sent = sendfile(copy, self, NULL, (size_t)(info.st_size - done));
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return fail_errno("copy our own program");
		done += sent;
	}
	if (fcntl(copy, F_ADD_SEALS, SEALS) < 0)
		return fail_errno("seal our own program");
	syscall(SYS_execveat, copy, "", arguments, environment, AT_EMPTY_PATH);
	return fail_errno("execute the copy of our own program");
}

int sealed_execute(char **arguments, char **environment)
{
	OWNED_FD self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (self < 0)
		return fail_errno("open /proc/self/exe");
	if (is_sealed(self)) {
		unsetenv(MARK);
		return 0;
	}
	size_t count = 0;
	while (environment[count] != NULL)
		count++;
	OWNED_MEM(char *) marked = calloc(count + 2, sizeof *marked);
	if (marked == NULL)
		return fail_errno("allocate the environment");
	marked[0] = MARK "=1";
	memcpy(marked + 1, environment, count * sizeof *marked);
	run_from_mount(arguments, marked);
	return run_from_memory(self, arguments, marked);
}
