#include "root.h"

#include "abi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* What an instruction asks for: the file's type and its number. */
struct node {
	mode_t type;
	dev_t number;
};

static bool is_node(int fd, const struct node *node)
{
	struct stat info;
	return fstat(fd, &info) == 0 && (info.st_mode & S_IFMT) == node->type &&
	       (node->type == S_IFIFO || info.st_rdev == node->number);
}

/* A host that does not let us make devices (a user namespace, a container around us) may still let us show its own. */
static int bind_host_device(const char *path, const struct node *node)
{
	OWNED_FD host = open(path, O_PATH | O_CLOEXEC);
	if (host < 0)
		return fail(EPERM, "mknod %s in the container: not permitted, and the host has none to bind", path);
	if (!is_node(host, node))
		return fail(EPERM, "mknod %s in the container: not permitted, and the host's is another device", path);
	OWNED_FD tree = clone_tree(host, "", false);
	if (tree < 0)
		return fail_errno("open_tree %s", path);
	OWNED_FD target = open_target(path, false, 0);
	return target < 0 ? -1 : place(tree, target, path, 0);
}

/* The device that was there before us: the one that is asked for, or an error (OCI runtime-spec, devices). */
static int keep_existing(int directory, const char *name, const struct node *node, const char *path)
{
	OWNED_FD fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail_errno("open %s in the container", path);
	if (!is_node(fd, node))
		return fail(EEXIST, "device %s in the container: something else is there", path);
	return 0;
}

int do_device(const struct instruction *in)
{
	long long numbers[4];
	if (want_args(in, 7, 7) < 0)
		return -1;
	for (int i = 0; i < 4; i++)
		if (parse_number(in->argv[3 + i], &numbers[i]) < 0)
			return -1;
	const char *path = in->argv[0], *name;
	char type = in->argv[1][0];
	struct node node = {
	    .type = type == 'b' ? S_IFBLK : type == 'p' ? S_IFIFO : S_IFCHR,
	    .number = type == 'p' ? 0 : makedev((unsigned)numbers[0], (unsigned)numbers[1]),
	};
	OWNED_FD directory = open_parent(path, &name);
	if (directory < 0)
		return -1;
	mode_t mode = (mode_t)strtoul(in->argv[2], NULL, 8) & 07777;
	mode_t mask = umask(0);
	int made = mknodat(directory, name, node.type | mode, node.number);
	int code = errno;
	umask(mask);
	if (made < 0 && code == EEXIST)
		return keep_existing(directory, name, &node, path);
	if (made < 0 && code == EPERM && type != 'p')
		return bind_host_device(path, &node);
	errno = code;
	if (made < 0)
		return fail_errno("mknod %s in the container", path);
	if ((numbers[2] != 0 || numbers[3] != 0) &&
	    fchownat(directory, name, (uid_t)numbers[2], (gid_t)numbers[3], AT_SYMLINK_NOFOLLOW) < 0)
		return fail_errno("chown %s in the container", path);
	return 0;
}

int do_symlink(const struct instruction *in)
{
	if (want_args(in, 2, 2) < 0)
		return -1;
	const char *name;
	OWNED_FD directory = open_parent(in->argv[1], &name);
	if (directory < 0)
		return -1;
	if (symlinkat(in->argv[0], directory, name) < 0 && errno != EEXIST)
		return fail_errno("symlink %s in the container", in->argv[1]);
	return 0;
}
