/* What an image has at a place, into the tmpfs that covers it. */
#include "root.h"

#include "abi.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define DEPTH_MAX 128

static void close_folder(DIR **folder)
{
	if (*folder != NULL)
		closedir(*folder);
}
#define OWNED_DIR __attribute__((cleanup(close_folder))) DIR

/* File capabilities and ACLs above all. What the tmpfs cannot hold, the copy does not have. */
static int copy_attributes(int from, int to)
{
	char names[1024], value[1024];
	ssize_t length = flistxattr(from, names, sizeof names);
	for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) {
		ssize_t size = fgetxattr(from, names + at, value, sizeof value);
		if (size >= 0 && fsetxattr(to, names + at, value, (size_t)size, 0) < 0 && errno != ENOTSUP && errno != EPERM)
			return -1;
	}
	return 0;
}

/* Owner before mode, since a change of owner clears the set-id bits; times last. */
static int copy_metadata(int from, int to, const struct stat *info)
{
	struct timespec times[] = {info->st_atim, info->st_mtim};
	if (fchown(to, info->st_uid, info->st_gid) < 0 || copy_attributes(from, to) < 0)
		return -1;
	return fchmod(to, info->st_mode & 07777) < 0 || futimens(to, times) < 0 ? -1 : 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *info)
{
	OWNED_FD source = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	OWNED_FD target = source < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (target < 0)
		return -1;
	ssize_t sent;
	do
		sent = sendfile(target, source, NULL, 1 << 20);
	while (sent > 0 || (sent < 0 && errno == EINTR));
	return sent < 0 ? -1 : copy_metadata(source, target, info);
}

static int copy_link(int from, int to, const char *name, const struct stat *info)
{
	OWNED_MEM(char) target = calloc(1, (size_t)info->st_size + 2);
	if (target == NULL || readlinkat(from, name, target, (size_t)info->st_size + 1) < 0 || symlinkat(target, to, name) < 0)
		return -1;
	return fchownat(to, name, info->st_uid, info->st_gid, AT_SYMLINK_NOFOLLOW);
}

static int copy_node(int to, const char *name, const struct stat *info)
{
	if (mknodat(to, name, info->st_mode, info->st_rdev) < 0)
		return -1;
	if (fchownat(to, name, info->st_uid, info->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return S_ISSOCK(info->st_mode) ? 0 : fchmodat(to, name, info->st_mode & 07777, 0);
}

static int copy_entries(int from, int to, const char *path, int depth);

static int copy_entry(int from, int to, const char *name, const char *path, int depth)
{
	struct stat info;
	if (fstatat(from, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_errno("copy %s in %s", name, path);
	if (!S_ISDIR(info.st_mode)) {
		int status = S_ISREG(info.st_mode)   ? copy_file(from, to, name, &info)
			     : S_ISLNK(info.st_mode) ? copy_link(from, to, name, &info)
						     : copy_node(to, name, &info);
		return status < 0 ? fail_errno("copy %s in %s", name, path) : 0;
	}
	struct abi_open_how how = {
	    .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
	    .resolve = ABI_RESOLVE_BENEATH | ABI_RESOLVE_NO_XDEV | ABI_RESOLVE_NO_SYMLINKS,
	};
	OWNED_FD source = (int)syscall(SYS_openat2, from, name, &how, sizeof how);
	if (source < 0 && errno != EXDEV)
		return fail_errno("copy %s in %s", name, path);
	if (mkdirat(to, name, 0700) < 0)
		return fail_errno("copy %s in %s", name, path);
	/* Something was mounted there, which the tmpfs will cover: its mount point is what the image has. */
	if (source < 0)
		return 0;
	OWNED_FD target = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return fail_errno("copy %s in %s", name, path);
	if (copy_entries(source, target, path, depth + 1) < 0)
		return -1;
	return copy_metadata(source, target, &info) < 0 ? fail_errno("copy %s in %s", name, path) : 0;
}

static int copy_entries(int from, int to, const char *path, int depth)
{
	if (depth > DEPTH_MAX)
		return fail(ELOOP, "copy %s: more than %d folders deep", path, DEPTH_MAX);
	OWNED_FD own = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	OWNED_DIR *folder = own < 0 ? NULL : fdopendir(own);
	if (folder == NULL)
		return fail_errno("read %s", path);
	release_fd(&own);
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(folder);
		if (entry == NULL)
			return errno != 0 ? fail_errno("read %s", path) : 0;
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    copy_entry(from, to, entry->d_name, path, depth) < 0)
			return -1;
	}
}

int copy_folder(int from, int to, const char *path)
{
	struct stat info;
	if (fstat(from, &info) < 0)
		return fail_errno("stat %s", path);
	if (copy_entries(from, to, path, 0) < 0)
		return -1;
	return fchown(to, info.st_uid, info.st_gid) < 0 ? fail_errno("chown the tmpfs for %s", path) : 0;
}
