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
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

#define CONTROL_FD 3
#define POLL_MAX 80

static struct {
	struct container container;
	struct launch launch;
	int pipes[2], input;   /* our ends of stdout, stderr and stdin; -1 none */
	bool has_input, once;
	bool foreground;       /* we end when whoever holds the other end of CONTROL_FD does */
	pid_t terminal_group;  /* whose the terminal was */
	char oom_file[512];
} shim = {
    .container = {.pidfd = -1, .starter = -1},
    .launch = {.stdio = {-1, -1, -1, false}, .pidfd = -1, .sync = -1, .watch = -1, .console = -1},
    .pipes = {-1, -1},
    .input = -1,
};

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
		shim.launch.stdio.terminal = shim.terminal_group > 0;
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

/*
 * log <path> <pipes|terminal> <empty|keep|once>: stdout and stderr are pipes of ours, or a terminal (console-to relay,
 * console); stdin is empty, or what those write who are attached.
 */
static int do_log(const struct instruction *in)
{
	if (want_args(in, 3, 3) < 0 || log_open(in->argv[0]) < 0)
		return -1;
	struct init_stdio *stdio = &shim.launch.stdio;
	shim.has_input = strcmp(in->argv[2], "empty") != 0;
	shim.once = strcmp(in->argv[2], "once") == 0;
	bool pipes = strcmp(in->argv[1], "pipes") == 0;
	int input[2], out[2], err[2];
	if (pipes && shim.has_input) {
		if (pipe2(input, O_CLOEXEC) < 0)
			return fail_errno("pipe");
		stdio->in = input[0];
		shim.input = input[1];
	} else if ((stdio->in = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0) {
		return fail_errno("open /dev/null");
	}
	/* A terminal replaces them. */
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		return fail_errno("pipe");
	shim.pipes[0] = out[0];
	shim.pipes[1] = err[0];
	stdio->out = out[1];
	stdio->err = err[1];
	return 0;
}

/* What is read for the log and written by those who are attached, once it is there. */
static void connect_output(void)
{
	int master = shim.launch.console;
	if (master >= 0) {
		log_attach(fcntl(master, F_DUPFD_CLOEXEC, 3), "stdout");
		attach_input(shim.has_input ? master : -1, master, shim.once);
	} else {
		attach_input(shim.input, -1, shim.once);
	}
	for (int i = 0; i < 2; i++) {
		if (master >= 0)
			close_owned(&shim.pipes[i]);
		else if (shim.pipes[i] >= 0)
			log_attach(shim.pipes[i], i == 0 ? "stdout" : "stderr");
	}
}

/* no-output: a sandbox has none. */
static int do_no_output(const struct instruction *in)
{
	(void)in;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	shim.launch.stdio.in = shim.launch.stdio.out = shim.launch.stdio.err = null;
	return null < 0 ? fail_errno("open /dev/null") : 0;
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

static int own(const struct instruction *in)
{
	static const struct {
		const char *opcode;
		int (*run)(const struct instruction *);
	} table[] = {{"shim", do_shim}, {"log", do_log}, {"no-output", do_no_output}, {"oom", do_oom}};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].opcode, in->opcode) == 0)
			return table[i].run(in) < 0 ? -1 : 1;
	return 0;
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
	struct launch_failure why;
	char line[MESSAGE_MAX];
	launch_explain(in, &why);
	snprintf(line, sizeof line, "error %d %s %s %d %s\n", why.number, why.opcode, why.code, why.exit_code, why.text);
	report(line);
	launch_kill(&shim.launch);
	return 1;
}

static int created(void)
{
	struct container *container = &shim.container;
	char text[96];
	container->pid = shim.launch.pid;
	container->pidfd = shim.launch.pidfd;
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
	if (send(shim.launch.sync, "start", 5, MSG_NOSIGNAL) < 0)
		return fail_errno("start init");
	container->starter = client;
	return 0;
}

/* Init has closed the socket by its exec (it runs), or said why it could not. */
static void sync_event(struct container *container)
{
	enum init_word word = launch_hear(&shim.launch, MSG_DONTWAIT);
	if (word == INIT_SILENT)
		return;
	if (word == INIT_FAILED) {
		struct launch_failure why;
		launch_explain(program_instruction(), &why);
		if (container->starter >= 0)
			protocol_answer(container->starter, "error start %s %d %s", why.code, why.exit_code, why.text);
		container->starter = -1;
	}
	close_owned(&shim.launch.sync);
	shim.launch.sync = -1;
	/* It was killed before its start, or ended by itself after having said why. */
	if (word != INIT_EXECUTED)
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
	if (shim.launch.sync >= 0)
		sync_event(container);
	while (waitpid(container->pid, &status, 0) < 0 && errno == EINTR)
		;
	log_finish();
	attach_close();
	container->finished_ms = now_ms();
	container->exit_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	container->exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	container->oom_killed = oom_killed();
	container->phase = PHASE_STOPPED;
	if (shim.launch.stdio.terminal)
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
		polls[count++] = (struct pollfd){.fd = shim.launch.sync, .events = POLLIN};
		polls[count++] = (struct pollfd){.fd = shim.foreground ? CONTROL_FD : -1, .events = 0};
		int first_log = count, logs = attach_is_behind() ? 0 : log_poll_count();
		for (int i = 0; i < logs; i++)
			polls[count++] = (struct pollfd){.fd = log_poll_fd(i), .events = POLLIN};
		int first_client = count, clients = protocol_poll_count();
		for (int i = 0; i < clients; i++)
			polls[count++] = (struct pollfd){.fd = protocol_poll_fd(i), .events = POLLIN};
		int first_attached = count, attached = attach_count();
		for (int i = 0; i < attached; i++, count += 2)
			attach_poll(i, &polls[count], &polls[count + 1]);
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
			if (polls[first_log + i].revents != 0 && !attach_is_behind())
				log_read(i);
		for (int i = attached - 1; i >= 0; i--)
			attach_event(i, polls[first_attached + 2 * i].revents, polls[first_attached + 2 * i + 1].revents);
		for (int i = clients - 1; i >= 0; i--)
			if (polls[first_client + i].revents != 0)
				protocol_event(i, container);
		if (polls[ended].revents != 0)
			return finish(container);
	}
}

/*
 * A spare is started ahead, with blanks for a folder, and hears over CONTROL_FD which one is its own: what a start costs
 * has been paid by then. The path takes the place of the blanks, for whoever looks at the process. 0: there is none.
 */
static int hear_folder(char *blanks)
{
	size_t room = strlen(blanks), used = 0;
	for (;;) {
		ssize_t got = read(CONTROL_FD, blanks + used, room - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? fail_errno("hear of a state folder") : 0;
		used += (size_t)got;
		if (blanks[used - 1] == '\n')
			break;
		if (used == room)
			return fail(ENAMETOOLONG, "the state folder's path is longer than %zu bytes", room);
	}
	memset(blanks + used - 1, 0, room - used + 1);
	OWNED_FD errors = chdir(blanks) < 0 ? -1 : open("shim.err", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (errors < 0 || dup2(errors, STDERR_FILENO) < 0)
		return fail_errno("enter %s", blanks);
	return 1;
}

int main(int argc, char **argv)
{
	struct instruction *in = program_instruction();
	struct program program = {0};
	if (argc != 2) {
		dprintf(STDERR_FILENO, "usage: sampan-shim <state folder> | exec\n");
		return 2;
	}
	/* A state folder's path is absolute. */
	if (strcmp(argv[1], "exec") == 0)
		return exec_main(argv);
	if (sealed_execute(argv, environ) < 0) {
		report_failure(in);
		return 1;
	}
	const int ignored[] = {SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTTOU, SIGTTIN, SIGTSTP, SIGUSR1, SIGUSR2};
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
	shim.launch.arguments = argv;
	shim.launch.own = own;
	failpoint_arm(getenv("SAMPAN_SHIM_FAIL"));
	fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC);
	syscall(SYS_close_range, CONTROL_FD + 1, ~0U, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	enum launch_outcome outcome = LAUNCH_FAILED;
	int heard = argv[1][0] == ' ' ? hear_folder(argv[1]) : chdir(argv[1]) < 0 ? fail_errno("enter %s", argv[1]) : 1;
	if (heard == 0)
		return 0;
	if (heard < 0)
		outcome = LAUNCH_FAILED;
	else if (program_load(&program, "program") == 0 && protocol_listen("shim.sock") == 0)
		outcome = launch_run(&shim.launch, &program, in);
	if (outcome != LAUNCH_FAILED && outcome != LAUNCH_CREATED) {
		fail(EINVAL, "the program has no enter, or behind it no created");
		outcome = LAUNCH_FAILED;
	}
	if (outcome == LAUNCH_FAILED || created() < 0)
		return report_failure(in);
	program_unload(&program);
	release_stack();
	if (!shim.foreground)
		close(CONTROL_FD);
	connect_output();
	serve(&shim.container);
	return 0;
}
