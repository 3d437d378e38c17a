#include "root.h"

#include "abi.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* As many links as the kernel follows on one way. */
#define LINKS_MAX 40

static int root_fd = -1;

int root_descriptor(void)
{
	return root_fd;
}

void root_set(int fd)
{
	close_owned(&root_fd);
	root_fd = fd;
}

int root_open(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno("open the root %s", path);
	root_set(fd);
	return 0;
}

int open_below(const char *path, uint64_t flags, uint64_t resolve)
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

static int open_failed(const char *path, uint64_t resolve)
{
	if (errno == ELOOP && (resolve & ABI_RESOLVE_NO_SYMLINKS))
		return fail(ELOOP, "/%s in the container: a part of the path is a link", path);
	/* RESOLVE_IN_ROOT refuses /proc/<pid>/{fd/…,cwd,root,exe}: they are wherever a process is, not where they are read. */
	if (errno == EXDEV)
		return fail(EXDEV, "/%s in the container: leads out of the root, by a link of procfs", path);
	/* A message has no room for it. */
	if (errno == ENAMETOOLONG)
		return fail(ENAMETOOLONG, "/%.100s… in the container: path of %zu bytes", path, strlen(path));
	return fail_errno("open /%s in the container", path);
}

/* The compiler hands over clean paths. A ".." here would be made next to a link's target. */
static bool is_clean(const char *path)
{
	while (*path != 0) {
		size_t length = strcspn(path, "/");
		if (length == 0 || (length == 1 && path[0] == '.') || (length == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += length;
		if (*path == '/' && *++path == 0)
			return false;
	}
	return true;
}

/*
 * A way below the root of which a part is missing. `done` is what has been gone of it, without any link, so that ".."
 * in a link's target means its parent; `rest` is what is left to go, from `next` on.
 */
struct way {
	char done[PATH_MAX], rest[PATH_MAX];
	size_t length, next;
	int links;
};

static void step_back(struct way *way)
{
	while (way->length > 0 && way->done[--way->length] != '/')
		;
	way->done[way->length] = 0;
}

/* The link `name`, opened as such, is the next part: its target takes its place in front of the rest. */
static int follow(struct way *way, int link, const char *name)
{
	OWNED_MEM(char) target = malloc(PATH_MAX);
	if (target == NULL)
		return fail_errno("allocate a path");
	ssize_t length = readlinkat(link, "", target, PATH_MAX - 1);
	if (length < 0)
		return fail_errno("read the link %s in /%s in the container", name, way->done);
	if (++way->links > LINKS_MAX)
		return fail(ELOOP, "too many links on the way to /%s in the container", way->rest);
	size_t rest = strlen(way->rest + way->next);
	if ((size_t)length + 1 + rest >= sizeof way->rest)
		return fail(ENAMETOOLONG, "the link %s in /%s in the container", name, way->done);
	if (*target == '/')
		way->length = 0, way->done[0] = 0;
	memmove(way->rest + length + 1, way->rest + way->next, rest + 1);
	memcpy(way->rest, target, (size_t)length);
	way->rest[length] = '/';
	way->next = 0;
	return 0;
}

/* Goes one part on: makes it when it is missing. `current` is where `done` leads to. */
static int go(struct way *way, int *current, bool directory, uint64_t resolve)
{
	char name[NAME_MAX + 1];
	size_t length = strcspn(way->rest + way->next, "/");
	if (length > NAME_MAX)
		return fail(ENAMETOOLONG, "a name of %zu bytes below /%s in the container", length, way->done);
	memcpy(name, way->rest + way->next, length);
	name[length] = 0;
	way->next += length;
	way->next += strspn(way->rest + way->next, "/");
	bool last = way->rest[way->next] == 0;
	if (length == 0 || strcmp(name, ".") == 0)
		return 0;
	size_t before = way->length;
	if (strcmp(name, "..") == 0) {
		step_back(way);
	} else {
		if (way->length + length + 2 > sizeof way->done)
			return fail(ENAMETOOLONG, "/%s/%s in the container", way->done, name);
		if (way->length > 0)
			way->done[way->length++] = '/';
		memcpy(way->done + way->length, name, length + 1);
		way->length += length;
	}
	/* O_NOFOLLOW: the last part is opened as the link that it is; no other part is one. */
	int fd = open_below(way->done, O_PATH | O_NOFOLLOW, ABI_RESOLVE_NO_SYMLINKS);
	if (fd < 0 && errno == ENOENT) {
		int made = last && !directory ? openat(*current, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644)
					      : mkdirat(*current, name, 0755);
		if (made < 0 && errno != EEXIST)
			return fail_errno("make /%s in the container", way->done);
		if (made > 0)
			close(made);
		fd = open_below(way->done, O_PATH | O_NOFOLLOW, ABI_RESOLVE_NO_SYMLINKS);
	}
	OWNED_FD opened = fd;
	struct stat info;
	if (opened < 0 || fstat(opened, &info) < 0)
		return fail_errno("open /%s in the container", way->done);
	if (S_ISLNK(info.st_mode)) {
		if (resolve & ABI_RESOLVE_NO_SYMLINKS)
			return fail(ELOOP, "/%s in the container is a link", way->done);
		/* Whether it can be followed at all is the kernel's to say. */
		OWNED_FD there = open_below(way->done, O_PATH, resolve);
		if (there < 0 && errno != ENOENT)
			return open_failed(way->done, resolve);
		way->length = before;
		way->done[before] = 0;
		if (follow(way, opened, name) < 0)
			return -1;
		if (way->length != before) {
			close(*current);
			*current = open_below("", O_PATH | O_DIRECTORY, 0);
			return *current < 0 ? fail_errno("open the root") : 0;
		}
		return 0;
	}
	close(*current);
	*current = release_fd(&opened);
	return 0;
}

int open_or_make(const char *path, bool directory, uint64_t resolve)
{
	while (*path == '/')
		path++;
	if (!is_clean(path))
		return fail(EINVAL, "/%s: want a path without empty or dot parts", path);
	int there = open_below(path, O_PATH, resolve);
	if (there >= 0)
		return there;
	if (errno != ENOENT)
		return open_failed(path, resolve);
	OWNED_MEM(struct way) way = malloc(sizeof *way);
	if (way == NULL)
		return fail_errno("allocate a path");
	way->length = way->next = 0;
	way->done[0] = 0;
	way->links = 0;
	if (strlen(path) >= sizeof way->rest) {
		errno = ENAMETOOLONG;
		return open_failed(path, resolve);
	}
	strcpy(way->rest, path);
	OWNED_FD current = open_below("", O_PATH | O_DIRECTORY, 0);
	if (current < 0)
		return fail_errno("open the root");
	while (way->rest[way->next] != 0)
		if (go(way, &current, directory, resolve) < 0)
			return -1;
	return release_fd(&current);
}

int open_parent(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	if (slash == NULL || slash[1] == 0)
		return fail(EINVAL, "%s: want an absolute path of a file", path);
	*name = slash + 1;
	OWNED_MEM(char) parent = strndup(path, (size_t)(slash - path));
	if (parent == NULL)
		return fail_errno("allocate a path");
	return open_or_make(parent, true, 0);
}
