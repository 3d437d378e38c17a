/*
 * Output of the container to lines of the CRI log format: `<RFC 3339 time> <stream> <F|P> <text>`. P is a part of a
 * line: longer than 16 KiB, or the last one without its newline. The container never waits for a full disk: what
 * cannot be written is dropped and counted.
 */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES (16 * 1024)
#define LINES_PER_WRITE 64
#define HEADER_MAX 64

struct stream {
	int fd, number;
	const char *name;
	size_t length;
	char buffer[LINE_MAX_BYTES];
};

static struct {
	int fd;
	const char *path;
	struct stream streams[2];
	int count;
	unsigned long long dropped;
	int error;
	bool torn; /* the last line in the file has no newline */
} state = {.fd = -1};

static int open_file(void)
{
	return open(state.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

int log_open(const char *path)
{
	state.path = strdup(path);
	if (state.path == NULL)
		return fail_errno("allocate the log's path");
	state.fd = open_file();
	return state.fd < 0 ? fail_errno("open log %s", path) : 0;
}

int log_reopen(void)
{
	if (state.fd < 0)
		return 0;
	OWNED_FD fresh = open_file();
	if (fresh < 0)
		return fail_errno("open log %s", state.path);
	if (dup3(fresh, state.fd, O_CLOEXEC) < 0)
		return fail_errno("reopen log %s", state.path);
	state.torn = false;
	return 0;
}

void log_attach(int fd, const char *name)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
	struct stream *stream = &state.streams[state.count++];
	stream->fd = fd;
	stream->name = name;
	stream->number = strcmp(name, "stderr") == 0 ? STDERR_FILENO : STDOUT_FILENO;
}

int log_poll_count(void)
{
	return state.count;
}

int log_poll_fd(int index)
{
	return state.streams[index].fd;
}

unsigned long long log_dropped(void)
{
	return state.dropped;
}

int log_error(void)
{
	return state.error;
}

struct batch {
	struct iovec parts[LINES_PER_WRITE * 3 + 1];
	char headers[LINES_PER_WRITE][HEADER_MAX];
	int parts_used, lines;
};

static void batch_begin(struct batch *batch)
{
	batch->parts_used = batch->lines = 0;
	if (state.torn)
		batch->parts[batch->parts_used++] = (struct iovec){"\n", 1};
}

static void batch_flush(struct batch *batch)
{
	size_t total = 0;
	for (int i = 0; i < batch->parts_used; i++)
		total += batch->parts[i].iov_len;
	if (batch->lines == 0)
		return;
	ssize_t written;
	do
		written = writev(state.fd, batch->parts, batch->parts_used);
	while (written < 0 && errno == EINTR);
	if (written < 0) {
		state.dropped += total;
		state.error = errno;
	} else {
		/* A short write is a full disk; the next line starts on a line of its own. */
		state.dropped += total - (size_t)written;
		if ((size_t)written < total)
			state.error = ENOSPC;
		state.torn = (size_t)written < total && written > 0;
	}
	batch_begin(batch);
}

static void batch_line(struct batch *batch, const struct stream *stream, const char *tag, struct iovec text)
{
	if (batch->lines == LINES_PER_WRITE)
		batch_flush(batch);
	struct timespec now;
	struct tm parts;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	char *header = batch->headers[batch->lines++];
	int length = snprintf(header, HEADER_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ %s %s ", parts.tm_year + 1900,
			      parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, now.tv_nsec,
			      stream->name, tag);
	batch->parts[batch->parts_used++] = (struct iovec){header, (size_t)length};
	batch->parts[batch->parts_used++] = text;
	batch->parts[batch->parts_used++] = (struct iovec){"\n", 1};
}

/* Writes every whole line that is in the buffer, and the rest too when it is full or the stream has ended. */
static void write_lines(struct stream *stream, bool ended)
{
	struct batch batch;
	batch_begin(&batch);
	size_t start = 0;
	for (;;) {
		char *line = stream->buffer + start;
		char *newline = memchr(line, '\n', stream->length - start);
		if (newline == NULL)
			break;
		batch_line(&batch, stream, "F", (struct iovec){line, (size_t)(newline - line)});
		start += (size_t)(newline - line) + 1;
	}
	size_t rest = stream->length - start;
	if (rest > 0 && (ended || (start == 0 && rest == LINE_MAX_BYTES))) {
		batch_line(&batch, stream, "P", (struct iovec){stream->buffer + start, rest});
		rest = 0;
	}
	batch_flush(&batch);
	if (rest > 0 && start > 0)
		memmove(stream->buffer, stream->buffer + start, rest);
	stream->length = rest;
}

bool log_read(int index)
{
	struct stream *stream = &state.streams[index];
	ssize_t got = read(stream->fd, stream->buffer + stream->length, LINE_MAX_BYTES - stream->length);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (got > 0) {
		attach_output(stream->number, stream->buffer + stream->length, (size_t)got);
		stream->length += (size_t)got;
		write_lines(stream, false);
		return true;
	}
	write_lines(stream, true);
	close(stream->fd);
	*stream = state.streams[--state.count];
	return false;
}

void log_finish(void)
{
	while (state.count > 0) {
		struct stream *stream = &state.streams[state.count - 1];
		ssize_t got = read(stream->fd, stream->buffer + stream->length, LINE_MAX_BYTES - stream->length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got > 0) {
			attach_flush();
			attach_output(stream->number, stream->buffer + stream->length, (size_t)got);
			stream->length += (size_t)got;
			write_lines(stream, false);
			continue;
		}
		/* EAGAIN: somebody outside the container holds the pipe. Nothing of the container's can come any more. */
		write_lines(stream, true);
		close(stream->fd);
		state.count--;
	}
}
