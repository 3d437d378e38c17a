/*
 * What runs inside the container. Cloned from the shim without an exec: it executes the instructions after `enter`,
 * waits for the start message, and then becomes one of three things (docs/flows/container-start.md draws them):
 *   hold       a sandbox's PID 1: keeps the namespaces and reaps, until SIGTERM
 *   supervise  PID 1 beside the user's process: passes signals on, reaps, ends as it ended
 *   become     the user's program itself, which knows how to be an init
 */
#include "shim.h"

#include "abi.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>

#define SYNC_FD 3
#define KEYCTL_JOIN_SESSION_KEYRING 1

static struct {
	bool terminal;
	/* Strings of the program; NULL-terminated. */
	char **environment, **arguments;
	size_t environment_count, argument_count;
	char program[PATH_MAX];
} job;

static void tell(const char *text)
{
	/* MSG_NOSIGNAL: when the shim is gone, so are we in a moment. */
	send(SYNC_FD, text, strlen(text), MSG_NOSIGNAL);
}

/* Waits for one word of the shim; its absence means that the shim died, and nobody may outlive it. */
static void await(const char *word)
{
	char message[MESSAGE_MAX];
	ssize_t got;
	do
		got = recv(SYNC_FD, message, sizeof message - 1, 0);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		_exit(137);
	message[got] = 0;
	if (strcmp(message, word) != 0)
		_exit(70);
}

static int append(char ***list, size_t *count, const struct instruction *in)
{
	char **grown = realloc(*list, (*count + (size_t)in->argc + 1) * sizeof **list);
	if (grown == NULL)
		return fail_errno("allocate %d strings", in->argc);
	memcpy(grown + *count, in->argv, (size_t)in->argc * sizeof *grown);
	*count += (size_t)in->argc;
	grown[*count] = NULL;
	*list = grown;
	return 0;
}

static const char *environment_value(const char *name)
{
	size_t length = strlen(name);
	for (size_t i = 0; i < job.environment_count; i++)
		if (strncmp(job.environment[i], name, length) == 0 && job.environment[i][length] == '=')
			return job.environment[i] + length + 1;
	return NULL;
}

/* join <kind> <path> <inode>: the inode tells that the path is still the namespace that was meant. */
static int do_join(const struct instruction *in)
{
	long long inode;
	struct stat info;
	if (want_args(in, 3, 3) < 0 || parse_number(in->argv[2], &inode) < 0)
		return -1;
	OWNED_FD fd = open(in->argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &info) < 0)
		return fail_errno("open namespace %s", in->argv[1]);
	if (info.st_ino != (ino_t)inode)
		return fail(ESTALE, "namespace %s is %llu, not %lld: its holder has ended", in->argv[1],
			    (unsigned long long)info.st_ino, inode);
	int kind = strcmp(in->argv[0], "net") == 0   ? CLONE_NEWNET
		   : strcmp(in->argv[0], "ipc") == 0 ? CLONE_NEWIPC
		   : strcmp(in->argv[0], "uts") == 0 ? CLONE_NEWUTS
						     : CLONE_NEWPID;
	if (setns(fd, kind) < 0)
		return fail_errno("join namespace %s", in->argv[1]);
	return 0;
}

int join_namespace(const struct instruction *instruction)
{
	return do_join(instruction);
}

static int do_unshare_cgroup(const struct instruction *in)
{
	(void)in;
	return unshare(CLONE_NEWCGROUP) < 0 ? fail_errno("unshare the cgroup namespace") : 0;
}

static int do_hostname(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0)
		return -1;
	return sethostname(in->argv[0], strlen(in->argv[0])) < 0 ? fail_errno("sethostname %s", in->argv[0]) : 0;
}

static int do_loopback(const struct instruction *in)
{
	(void)in;
	OWNED_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo"};
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return fail_errno("find the loopback interface");
	request.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? fail_errno("bring the loopback interface up") : 0;
}

/* keyring <name>: keys of the host's session stay out of reach. A kernel without keys has none to protect. */
static int do_keyring(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0)
		return -1;
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, in->argv[0]) < 0 && errno != ENOSYS)
		return fail_errno("join a session keyring");
	return 0;
}

static int do_environment(const struct instruction *in)
{
	return append(&job.environment, &job.environment_count, in);
}

static int do_arguments(const struct instruction *in)
{
	return append(&job.arguments, &job.argument_count, in);
}

/* user <user[:group]> <gid>… */
static int do_user(const struct instruction *in)
{
	return want_args(in, 1, -1) < 0 ? -1 : identity_lookup(in->argv[0], in->argc - 1, in->argv + 1);
}

/* home: HOME from the image's passwd file. */
static int do_home(const struct instruction *in)
{
	(void)in;
	static char home[300];
	snprintf(home, sizeof home, "HOME=%s", identity_home());
	struct instruction one = {.opcode = "home", .argc = 1, .argv = {home}};
	return do_environment(&one);
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
static int do_find_program(const struct instruction *in)
{
	(void)in;
	const char *name = job.argument_count == 0 ? "" : job.arguments[0];
	if (strchr(name, '/') != NULL) {
		int code = runnable(name);
		snprintf(job.program, sizeof job.program, "%s", name);
		return code == 0 ? 0 : program_failure(code, name, name);
	}
	const char *path = environment_value("PATH");
	bool denied = false;
	for (const char *start = path == NULL ? "" : path; *name != 0; start++) {
		const char *end = strchrnul(start, ':');
		/* An empty part means the working directory, where a program is found only by accident or malice. */
		if (end > start && snprintf(job.program, sizeof job.program, "%.*s/%s", (int)(end - start), start, name) < PATH_MAX) {
			int code = runnable(job.program);
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

/* created: tells the shim, and waits for the start. */
static int do_created(const struct instruction *in)
{
	(void)in;
	tell("created");
	await("start");
	return 0;
}

static int status_code(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/*
 * PID 1's life. Signals are blocked and taken one by one: nothing is lost between two of them, and the kernel gives a
 * blocked signal even to a PID 1 that has no handler for it. With `child` 0 it is a sandbox's.
 */
static _Noreturn void reap_and_forward(pid_t child)
{
	sigset_t all;
	sigfillset(&all);
	for (;;) {
		int signal = sigwaitinfo(&all, NULL);
		if (signal < 0)
			continue;
		if (signal != SIGCHLD) {
			if (child == 0 && (signal == SIGTERM || signal == SIGINT))
				_exit(0);
			if (child != 0)
				kill(child, signal);
			continue;
		}
		int status;
		pid_t pid;
		while ((pid = waitpid(-1, &status, WNOHANG | (job.terminal ? WUNTRACED : 0))) > 0) {
			/* Nobody is there to continue a foreground job that its terminal's user stopped. */
			if (WIFSTOPPED(status))
				kill(pid, SIGCONT);
			else if (pid == child)
				_exit(status_code(status));
		}
	}
}

static int drop_to_kill(void)
{
	/* PID 1 shares the container with its program: it must not be worth more than that to whoever takes it over. */
	uint64_t kill_only = UINT64_C(1) << 5;
	return capabilities_bound(kill_only) < 0 ? -1 : capabilities_set(kill_only);
}

static int do_hold(const struct instruction *in)
{
	(void)in;
	if (drop_to_kill() < 0)
		return -1;
	close(SYNC_FD);
	reap_and_forward(0);
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
	close(SYNC_FD);
	for (int fd = 0; fd <= 2; fd++)
		close(fd);
	if (drop_to_kill() < 0) {
		kill(child, SIGKILL);
		_exit(70);
	}
	reap_and_forward(child);
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
 * oom-score-adj <n>: going below what we inherited takes CAP_SYS_RESOURCE. Without it (we are in a container
 * ourselves) the process is merely killed earlier than asked for, so this is no reason not to run.
 */
static int do_oom_score_adj(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0)
		return -1;
	OWNED_FD fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno("open /proc/self/oom_score_adj");
	if (write_all(fd, in->argv[0], strlen(in->argv[0])) < 0 && failure_code() != EACCES)
		return fail(failure_code(), "write \"%s\" to /proc/self/oom_score_adj: %s", in->argv[0], strerror(failure_code()));
	return 0;
}

static uint64_t mask_of(const struct instruction *in)
{
	return strtoull(in->argv[0], NULL, 16);
}

/* bounding <hex>: before the user changes, which takes away the right to do it. */
static int do_bounding(const struct instruction *in)
{
	return want_args(in, 1, 1) < 0 ? -1 : capabilities_bound(mask_of(in));
}

static int do_identity(const struct instruction *in)
{
	(void)in;
	if (identity_apply() < 0)
		return -1;
	/* A change of user clears the parent-death signal (prctl(2)); setting it again leaves a gap to look into. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	char byte;
	if (recv(SYNC_FD, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0)
		_exit(137);
	return 0;
}

static int do_capabilities(const struct instruction *in)
{
	return want_args(in, 1, 1) < 0 ? -1 : capabilities_set(mask_of(in));
}

static int do_no_new_privileges(const struct instruction *in)
{
	(void)in;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? fail_errno("set no_new_privs") : 0;
}

/* exec: the sync socket closes with it, which is how the shim knows that it worked. */
static int do_exec(const struct instruction *in)
{
	(void)in;
	if (job.argument_count == 0)
		return fail(EINVAL, "nothing to execute");
	umask(022);
	fcntl(SYNC_FD, F_SETFD, FD_CLOEXEC);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	char *nothing[] = {NULL};
	execve(job.program, job.arguments, job.environment == NULL ? nothing : job.environment);
	return program_failure(errno, job.arguments[0], job.program);
}

static const struct {
	const char *opcode;
	int (*run)(const struct instruction *);
} table[] = {
    {"join", do_join},
    {"unshare-cgroup", do_unshare_cgroup},
    {"hostname", do_hostname},
    {"loopback", do_loopback},
    {"keyring", do_keyring},
    {"environment", do_environment},
    {"arguments", do_arguments},
    {"user", do_user},
    {"home", do_home},
    {"find-program", do_find_program},
    {"created", do_created},
    {"hold", do_hold},
    {"supervise", do_supervise},
    {"become", do_become},
    {"foreground", do_foreground},
    {"oom-score-adj", do_oom_score_adj},
    {"bounding", do_bounding},
    {"identity", do_identity},
    {"capabilities", do_capabilities},
    {"no-new-privileges", do_no_new_privileges},
    {"exec", do_exec},
};

static int execute(const struct instruction *in)
{
	switch (failpoint_at(in->number)) {
	case FAILPOINT_KILL:
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
	if (is_root_instruction(in->opcode))
		return root_instruction(in);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].opcode, in->opcode) == 0)
			return table[i].run(in);
	return fail(EINVAL, "unknown instruction %s", in->opcode);
}

/* Only stdio and the socket to the shim come along: neither the shim's descriptors nor anything that it inherited. */
static int keep_descriptors(int sync, const struct init_stdio *stdio)
{
	int wanted[] = {stdio->in, stdio->out, stdio->err};
	for (int fd = 0; fd < 3; fd++)
		if (wanted[fd] >= 0 && dup2(wanted[fd], fd) < 0)
			return fail_errno("dup2");
	if (sync != SYNC_FD && dup2(sync, SYNC_FD) < 0)
		return fail_errno("dup2");
	if (syscall(SYS_close_range, SYNC_FD + 1, ~0U, 0) < 0)
		return fail_errno("close_range");
	return 0;
}

_Noreturn void init_main(struct program *program, int sync, const struct init_stdio *stdio, char **arguments)
{
	static struct instruction in;
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (int signal = 1; signal < NSIG; signal++)
		if (signal != SIGKILL && signal != SIGSTOP)
			sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* Until the exec we run the shim's own file: /proc/1/exe must not open it to the container (CVE-2019-5736). */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* Nor need it see where the host keeps its state. */
	size_t room = strlen(arguments[0]) + 1;
	for (int i = 0; arguments[i] != NULL; i++)
		memset(arguments[i], 0, strlen(arguments[i]));
	snprintf(arguments[0], room, "init");
	prctl(PR_SET_NAME, "sampan-init", 0, 0, 0);
	umask(0);
	job.terminal = stdio->terminal;
	in.opcode = "enter";
	int status = keep_descriptors(sync, stdio);
	if (status == 0)
		await("go");
	/* What stands before `enter` is the shim's. */
	bool ours = false;
	while (status == 0) {
		int more = program_next(program, &in);
		if (more > 0 && !ours)
			ours = strcmp(in.opcode, "enter") == 0;
		else if (more == 0)
			status = fail(EINVAL, "the program ends without exec or hold");
		else if (more < 0 || execute(&in) < 0)
			status = -1;
	}
	char message[MESSAGE_MAX];
	snprintf(message, sizeof message, "error %d %s %s %d %s", in.number, in.opcode, errno_name(failure_code()),
		 failure_exit_code(), failure_text());
	tell(message);
	_exit(failure_exit_code() != 0 ? failure_exit_code() : 125);
}
