/*
 * A container's process in the foreground: signals go to it, its terminal is copied to ours, and its end is waited for.
 * Signals are taken from a descriptor, one by one with all else, so that the terminal is restored on every way out.
 */
#include "shim.h"

#include "abi.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>

#define BUFFER_SIZE 2048

struct copy {
	int from, to;
	unsigned used, done;
	bool ended;
	char buffer[BUFFER_SIZE];
};

static struct {
	pid_t pid;
	int pidfd, master;
	bool raw; /* our own terminal is, and `saved` is how it was */
	struct termios saved;
	struct copy input, output;
} relay;

/* Sizes are the terminal's in front of the user; he may have none. */
static void copy_size(void)
{
	struct winsize size;
	if (relay.master >= 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		ioctl(relay.master, TIOCSWINSZ, &size);
}

static void make_raw(void)
{
	struct termios raw;
	if (relay.master < 0 || relay.raw || tcgetattr(STDIN_FILENO, &relay.saved) < 0)
		return;
	/* In the background this stops us until we are in the foreground again, as it should. */
	raw = relay.saved;
	cfmakeraw(&raw);
	relay.raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void restore(void)
{
	if (!relay.raw)
		return;
	/* Also when somebody has put us into the background meanwhile. */
	sigset_t out, old;
	sigemptyset(&out);
	sigaddset(&out, SIGTTOU);
	sigprocmask(SIG_BLOCK, &out, &old);
	tcsetattr(STDIN_FILENO, TCSANOW, &relay.saved);
	sigprocmask(SIG_SETMASK, &old, NULL);
	relay.raw = false;
}

static void forward(int signal)
{
	syscall(SYS_pidfd_send_signal, relay.pidfd, signal, NULL, 0);
}

/* Stopped from outside (the terminal's own key is the container's): the shell gets its terminal as it was. */
static void stop(void)
{
	bool was_raw = relay.raw;
	forward(SIGTSTP);
	restore();
	raise(SIGSTOP);
	if (was_raw)
		make_raw();
	copy_size();
}

/* Children of the container's that it left behind, where no PID namespace has an init for them. */
static bool reap(int *status)
{
	pid_t pid;
	int one;
	while ((pid = waitpid(-1, &one, WNOHANG)) != 0) {
		if (pid == relay.pid) {
			*status = one;
			return true;
		}
		if (pid < 0 && errno != EINTR)
			break;
	}
	return false;
}

static void take_signals(int signals)
{
	struct signalfd_siginfo info;
	while (read(signals, &info, sizeof info) == sizeof info) {
		int signal = (int)info.ssi_signo;
		if (signal == SIGCHLD)
			continue;
		if (signal == SIGTSTP)
			stop();
		else if (signal == SIGWINCH && relay.master >= 0)
			copy_size();
		else
			forward(signal);
	}
}

/* One step of a copy; poll(2) has said that it will not wait. */
static void step(struct copy *copy, short from, short to)
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

static short wants(const struct copy *copy, bool reading)
{
	bool empty = copy->used == copy->done;
	return reading ? (empty && !copy->ended ? POLLIN : 0) : (empty ? 0 : POLLOUT);
}

/* The end of what we read is not the end of the terminal: the container's program reads its end-of-file character. */
static void end_input(void)
{
	struct termios settings;
	static bool told;
	if (told || tcgetattr(relay.master, &settings) < 0)
		return;
	told = true;
	relay.input.buffer[0] = (char)settings.c_cc[VEOF];
	relay.input.done = 0;
	relay.input.used = 1;
}

/* What the terminal holds when the process has ended: as much as is there, and not what others may still write. */
static void drain(void)
{
	struct copy *copy = &relay.output;
	for (;;) {
		struct pollfd polls[] = {{.fd = relay.master, .events = POLLIN}, {.fd = copy->to, .events = POLLOUT}};
		if (copy->used > copy->done) {
			if (poll(&polls[1], 1, -1) < 0 && errno != EINTR)
				return;
			step(copy, 0, polls[1].revents);
		} else {
			if (copy->ended || poll(&polls[0], 1, 0) <= 0)
				return;
			step(copy, polls[0].revents, 0);
		}
	}
}

static int open_signals(sigset_t *before)
{
	/* These two stop us where they should: reading or writing in the background. What kills us by a fault must do so. */
	static const int left[] = {SIGTTIN, SIGTTOU, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT};
	sigset_t taken;
	sigfillset(&taken);
	for (size_t i = 0; i < sizeof left / sizeof *left; i++)
		sigdelset(&taken, left[i]);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &taken, before);
	return signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
}

int relay_wait(pid_t pid, int pidfd, int master)
{
	int status = 0;
	sigset_t before;
	relay.pid = pid;
	relay.pidfd = pidfd;
	relay.master = master;
	relay.input.from = STDIN_FILENO;
	relay.input.to = relay.output.from = master;
	relay.output.to = STDOUT_FILENO;
	OWNED_FD signals = open_signals(&before);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (master >= 0) {
		fcntl(master, F_SETFL, O_NONBLOCK);
		copy_size();
		make_raw();
	}
	while (!reap(&status)) {
		struct pollfd polls[] = {
		    {.fd = pidfd, .events = POLLIN},
		    {.fd = signals, .events = POLLIN},
		    {.fd = master < 0 || wants(&relay.input, true) == 0 ? -1 : STDIN_FILENO, .events = POLLIN},
		    {.fd = master < 0 || relay.output.ended ? -1 : master,
		     .events = (short)(wants(&relay.input, false) | wants(&relay.output, true))},
		    {.fd = master < 0 || wants(&relay.output, false) == 0 ? -1 : STDOUT_FILENO, .events = POLLOUT},
		};
		/* A hang-up of the master is told at once and always: with its output full there is nothing to do about it. */
		if (polls[3].events == 0)
			polls[3].fd = -1;
		if (poll(polls, 5, -1) < 0)
			continue;
		take_signals(signals);
		if (master < 0)
			continue;
		step(&relay.input, polls[2].revents, polls[3].revents);
		step(&relay.output, polls[3].revents & (POLLIN | POLLHUP | POLLERR), polls[4].revents);
		if (relay.input.ended && relay.input.used == relay.input.done)
			end_input();
	}
	if (master >= 0) {
		drain();
		restore();
		close(master);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return status;
}
