/*
 * sampan-shim exec: the parent of one process more in a container. Its own stdio is the daemon's; the process has pipes,
 * which it may open anew by /dev/stdout and the like, or a terminal. Over CONTROL_FD:
 *
 *     daemon                                   here
 *     <length, 4 bytes> <program> ───────────►
 *                        ◄──────────────────── started <pid>            or error <number> <opcode> <errno> <exit code> <text>
 *     resize <height> <width> ───────────────►   (any number of times)
 *                        ◄──────────────────── exit <code> <signal>
 *
 * Its hang-up kills the process: whoever wanted it has gone.
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
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTROL_FD 3
#define PROGRAM_MAX (4u << 20)
#define HANG_UP (POLLRDHUP | POLLHUP | POLLERR)

static struct {
	struct launch launch;
	struct copy copies[3]; /* by our descriptor: 0 in, 1 and 2 out */
	int line_used;
	char line[64];
} job = {
    .launch = {.stdio = {-1, -1, -1, false}, .pidfd = -1, .sync = -1, .watch = CONTROL_FD, .console = -1},
    .copies = {{.from = -1, .to = -1}, {.from = -1, .to = -1}, {.from = -1, .to = -1}},
};

static int read_all(void *data, size_t length)
{
	for (char *at = data; length > 0;) {
		ssize_t got = read(CONTROL_FD, at, length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? fail_errno("read the program") : fail(EPIPE, "whoever decides has gone");
		at += got;
		length -= (size_t)got;
	}
	return 0;
}

/* Kept to the end: what stays of it is little, and so do we. */
static int hear_program(struct program *program)
{
	uint32_t length;
	if (read_all(&length, sizeof length) < 0)
		return -1;
	if (length == 0 || length > PROGRAM_MAX)
		return fail(EINVAL, "%u bytes is not a program's size", length);
	char *text = malloc(length);
	if (text == NULL)
		return fail_errno("allocate the program");
	return read_all(text, length) < 0 ? -1 : program_take(program, text, length);
}

static int report(const char *text)
{
	return write_all(CONTROL_FD, text, strlen(text));
}

static int report_failure(const struct instruction *in)
{
	struct launch_failure why;
	char line[MESSAGE_MAX];
	launch_explain(in, &why);
	snprintf(line, sizeof line, "error %d %s %s %d %s\n", why.number, why.opcode, why.code, why.exit_code, why.text);
	report(line);
	launch_kill(&job.launch);
	return 1;
}

/* A pipe of which the process gets one end; `ours` is the other one, which must not make us wait. */
static int make_pipe(int *theirs, int *ours, bool we_write)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail_errno("pipe");
	*theirs = ends[we_write ? 0 : 1];
	*ours = ends[we_write ? 1 : 0];
	return fcntl(*ours, F_SETFL, O_NONBLOCK) < 0 ? fail_errno("fcntl") : 0;
}

/* output <pipes|terminal> */
static int own(const struct instruction *in)
{
	struct init_stdio *stdio = &job.launch.stdio;
	if (strcmp(in->opcode, "output") != 0)
		return 0;
	if (want_args(in, 1, 1) < 0)
		return -1;
	if (strcmp(in->argv[0], "terminal") == 0)
		return 1;
	if (make_pipe(&stdio->in, &job.copies[0].to, true) < 0 || make_pipe(&stdio->out, &job.copies[1].from, false) < 0 ||
	    make_pipe(&stdio->err, &job.copies[2].from, false) < 0)
		return -1;
	job.copies[2].to = STDERR_FILENO;
	return 1;
}

static void connect_stdio(void)
{
	int master = job.launch.console;
	job.copies[0].from = STDIN_FILENO;
	job.copies[1].to = STDOUT_FILENO;
	if (master >= 0) {
		job.copies[0].to = job.copies[1].from = master;
		fcntl(master, F_SETFL, O_NONBLOCK);
	}
	/* Sockets of the daemon's, whose other ends are not affected. */
	for (int fd = 0; fd <= 2; fd++)
		fcntl(fd, F_SETFL, O_NONBLOCK | (fcntl(fd, F_GETFL) & O_APPEND));
}

static void obey(const char *line)
{
	unsigned height, width;
	if (job.launch.console < 0 || sscanf(line, "resize %u %u", &height, &width) != 2 || height > 65535 || width > 65535)
		return;
	struct winsize size = {.ws_row = (unsigned short)height, .ws_col = (unsigned short)width};
	ioctl(job.launch.console, TIOCSWINSZ, &size);
}

/* False when nobody is there any more. */
static bool hear(void)
{
	ssize_t got = recv(CONTROL_FD, job.line + job.line_used, sizeof job.line - 1 - (size_t)job.line_used, MSG_DONTWAIT);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (got == 0)
		return false;
	job.line_used += (int)got;
	job.line[job.line_used] = 0;
	for (char *end; (end = strchr(job.line, '\n')) != NULL;) {
		*end++ = 0;
		obey(job.line);
		job.line_used -= (int)(end - job.line);
		memmove(job.line, end, (size_t)job.line_used + 1);
	}
	return job.line_used < (int)sizeof job.line - 1;
}

/* What the process is not told any more, it learns by the end of its input. */
static void end_input(void)
{
	struct copy *input = &job.copies[0];
	if (!input->ended || input->used > input->done || input->to < 0)
		return;
	if (job.launch.console >= 0) {
		copy_end_of_file(input);
		return;
	}
	close(input->to);
	input->to = -1;
}

static void relay(void)
{
	bool heard = true;
	for (;;) {
		struct pollfd polls[8] = {{.fd = job.launch.pidfd, .events = POLLIN},
					  {.fd = heard ? CONTROL_FD : -1, .events = POLLIN | POLLRDHUP}};
		for (int i = 0; i < 3; i++) {
			struct copy *copy = &job.copies[i];
			short in = copy_wants(copy, true), out = copy_wants(copy, false);
			/* A hang-up is told always: where nothing is wanted it would wake us for nothing. */
			polls[2 + 2 * i] = (struct pollfd){.fd = in == 0 ? -1 : copy->from, .events = in};
			polls[3 + 2 * i] = (struct pollfd){.fd = out == 0 ? -1 : copy->to, .events = out};
		}
		if (poll(polls, 8, -1) < 0)
			continue;
		if ((polls[1].revents != 0) && (!hear() || (polls[1].revents & HANG_UP) != 0)) {
			heard = false;
			syscall(SYS_pidfd_send_signal, job.launch.pidfd, SIGKILL, NULL, 0);
		}
		for (int i = 0; i < 3; i++)
			copy_step(&job.copies[i], polls[2 + 2 * i].revents, polls[3 + 2 * i].revents);
		end_input();
		if (polls[0].revents != 0)
			break;
	}
	for (int i = 1; i < 3; i++)
		if (heard && job.copies[i].from >= 0)
			copy_drain(&job.copies[i], CONTROL_FD);
}

int exec_main(char **arguments)
{
	struct instruction *in = program_instruction();
	struct program program = {0};
	struct launch *launch = &job.launch;
	char line[64];
	int status = 0;
	const int ignored[] = {SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTTOU, SIGTTIN, SIGTSTP, SIGUSR1, SIGUSR2};
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
	fcntl(CONTROL_FD, F_SETFD, 0);
	if (sealed_execute(arguments, environ) < 0)
		return report_failure(in);
	fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC);
	syscall(SYS_close_range, CONTROL_FD + 1, ~0U, 0);
	launch->arguments = arguments;
	launch->own = own;
	if (hear_program(&program) < 0)
		return report_failure(in);
	switch (launch_run(launch, &program, in)) {
	case LAUNCH_EXECUTED:
		break;
	case LAUNCH_FAILED:
		return report_failure(in);
	default:
		fail(EINVAL, "the program has no exec");
		return report_failure(in);
	}
	close_owned(&launch->sync);
	program_unload(&program);
	release_stack();
	snprintf(line, sizeof line, "started %d\n", launch->pid);
	report(line);
	connect_stdio();
	relay();
	while (waitpid(launch->pid, &status, 0) < 0 && errno == EINTR)
		;
	int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	snprintf(line, sizeof line, "exit %d %d\n", signal > 0 ? 128 + signal : WEXITSTATUS(status), signal);
	report(line);
	return 0;
}
