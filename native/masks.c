/* Parts of the kernel's file systems that a container does not see, or not change. */
#include "root.h"

#include "abi.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* The first mask of its kind: further ones are copies of the mount, which cost no super block. */
static int folder_mask = -1, file_mask = -1;
static const char *folder_data;

/*
 * What hides a file: the null device, as a mount that is read-only, so that nobody changes the mode of the device
 * itself through it. The descriptor is looked at, and it is the descriptor that is mounted: a /dev/null of the image's, a
 * link to something that the kernel believes for instance, has no way in (CVE-2025-31133).
 */
static int open_null(void)
{
	OWNED_FD null = open_below("/dev/null", O_PATH, ABI_RESOLVE_NO_SYMLINKS);
	if (null < 0 && errno == ENOENT)
		null = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat info;
	if (null < 0 || fstat(null, &info) < 0)
		return fail_errno("open /dev/null in the container");
	if (!S_ISCHR(info.st_mode) || info.st_rdev != makedev(1, 3))
		return fail(EINVAL, "/dev/null in the container is not the null device");
	OWNED_FD tree = clone_tree(null, "", false);
	if (tree < 0)
		return fail_errno("open_tree /dev/null in the container");
	struct change change = {.set = ABI_MOUNT_ATTR_RDONLY | ABI_MOUNT_ATTR_NOSUID | ABI_MOUNT_ATTR_NOEXEC};
	return apply_change(tree, &change, "/dev/null") < 0 ? -1 : release_fd(&tree);
}

static int open_empty_folder(const char *data, const char *path)
{
	char options[256];
	if ((size_t)snprintf(options, sizeof options, "nr_blocks=1,nr_inodes=1%s%s", *data == 0 ? "" : ",", data) >= sizeof options)
		return fail(E2BIG, "mask %s: options of %zu bytes", path, strlen(data));
	return new_mount("tmpfs", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, options, path);
}

int do_mask(const struct instruction *in)
{
	if (want_args(in, 2, 2) < 0)
		return -1;
	const char *path = in->argv[0], *data = in->argv[1];
	/* A link is followed inside the root: it is what the path shows that must not be seen. */
	OWNED_FD target = open_below(path, O_PATH, 0);
	if (target < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : fail_errno("mask: open %s in the container", path);
	struct stat info;
	if (fstat(target, &info) < 0)
		return fail_errno("stat %s in the container", path);
	bool folder = S_ISDIR(info.st_mode);
	if (folder && folder_mask >= 0 && strcmp(folder_data, data) != 0)
		close_owned(&folder_mask), folder_mask = -1;
	int *first = folder ? &folder_mask : &file_mask;
	OWNED_FD tree = -1;
	if (*first >= 0) {
		tree = clone_tree(*first, "", false);
		if (tree < 0)
			return fail_errno("mask: open_tree for %s", path);
	} else {
		tree = folder ? open_empty_folder(data, path) : open_null();
	}
	if (tree < 0 || place(tree, target, path, 0) < 0)
		return -1;
	if (*first < 0) {
		*first = release_fd(&tree);
		folder_data = folder ? data : folder_data;
	}
	return 0;
}

/* With everything below; nothing to do where the kernel has no such path. */
int do_readonly(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0)
		return -1;
	const char *path = in->argv[0];
	OWNED_FD target = open_below(path, O_PATH, 0);
	if (target < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : fail_errno("readonly: open %s in the container", path);
	OWNED_FD tree = clone_tree(target, "", true);
	if (tree < 0)
		return fail_errno("readonly: open_tree %s in the container", path);
	struct change change = {.set_all = ABI_MOUNT_ATTR_RDONLY};
	return apply_change(tree, &change, path) < 0 ? -1 : place(tree, target, path, 0);
}

void masks_close(void)
{
	close_owned(&folder_mask);
	close_owned(&file_mask);
	folder_mask = file_mask = -1;
}
