/* The users and groups of a new user namespace, by our own rights or by newuidmap(1) and newgidmap(1). */
#include "shim.h"

#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAPS_MAX 2

/* Arguments that stand one behind the other in the program's text. */
struct strings {
	const char *first;
	int count;
};

static struct {
	struct {
		struct strings triples;
		const char *which;
		bool helper;
	} maps[MAPS_MAX];
	int map_count;
	bool deny_setgroups;
} plan;

/* id-map <uid|gid> <file|helper> <inside> <outside> <size>… */
int do_id_map(const struct instruction *in)
{
	if (want_args(in, 5, -1) < 0)
		return -1;
	if ((in->argc - 2) % 3 != 0 || plan.map_count == MAPS_MAX)
		return fail(EINVAL, "an id map is a list of threes, once for users and once for groups");
	plan.maps[plan.map_count].triples = (struct strings){in->argv[2], in->argc - 2};
	plan.maps[plan.map_count].which = in->argv[0];
	plan.maps[plan.map_count++].helper = strcmp(in->argv[1], "helper") == 0;
	return 0;
}

int do_deny_setgroups(const struct instruction *in)
{
	(void)in;
	plan.deny_setgroups = true;
	return 0;
}

static int write_proc(pid_t pid, const char *name, const char *text, size_t length)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	OWNED_FD fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno("open %s", path);
	/* In one piece: the kernel takes a map once. */
	if (write(fd, text, length) != (ssize_t)length)
		return fail_errno("write \"%.200s\" to %s", text, path);
	return 0;
}

static int map_by_file(pid_t pid, const char *which, struct strings triples)
{
	/* A line is at most three numbers of ten digits; the kernel takes 340 lines. */
	size_t size = (size_t)triples.count * 11 + 1, used = 0;
	OWNED_MEM(char) text = malloc(size);
	if (text == NULL)
		return fail_errno("allocate the id map");
	const char *at = triples.first;
	for (int i = 0; i < triples.count; i++, at += strlen(at) + 1) {
		int length = snprintf(text + used, size - used, "%s%c", at, i % 3 == 2 ? '\n' : ' ');
		if ((size_t)length >= size - used)
			return fail(EINVAL, "\"%s\" is not an id", at);
		used += (size_t)length;
	}
	return write_proc(pid, strcmp(which, "uid") == 0 ? "uid_map" : "gid_map", text, used);
}

/* newuidmap(1) and newgidmap(1) may write what /etc/subuid and /etc/subgid grant to an ordinary user. */
static int map_by_helper(pid_t pid, const char *which, struct strings triples)
{
	const char *program = strcmp(which, "uid") == 0 ? "newuidmap" : "newgidmap";
	OWNED_MEM(const char *) words = calloc((size_t)triples.count + 3, sizeof *words);
	char number[16];
	if (words == NULL)
		return fail_errno("allocate the id map");
	snprintf(number, sizeof number, "%d", pid);
	words[0] = program;
	words[1] = number;
	const char *at = triples.first;
	for (int i = 0; i < triples.count; i++, at += strlen(at) + 1)
		words[i + 2] = at;
	pid_t helper = fork();
	if (helper < 0)
		return fail_errno("fork %s", program);
	if (helper == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		execvp(program, (char **)words);
		_exit(errno == ENOENT ? 127 : 126);
	}
	int status;
	while (waitpid(helper, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return fail(ENOENT, "%s is not installed (package uidmap or shadow), and ids of other users need it", program);
	return fail(EPERM, "%s %d ended with status %d", program, pid, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int write_id_maps(pid_t pid)
{
	if (plan.deny_setgroups && write_proc(pid, "setgroups", "deny", 4) < 0)
		return -1;
	for (int i = 0; i < plan.map_count; i++)
		if ((plan.maps[i].helper ? map_by_helper : map_by_file)(pid, plan.maps[i].which, plan.maps[i].triples) < 0)
			return -1;
	return 0;
}
