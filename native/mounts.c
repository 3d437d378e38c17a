/*
 * Mounts below the root. Each is made where nobody can see it, then put into its place by descriptor, and looked for
 * there by its path: nothing is ever mounted at a place that merely had the right name a moment ago.
 */
#include "root.h"

#include "abi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

int parse_mask(const char *text, uint64_t *mask)
{
	char *end;
	errno = 0;
	*mask = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != 0 || *text == '-')
		return fail(EINVAL, "\"%s\" is not a mask", text);
	return 0;
}

int read_change(const char *const *arguments, struct change *change)
{
	uint64_t *const fields[] = {&change->set, &change->clear, &change->set_all, &change->clear_all, &change->propagation};
	for (int i = 0; i < 5; i++)
		if (parse_mask(arguments[i], fields[i]) < 0)
			return -1;
	return 0;
}

static int set_attributes(int fd, struct abi_mount_attr attr, bool recursive, const char *what)
{
	if (attr.attr_set == 0 && attr.attr_clr == 0 && attr.propagation == 0)
		return 0;
	unsigned flags = AT_EMPTY_PATH | (recursive ? ABI_AT_RECURSIVE : 0);
	if (syscall(SYS_mount_setattr, fd, "", flags, &attr, sizeof attr) == 0)
		return 0;
	if (errno == EPERM && attr.attr_clr != 0)
		return fail_errno("change the attributes of %s (what a parent user namespace has set, it keeps)", what);
	return fail_errno("change the attributes of %s", what);
}

int apply_change(int fd, const struct change *change, const char *what)
{
	uint64_t propagation = change->propagation & ~(uint64_t)MS_REC;
	bool all = change->propagation & MS_REC;
	struct abi_mount_attr below = {change->set_all, change->clear_all, all ? propagation : 0, 0};
	struct abi_mount_attr top = {change->set, change->clear, all ? 0 : propagation, 0};
	return set_attributes(fd, below, true, what) < 0 ? -1 : set_attributes(fd, top, false, what);
}

int clone_tree(int directory, const char *path, bool recursive)
{
	return (int)syscall(SYS_open_tree, directory, path,
			    ABI_OPEN_TREE_CLONE | ABI_OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? ABI_AT_RECURSIVE : 0));
}

int mount_id(int fd, uint64_t *id, bool *is_root)
{
	struct abi_statx info;
	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH | ABI_AT_STATX_DONT_SYNC, ABI_STATX_MNT_ID, &info) < 0)
		return fail_errno("statx");
	if (!(info.mask & ABI_STATX_MNT_ID))
		return fail(ENOSYS, "this kernel does not number mounts (Linux 5.8)");
	*id = info.mnt_id;
	*is_root = info.attributes & ABI_STATX_ATTR_MOUNT_ROOT;
	return 0;
}

/*
 * mount(2) on the root itself, which only we see, and from where the new mount is moved: like fsmount(2)'s it is nowhere
 * to be found by a path meanwhile, but its options are read as they always were (fsconfig(2) takes no value beyond 255
 * bytes, and knows no quotes).
 */
int new_mount(const char *type, const char *source, unsigned long flags, const char *data, const char *path)
{
	uint64_t below, above;
	bool is_root;
	if (fchdir(root_descriptor()) < 0)
		return fail_errno("enter the root");
	if (mount(source, ".", type, flags, data) < 0)
		return fail_errno("mount %s at %s in the container", type, path);
	/* ".." of a root is the root, and then what is mounted on it. */
	OWNED_FD fd = open_below("..", O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return fail_errno("open the new %s for %s in the container", type, path);
	if (mount_id(root_descriptor(), &below, &is_root) < 0 || mount_id(fd, &above, &is_root) < 0)
		return -1;
	if (below == above)
		return fail(ESTALE, "the new %s for %s in the container is not there", type, path);
	return release_fd(&fd);
}

int open_target(const char *path, bool directory, uint64_t resolve)
{
	struct statfs system;
	struct stat info;
	OWNED_FD fd = open_or_make(path, directory, resolve);
	if (fd < 0)
		return -1;
	if (fstat(fd, &info) < 0 || fstatfs(fd, &system) < 0)
		return fail_errno("stat %s in the container", path);
	/* move_mount(2) says EINVAL, as for many other reasons. */
	if (directory != S_ISDIR(info.st_mode))
		return directory ? fail(ENOTDIR, "mount point %s in the container is not a folder", path)
				 : fail(EISDIR, "mount point %s in the container is a folder, and what is to be mounted is not", path);
	if (system.f_type == ABI_PROC_SUPER_MAGIC && !(resolve & ABI_RESOLVE_NO_SYMLINKS)) {
		/* What is below /proc is there to be believed; who wants to mount there has to say so. */
		OWNED_FD straight = open_below(path, O_PATH, ABI_RESOLVE_NO_SYMLINKS);
		if (straight < 0)
			return fail_errno("%s in the container leads into a procfs", path);
	}
	return release_fd(&fd);
}

int place(int tree, int target, const char *path, uint64_t resolve)
{
	uint64_t ours, there;
	bool is_root;
	if (syscall(SYS_move_mount, tree, "", target, "", ABI_MOVE_MOUNT_F_EMPTY_PATH | ABI_MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return fail_errno("attach a mount at %s in the container", path);
	OWNED_FD fd = open_below(path, O_PATH, resolve);
	if (fd < 0)
		return fail_errno("open %s in the container, which has just been mounted", path);
	if (mount_id(tree, &ours, &is_root) < 0 || mount_id(fd, &there, &is_root) < 0)
		return -1;
	if (ours != there)
		return fail(ESTALE, "%s in the container: renamed while something was mounted there", path);
	return 0;
}

/* Is the procfs that we see the one of our own PID namespace? Then NSpid has one number alone. */
static bool host_procfs_is_ours(void)
{
	char text[4096];
	OWNED_FD fd = procfs_open("self/status", O_RDONLY);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (length <= 0)
		return false;
	text[length] = 0;
	const char *at = strstr(text, "\nNSpid:\t");
	return at != NULL && strcspn(at + 8, "\t") > strcspn(at + 8, "\n");
}

/*
 * In a user namespace the kernel makes no file system of a network, PID or cgroup namespace that is not the user
 * namespace's own. What the host shows of it is what there is to see then. EBUSY: cgroup v2 with options of its own.
 */
static int host_view(const char *type, int code, unsigned long flags)
{
	const char *source = NULL;
	if (code == EPERM && strcmp(type, "sysfs") == 0)
		source = "/sys";
	else if (code == EPERM && strcmp(type, "proc") == 0 && host_procfs_is_ours())
		source = "/proc";
	else if ((code == EPERM || code == EBUSY) && strcmp(type, "cgroup2") == 0)
		source = "/sys/fs/cgroup";
	if (source == NULL)
		return -1;
	OWNED_FD tree = clone_tree(AT_FDCWD, source, true);
	struct statfs system;
	if (tree < 0 || fstatfs(tree, &system) < 0)
		return -1;
	if (strcmp(type, "cgroup2") == 0 && system.f_type != ABI_CGROUP2_SUPER_MAGIC)
		return -1;
	struct change change = {.set_all = (flags & MS_RDONLY ? ABI_MOUNT_ATTR_RDONLY : 0) |
					   (flags & MS_NOSUID ? ABI_MOUNT_ATTR_NOSUID : 0) |
					   (flags & MS_NODEV ? ABI_MOUNT_ATTR_NODEV : 0) |
					   (flags & MS_NOEXEC ? ABI_MOUNT_ATTR_NOEXEC : 0)};
	return apply_change(tree, &change, source) < 0 ? -1 : release_fd(&tree);
}

/* `remount` in the options of a mount: what is there already gets other ones. */
static int remount(const struct instruction *in, unsigned long flags, uint64_t resolve)
{
	uint64_t id;
	bool is_root;
	OWNED_FD fd = open_below(in->argv[2], O_PATH | O_DIRECTORY, resolve);
	if (fd < 0)
		return fail_errno("open %s in the container", in->argv[2]);
	if (mount_id(fd, &id, &is_root) < 0)
		return -1;
	if (!is_root)
		return fail(EINVAL, "remount %s in the container: nothing is mounted there", in->argv[2]);
	if (fchdir(fd) < 0 || mount(in->argv[1], ".", in->argv[0], flags, in->argv[4]) < 0)
		return fail_errno("remount %s in the container", in->argv[2]);
	return 0;
}

/* A tmpfs on a folder has the folder's mode, unless its options give one (runc; tmpfs' own default is 1777). */
static int tmpfs_data(int target, const char *data, char **changed)
{
	struct stat info;
	if (strncmp(data, "mode=", 5) == 0 || strstr(data, ",mode=") != NULL)
		return 0;
	if (fstat(target, &info) < 0)
		return fail_errno("stat a mount point");
	if (asprintf(changed, "%s%smode=%o", data, *data == 0 ? "" : ",", (unsigned)info.st_mode & 07777) < 0)
		return fail(ENOMEM, "allocate mount options");
	return 0;
}

int do_mount(const struct instruction *in)
{
	uint64_t flags;
	if (want_args(in, 5, 5) < 0 || parse_mask(in->argv[3], &flags) < 0)
		return -1;
	const char *type = in->argv[0], *source = in->argv[1], *path = in->argv[2], *data = in->argv[4];
	bool kernel = strcmp(type, "proc") == 0 || strcmp(type, "sysfs") == 0;
	uint64_t resolve = kernel ? ABI_RESOLVE_NO_SYMLINKS : 0;
	if (flags & MS_REMOUNT)
		return remount(in, (unsigned long)flags, resolve);
	OWNED_MEM(char) changed = NULL;
	OWNED_FD there = strcmp(type, "tmpfs") == 0 ? open_below(path, O_PATH, resolve) : -1;
	if (there >= 0 && tmpfs_data(there, data, &changed) < 0)
		return -1;
	OWNED_FD target = open_target(path, true, resolve);
	if (target < 0)
		return -1;
	OWNED_FD tree = new_mount(type, source, (unsigned long)flags, changed == NULL ? data : changed, path);
	if (tree < 0)
		tree = host_view(type, failure_code(), (unsigned long)flags);
	return tree < 0 ? -1 : place(tree, target, path, resolve);
}

int do_mount_copy_up(const struct instruction *in)
{
	uint64_t flags;
	if (want_args(in, 3, 3) < 0 || parse_mask(in->argv[1], &flags) < 0)
		return -1;
	const char *path = in->argv[0];
	OWNED_MEM(char) changed = NULL;
	OWNED_FD from = open_below(path, O_RDONLY | O_DIRECTORY, 0);
	if (from < 0 && errno != ENOENT)
		return fail_errno("open %s in the container", path);
	if (from >= 0 && tmpfs_data(from, in->argv[2], &changed) < 0)
		return -1;
	const char *data = changed == NULL ? in->argv[2] : changed;
	OWNED_FD tree = new_mount("tmpfs", "tmpfs", (unsigned long)flags & ~(unsigned long)MS_RDONLY, data, path);
	if (tree < 0)
		return -1;
	OWNED_FD to = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (to < 0)
		return fail_errno("open the tmpfs for %s in the container", path);
	if (from >= 0 && copy_folder(from, to, path) < 0)
		return -1;
	struct change change = {.set = flags & MS_RDONLY ? ABI_MOUNT_ATTR_RDONLY : 0};
	if (apply_change(tree, &change, path) < 0)
		return -1;
	OWNED_FD target = open_target(path, true, 0);
	return target < 0 ? -1 : place(tree, target, path, 0);
}

/* Puts a tree to its place, where it gets a mount point of its own kind. */
static int attach(int tree, const char *path)
{
	struct stat info;
	if (fstat(tree, &info) < 0)
		return fail_errno("stat what is to be mounted at %s in the container", path);
	OWNED_FD target = open_target(path, S_ISDIR(info.st_mode), 0);
	return target < 0 ? -1 : place(tree, target, path, 0);
}

int do_bind(const struct instruction *in)
{
	struct change change;
	if (want_args(in, 8, 8) < 0 || read_change(in->argv + 3, &change) < 0)
		return -1;
	OWNED_FD tree = clone_tree(AT_FDCWD, in->argv[0], strcmp(in->argv[2], "rec") == 0);
	if (tree < 0)
		return fail_errno("bind mount source %s", in->argv[0]);
	return apply_change(tree, &change, in->argv[0]) < 0 ? -1 : attach(tree, in->argv[1]);
}

int do_attach(const struct instruction *in)
{
	if (want_args(in, 2, 2) < 0)
		return -1;
	OWNED_FD tree = take_tree(in->argv[0]);
	return tree < 0 ? -1 : attach(tree, in->argv[1]);
}

static int change_mounted(const char *path, struct change *change)
{
	uint64_t id;
	bool is_root;
	OWNED_FD fd = open_below(path, O_PATH, 0);
	if (fd < 0)
		return fail_errno("open %s in the container", path);
	if (mount_id(fd, &id, &is_root) < 0)
		return -1;
	if (!is_root)
		return fail(EINVAL, "change the attributes of %s in the container: nothing is mounted there", path);
	return apply_change(fd, change, path);
}

int do_mount_attributes(const struct instruction *in)
{
	struct change change;
	if (want_args(in, 7, 7) < 0 || read_change(in->argv + 2, &change) < 0)
		return -1;
	if (strcmp(in->argv[1], "rec") == 0) {
		change.set_all |= change.set;
		change.clear_all |= change.clear;
		change.set = change.clear = 0;
		change.propagation |= change.propagation == 0 ? 0 : MS_REC;
	}
	return change_mounted(in->argv[0], &change);
}

int do_remount_readonly(const struct instruction *in)
{
	struct change change = {.set = ABI_MOUNT_ATTR_RDONLY};
	return want_args(in, 1, 1) < 0 ? -1 : change_mounted(in->argv[0], &change);
}
