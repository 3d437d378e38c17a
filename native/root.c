/*
 * The container's root: how it comes to be, and how it becomes `/`. What is mounted in it is in mounts.c, devices.c and
 * masks.c; until `pivot` the host's files can still be seen.
 */
#include "root.h"

#include "abi.h"
#include "attributes.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* Whether a mount that we find may be a shared one, in which what we mount would appear on the host. */
static bool maybe_shared = true;

static int propagation_flags(const char *kind, unsigned long *flags)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} kinds[] = {{"private", MS_PRIVATE}, {"slave", MS_SLAVE}, {"shared", MS_SHARED}, {"unbindable", MS_UNBINDABLE}};
	*flags = *kind == 'r' ? MS_REC : 0;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i].name, kind + (*kind == 'r')) == 0) {
			*flags |= kinds[i].flag;
			return 0;
		}
	return fail(EINVAL, "unknown propagation %s", kind);
}

/* propagation <kind>: of every mount of the host that we see, or of their top alone. */
static int do_propagation(const struct instruction *in)
{
	unsigned long flags;
	if (want_args(in, 1, 1) < 0 || propagation_flags(in->argv[0], &flags) < 0)
		return -1;
	/* The root is bound from what we see: private until `root-propagation` says so of it. */
	if (flags & MS_UNBINDABLE)
		flags = (flags & ~(unsigned long)MS_UNBINDABLE) | MS_PRIVATE;
	if (mount(NULL, "/", NULL, flags, NULL) < 0)
		return fail_errno("make / %s", in->argv[0]);
	maybe_shared = !(flags & MS_REC) || flags & MS_SHARED;
	return 0;
}

/* root-propagation <kind>: of the container's /, when everything in it is mounted. */
static int do_root_propagation(const struct instruction *in)
{
	unsigned long flags;
	if (want_args(in, 1, 1) < 0 || propagation_flags(in->argv[0], &flags) < 0)
		return -1;
	return mount(NULL, "/", NULL, flags, NULL) < 0 ? fail_errno("make the root %s", in->argv[0]) : 0;
}

static void close_file(FILE **file)
{
	if (*file != NULL)
		fclose(*file);
}
#define OWNED_FILE __attribute__((cleanup(close_file))) FILE

/* The process' mounts, line by line (proc(5)). */
static FILE *open_mountinfo(void)
{
	OWNED_FD fd = procfs_open("self/mountinfo", O_RDONLY);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	if (file == NULL)
		fail_errno("open mountinfo");
	else
		release_fd(&fd);
	return file;
}

static int is_shared(uint64_t id)
{
	OWNED_FILE *file = open_mountinfo();
	OWNED_MEM(char) line = NULL;
	size_t size = 0;
	if (file == NULL)
		return -1;
	while (getline(&line, &size, file) >= 0) {
		char *end = strstr(line, " - ");
		if (strtoull(line, NULL, 10) != id || end == NULL)
			continue;
		*end = 0;
		return strstr(line, " shared:") != NULL;
	}
	return 0;
}

/*
 * The mount that the root's folder is in must not be shared: what we mount there would appear on the host, and
 * pivot_root(2) refuses it. A slave stays one: binds of the host's folders are copies of this mount.
 */
static int unshare_parent(const char *folder)
{
	if (!maybe_shared)
		return 0;
	uint64_t id;
	bool is_root;
	OWNED_FD at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return fail_errno("open %s", folder);
	if (mount_id(at, &id, &is_root) < 0)
		return -1;
	while (!is_root) {
		int up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			return fail_errno("open a folder above %s", folder);
		close(at);
		at = up;
		if (mount_id(at, &id, &is_root) < 0)
			return -1;
	}
	int shared = is_shared(id);
	struct change change = {.propagation = MS_PRIVATE};
	return shared <= 0 ? shared : apply_change(at, &change, folder);
}

/* Where hooks are, before pivot. */
static int enter_root(void)
{
	return fchdir(root_descriptor()) < 0 ? fail_errno("enter the root") : 0;
}

static int use_root(const char *folder)
{
	return root_open(folder) < 0 ? -1 : enter_root();
}

/* root <type> <folder> <options> */
static int do_root(const struct instruction *in)
{
	if (want_args(in, 3, 3) < 0 || unshare_parent(in->argv[1]) < 0)
		return -1;
	if (mount(in->argv[0], in->argv[1], in->argv[0], 0, in->argv[2]) < 0)
		return fail_errno("mount %s on %s", in->argv[0], in->argv[1]);
	return use_root(in->argv[1]);
}

/*
 * root-layers <folder> <upper> <work> <lower>…, topmost first: for more layers than mount(2)'s page of options holds
 * (lowerdir+ is Linux 6.5).
 */
static int do_root_layers(const struct instruction *in)
{
	if (want_args(in, 4, -1) < 0 || unshare_parent(in->argv[0]) < 0)
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
	return use_root(in->argv[0]);
}

/* root-bind <folder>: pivot_root(2) wants a mount, and the folder's own must not be the one that we change. */
static int do_root_bind(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0 || unshare_parent(in->argv[0]) < 0)
		return -1;
	OWNED_FD tree = clone_tree(AT_FDCWD, in->argv[0], true);
	if (tree < 0)
		return fail_errno("bind the root %s", in->argv[0]);
	struct stat info;
	if (fstat(tree, &info) < 0 || !S_ISDIR(info.st_mode))
		return fail(ENOTDIR, "the root %s is not a folder", in->argv[0]);
	/* A copy of a shared mount is its peer. */
	struct change change = {.propagation = maybe_shared ? MS_PRIVATE : 0};
	if (apply_change(tree, &change, in->argv[0]) < 0)
		return -1;
	if (syscall(SYS_move_mount, tree, "", AT_FDCWD, in->argv[0], ABI_MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return fail_errno("bind the root %s on itself", in->argv[0]);
	root_set(release_fd(&tree));
	return enter_root();
}

/* What was needed while the host could be seen. */
static int leave_host(void)
{
	masks_close();
	procfs_close();
	release_trees();
	return root_open("/");
}

/*
 * pivot: the root becomes /, and the old one goes. Both arguments are "." so that no folder is needed to put the old
 * root in: it lands on top of the new one, from where the lazy unmount takes it away (pivot_root(2), NOTES).
 */
static int do_pivot(const struct instruction *in)
{
	(void)in;
	OWNED_FD old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (old < 0)
		return fail_errno("open the old root");
	seccomp_learn_pid();
	if (enter_root() < 0)
		return -1;
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return fail_errno("pivot_root");
	/* An unmount must not reach the host's own mounts, should the old root be their peer. */
	if (fchdir(old) < 0 || mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return fail_errno("make the old root a slave");
	if (umount2(".", MNT_DETACH) < 0)
		return fail_errno("unmount the old root");
	if (chdir("/") < 0)
		return fail_errno("enter /");
	return leave_host();
}

/* The octal escapes of mountinfo, in place. */
static void unescape(char *text)
{
	char *to = text;
	for (const char *at = text; *at != 0;)
		if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' && at[3] >= '0' && at[3] <= '7') {
			*to++ = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
			at += 4;
		} else {
			*to++ = *at++;
		}
	*to = 0;
}

/*
 * A root that was only moved on top leaves the host's mounts below it; a process that gets out would find a procfs and
 * sysfs there without the container's masks. Those go, or where they cannot (locked), are covered.
 */
static int hide_host_view(void)
{
	char root[PATH_MAX];
	if (enter_root() < 0 || syscall(SYS_getcwd, root, sizeof root) < 0)
		return fail_errno("find the root");
	size_t length = strlen(root);
	OWNED_FILE *file = open_mountinfo();
	OWNED_MEM(char) line = NULL;
	size_t size = 0;
	if (file == NULL)
		return -1;
	while (getline(&line, &size, file) >= 0) {
		char path[PATH_MAX], type[32];
		const char *end = strstr(line, " - ");
		if (end == NULL || sscanf(end, " - %31s", type) != 1 || sscanf(line, "%*s %*s %*s %*s %4095s", path) != 1)
			continue;
		unescape(path);
		if (strcmp(type, "proc") != 0 && strcmp(type, "sysfs") != 0)
			continue;
		if (strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == 0))
			continue;
		mount(NULL, path, NULL, MS_SLAVE | MS_REC, NULL);
		if (umount2(path, MNT_DETACH) < 0 && errno != ENOENT && mount("tmpfs", path, "tmpfs", 0, "") < 0 && errno != ENOENT)
			return fail_errno("hide %s", path);
	}
	return 0;
}

/* move-root: for a host whose own root is a ramdisk's, which cannot be pivoted away. */
static int do_move_root(const struct instruction *in)
{
	(void)in;
	seccomp_learn_pid();
	if (hide_host_view() < 0)
		return -1;
	if (syscall(SYS_move_mount, root_descriptor(), "", AT_FDCWD, "/", ABI_MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return fail_errno("move the root to /");
	if (fchdir(root_descriptor()) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return fail_errno("enter the moved root");
	return leave_host();
}

/* chroot <folder> */
static int do_chroot(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0)
		return -1;
	seccomp_learn_pid();
	if (chroot(in->argv[0]) < 0 || chdir("/") < 0)
		return fail_errno("chroot to %s", in->argv[0]);
	return leave_host();
}

/*
 * cwd <path> [there]: made when missing, as runc and Docker do, unless it has to be there. The kernel names a working directory that is not below the root
 * "(unreachable)…": a descriptor of the host's that was left open, and a link to it (CVE-2024-21626).
 */
static int do_cwd(const struct instruction *in)
{
	char place[PATH_MAX];
	if (want_args(in, 1, 2) < 0)
		return -1;
	bool there = in->argc == 2;
	/* In a container that is there already, / is the root. */
	if (root_descriptor() < 0 && root_open("/") < 0)
		return -1;
	OWNED_FD fd = there ? open_below(in->argv[0], O_PATH | O_DIRECTORY, 0) : open_or_make(in->argv[0], true, 0);
	if (fd < 0)
		return there ? fail(errno, "chdir to cwd (\"%s\") set in config.json failed: %s", in->argv[0],
				    errno == ENOENT ? "no such file or directory" : strerror(errno))
			     : -1;
	if (fchdir(fd) < 0)
		return fail_errno("enter working directory %s", in->argv[0]);
	if (syscall(SYS_getcwd, place, sizeof place) < 0)
		return fail_errno("find working directory %s", in->argv[0]);
	if (*place != '/')
		return fail(EXDEV, "working directory %s is not inside the container's root", in->argv[0]);
	return 0;
}

/* sysctl <path below /proc/sys> <value> */
static int do_sysctl(const struct instruction *in)
{
	char path[PATH_MAX];
	if (want_args(in, 2, 2) < 0)
		return -1;
	if (strstr(in->argv[0], "..") != NULL || (size_t)snprintf(path, sizeof path, "sys/%s", in->argv[0]) >= sizeof path)
		return fail(EINVAL, "sysctl %s: not a path below /proc/sys", in->argv[0]);
	if (procfs_write(path, in->argv[1]) < 0)
		return fail_errno("write \"%s\" to /proc/%s", in->argv[1], path);
	return 0;
}

static const struct {
	const char *opcode;
	int (*run)(const struct instruction *);
	bool below; /* needs a root */
} table[] = {
    {"propagation", do_propagation, false},
    {"root", do_root, false},
    {"root-layers", do_root_layers, false},
    {"root-bind", do_root_bind, false},
    {"mount", do_mount, true},
    {"mount-copy-up", do_mount_copy_up, true},
    {"bind", do_bind, true},
    {"attach", do_attach, true},
    {"mount-attributes", do_mount_attributes, true},
    {"device", do_device, true},
    {"symlink", do_symlink, true},
    {"mask", do_mask, true},
    {"readonly", do_readonly, true},
    {"sysctl", do_sysctl, false},
    {"pivot", do_pivot, true},
    {"move-root", do_move_root, true},
    {"chroot", do_chroot, false},
    {"root-propagation", do_root_propagation, false},
    {"remount-readonly", do_remount_readonly, true},
    {"cwd", do_cwd, false},
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
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (strcmp(table[i].opcode, instruction->opcode) != 0)
			continue;
		if (table[i].below && root_descriptor() < 0)
			return fail(EINVAL, "%s: there is no root yet", instruction->opcode);
		return table[i].run(instruction);
	}
	return fail(EINVAL, "unknown instruction %s", instruction->opcode);
}
