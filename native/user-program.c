/* The user's program: its words and environment, where it is, and its exec. */
#include "shim.h"

#include "init.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Strings of the program; NULL-terminated. */
static struct {
	char **environment, **arguments;
	size_t environment_count, argument_count;
} user;
static char program_path[PATH_MAX];

static int append(char ***list, size_t *count, int added, const char *const *strings)
{
	char **grown = realloc(*list, (*count + (size_t)added + 1) * sizeof **list);
	if (grown == NULL)
		return fail_errno("allocate %d strings", added);
	memcpy(grown + *count, strings, (size_t)added * sizeof *grown);
	*count += (size_t)added;
	grown[*count] = NULL;
	*list = grown;
	return 0;
}

static const char *environment_value(const char *name)
{
	size_t length = strlen(name);
	for (size_t i = 0; i < user.environment_count; i++)
		if (strncmp(user.environment[i], name, length) == 0 && user.environment[i][length] == '=')
			return user.environment[i] + length + 1;
	return NULL;
}

int do_environment(const struct instruction *in)
{
	return append(&user.environment, &user.environment_count, in->argc, in->argv);
}

int do_arguments(const struct instruction *in)
{
	return append(&user.arguments, &user.argument_count, in->argc, in->argv);
}

/* home: HOME from the image's passwd file. */
int do_home(const struct instruction *in)
{
	(void)in;
	static char home[300];
	snprintf(home, sizeof home, "HOME=%s", identity_home());
	const char *const strings[] = {home};
	return append(&user.environment, &user.environment_count, 1, strings);
}

/* 0 when `path` can be run, else an errno. */
static int runnable(const char *path)
{
	struct stat info;
	if (stat(path, &info) < 0)
		return errno;
	if (S_ISDIR(info.st_mode))
		return EISDIR;
	return info.st_mode & 0111 ? 0 : EACCES;
}

static int program_failure(int code, const char *name, const char *path)
{
	set_failure_exit_code(code == ENOENT || code == ENOTDIR ? 127 : 126);
	if (path == NULL)
		return fail(code, "exec: \"%s\": executable file not found in $PATH", name);
	if (code == ENOENT || code == ENOTDIR)
		return fail(code, "exec: \"%s\": stat %s: %s", name, path, code == ENOENT ? "no such file or directory" : "not a directory");
	return fail(code, "exec: \"%s\": %s", name, code == EISDIR ? "is a directory" : code == EACCES ? "permission denied" : strerror(code));
}

/* find-program: before the start, so that a wrong name is an error of create, as with runc. */
int do_find_program(const struct instruction *in)
{
	(void)in;
	const char *name = user.argument_count == 0 ? "" : user.arguments[0];
	if (strchr(name, '/') != NULL) {
		int code = runnable(name);
		snprintf(program_path, sizeof program_path, "%s", name);
		return code == 0 ? 0 : program_failure(code, name, name);
	}
	const char *path = environment_value("PATH");
	bool denied = false;
	for (const char *start = path == NULL ? "" : path; *name != 0; start++) {
		const char *end = strchrnul(start, ':');
		/* An empty part means the working directory, where a program is found only by accident or malice. */
		if (end > start && snprintf(program_path, sizeof program_path, "%.*s/%s", (int)(end - start), start, name) < PATH_MAX) {
			int code = runnable(program_path);
			if (code == 0)
				return 0;
			denied = denied || code == EACCES;
		}
		if (*end == 0)
			break;
		start = end;
	}
	return denied ? program_failure(EACCES, name, name) : program_failure(ENOENT, name, NULL);
}

int user_program_is_named(void)
{
	return user.argument_count > 0 ? 0 : fail(EINVAL, "nothing to execute");
}

int user_program_execute(void)
{
	char *nothing[] = {NULL};
	execve(program_path, user.arguments, user.environment == NULL ? nothing : user.environment);
	return program_failure(errno, user.arguments[0], program_path);
}
