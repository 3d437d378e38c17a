/* What PID 1 does when the user's process is not PID 1 itself. */
#include "shim.h"

#include "init.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static int status_code(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/*
 * PID 1's life. Signals are blocked and taken one by one: nothing is lost between two of them, and the kernel gives a
 * blocked signal even to a PID 1 that has no handler for it. With `child` 0 it is a sandbox's.
 */
_Noreturn void reap_and_forward(pid_t child, bool terminal)
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
		while ((pid = waitpid(-1, &status, WNOHANG | (terminal ? WUNTRACED : 0))) > 0) {
			/* Nobody is there to continue a foreground job that its terminal's user stopped. */
			if (WIFSTOPPED(status))
				kill(pid, SIGCONT);
			else if (pid == child)
				_exit(status_code(status));
		}
	}
}

int drop_to_kill(void)
{
	/* PID 1 shares the container with its program: it must not be worth more than that to whoever takes it over. */
	uint64_t kill_only = UINT64_C(1) << 5;
	return capabilities_bound(kill_only) < 0 ? -1 : capabilities_set(kill_only);
}
