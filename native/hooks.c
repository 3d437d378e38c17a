/*
 * Hooks: programs of the operator's that run at a certain point of a container's life, with its state on their stdin
 * (OCI runtime-spec, POSIX-platform Hooks). The next instruction comes when the hook has ended with 0.
 */
#include "shim.h"

#include "abi.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define TAIL_MAX 256
/* Reads after its end: what a pipe holds. */
#define ROUNDS_MAX 128

static struct {
	const char *prefix, *suffix, *folder;
} state;

struct hook {
	const char *name, *path, *folder;
	char *const *arguments, *const *environment;
	int timeout; /* ms; 0 none */
	int input;
	pid_t pid;
	int pidfd, output[2]; /* stdout, stderr */
	char tail[TAIL_MAX];  /* of stderr */
	size_t used;
};

static void close_hook(struct hook *hook)
{
	close_owned(&hook->input);
	close_owned(&hook->pidfd);
	close_owned(&hook->output[0]);
	close_owned(&hook->output[1]);
}

static int do_hook_state(const struct instruction *in)
{
	if (want_args(in, 2, 3) < 0)
		return -1;
	state.prefix = in->argv[0];
	state.suffix = in->argv[1];
	state.folder = in->argc > 2 ? in->argv[2] : NULL;
	return 0;
}

/* A file, not a pipe: a hook that does not read it holds up nobody, and one that is slow reads it all the same. */
static int state_file(pid_t pid)
{
	char number[16] = "";
	if (state.prefix == NULL)
		return fail(EINVAL, "hook: no state for it");
	/* Behind the creation there may be no process, or not one of ours: the prefix says it all then. */
	if (pid > 0)
		snprintf(number, sizeof number, "%d", pid);
	OWNED_FD fd = (int)syscall(SYS_memfd_create, "state", MFD_CLOEXEC);
	if (fd < 0)
		return fail_errno("make a file for a hook's state");
	if (write_all(fd, state.prefix, strlen(state.prefix)) < 0 || write_all(fd, number, strlen(number)) < 0 ||
	    write_all(fd, state.suffix, strlen(state.suffix)) < 0)
		return -1;
	return lseek(fd, 0, SEEK_SET) < 0 ? fail_errno("rewind a hook's state") : release_fd(&fd);
}

/* In the child: an errno into `report`, which a successful exec closes; negative when it is the folder's. */
static _Noreturn void become(const struct hook *hook, const int *ends, int report)
{
	sigset_t none;
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	reset_signals();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Above all three, so that putting one into its place does not cover another. */
	int sources[3] = {fcntl(hook->input, F_DUPFD_CLOEXEC, 4), fcntl(ends[0], F_DUPFD_CLOEXEC, 4), fcntl(ends[1], F_DUPFD_CLOEXEC, 4)};
	int last = fcntl(report, F_DUPFD_CLOEXEC, 4);
	bool ready = last >= 0;
	for (int i = 0; i < 3; i++)
		ready = ready && sources[i] >= 0 && dup2(sources[i], i) >= 0;
	ready = ready && dup3(last, 3, O_CLOEXEC) >= 0 && syscall(SYS_close_range, 4, ~0U, 0) >= 0;
	/* Other programs expect the umask that everyone has. */
	umask(022);
	bool there = ready && (hook->folder == NULL || chdir(hook->folder) == 0);
	if (there)
		execve(hook->path, hook->arguments, hook->environment);
	int code = there || !ready ? errno : -errno;
	if (write(ready ? 3 : report, &code, sizeof code) < 0)
		_exit(126);
	_exit(127);
}

static int start(struct hook *hook)
{
	int out[2] = {-1, -1}, err[2] = {-1, -1}, report[2] = {-1, -1};
	long pid = -1;
	if (pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0 && pipe2(report, O_CLOEXEC) == 0)
		pid = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, &hook->pidfd, NULL, NULL);
	int code = errno;
	if (pid == 0) {
		const int ends[2] = {out[1], err[1]};
		become(hook, ends, report[1]);
	}
	hook->output[0] = out[0];
	hook->output[1] = err[0];
	close_owned(&out[1]);
	close_owned(&err[1]);
	close_owned(&report[1]);
	OWNED_FD answer = report[0];
	errno = code;
	if (pid < 0)
		return fail_errno("%s hook %s: fork", hook->name, hook->path);
	hook->pid = (pid_t)pid;
	/* Both do it, so that the group is there whoever comes first. */
	setpgid(hook->pid, hook->pid);
	fcntl(hook->pidfd, F_SETFD, FD_CLOEXEC);
	int failed = 0;
	ssize_t got;
	do
		got = read(answer, &failed, sizeof failed);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return 0;
	while (waitpid(hook->pid, NULL, 0) < 0 && errno == EINTR)
		;
	errno = abs(failed);
	if (failed < 0)
		return fail_errno("%s hook %s: enter %s", hook->name, hook->path, hook->folder);
	return fail_errno("%s hook: exec %s", hook->name, hook->path);
}

/* Reads what is there; of stderr the end is kept. */
static void drain(struct hook *hook, int index)
{
	char text[512];
	ssize_t got = read(hook->output[index], text, sizeof text);
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (got <= 0) {
		close_owned(&hook->output[index]);
		hook->output[index] = -1;
		return;
	}
	if (index == 0)
		return;
	size_t length = (size_t)got, keep = TAIL_MAX - 1;
	const char *from = length > keep ? text + length - keep : text;
	length = length > keep ? keep : length;
	size_t old = hook->used + length > keep ? keep - length : hook->used;
	memmove(hook->tail, hook->tail + hook->used - old, old);
	memcpy(hook->tail + old, from, length);
	hook->used = old + length;
}

static long long monotonic_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Until it has ended; false when it has not within its time. */
static bool wait_for(struct hook *hook)
{
	long long end = monotonic_ms() + hook->timeout;
	for (int rounds = 0;;) {
		struct pollfd polls[3] = {
		    {.fd = hook->pidfd, .events = POLLIN},
		    {.fd = hook->output[0], .events = POLLIN},
		    {.fd = hook->output[1], .events = POLLIN},
		};
		long long left = end - monotonic_ms();
		if (hook->timeout > 0 && left <= 0)
			return false;
		if (poll(polls, 3, hook->timeout > 0 ? (int)left : -1) <= 0)
			continue;
		for (int i = 0; i < 2; i++)
			if (polls[i + 1].revents != 0)
				drain(hook, i);
		/* A child that it left behind may hold its output open and write to it, and is not waited for. */
		if (polls[0].revents != 0 && (!(polls[2].revents & POLLIN) || ++rounds > ROUNDS_MAX))
			return true;
	}
}

/* What it said on stderr, in one line. */
static const char *last_words(struct hook *hook)
{
	while (hook->used > 0 && (hook->tail[hook->used - 1] == '\n' || hook->tail[hook->used - 1] == ' '))
		hook->used--;
	hook->tail[hook->used] = 0;
	for (size_t i = 0; i < hook->used; i++)
		if ((unsigned char)hook->tail[i] < ' ')
			hook->tail[i] = ' ';
	return hook->tail;
}

static int run(struct hook *hook)
{
	if (start(hook) < 0)
		return -1;
	close_owned(&hook->input);
	hook->input = -1;
	bool ended = wait_for(hook);
	if (!ended) {
		kill(-hook->pid, SIGKILL);
		/* Should it have left the group that we made. */
		syscall(SYS_pidfd_send_signal, hook->pidfd, SIGKILL, NULL, 0);
	}
	int status;
	while (waitpid(hook->pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail_errno("%s hook %s: wait", hook->name, hook->path);
	const char *said = last_words(hook), *colon = *said == 0 ? "" : ": ";
	if (!ended)
		return fail(ETIMEDOUT, "%s hook %s: not ended after %d ms, killed%s%s", hook->name, hook->path, hook->timeout, colon, said);
	if (WIFSIGNALED(status))
		return fail(EIO, "%s hook %s: killed by signal %d%s%s", hook->name, hook->path, WTERMSIG(status), colon, said);
	if (WEXITSTATUS(status) != 0)
		return fail(EIO, "%s hook %s: exit status %d%s%s", hook->name, hook->path, WEXITSTATUS(status), colon, said);
	return 0;
}

/* hook <name> <path> <timeout, ms> <argc> <argument>… <environment>… */
static int do_hook(const struct instruction *in, pid_t pid)
{
	long long timeout, argc;
	if (want_args(in, 4, -1) < 0 || parse_number(in->argv[2], &timeout) < 0 || parse_number(in->argv[3], &argc) < 0)
		return -1;
	if (argc < 0 || argc > in->argc - 4 || timeout < 0 || timeout > INT32_MAX)
		return fail(EINVAL, "%s hook %s: %lld arguments, %lld ms", in->argv[0], in->argv[1], argc, timeout);
	/* Arguments and environment stand one behind the other, with a NULL to go between. */
	size_t words = (size_t)argc, entries = (size_t)(in->argc - 4 - argc);
	OWNED_MEM(char *) strings = calloc(words + entries + 2, sizeof *strings);
	if (strings == NULL)
		return fail_errno("allocate a hook's arguments");
	memcpy(strings, in->argv + 4, words * sizeof *strings);
	memcpy(strings + words + 1, in->argv + 4 + words, entries * sizeof *strings);
	__attribute__((cleanup(close_hook))) struct hook hook = {
	    .name = in->argv[0],
	    .path = in->argv[1],
	    .folder = state.folder,
	    .arguments = strings,
	    .environment = strings + words + 1,
	    .timeout = (int)timeout,
	    .input = state_file(pid),
	    .pidfd = -1,
	    .output = {-1, -1},
	};
	return hook.input < 0 ? -1 : run(&hook);
}

bool is_hook_instruction(const char *opcode)
{
	return strcmp(opcode, "hook") == 0 || strcmp(opcode, "hook-state") == 0;
}

int hook_instruction(const struct instruction *in, pid_t pid)
{
	return strcmp(in->opcode, "hook") == 0 ? do_hook(in, pid) : do_hook_state(in);
}
