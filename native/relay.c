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
		    {.fd = master < 0 || copy_wants(&relay.input, true) == 0 ? -1 : STDIN_FILENO, .events = POLLIN},
		    {.fd = master < 0 || relay.output.ended ? -1 : master,
		     .events = (short)(copy_wants(&relay.input, false) | copy_wants(&relay.output, true))},
		    {.fd = master < 0 || copy_wants(&relay.output, false) == 0 ? -1 : STDOUT_FILENO, .events = POLLOUT},
		};
		/* A hang-up of the master is told at once and always: with its output full there is nothing to do about it. */
		if (polls[3].events == 0)
			polls[3].fd = -1;
		if (poll(polls, 5, -1) < 0)
			continue;
		take_signals(signals);
		if (master < 0)
			continue;
		copy_step(&relay.input, polls[2].revents, polls[3].revents);
		copy_step(&relay.output, polls[3].revents & (POLLIN | POLLHUP | POLLERR), polls[4].revents);
		if (relay.input.ended && relay.input.used == relay.input.done)
			copy_end_of_file(&relay.input);
	}
	if (master >= 0) {
		copy_drain(&relay.output, -1);
		restore();
		close(master);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return status;
}
