/*
 * sampan-oci: an OCI runtime's command line. This is the front: it hands its command line to a brain (a Node process,
 * found warm or started) and then does what that says, since what is made must be our caller's child and have our
 * caller's descriptors and namespaces. It decides nothing.
 */
#include "shim.h"

#include "abi.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* The number of the connection, for ourselves run anew (sealed.c). */
#define CONNECTION "SAMPAN_OCI_CONNECTION"
#define READ_MAX (15u << 20)

static struct {
	int connection;
	struct launch launch;
} front = {
    .connection = -1,
    .launch = {.stdio = {-1, -1, -1, false}, .leaves = true, .watch = -1, .pidfd = -1, .sync = -1, .console = -1},
};

static int answer(const char *verb, const char *const *fields, int count)
{
	const char *strings[8] = {verb};
	for (int i = 0; i < count; i++)
		strings[i + 1] = fields[i];
	return frame_send(front.connection, strings, count + 1, NULL, 0);
}

static int answer_number(const char *verb, int number)
{
	char text[16];
	snprintf(text, sizeof text, "%d", number);
	const char *const fields[] = {text};
	return answer(verb, fields, 1);
}

/* ask <topic>: waits for the brain to go on. */
static int ask(const char *topic, pid_t pid)
{
	char text[16];
	struct frame frame = {0};
	snprintf(text, sizeof text, "%d", pid);
	const char *const fields[] = {topic, text};
	if (answer("ask", fields, 2) < 0)
		return -1;
	int got = frame_read(front.connection, &frame);
	if (got <= 0)
		return got < 0 ? -1 : fail(EPIPE, "the brain has gone");
	bool go = strcmp(frame.verb, "continue") == 0;
	frame_release(&frame);
	return go ? 0 : fail(EBADMSG, "the brain answered %s with something else than continue", topic);
}

static int report_error(const struct instruction *in)
{
	struct launch_failure why;
	char number[16], code[16];
	launch_explain(in, &why);
	/* What cannot be made is not there any more when that is known. */
	launch_kill(&front.launch);
	snprintf(number, sizeof number, "%d", why.number);
	snprintf(code, sizeof code, "%d", why.exit_code);
	const char *const fields[] = {number, why.opcode, why.code, code, why.text};
	return answer("error", fields, 5);
}

static int wait_for_end(void)
{
	struct launch *launch = &front.launch;
	if (launch->pid <= 0)
		return fail(EINVAL, "wait without a process");
	int status = relay_wait(launch->pid, launch->pidfd, launch->console);
	launch->pid = 0;
	launch->console = -1;
	int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	if (answer_number("exited", code) == 0)
		return 0;
	/* What we stand for has happened all the same. */
	dprintf(STDERR_FILENO, "sampan-oci: the runtime's brain ended meanwhile: the container's state is left behind\n");
	exit(code);
}

/* Each program has one outcome: error, exited (with a `wait`), or done. */
static int execute(struct frame *frame)
{
	struct instruction *in = program_instruction();
	struct program program;
	struct launch *launch = &front.launch;
	bool told = false;
	in->opcode = NULL;
	in->number = 0;
	if (program_take(&program, frame->rest, frame->rest_length) < 0)
		return report_error(in);
	program.mapping = frame->mapping;
	program.mapped = frame->mapped;
	for (;;) {
		switch (launch_run(launch, &program, in)) {
		case LAUNCH_FAILED:
			return report_error(in);
		case LAUNCH_CREATED:
			/* In this order: until the brain knows of init, it is not to outlive us. */
			if (answer_number("done", launch->pid) < 0 || launch_keep(launch) < 0)
				return -1;
			told = true;
			break;
		case LAUNCH_EXECUTED:
			close_owned(&launch->sync);
			launch->sync = -1;
			break;
		case LAUNCH_ENDED:
			if (launch->waits) {
				/* For as long as the container lives. */
				frame_release(frame);
				release_stack();
				return wait_for_end();
			}
			return told ? 0 : answer_number("done", launch->pid);
		}
	}
}

/* print <1|2> <text> */
static int print(const struct frame *frame)
{
	size_t length = strlen(frame->rest) + 1;
	int fd = *frame->rest == '2' ? STDERR_FILENO : STDOUT_FILENO;
	if (length > frame->rest_length)
		return fail(EBADMSG, "the brain sent nothing to print");
	/* A caller that has closed its end misses the text, and gets the exit code. */
	if (write_all(fd, frame->rest + length, frame->rest_length - length) < 0 && failure_code() != EPIPE)
		return -1;
	return 0;
}

static int open_to_read(const char *path)
{
	static const char *const folders[] = {"/proc/self/fd/", "/dev/fd/"};
	long long number = strcmp(path, "/dev/stdin") == 0 ? 0 : -1;
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
		if (strncmp(path, folders[i], strlen(folders[i])) == 0 && parse_number(path + strlen(folders[i]), &number) < 0)
			return -1;
	/* Not opened anew: a socket cannot be, and from a file it would be read from the beginning. */
	return number < 0 || number > INT_MAX ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
					      : fcntl((int)number, F_DUPFD_CLOEXEC, 3);
}

/* read <path>: answers with the whole file. */
static int read_file(const char *path)
{
	OWNED_FD fd = open_to_read(path);
	OWNED_MEM(char) text = NULL;
	size_t used = 0, size = 0;
	int code = fd < 0 ? errno : 0;
	while (code == 0) {
		if (used == size) {
			size = size == 0 ? 64 << 10 : size * 2;
			char *grown = size > READ_MAX * 2 ? NULL : realloc(text, size);
			if (grown == NULL) {
				code = EFBIG;
				break;
			}
			text = grown;
		}
		ssize_t got = read(fd, text + used, size - used);
		if (got < 0 && errno == EINTR)
			continue;
		code = got < 0 ? errno : used + (size_t)got > READ_MAX ? EFBIG : 0;
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	const char *const strings[] = {"content", code == 0 ? "" : errno_name(code)};
	return frame_send(front.connection, strings, 2, text, code == 0 ? used : 0);
}

/*
 * Whoever executes a program does it from a place that no container can write to. The frame is looked at and left where
 * it is: to ourselves, run anew, it is the first one.
 */
static int seal(char **argv)
{
	char head[12], entry[sizeof CONNECTION + 16];
	static bool sealed;
	ssize_t got = sealed ? -1 : recv(front.connection, head, sizeof head, MSG_PEEK | MSG_WAITALL);
	if (got != sizeof head || memcmp(head + 4, "execute", 8) != 0)
		return 0;
	snprintf(entry, sizeof entry, CONNECTION "=%d", front.connection);
	if (putenv(entry) != 0 || fcntl(front.connection, F_SETFD, 0) < 0)
		return fail_errno("prepare to run anew");
	/* Returns when there is nothing to do. */
	if (sealed_execute(argv, environ) < 0)
		return -1;
	unsetenv(CONNECTION);
	sealed = true;
	return fcntl(front.connection, F_SETFD, FD_CLOEXEC) < 0 ? fail_errno("fcntl") : 0;
}

/* Answers one frame. 1 it was the last, with its exit code. */
static int serve(struct frame *frame, int *code)
{
	long long number;
	if (strcmp(frame->verb, "execute") == 0)
		return execute(frame);
	if (strcmp(frame->verb, "print") == 0)
		return print(frame);
	if (strcmp(frame->verb, "read") == 0)
		return read_file(frame->rest);
	if (strcmp(frame->verb, "exit") != 0 || parse_number(frame->rest, &number) < 0)
		return fail(EBADMSG, "the brain sent \"%s\"", frame->verb);
	*code = (int)number;
	return 1;
}

static int lose(const char *why)
{
	launch_kill(&front.launch);
	brain_show_errors();
	dprintf(STDERR_FILENO, "sampan-oci: %s\n", why);
	return 1;
}

/* The connection of ourselves before we were run anew. */
static int inherited_connection(void)
{
	const char *text = getenv(CONNECTION);
	long long fd;
	if (text == NULL || parse_number(text, &fd) < 0 || fd < 3 || fd > INT_MAX || fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	unsetenv(CONNECTION);
	return (int)fd;
}

/* Nothing of ours may land where the caller's stdio would be. */
static void fill_stdio(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", O_RDWR);
}

int main(int argc, char **argv)
{
	struct frame frame = {0};
	int code = 0, status = 1;
	bool heard = false;
	fill_stdio();
	prctl(PR_SET_NAME, "sampan-oci", 0, 0, 0);
	front.connection = inherited_connection();
	bool anew = front.connection >= 0;
	if (!anew)
		front.connection = brain_connect(true, argc, argv);
	if (front.connection < 0)
		return lose(failure_text());
	failpoint_arm(getenv("SAMPAN_OCI_FAIL"));
	front.launch.arguments = argv;
	front.launch.ask = ask;
	for (;;) {
		front.launch.watch = front.connection;
		status = seal(argv);
		if (status == 0)
			status = frame_read(front.connection, &frame);
		/* A warm brain that ended before it read the request: another one has not heard of it. */
		if (status == 0 && !heard && !anew && brain_is_warm()) {
			close(front.connection);
			front.connection = brain_connect(false, argc, argv);
			if (front.connection < 0)
				return lose(failure_text());
			continue;
		}
		if (status <= 0)
			break;
		heard = true;
		status = serve(&frame, &code);
		frame_release(&frame);
		if (status != 0)
			break;
	}
	if (status > 0)
		return code;
	return lose(status < 0 ? failure_text() : "the runtime's brain ended without an answer");
}
