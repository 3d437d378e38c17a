/*
 * Whoever is attached to the container: gets its output as it comes, beside the log, and writes to its input. Frames both
 * ways: kind, four bytes of length (little-endian), payload. To us 0 is input (without a payload its end) and 4 the
 * terminal's size; from us come 1 and 2, stdout and stderr. Output waits for those who are slow to take it.
 */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#define ATTACHED_MAX 8
#define HEAD 5
#define INPUT_MAX 4096
#define OUTPUT_MAX (16 * 1024)
/* How long the last output waits for one who does not take it, in milliseconds. */
#define PATIENCE_MS 5000

enum kind { KIND_INPUT = 0, KIND_SIZE = 4 };

struct attached {
	int fd;
	bool writes; /* is attached to the input too */
	unsigned in_used, written, out_used, sent;
	unsigned char in[HEAD + INPUT_MAX];
	char out[HEAD + OUTPUT_MAX];
};

static struct {
	struct attached *all[ATTACHED_MAX];
	int count;
	int input; /* of the container: a pipe, or its terminal's master; -1 none */
	int master; /* -1: there is no terminal */
	bool once;
} state = {.input = -1, .master = -1};

void attach_input(int fd, int master, bool once)
{
	state.input = fd;
	state.master = master;
	state.once = once;
	if (fd >= 0)
		fcntl(fd, F_SETFL, O_NONBLOCK);
}

int attach_add(int fd, bool writes)
{
	if (state.count == ATTACHED_MAX)
		return fail(EAGAIN, "more than %d are attached", ATTACHED_MAX);
	struct attached *one = calloc(1, sizeof *one);
	if (one == NULL)
		return fail_errno("allocate the attached");
	/* Whoever accepted the connection closes its own. */
	one->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (one->fd < 0) {
		free(one);
		return fail_errno("dup");
	}
	one->writes = writes && state.input >= 0;
	state.all[state.count++] = one;
	return 0;
}

const char *attach_kinds(bool writes)
{
	bool input = writes && state.input >= 0;
	return state.master >= 0 ? (input ? "terminal stdin" : "terminal") : input ? "stdin" : "-";
}

int attach_count(void)
{
	return state.count;
}

static unsigned frame_size(const struct attached *one)
{
	if (one->in_used < HEAD)
		return 0;
	return HEAD + ((unsigned)one->in[1] | (unsigned)one->in[2] << 8 | (unsigned)one->in[3] << 16 | (unsigned)one->in[4] << 24);
}

static bool has_frame(const struct attached *one)
{
	return one->in_used >= HEAD && one->in_used >= frame_size(one);
}

void attach_poll(int index, struct pollfd *socket, struct pollfd *input)
{
	const struct attached *one = state.all[index];
	bool waits = has_frame(one);
	*socket = (struct pollfd){.fd = one->fd, .events = (short)((waits ? 0 : POLLIN) | (one->out_used > one->sent ? POLLOUT : 0))};
	*input = (struct pollfd){.fd = waits ? state.input : -1, .events = POLLOUT};
}

static void end_input(void)
{
	/* A terminal has an end-of-file character, which whoever sits at it types. */
	if (state.master >= 0 || !state.once)
		return;
	close_owned(&state.input);
	state.input = -1;
}

static void drop(int index)
{
	struct attached *one = state.all[index];
	if (one->writes)
		end_input();
	close(one->fd);
	free(one);
	state.all[index] = state.all[--state.count];
}

static void set_size(const struct attached *one, unsigned length)
{
	char text[32];
	unsigned height, width;
	snprintf(text, sizeof text, "%.*s", (int)length, (const char *)one->in + HEAD);
	if (state.master < 0 || sscanf(text, "%u %u", &height, &width) != 2 || height > 65535 || width > 65535)
		return;
	struct winsize size = {.ws_row = (unsigned short)height, .ws_col = (unsigned short)width};
	ioctl(state.master, TIOCSWINSZ, &size);
}

/* Uses up as much of the whole frames as the container takes now. */
static void use_frames(struct attached *one)
{
	while (has_frame(one)) {
		unsigned size = frame_size(one), length = size - HEAD;
		if (one->in[0] == KIND_SIZE) {
			set_size(one, length);
		} else if (one->in[0] == KIND_INPUT && one->writes && state.input >= 0) {
			if (length == 0)
				end_input();
			while (one->written < length) {
				ssize_t done = write(state.input, one->in + HEAD + one->written, length - one->written);
				if (done < 0 && errno == EAGAIN)
					return;
				if (done < 0 && errno == EINTR)
					continue;
				/* Nobody reads it any more. */
				one->written = done < 0 ? length : one->written + (unsigned)done;
			}
		}
		one->written = 0;
		one->in_used -= size;
		memmove(one->in, one->in + size, one->in_used);
	}
}

/* False when it has gone, or does not keep to the frames. */
static bool hear(struct attached *one)
{
	ssize_t got = recv(one->fd, one->in + one->in_used, sizeof one->in - one->in_used, MSG_DONTWAIT);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (got == 0)
		return false;
	one->in_used += (unsigned)got;
	if (one->in_used >= HEAD && frame_size(one) > sizeof one->in)
		return false;
	use_frames(one);
	return one->in_used < HEAD || frame_size(one) <= sizeof one->in;
}

/* False when nobody is there any more. */
static bool send_rest(struct attached *one)
{
	while (one->sent < one->out_used) {
		ssize_t sent = send(one->fd, one->out + one->sent, one->out_used - one->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN;
		one->sent += (unsigned)sent;
	}
	one->sent = one->out_used = 0;
	return true;
}

void attach_event(int index, short socket, short input)
{
	struct attached *one = state.all[index];
	bool there = true;
	if (input != 0)
		use_frames(one);
	if ((socket & POLLOUT) != 0)
		there = send_rest(one);
	if (there && (socket & (POLLIN | POLLHUP | POLLERR)) != 0 && !has_frame(one))
		there = hear(one);
	else if (there && (socket & (POLLHUP | POLLERR)) != 0)
		there = false;
	if (!there)
		drop(index);
}

bool attach_is_behind(void)
{
	for (int i = 0; i < state.count; i++)
		if (state.all[i]->out_used > state.all[i]->sent)
			return true;
	return false;
}

void attach_output(int stream, const char *data, size_t length)
{
	for (int i = state.count - 1; i >= 0; i--) {
		struct attached *one = state.all[i];
		one->out[0] = (char)stream;
		for (int byte = 0; byte < 4; byte++)
			one->out[1 + byte] = (char)(length >> (8 * byte));
		memcpy(one->out + HEAD, data, length);
		one->out_used = HEAD + (unsigned)length;
		one->sent = 0;
		if (!send_rest(one))
			drop(i);
	}
}

void attach_flush(void)
{
	for (int i = state.count - 1; i >= 0; i--) {
		struct attached *one = state.all[i];
		while (one->out_used > one->sent) {
			struct pollfd polls[] = {{.fd = one->fd, .events = POLLOUT}};
			int ready = poll(polls, 1, PATIENCE_MS);
			if (ready < 0 && errno == EINTR)
				continue;
			if (ready > 0 && send_rest(one))
				continue;
			drop(i);
			break;
		}
	}
}

void attach_close(void)
{
	attach_flush();
	while (state.count > 0)
		drop(state.count - 1);
}
