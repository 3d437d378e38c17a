/*
 * The parent's part of a program: what stands before `clone`, what is done to init from outside, and the turns. One
 * parent is the engine's shim (shim.c), the other the front of `sampan-oci` (front.c).
 *
 *     parent                                        init
 *     enter ────────────────────── "go <pid>" ────► what stands before the next leave
 *     hooks and the rest   ◄──────── "leave" ─────── leave
 *     enter ────────────────────── "go <pid>" ────► …
 *     LAUNCH_CREATED       ◄─────── "created" ────── created
 *     launch_keep ───── "keep" (front alone) ─────►   (outlives the front from here on)
 *                                   "start" (shim) ►
 *     LAUNCH_EXECUTED      ◄── "running", then end of file: by the exec of the user's program
 *
 * At any time init may say `error <number> <opcode> <errno> <exit code> <text>`.
 */
#include "shim.h"

#include "abi.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

static struct {
	int listener, preserved;
	bool failed;
	struct launch_failure failure;
} state = {.listener = -1};

int start_listener(void)
{
	return state.listener;
}

int preserved_descriptors(void)
{
	return state.preserved;
}

int launch_failed(const struct launch_failure *failure)
{
	state.failure = *failure;
	state.failed = true;
	return fail(EREMOTEIO, "%s", failure->text);
}

void launch_explain(const struct instruction *in, struct launch_failure *failure)
{
	if (state.failed) {
		*failure = state.failure;
		return;
	}
	*failure = (struct launch_failure){.number = in->number, .exit_code = failure_exit_code()};
	snprintf(failure->opcode, sizeof failure->opcode, "%s", in->opcode == NULL ? "load" : in->opcode);
	snprintf(failure->code, sizeof failure->code, "%s", errno_name(failure_code()));
	snprintf(failure->text, sizeof failure->text, "%s", failure_text());
}

static _Noreturn void failpoint_kill(void)
{
	syscall(SYS_kill, getpid(), SIGKILL);
	for (;;)
		;
}

/* listen <folder> */
static int do_listen(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0)
		return -1;
	state.listener = unix_listen(in->argv[0], "start.sock");
	return state.listener < 0 ? -1 : 0;
}

/* preserve-fds <count> */
static int do_preserve_fds(const struct instruction *in)
{
	long long count;
	if (want_args(in, 1, 1) < 0 || parse_number(in->argv[0], &count) < 0)
		return -1;
	if (count < 0 || count > 1 << 20)
		return fail(EINVAL, "%lld descriptors to preserve", count);
	for (int fd = 3; fd < 3 + count; fd++) {
		/* What we opened is close-on-exec; what the caller gave us came through an exec and is not. */
		int flags = fcntl(fd, F_GETFD);
		if (flags < 0 || (flags & FD_CLOEXEC) != 0)
			return fail(EBADF, "descriptor %d is to be preserved, but is not open", fd);
	}
	state.preserved = (int)count;
	return 0;
}

/*
 * cgroup <cgroup.procs>…: before anything of the container runs, so that nothing of it runs unlimited. Before the clone,
 * which is the quick way (cgroups.c), or after it, where the process must be there first.
 */
static int do_cgroup(const struct instruction *in, pid_t process)
{
	if (process <= 0)
		return cgroups_plan(in);
	for (int i = 0; i < in->argc; i++)
		if (cgroups_add(in->argv[i], process) < 0)
			return -1;
	return 0;
}

static int do_ask(struct launch *launch, const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0)
		return -1;
	return launch->ask == NULL ? fail(ENOTSUP, "there is nobody to ask") : launch->ask(in->argv[0], launch->pid);
}

enum init_word launch_hear(struct launch *launch, int flags)
{
	char message[MESSAGE_MAX];
	OWNED_FD passed = -1;
	ssize_t got = unix_receive_fd(launch->sync, message, sizeof message - 1, &passed, flags);
	/* An init that failed before it heard "go" has left that unread. The kernel tells of it first, and once. */
	if (got < 0 && errno == ECONNRESET)
		got = unix_receive_fd(launch->sync, message, sizeof message - 1, &passed, flags);
	if (got < 0)
		return errno == EAGAIN ? INIT_SILENT : (enum init_word)fail_errno("listen to init");
	message[got] = 0;
	if (got == 0)
		return launch->running ? INIT_EXECUTED : (enum init_word)fail(ESRCH, "init ended without a word");
	if (strcmp(message, "leave") == 0)
		return INIT_LEFT;
	if (strcmp(message, "created") == 0)
		return INIT_CREATED;
	if (strcmp(message, "failpoint") == 0)
		failpoint_kill();
	if (strcmp(message, "running") == 0)
		launch->running = true;
	if (strcmp(message, "console") == 0)
		return console_deliver(release_fd(&passed), &launch->console) < 0 ? INIT_FAILED : INIT_SILENT;
	struct launch_failure failure;
	int offset = 0;
	if (sscanf(message, "error %d %23s %23s %d %n", &failure.number, failure.opcode, failure.code, &failure.exit_code, &offset) == 4) {
		snprintf(failure.text, sizeof failure.text, "%s", message + offset);
		return (enum init_word)launch_failed(&failure);
	}
	return INIT_SILENT;
}

/* Gives init its turn, and waits for the end of it. */
static enum init_word do_enter(struct launch *launch)
{
	if (launch->pid <= 0)
		return (enum init_word)fail(EINVAL, "enter before clone");
	int *stdio[] = {&launch->stdio.in, &launch->stdio.out, &launch->stdio.err};
	for (int i = 0; i < 3; i++) {
		/* no-output has one descriptor for all three. */
		if (*stdio[i] >= 0 && (i == 0 || *stdio[i] != *stdio[0]))
			close(*stdio[i]);
	}
	launch->stdio.in = launch->stdio.out = launch->stdio.err = -1;
	char go[32];
	snprintf(go, sizeof go, "go %d", launch->pid);
	/* An init that has failed has said so before it ended. */
	if (send(launch->sync, go, strlen(go), MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
		return (enum init_word)fail_errno("let init go");
	for (;;) {
		struct pollfd polls[] = {{.fd = launch->sync, .events = POLLIN}, {.fd = launch->watch, .events = POLLRDHUP}};
		if (poll(polls, 2, -1) < 0)
			continue;
		if (polls[1].revents & (POLLRDHUP | POLLHUP | POLLERR))
			return (enum init_word)fail(EPIPE, "whoever decides has gone");
		enum init_word word = polls[0].revents != 0 ? launch_hear(launch, MSG_DONTWAIT) : INIT_SILENT;
		if (word != INIT_SILENT)
			return word;
	}
}

static int execute(struct launch *launch, struct program *program, struct instruction *in)
{
	switch (failpoint_at(in->number)) {
	case FAILPOINT_KILL:
	case FAILPOINT_DIE:
		failpoint_kill();
	case FAILPOINT_ERROR:
		return fail(EIO, "failpoint at instruction %d", in->number);
	case FAILPOINT_NONE:
		break;
	}
	int own = launch->own == NULL ? 0 : launch->own(in);
	if (own != 0)
		return own < 0 ? -1 : 0;
	if (strcmp(in->opcode, "listen") == 0)
		return do_listen(in);
	if (strcmp(in->opcode, "preserve-fds") == 0)
		return do_preserve_fds(in);
	if (strcmp(in->opcode, "console-to") == 0)
		return console_to(in);
	if (is_stage_instruction(in->opcode))
		return stage_instruction(in);
	if (is_tree_instruction(in->opcode))
		return tree_instruction(in);
	if (strcmp(in->opcode, "clone") == 0)
		return launch->pid > 0 ? fail(EINVAL, "clone for the second time") : stage_clone(launch, program, in);
	/* Of the attributes the parent's: they are its own, or the socket that init speaks to the seccomp agent on. */
	if (strcmp(in->opcode, "seccomp-listener") == 0 || strcmp(in->opcode, "cpu-affinity") == 0)
		return attribute_instruction(in);
	/* Also without a process: poststart and poststop hooks are programs of their own. */
	if (is_hook_instruction(in->opcode))
		return hook_instruction(in, launch->pid);
	if (strcmp(in->opcode, "cgroup") == 0)
		return do_cgroup(in, launch->pid);
	if (launch->pid <= 0)
		return fail(EINVAL, "unknown instruction %s before clone", in->opcode);
	if (strcmp(in->opcode, "ask") == 0)
		return do_ask(launch, in);
	if (strcmp(in->opcode, "rlimit") == 0)
		return apply_rlimit(in, launch->pid);
	if (strcmp(in->opcode, "oom-score-adj") == 0)
		return apply_oom_score_adj(in, launch->pid);
	return fail(EINVAL, "unknown instruction %s", in->opcode);
}

/* Whether the parent passes over this instruction, which init executes. */
static bool skips(struct launch *launch, const char *opcode)
{
	bool last = launch->skip == SKIP_TURN   ? strcmp(opcode, "leave") == 0
		    : launch->skip == SKIP_REST ? strcmp(opcode, "exec") == 0 || strcmp(opcode, "hold") == 0
						: false;
	bool skip = launch->skip != SKIP_NOTHING;
	if (last)
		launch->skip = SKIP_NOTHING;
	return skip;
}

enum launch_outcome launch_run(struct launch *launch, struct program *program, struct instruction *in)
{
	int more;
	launch->waits = false;
	while ((more = program_next(program, in)) > 0) {
		if (skips(launch, in->opcode))
			continue;
		if (strcmp(in->opcode, "wait") == 0) {
			launch->waits = true;
			return LAUNCH_ENDED;
		}
		if (strcmp(in->opcode, "enter") != 0) {
			if (execute(launch, program, in) < 0)
				return LAUNCH_FAILED;
			continue;
		}
		if (failpoint_at(in->number) != FAILPOINT_NONE && execute(launch, program, in) < 0)
			return LAUNCH_FAILED;
		enum init_word word = do_enter(launch);
		if (word == INIT_FAILED)
			return LAUNCH_FAILED;
		launch->skip = word == INIT_LEFT ? SKIP_TURN : SKIP_REST;
		if (word != INIT_LEFT)
			return word == INIT_CREATED ? LAUNCH_CREATED : LAUNCH_EXECUTED;
	}
	return more < 0 ? LAUNCH_FAILED : LAUNCH_ENDED;
}

int launch_keep(struct launch *launch)
{
	if (send(launch->sync, "keep", 4, MSG_NOSIGNAL) < 0)
		return fail_errno("let init wait for its start");
	close_owned(&launch->sync);
	launch->sync = -1;
	/* Only init listens now: when it has ended, nobody may seem to. */
	close_owned(&state.listener);
	state.listener = -1;
	return 0;
}

void launch_kill(struct launch *launch)
{
	if (launch->pid <= 0)
		return;
	if (launch->pidfd < 0 || syscall(SYS_pidfd_send_signal, launch->pidfd, SIGKILL, NULL, 0) < 0)
		kill(launch->pid, SIGKILL);
	while (waitpid(launch->pid, NULL, 0) < 0 && errno == EINTR)
		;
	launch->pid = 0;
}
