/*
 * sampan-shim <state folder>: the parent of one container. Executes <state folder>/program, then copies output to the
 * log, serves shim.sock, keeps the exit status, and ends with the container. It decides nothing: what to do is in the
 * program, when to do it comes over the socket. docs/flows/container-start.md draws all of it.
 */
#include "shim.h"

#include "abi.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

#define CONTROL_FD 3
#define POLL_MAX 64

static struct {
	struct container container;
	struct init_stdio stdio;
	int pipes[2];	       /* our ends of stdout and stderr; -1 none */
	bool foreground;       /* we end when whoever holds the other end of CONTROL_FD does */
	pid_t terminal_group;  /* whose the terminal was */
	char oom_file[512];
	char **arguments;
} shim = {
    .container = {.pidfd = -1, .sync = -1, .starter = -1},
    .stdio = {-1, -1, -1, false},
    .pipes = {-1, -1},
};

static long long start_time_of(pid_t pid)
{
	char path[64], text[1024];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	if (read_small(path, text, sizeof text) < 0)
		return 0;
	/* Field 22, counted from behind the name, which may contain anything (proc(5)). */
	char *at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at == NULL ? 0 : strtoll(at, NULL, 10);
}

/* A state file is there wholly or not at all, also after a power cut where the state folder survives one. */
static int write_state(const char *name, const char *text)
{
	char temporary[64];
	snprintf(temporary, sizeof temporary, "%s.new", name);
	OWNED_FD fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write_all(fd, text, strlen(text)) < 0 || fsync(fd) < 0)
		return fail_errno("write state file %s", name);
	return rename(temporary, name) < 0 ? fail_errno("rename state file %s", name) : 0;
}

/* shim <detached|foreground> */
static int do_shim(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0)
		return -1;
	shim.foreground = strcmp(in->argv[0], "foreground") == 0;
	if (shim.foreground) {
		shim.terminal_group = tcgetpgrp(STDIN_FILENO);
		shim.stdio.terminal = shim.terminal_group > 0;
		/* A key's signal reaches the container once, by way of our parent, also when stdin is no terminal. */
		setpgid(0, 0);
		return 0;
	}
	pid_t child = fork();
	if (child < 0)
		return fail_errno("fork");
	if (child > 0)
		_exit(0);
	/* The caller has made us a session of our own; as a second process in it we can never get a terminal. */
	setsid();
	return 0;
}

/* log <path>: stdout and stderr are pipes of ours, stdin is empty. */
static int do_log(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0 || log_open(in->argv[0]) < 0)
		return -1;
	int out[2], err[2];
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		return fail_errno("pipe");
	shim.pipes[0] = out[0];
	shim.pipes[1] = err[0];
	shim.stdio.in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	shim.stdio.out = out[1];
	shim.stdio.err = err[1];
	return shim.stdio.in < 0 ? fail_errno("open /dev/null") : 0;
}

/* no-output: a sandbox has none. */
static int do_no_output(const struct instruction *in)
{
	(void)in;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	shim.stdio.in = shim.stdio.out = shim.stdio.err = null;
	return null < 0 ? fail_errno("open /dev/null") : 0;
}

/* clone <namespace>… */
static int do_clone(const struct instruction *in, struct program *program)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} kinds[] = {{"pid", CLONE_NEWPID}, {"mnt", CLONE_NEWNS},   {"uts", CLONE_NEWUTS},
		     {"ipc", CLONE_NEWIPC}, {"net", CLONE_NEWNET}};
	unsigned long flags = CLONE_PIDFD | SIGCHLD;
	for (int i = 0; i < in->argc; i++) {
		unsigned long flag = 0;
		for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
			if (strcmp(kinds[kind].name, in->argv[i]) == 0)
				flag = kinds[kind].flag;
		if (flag == 0)
			return fail(EINVAL, "unknown namespace %s", in->argv[i]);
		flags |= flag;
	}
	int sync[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) < 0)
		return fail_errno("socketpair");
	/* The libc's fork knows no namespaces. Without threads there is nothing of it to keep in step. */
	long pid = syscall(SYS_clone, flags, NULL, &shim.container.pidfd, NULL, NULL);
	if (pid == 0)
		init_main(program, sync[1], &shim.stdio, shim.arguments);
	int code = errno;
	close(sync[1]);
	errno = code;
	shim.container.sync = sync[0];
	if (pid < 0)
		return fail_errno("clone");
	shim.container.pid = (pid_t)pid;
	if (fcntl(shim.container.pidfd, F_SETFD, FD_CLOEXEC) < 0)
		return fail_errno("fcntl");
	return 0;
}

/* cgroup <cgroup.procs>…: before anything of the container runs, so that nothing of it runs unlimited. */
static int do_cgroup(const struct instruction *in)
{
	char pid[16];
	snprintf(pid, sizeof pid, "%d", shim.container.pid);
	for (int i = 0; i < in->argc; i++) {
		OWNED_FD fd = open(in->argv[i], O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			return fail_errno("open %s", in->argv[i]);
		if (write_all(fd, pid, strlen(pid)) < 0)
			return fail(failure_code(), "write pid %s to %s: %s", pid, in->argv[i], strerror(failure_code()));
	}
	return 0;
}

/* oom <file>: whose line oom_kill counts (memory.events, or v1's memory.oom_control). */
static int do_oom(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0)
		return -1;
	if ((size_t)snprintf(shim.oom_file, sizeof shim.oom_file, "%s", in->argv[0]) >= sizeof shim.oom_file)
		return fail(ENAMETOOLONG, "%s: path too long", in->argv[0]);
	return 0;
}

static void failpoint_kill(void)
{
	syscall(SYS_kill, getpid(), SIGKILL);
}

/* Gives the turn to init and waits until it is ready to start. */
static int do_enter(void)
{
	char message[MESSAGE_MAX];
	for (int i = 0; i < 3; i++) {
		int *ours = i == 0 ? &shim.stdio.in : i == 1 ? &shim.stdio.out : &shim.stdio.err;
		/* no-output has one descriptor for all three. */
		if (i == 0 || *ours != shim.stdio.in)
			close_owned(ours);
	}
	if (send(shim.container.sync, "go", 2, MSG_NOSIGNAL) < 0)
		return fail_errno("let init go");
	ssize_t got;
	do
		got = recv(shim.container.sync, message, sizeof message - 1, 0);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return fail(ESRCH, "init ended without a word");
	message[got] = 0;
	if (strcmp(message, "created") == 0)
		return 0;
	if (strcmp(message, "failpoint") == 0)
		failpoint_kill();
	/* Init has already said which instruction it was. */
	return fail(0, "%s", message);
}

static int execute(const struct instruction *in, struct program *program)
{
	switch (failpoint_at(in->number)) {
	case FAILPOINT_KILL:
	case FAILPOINT_DIE:
		failpoint_kill();
		break;
	case FAILPOINT_ERROR:
		return fail(EIO, "failpoint at instruction %d", in->number);
	case FAILPOINT_NONE:
		break;
	}
	if (strcmp(in->opcode, "shim") == 0)
		return do_shim(in);
	if (strcmp(in->opcode, "log") == 0)
		return do_log(in);
	if (strcmp(in->opcode, "no-output") == 0)
		return do_no_output(in);
	if (strcmp(in->opcode, "join-pid") == 0)
		return join_namespace(in);
	if (strcmp(in->opcode, "clone") == 0)
		return do_clone(in, program);
	if (strcmp(in->opcode, "cgroup") == 0)
		return do_cgroup(in);
	if (strcmp(in->opcode, "oom") == 0)
		return do_oom(in);
	if (strcmp(in->opcode, "enter") == 0)
		return do_enter();
	return fail(EINVAL, "unknown instruction %s", in->opcode);
}

/* The shim's part of the program, up to and with `enter`. */
static int run_program(struct program *program, struct instruction *in)
{
	int more;
	while ((more = program_next(program, in)) > 0) {
		if (execute(in, program) < 0)
			return -1;
		if (strcmp(in->opcode, "enter") == 0)
			return 0;
	}
	return more < 0 ? -1 : fail(EINVAL, "the program has no enter");
}

static int report(const char *text)
{
	int status;
	do
		status = (int)write(CONTROL_FD, text, strlen(text));
	while (status < 0 && errno == EINTR);
	return status < 0 ? fail_errno("report") : 0;
}

static int report_failure(const struct instruction *in)
{
	char line[MESSAGE_MAX + 64];
	if (failure_code() == 0)
		snprintf(line, sizeof line, "%s\n", failure_text());
	else
		snprintf(line, sizeof line, "error %d %s %s %d %s\n", in->number, in->opcode == NULL ? "load" : in->opcode,
			 errno_name(failure_code()), failure_exit_code(), failure_text());
	report(line);
	if (shim.container.pidfd >= 0) {
		syscall(SYS_pidfd_send_signal, shim.container.pidfd, SIGKILL, NULL, 0);
		waitpid(shim.container.pid, NULL, 0);
	}
	return 1;
}

static int created(void)
{
	struct container *container = &shim.container;
	char text[96];
	container->created_ms = now_ms();
	snprintf(text, sizeof text, "%d %lld %lld\n", container->pid, start_time_of(container->pid), container->created_ms);
	if (write_state("pid", text) < 0)
		return -1;
	/* Nobody is there any more to read this: then nobody knows of the container, and it must not be. */
	snprintf(text, sizeof text, "created %d\n", container->pid);
	return report(text);
}

int container_start(struct container *container, int client)
{
	if (container->phase != PHASE_CREATED || container->starter >= 0)
		return fail(EALREADY, "already started");
	if (send(container->sync, "start", 5, MSG_NOSIGNAL) < 0)
		return fail_errno("start init");
	container->starter = client;
	return 0;
}

/* Init has closed the socket by its exec (it runs), or said why it could not. */
static void sync_event(struct container *container)
{
	char message[MESSAGE_MAX], opcode[32], code[32];
	int number, exit_code, offset = 0;
	ssize_t got = recv(container->sync, message, sizeof message - 1, MSG_DONTWAIT);
	if (got < 0)
		return;
	message[got] = 0;
	if (strcmp(message, "failpoint") == 0)
		failpoint_kill();
	if (got > 0 && sscanf(message, "error %d %31s %31s %d %n", &number, opcode, code, &exit_code, &offset) == 4) {
		if (container->starter >= 0)
			protocol_answer(container->starter, "error start %s %d %s", code, exit_code, message + offset);
		container->starter = -1;
		return;
	}
	close_owned(&container->sync);
	container->sync = -1;
	/* Also when init was killed before its start, or ended by itself after having said why. */
	struct pollfd ended = {.fd = container->pidfd, .events = POLLIN};
	if (container->starter < 0 && poll(&ended, 1, 0) > 0)
		return;
	char text[32];
	container->phase = PHASE_RUNNING;
	container->started_ms = now_ms();
	snprintf(text, sizeof text, "%lld\n", container->started_ms);
	if (write_state("started", text) < 0 && container->starter >= 0)
		protocol_answer(container->starter, "error start %s 0 %s", errno_name(failure_code()), failure_text());
	else if (container->starter >= 0)
		protocol_answer(container->starter, "ok start");
	container->starter = -1;
}

static bool oom_killed(void)
{
	char text[1024];
	if (*shim.oom_file == 0 || read_small(shim.oom_file, text, sizeof text) < 0)
		return false;
	/* At the start of a line: memory.events has oom_group_kill too, and v1 oom_kill_disable. */
	for (char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "oom_kill ", 9) == 0)
			return atoi(line + 9) > 0;
		if (*line == 0)
			break;
	}
	return false;
}

static void finish(struct container *container)
{
	int status = 0;
	if (container->sync >= 0)
		sync_event(container);
	while (waitpid(container->pid, &status, 0) < 0 && errno == EINTR)
		;
	log_finish();
	container->finished_ms = now_ms();
	container->exit_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	container->exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	container->oom_killed = oom_killed();
	container->phase = PHASE_STOPPED;
	if (shim.stdio.terminal)
		tcsetpgrp(STDIN_FILENO, shim.terminal_group);
	char text[192];
	snprintf(text, sizeof text, "exitCode %d\nsignal %d\nfinishedAt %lld\noomKilled %d\nlogDropped %llu\n", container->exit_code,
		 container->exit_signal, container->finished_ms, container->oom_killed, log_dropped());
	/* Without the file the container still reads as ended (137), since nobody listens on the socket. */
	if (write_state("exit", text) < 0)
		dprintf(STDERR_FILENO, "sampan-shim: %s\n", failure_text());
	protocol_announce_exit(container);
	protocol_close();
	unlink("shim.sock");
}

static void serve(struct container *container)
{
	for (;;) {
		struct pollfd polls[POLL_MAX];
		int count = 0;
		polls[count++] = (struct pollfd){.fd = container->sync, .events = POLLIN};
		polls[count++] = (struct pollfd){.fd = shim.foreground ? CONTROL_FD : -1, .events = 0};
		int first_log = count, logs = log_poll_count();
		for (int i = 0; i < logs; i++)
			polls[count++] = (struct pollfd){.fd = log_poll_fd(i), .events = POLLIN};
		int first_client = count, clients = protocol_poll_count();
		for (int i = 0; i < clients; i++)
			polls[count++] = (struct pollfd){.fd = protocol_poll_fd(i), .events = POLLIN};
		int ended = count;
		polls[count++] = (struct pollfd){.fd = container->pidfd, .events = POLLIN};
		if (poll(polls, (nfds_t)count, -1) < 0)
			continue;
		if (polls[0].revents != 0)
			sync_event(container);
		if (polls[1].revents & (POLLHUP | POLLERR)) {
			shim.foreground = false;
			syscall(SYS_pidfd_send_signal, container->pidfd, SIGKILL, NULL, 0);
		}
		/* Downwards: what ends is replaced in its place by the last one. */
		for (int i = logs - 1; i >= 0; i--)
			if (polls[first_log + i].revents != 0)
				log_read(i);
		for (int i = clients - 1; i >= 0; i--)
			if (polls[first_client + i].revents != 0)
				protocol_event(i, container);
		if (polls[ended].revents != 0)
			return finish(container);
	}
}

int main(int argc, char **argv)
{
	static struct instruction in;
	struct program program = {0};
	if (argc != 2) {
		dprintf(STDERR_FILENO, "usage: sampan-shim <state folder>\n");
		return 2;
	}
	const int ignored[] = {SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTTOU, SIGTTIN, SIGTSTP, SIGUSR1, SIGUSR2};
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
	shim.arguments = argv;
	failpoint_arm(getenv("SAMPAN_SHIM_FAIL"));
	fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC);
	syscall(SYS_close_range, CONTROL_FD + 1, ~0U, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	int status = -1;
	if (chdir(argv[1]) < 0)
		fail_errno("enter %s", argv[1]);
	else if (program_load(&program, "program") == 0 && protocol_listen("shim.sock") == 0)
		status = run_program(&program, &in);
	if (status < 0 || created() < 0)
		return report_failure(&in);
	if (!shim.foreground)
		close(CONTROL_FD);
	for (int i = 0; i < 2; i++)
		if (shim.pipes[i] >= 0)
			log_attach(shim.pipes[i], i == 0 ? "stdout" : "stderr");
	serve(&shim.container);
	return 0;
}
