/*
 * The container's root: mounts and files below it, made before pivot_root while the host's files can still be seen.
 * Every path below the root is resolved by openat2 with RESOLVE_IN_ROOT, so that a symbolic link in an image can
 * only ever lead to another place in the image; places where the kernel's own file systems go must not be links at
 * all (CVE-2019-16884, CVE-2019-19921).
 */
#include "shim.h"

#include "abi.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static int root_fd = -1;

static int open_below(const char *path, uint64_t flags, uint64_t resolve)
{
	while (*path == '/')
		path++;
	struct abi_open_how how = {.flags = flags | O_CLOEXEC, .resolve = ABI_RESOLVE_IN_ROOT | resolve};
	int fd;
	/* EAGAIN: something was renamed meanwhile and the kernel cannot vouch for "..". */
	do
		fd = (int)syscall(SYS_openat2, root_fd, *path == 0 ? "." : path, &how, sizeof how);
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd;
}

/*
 * An O_PATH descriptor of `path`, made when missing: its parents as folders, itself as a folder or an empty file.
 * Part by part, so that a part which is a link is followed by the kernel inside the root before the next is made.
 */
static int open_or_make(const char *path, bool directory, uint64_t resolve)
{
	char prefix[PATH_MAX];
	while (*path == '/')
		path++;
	size_t length = strlen(path);
	if (length >= sizeof prefix)
		return fail(ENAMETOOLONG, "path of %zu bytes below the root", length);
	memcpy(prefix, path, length + 1);
	OWNED_FD current = open_below("", O_PATH | O_DIRECTORY, 0);
	if (current < 0)
		return fail_errno("open the root");
	for (size_t start = 0, end; start < length; start = end + 1) {
		for (end = start; end < length && prefix[end] != '/'; end++)
			;
		bool last = end >= length;
		prefix[end] = 0;
		const char *part = prefix + start;
		/* The compiler hands over clean paths. A ".." here would be made next to a link's target. */
		if (*part == 0 || strcmp(part, ".") == 0 || strcmp(part, "..") == 0)
			return fail(EINVAL, "/%s: want a path without empty or dot parts", path);
		int next = open_below(prefix, O_PATH, resolve);
		if (next < 0 && errno == ENOENT) {
			int made = last && !directory ? openat(current, part, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644)
						      : mkdirat(current, part, 0755);
			if (made < 0 && errno != EEXIST)
				return fail_errno("make /%s in the container", prefix);
			if (made > 0)
				close(made);
			next = open_below(prefix, O_PATH, resolve);
		}
		if (next < 0)
			return fail_errno("open /%s in the container", prefix);
		close(current);
		current = next;
		if (!last)
			prefix[end] = '/';
	}
	return release_fd(&current);
}

static void descriptor_path(char (*buffer)[32], int fd)
{
	snprintf(*buffer, sizeof *buffer, "/proc/self/fd/%d", fd);
}

static int attach(int tree, int target, const char *path)
{
	if (syscall(SYS_move_mount, tree, "", target, "", ABI_MOVE_MOUNT_F_EMPTY_PATH | ABI_MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return fail_errno("attach a mount at %s in the container", path);
	return 0;
}

static int set_attributes(int fd, uint64_t attributes, bool recursive, const char *path)
{
	struct abi_mount_attr attr = {.attr_set = attributes};
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? ABI_AT_RECURSIVE : 0), &attr, sizeof attr) < 0)
		return fail_errno("mount_setattr %s", path);
	return 0;
}

/* A detached copy of the mounts at `path` below `directory`; with an empty path, of the descriptor itself. */
static int clone_tree(int directory, const char *path, bool recursive)
{
	return (int)syscall(SYS_open_tree, directory, path,
			    ABI_OPEN_TREE_CLONE | ABI_OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? ABI_AT_RECURSIVE : 0));
}

static unsigned long mount_flags(const char *list)
{
	unsigned long flags = 0;
	flags |= strstr(list, "ro") ? MS_RDONLY : 0;
	flags |= strstr(list, "nosuid") ? MS_NOSUID : 0;
	flags |= strstr(list, "nodev") ? MS_NODEV : 0;
	flags |= strstr(list, "noexec") ? MS_NOEXEC : 0;
	flags |= strstr(list, "strictatime") ? MS_STRICTATIME : 0;
	return flags;
}

int root_open(const char *path)
{
	root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root_fd < 0 ? fail_errno("open %s", path) : 0;
}

/* private: what we mount stays here, and what the host mounts later does not appear. */
static int do_private(const struct instruction *in)
{
	(void)in;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return fail_errno("make / private");
	return 0;
}

/* root <type> <folder> <options> */
static int do_root(const struct instruction *in)
{
	if (want_args(in, 3, 3) < 0)
		return -1;
	if (mount(in->argv[0], in->argv[1], in->argv[0], 0, in->argv[2]) < 0)
		return fail_errno("mount %s on %s", in->argv[0], in->argv[1]);
	return root_open(in->argv[1]);
}

/*
 * root-layers <folder> <upper> <work> <lower>…, topmost first: for more layers than mount(2)'s page of options holds
 * (lowerdir+ is Linux 6.5).
 */
static int do_root_layers(const struct instruction *in)
{
	if (want_args(in, 4, -1) < 0)
		return -1;
	OWNED_FD context = (int)syscall(SYS_fsopen, "overlay", ABI_FSOPEN_CLOEXEC);
	if (context < 0)
		return fail_errno("fsopen overlay");
	for (int i = 1; i < in->argc; i++) {
		const char *key = i == 1 ? "upperdir" : i == 2 ? "workdir" : "lowerdir+";
		if (syscall(SYS_fsconfig, context, ABI_FSCONFIG_SET_STRING, key, in->argv[i], 0) < 0)
			return fail_errno("overlay %s=%s", key, in->argv[i]);
	}
	if (syscall(SYS_fsconfig, context, ABI_FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fail_errno("mount overlay of %d layers", in->argc - 3);
	OWNED_FD tree = (int)syscall(SYS_fsmount, context, ABI_FSMOUNT_CLOEXEC, 0);
	if (tree < 0)
		return fail_errno("fsmount overlay");
	if (syscall(SYS_move_mount, tree, "", AT_FDCWD, in->argv[0], ABI_MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return fail_errno("attach overlay at %s", in->argv[0]);
	return root_open(in->argv[0]);
}

/* mount <type> <source> <path> <flags> <options> */
static int do_mount(const struct instruction *in)
{
	if (want_args(in, 5, 5) < 0)
		return -1;
	char target[32];
	OWNED_FD fd = open_or_make(in->argv[2], true, ABI_RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return -1;
	descriptor_path(&target, fd);
	if (mount(in->argv[1], target, in->argv[0], mount_flags(in->argv[3]), in->argv[4]) < 0)
		return fail_errno("mount %s at %s in the container", in->argv[0], in->argv[2]);
	return 0;
}

/* remount-readonly <path>: this mount alone, not those below. */
static int do_remount_readonly(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0)
		return -1;
	OWNED_FD fd = open_below(in->argv[0], O_PATH, ABI_RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return fail_errno("open %s in the container", in->argv[0]);
	return set_attributes(fd, ABI_MOUNT_ATTR_RDONLY, false, in->argv[0]);
}

/* device <path> <mode, octal> <major> <minor> */
static int do_device(const struct instruction *in)
{
	long long major_number, minor_number;
	if (want_args(in, 4, 4) < 0 || parse_number(in->argv[2], &major_number) < 0 || parse_number(in->argv[3], &minor_number) < 0)
		return -1;
	const char *name = strrchr(in->argv[0], '/') + 1;
	char parent[PATH_MAX];
	snprintf(parent, sizeof parent, "%.*s", (int)(name - 1 - in->argv[0]), in->argv[0]);
	OWNED_FD directory = open_or_make(parent, true, ABI_RESOLVE_NO_SYMLINKS);
	if (directory < 0)
		return -1;
	mode_t mode = (mode_t)strtoul(in->argv[1], NULL, 8);
	if (mknodat(directory, name, S_IFCHR | mode, makedev((unsigned)major_number, (unsigned)minor_number)) == 0)
		return 0;
	if (errno != EPERM)
		return fail_errno("mknod %s in the container", in->argv[0]);
	/* A host that does not let us make devices (we are in a container ourselves) may still let us show its own. */
	OWNED_FD target = open_or_make(in->argv[0], false, ABI_RESOLVE_NO_SYMLINKS);
	OWNED_FD tree = target < 0 ? -1 : clone_tree(AT_FDCWD, in->argv[0], false);
	if (target < 0)
		return -1;
	return tree < 0 ? fail_errno("open_tree %s", in->argv[0]) : attach(tree, target, in->argv[0]);
}

/* symlink <target> <path>; the parent is there. */
static int do_symlink(const struct instruction *in)
{
	if (want_args(in, 2, 2) < 0)
		return -1;
	const char *name = strrchr(in->argv[1], '/') + 1;
	char parent[PATH_MAX];
	snprintf(parent, sizeof parent, "%.*s", (int)(name - 1 - in->argv[1]), in->argv[1]);
	OWNED_FD directory = open_or_make(parent, true, ABI_RESOLVE_NO_SYMLINKS);
	if (directory < 0)
		return -1;
	if (symlinkat(in->argv[0], directory, name) < 0 && errno != EEXIST)
		return fail_errno("symlink %s in the container", in->argv[1]);
	return 0;
}

/* bind <source> <path> <ro|rw>: with all mounts below the source. Read-only before it can be seen. */
static int do_bind(const struct instruction *in)
{
	if (want_args(in, 3, 3) < 0)
		return -1;
	OWNED_FD tree = clone_tree(AT_FDCWD, in->argv[0], true);
	if (tree < 0)
		return fail_errno("bind mount source %s", in->argv[0]);
	struct stat info;
	if (fstat(tree, &info) < 0)
		return fail_errno("stat %s", in->argv[0]);
	if (strcmp(in->argv[2], "ro") == 0 && set_attributes(tree, ABI_MOUNT_ATTR_RDONLY, true, in->argv[0]) < 0)
		return -1;
	OWNED_FD target = open_or_make(in->argv[1], S_ISDIR(info.st_mode), 0);
	return target < 0 ? -1 : attach(tree, target, in->argv[1]);
}

/* mask <path>: a folder becomes an empty one, a file /dev/null. What this kernel does not have needs no mask. */
static int do_mask(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0)
		return -1;
	OWNED_FD target = open_below(in->argv[0], O_PATH, ABI_RESOLVE_NO_SYMLINKS);
	if (target < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : fail_errno("open %s in the container", in->argv[0]);
	struct stat info;
	if (fstat(target, &info) < 0)
		return fail_errno("stat %s in the container", in->argv[0]);
	if (S_ISDIR(info.st_mode)) {
		char place[32];
		descriptor_path(&place, target);
		if (mount("tmpfs", place, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "nr_blocks=1,nr_inodes=1") < 0)
			return fail_errno("mask %s in the container", in->argv[0]);
		return 0;
	}
	/* The /dev that we just made, where nobody could have put something else (CVE-2025-31133). */
	OWNED_FD null = open_below("/dev/null", O_PATH, ABI_RESOLVE_NO_SYMLINKS);
	if (null < 0 || fstat(null, &info) < 0)
		return fail_errno("open /dev/null in the container");
	if (!S_ISCHR(info.st_mode) || info.st_rdev != makedev(1, 3))
		return fail(EINVAL, "/dev/null in the container is not the null device");
	OWNED_FD tree = clone_tree(null, "", false);
	if (tree < 0)
		return fail_errno("open_tree /dev/null in the container");
	return attach(tree, target, in->argv[0]);
}

/* readonly <path>: with everything below; nothing to do where the kernel has no such path. */
static int do_readonly(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0)
		return -1;
	OWNED_FD target = open_below(in->argv[0], O_PATH, ABI_RESOLVE_NO_SYMLINKS);
	if (target < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : fail_errno("open %s in the container", in->argv[0]);
	OWNED_FD tree = clone_tree(target, "", true);
	if (tree < 0)
		return fail_errno("open_tree %s in the container", in->argv[0]);
	uint64_t keep = ABI_MOUNT_ATTR_NOSUID | ABI_MOUNT_ATTR_NODEV | ABI_MOUNT_ATTR_NOEXEC;
	if (set_attributes(tree, ABI_MOUNT_ATTR_RDONLY | keep, true, in->argv[0]) < 0)
		return -1;
	return attach(tree, target, in->argv[0]);
}

/* sysctl <path below /proc/sys> <value>; /proc is the container's own. */
static int do_sysctl(const struct instruction *in)
{
	if (want_args(in, 2, 2) < 0)
		return -1;
	char path[PATH_MAX];
	snprintf(path, sizeof path, "/proc/sys/%s", in->argv[0]);
	OWNED_FD fd = open_below(path, O_WRONLY, ABI_RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return fail_errno("open %s in the container", path);
	if (write_all(fd, in->argv[1], strlen(in->argv[1])) < 0)
		return fail(failure_code(), "write \"%s\" to %s: %s", in->argv[1], path, strerror(failure_code()));
	return 0;
}

/*
 * pivot: the root becomes /, and the old one goes. Both arguments are "." so that no folder is needed to put the old
 * root in: it lands on top of the new one, from where the lazy unmount takes it away (pivot_root(2), NOTES).
 */
static int do_pivot(const struct instruction *in)
{
	(void)in;
	if (fchdir(root_fd) < 0)
		return fail_errno("enter the new root");
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return fail_errno("pivot_root");
	if (umount2(".", MNT_DETACH) < 0)
		return fail_errno("unmount the old root");
	if (chdir("/") < 0)
		return fail_errno("enter /");
	close_owned(&root_fd);
	root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root_fd < 0 ? fail_errno("open /") : 0;
}

/* cwd <path>: made when missing, as runc and Docker do. */
static int do_cwd(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0)
		return -1;
	OWNED_FD fd = open_or_make(in->argv[0], true, 0);
	if (fd < 0)
		return -1;
	if (fchdir(fd) < 0)
		return fail_errno("enter working directory %s", in->argv[0]);
	return 0;
}

static const struct {
	const char *opcode;
	int (*run)(const struct instruction *);
} table[] = {
    {"private", do_private}, {"root", do_root},		{"root-layers", do_root_layers},
    {"mount", do_mount},     {"device", do_device},	{"remount-readonly", do_remount_readonly},
    {"symlink", do_symlink}, {"bind", do_bind},		{"mask", do_mask},
    {"readonly", do_readonly}, {"sysctl", do_sysctl},	{"pivot", do_pivot},
    {"cwd", do_cwd},
};

bool is_root_instruction(const char *opcode)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].opcode, opcode) == 0)
			return true;
	return false;
}

int root_instruction(const struct instruction *instruction)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].opcode, instruction->opcode) == 0)
			return table[i].run(instruction);
	return fail(EINVAL, "unknown instruction %s", instruction->opcode);
}
