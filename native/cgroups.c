/*
 * Puts init into its cgroups without waiting for the whole machine. Writing another process' pid to cgroup.procs takes a
 * lock that every fork, exec and exit of the machine shares, and to take it the kernel waits for all CPUs: ten
 * milliseconds and more. Two ways do without it:
 *
 *   - version 2: init is made in its cgroup (CLONE_INTO_CGROUP, 5.7);
 *   - version 1: init, while it has one thread, moves itself: "0" to `tasks` needs nobody to hold still. The files are
 *     opened by the parent, whose rights count (cgroup_file_write looks at who has opened them).
 *
 * What is neither (resctrl), and a version 2 cgroup that a clone is refused, gets the pid from the parent.
 */
#include "shim.h"

#include "abi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#define FILES_MAX 24
#define CGROUP_V1_MAGIC 0x27e0eb

static struct {
	struct {
		const char *path;
		int tasks; /* open for init; -1: the parent's to write */
	} files[FILES_MAX];
	int count, number;
	int folder;	 /* of version 2; -1 none */
	int folder_file; /* its index */
} plan = {.folder = -1};

static bool is_on(int fd, long magic)
{
	struct statfs system;
	return fstatfs(fd, &system) == 0 && (long)system.f_type == magic;
}

/* cgroup <cgroup.procs>…, before the clone. */
int cgroups_plan(const struct instruction *in)
{
	plan.number = in->number;
	for (int i = 0; i < in->argc; i++) {
		if (plan.count == FILES_MAX)
			return fail(E2BIG, "more than %d cgroups", FILES_MAX);
		plan.files[plan.count].path = in->argv[i];
		plan.files[plan.count].tasks = -1;
		/* The program's own text, cut for a moment: another 4 kB of stack would stay with the container. */
		char *slash = strrchr((char *)(uintptr_t)in->argv[i], '/');
		if (slash == NULL)
			return fail(EINVAL, "%s is not a file in a cgroup", in->argv[i]);
		*slash = 0;
		OWNED_FD folder = open(in->argv[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (folder < 0)
			return fail_errno("open %s", in->argv[i]);
		*slash = '/';
		if (is_on(folder, CGROUP_V1_MAGIC)) {
			plan.files[plan.count].tasks = openat(folder, "tasks", O_WRONLY | O_CLOEXEC);
		} else if (is_on(folder, ABI_CGROUP2_SUPER_MAGIC) && plan.folder < 0) {
			plan.folder = release_fd(&folder);
			plan.folder_file = plan.count;
		}
		plan.count++;
	}
	return 0;
}

int cgroups_folder(void)
{
	return plan.folder;
}

/* By init, before anything else: what is left are the files that the parent writes. */
int cgroups_enter(struct instruction *in)
{
	for (int i = 0; i < plan.count; i++) {
		int tasks = plan.files[i].tasks;
		if (tasks < 0 || write(tasks, "0", 1) == 1)
			continue;
		in->number = plan.number;
		in->opcode = "cgroup";
		return fail_errno("enter %s", plan.files[i].path);
	}
	return 0;
}

int cgroups_add(const char *file, pid_t process)
{
	char pid[16];
	snprintf(pid, sizeof pid, "%d", process);
	OWNED_FD fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno("open %s", file);
	if (write_all(fd, pid, strlen(pid)) < 0)
		return fail(failure_code(), "write pid %s to %s: %s", pid, file, strerror(failure_code()));
	return 0;
}

/* By the parent, after the clone. `made_inside`: init was made in its cgroup of version 2. */
int cgroups_finish(pid_t process, bool made_inside)
{
	int status = 0;
	for (int i = 0; i < plan.count; i++) {
		bool done = plan.files[i].tasks >= 0 || (made_inside && plan.folder >= 0 && i == plan.folder_file);
		close_owned(&plan.files[i].tasks);
		if (!done && status == 0)
			status = cgroups_add(plan.files[i].path, process);
	}
	close_owned(&plan.folder);
	plan.count = 0;
	plan.folder = -1;
	return status;
}
