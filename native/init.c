/*
 * What runs inside the container. Cloned from its parent without an exec: it executes what stands between `enter` and
 * `leave`, waits for the start where there is a `created`, and then becomes one of three things
 * (docs/flows/container-start.md draws them):
 *   hold       a sandbox's PID 1: keeps the namespaces and reaps, until SIGTERM
 *   supervise  PID 1 beside the user's process: passes signals on, reaps, ends as it ended
 *   become     the user's program itself, which knows how to be an init
 */
#include "shim.h"

#include "abi.h"
#include "init.h"
#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>

static struct {
	bool terminal;
	bool leaves;   /* our parent may end before us, once we were created or execute the user's program */
	bool tied;     /* its end is ours */
	bool prepared; /* for the exec: see prepare_exec */
	int sync, listener;
	int starter; /* the connection that asked for the start; -1 none */
	struct program *instructions;
} job = {.sync = -1, .listener = -1, .starter = -1, .tied = true};

static void tell(const char *text)
{
	/*
	 * Not send(2): a seccomp filter may be in force, and none forbids write(2). Up to the exec SIGPIPE is blocked; when
	 * there is nobody to hear us, we are gone in a moment anyway.
	 */
	ssize_t written = write(job.starter >= 0 ? job.starter : job.sync, text, strlen(text));
	(void)written;
}

int init_sync(void)
{
	return job.sync;
}

/* Waits for one word of the parent; its absence means that the parent died, and nobody may outlive it. */
static void await(const char *word, char *rest, size_t size)
{
	char message[MESSAGE_MAX];
	ssize_t got;
	do
		got = recv(job.sync, message, sizeof message - 1, 0);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		_exit(137);
	message[got] = 0;
	size_t length = strlen(word);
	if (strncmp(message, word, length) != 0)
		_exit(70);
	snprintf(rest, size, "%s", message + length);
}

/* The parent gives the turn, and says who we are to it. */
static void await_turn(void)
{
	char number[16];
	long long pid;
	await("go", number, sizeof number);
	if (parse_number(number, &pid) == 0)
		set_outer_pid((pid_t)pid);
}

static void die_with_parent(void)
{
	char byte;
	if (!job.tied)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* It may have died before. */
	if (recv(job.sync, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0)
		_exit(137);
}

static int do_unshare_cgroup(const struct instruction *in)
{
	(void)in;
	return unshare(CLONE_NEWCGROUP) < 0 ? fail_errno("unshare the cgroup namespace") : 0;
}

/* created: tells the parent, and waits for the start. */
static int do_created(const struct instruction *in)
{
	(void)in;
	char rest[2];
	/* Before it is told: whoever knows that we are there may rely on it. Until it says so, its silence is our end. */
	if (job.leaves)
		prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
	tell("created");
	if (!job.leaves) {
		await("start", rest, sizeof rest);
		return 0;
	}
	await("keep", rest, sizeof rest);
	job.tied = false;
	if (job.listener < 0)
		return fail(EINVAL, "created without listen: nobody could start it");
	close_owned(&job.sync);
	job.sync = -1;
	job.starter = await_start(job.listener);
	job.listener = -1;
	return 0;
}

/* Nothing of the host's stays with a process that stays. */
static void let_go(void)
{
	release_inherited_descriptors();
	syscall(SYS_close_range, 3, ~0U, 0);
	program_unload(job.instructions);
	release_stack();
}

static int do_hold(const struct instruction *in)
{
	(void)in;
	if (drop_to_kill() < 0)
		return -1;
	tell("running");
	let_go();
	reap_and_forward(0, job.terminal);
}

/* supervise: the caller returns in the child, which executes the rest; PID 1 stays here. */
static int do_supervise(const struct instruction *in)
{
	(void)in;
	/* For a container that shares another's PID namespace, where the real PID 1 is somebody else. */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	pid_t child = fork();
	if (child < 0)
		return fail_errno("fork the user's process");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		return 0;
	}
	syscall(SYS_close_range, 0, 2, 0);
	let_go();
	if (drop_to_kill() < 0) {
		kill(child, SIGKILL);
		_exit(70);
	}
	reap_and_forward(child, job.terminal);
}

static int do_become(const struct instruction *in)
{
	(void)in;
	return 0;
}

/* foreground: with a terminal on stdin, its keys' signals belong to the user's process alone. */
static int do_foreground(const struct instruction *in)
{
	(void)in;
	if (!job.terminal)
		return 0;
	setpgid(0, 0);
	/* SIGTTOU is blocked still, so this works from the background. */
	if (tcsetpgrp(STDIN_FILENO, getpgrp()) < 0 && errno != ENOTTY)
		return fail_errno("become the terminal's foreground group");
	return 0;
}

/*
 * The user's process may open its own stdio anew by /dev/stdout and the like, so it is its user's. Devices are not: the
 * null device is everyone's, a terminal the caller's, unless it is the container's own. And not where that is
 * impossible, as runc has it: an owner or group without a place in the user namespace, a read-only file system.
 */
static int give_stdio(uid_t uid)
{
	for (int fd = 0; fd <= 2; fd++) {
		struct stat info;
		if (fstat(fd, &info) < 0 || info.st_uid == uid || (S_ISCHR(info.st_mode) && !console_is_open()))
			continue;
		if (fchown(fd, uid, info.st_gid) < 0 && errno != EINVAL && errno != EPERM && errno != EROFS)
			return fail_errno("give descriptor %d to user %u", fd, uid);
	}
	return 0;
}

static int do_identity(const struct instruction *in)
{
	(void)in;
	if (give_stdio(identity_uid()) < 0 || identity_apply() < 0)
		return -1;
	/* A change of user clears the parent-death signal (prctl(2)). */
	die_with_parent();
	return 0;
}

/*
 * All that is left to do for the exec. Before a seccomp filter is in force: what a filter may forbid is not needed
 * behind it. "running" is how the parent tells the end of file by the exec from that of a process that was killed.
 */
static int prepare_exec(void)
{
	if (job.prepared)
		return 0;
	job.prepared = true;
	umask(user_umask());
	/* From here on the user's process is on its own, or it dies with a shim as before. */
	if (job.leaves)
		prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
	job.tied = job.tied && !job.leaves;
	if (job.sync >= 0)
		tell("running");
	return 0;
}

/* exec: the sync socket, or the starter's, closes with it, which is how they know that it worked. */
static int do_exec(const struct instruction *in)
{
	(void)in;
	if (user_program_is_named() < 0)
		return -1;
	prepare_exec();
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return user_program_execute();
}

static int do_oom_score_adj(const struct instruction *in)
{
	return apply_oom_score_adj(in, 0);
}

static int do_rlimit(const struct instruction *in)
{
	return apply_rlimit(in, 0);
}

static const struct {
	const char *opcode;
	int (*run)(const struct instruction *);
} table[] = {
    {"unshare-cgroup", do_unshare_cgroup},
    {"environment", do_environment},
    {"arguments", do_arguments},
    {"home", do_home},
    {"find-program", do_find_program},
    {"created", do_created},
    {"hold", do_hold},
    {"supervise", do_supervise},
    {"become", do_become},
    {"foreground", do_foreground},
    {"oom-score-adj", do_oom_score_adj},
    {"rlimit", do_rlimit},
    {"identity", do_identity},
    {"exec", do_exec},
};

static int check_failpoint(const struct instruction *in)
{
	switch (failpoint_at(in->number)) {
	case FAILPOINT_KILL:
		if (job.sync < 0)
			_exit(137);
		tell("failpoint");
		for (;;)
			pause();
	case FAILPOINT_DIE:
		_exit(1);
	case FAILPOINT_ERROR:
		return fail(EIO, "failpoint at instruction %d", in->number);
	case FAILPOINT_NONE:
		break;
	}
	return 0;
}

static int execute(struct instruction *in)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].opcode, in->opcode) == 0)
			return table[i].run(in);
	if (is_root_instruction(in->opcode))
		return root_instruction(in);
	if (is_console_instruction(in->opcode))
		return console_instruction(in);
	if (is_hook_instruction(in->opcode))
		return hook_instruction(in, getpid());
	if (strcmp(in->opcode, "seccomp") == 0)
		prepare_exec();
	if (is_attribute_instruction(in->opcode))
		return attribute_instruction(in);
	return fail(EINVAL, "unknown instruction %s", in->opcode);
}

/* The first descriptor from `from` on that stays; -1 none. */
static int next_kept(int from)
{
	int best = -1, index = 0;
	const int *fixed[] = {&job.sync, &job.listener};
	for (const int *fd; (fd = index < 2 ? fixed[index] : inherited_descriptor(index - 2)) != NULL; index++)
		if (*fd >= from && (best < 0 || *fd < best))
			best = *fd;
	return best;
}

static int move_up(int *fd, int low)
{
	if (*fd < 0 || *fd >= low)
		return 0;
	int moved = fcntl(*fd, F_DUPFD_CLOEXEC, low);
	if (moved < 0)
		return fail_errno("move descriptor %d", *fd);
	*fd = moved;
	return 0;
}

/*
 * Stdio, what the caller wants to be preserved, and what the parent has made for us come along: none of the parent's
 * other descriptors, nor anything else that it inherited (CVE-2024-21626). Ours go above the preserved ones.
 */
static int keep_descriptors(const struct init_stdio *stdio)
{
	int wanted[] = {stdio->in, stdio->out, stdio->err};
	for (int fd = 0; fd < 3; fd++)
		if (wanted[fd] >= 0 && dup2(wanted[fd], fd) < 0)
			return fail_errno("dup2");
	int low = 3 + preserved_descriptors();
	if (move_up(&job.sync, low) < 0 || move_up(&job.listener, low) < 0)
		return -1;
	int *fd;
	for (int i = 0; (fd = inherited_descriptor(i)) != NULL; i++)
		if (move_up(fd, low) < 0)
			return -1;
	/* What is close-on-exec is the parent's, in a place that the caller left free. */
	for (int place = 3; place < low; place++)
		if ((fcntl(place, F_GETFD) & FD_CLOEXEC) != 0)
			close(place);
	for (int from = low;;) {
		int kept = next_kept(from);
		unsigned last = kept < 0 ? ~0U : (unsigned)kept - 1;
		if ((unsigned)from <= last && syscall(SYS_close_range, (unsigned)from, last, 0) < 0)
			return fail_errno("close_range");
		if (kept < 0)
			return 0;
		from = kept + 1;
	}
}

static _Noreturn void report_failure(const struct instruction *in)
{
	char message[MESSAGE_MAX];
	int length = snprintf(message, sizeof message - 1, "error %d %s %s %d %s", in->number, in->opcode, errno_name(failure_code()),
			      failure_exit_code(), failure_text());
	length = length < (int)sizeof message - 1 ? length : (int)sizeof message - 2;
	if (job.starter >= 0) {
		for (int i = 0; i < length; i++)
			if (message[i] == '\n')
				message[i] = ' ';
		message[length] = '\n';
		message[length + 1] = 0;
	}
	tell(message);
	_exit(failure_exit_code() != 0 ? failure_exit_code() : 125);
}

/* Executes this process' part of the program: from behind an `enter` up to the next `leave`. */
static int run(struct program *program, struct instruction *in)
{
	bool ours = false;
	for (;;) {
		int more = program_next(program, in);
		if (more == 0)
			return fail(EINVAL, "the program ends without exec or hold");
		if (more < 0)
			return -1;
		if (!ours) {
			ours = strcmp(in->opcode, "enter") == 0;
		} else if (check_failpoint(in) < 0) {
			return -1;
		} else if (strcmp(in->opcode, "leave") == 0) {
			ours = false;
			tell("leave");
			await_turn();
		} else if (execute(in) < 0) {
			return -1;
		}
	}
}

_Noreturn void init_main(struct program *program, const struct launch *launch, int sync)
{
	struct instruction *in = program_instruction();
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	reset_signals();
	job.sync = sync;
	job.listener = start_listener();
	job.terminal = launch->stdio.terminal;
	job.leaves = launch->leaves;
	job.instructions = program;
	die_with_parent();
	/* The container need not see where the host keeps its state. */
	char **arguments = launch->arguments;
	size_t room = strlen(arguments[0]) + 1;
	for (int i = 0; arguments[i] != NULL; i++)
		memset(arguments[i], 0, strlen(arguments[i]));
	snprintf(arguments[0], room, "init");
	prctl(PR_SET_NAME, "sampan-init", 0, 0, 0);
	umask(0);
	in->opcode = "enter";
	if (cgroups_enter(in) < 0 || stage_join_rest(in) < 0 || keep_descriptors(&launch->stdio) < 0)
		report_failure(in);
	await_turn();
	/* Until the exec we run our parent's own file: /proc/1/exe must not open it to the container (CVE-2019-5736). */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (stage_maps_init()) {
		stage_become_root();
		die_with_parent();
	}
	if (stage_unshare_ipc() < 0)
		report_failure(in);
	if (stage_joined_mounts() && root_open("/") < 0)
		report_failure(in);
	run(program, in);
	report_failure(in);
}
