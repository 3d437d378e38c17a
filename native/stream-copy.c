/* Copies between descriptors, a step at a time from somebody's poll(2) loop: the terminal of a container and its caller's. */
#include "shim.h"

#include <errno.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

void copy_step(struct copy *copy, short from, short to)
{
	if (copy->used == copy->done && (from & (POLLIN | POLLHUP | POLLERR)) != 0) {
		ssize_t got = read(copy->from, copy->buffer, sizeof copy->buffer);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			return;
		copy->done = 0;
		copy->used = got > 0 ? (unsigned)got : 0;
		/* EIO of a master: nobody has the terminal open any more. */
		copy->ended = got <= 0;
	} else if (copy->used > copy->done && (to & (POLLOUT | POLLHUP | POLLERR)) != 0) {
		ssize_t written = write(copy->to, copy->buffer + copy->done, copy->used - copy->done);
		if (written < 0 && (errno == EINTR || errno == EAGAIN))
			return;
		/* Nobody reads: what the container says is lost, but it goes on, as with a pipe that is read by nobody. */
		copy->done = written < 0 ? copy->used : copy->done + (unsigned)written;
	}
}

short copy_wants(const struct copy *copy, bool reading)
{
	bool empty = copy->used == copy->done;
	return reading ? (empty && !copy->ended ? POLLIN : 0) : (empty ? 0 : POLLOUT);
}

void copy_end_of_file(struct copy *copy)
{
	struct termios settings;
	if (copy->told || tcgetattr(copy->to, &settings) < 0)
		return;
	copy->told = true;
	copy->buffer[0] = (char)settings.c_cc[VEOF];
	copy->done = 0;
	copy->used = 1;
}

void copy_drain(struct copy *copy, int watch)
{
	for (;;) {
		struct pollfd polls[] = {{.fd = copy->from, .events = POLLIN},
					 {.fd = copy->to, .events = POLLOUT},
					 {.fd = watch, .events = POLLRDHUP}};
		if (copy->used > copy->done) {
			if (poll(&polls[1], 2, -1) < 0 && errno != EINTR)
				return;
			if (watch >= 0 && (polls[2].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0)
				return;
			copy_step(copy, 0, polls[1].revents);
		} else {
			if (copy->ended || poll(&polls[0], 1, 0) <= 0)
				return;
			copy_step(copy, polls[0].revents, 0);
		}
	}
}
