/* Where a created container waits: a line `start` on a socket, docs/flows/container-start.md. */
#include "shim.h"

#include "init.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The process that is not there yet is killed by what would kill it later. */
static void end_by_signal(int signal)
{
	_exit(128 + signal);
}

#define STARTERS_MAX 8

/*
 * Waits for a connection that says "start". Several at a time, since one that says nothing must not keep out the
 * others; when there are too many, the oldest goes. Returns the connection; all others and the listener are closed.
 */
int await_start(int listener)
{
	static const char word[] = "start\n";
	struct pollfd polls[STARTERS_MAX + 1] = {{.fd = listener, .events = POLLIN}};
	size_t heard[STARTERS_MAX + 1] = {0};
	int count = 1, won = 0;
	sigset_t none;
	sigemptyset(&none);
	static const int ends[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM};
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		sigaction(ends[i], &(struct sigaction){.sa_handler = end_by_signal}, NULL);
	while (won == 0) {
		if (ppoll(polls, (nfds_t)count, NULL, &none) < 0)
			continue;
		for (int i = count - 1; i > 0 && won == 0; i--) {
			char text[sizeof word];
			ssize_t got = polls[i].revents == 0 ? -1 : recv(polls[i].fd, text, sizeof word - 1 - heard[i], MSG_DONTWAIT);
			if (got < 0)
				continue;
			bool matches = got > 0 && memcmp(text, word + heard[i], (size_t)got) == 0;
			heard[i] += (size_t)got;
			if (matches && heard[i] == sizeof word - 1) {
				won = i;
			} else if (!matches) {
				close(polls[i].fd);
				polls[i] = polls[--count];
				heard[i] = heard[count];
			}
		}
		int fresh = won == 0 && polls[0].revents != 0 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
		if (fresh < 0)
			continue;
		if (count > STARTERS_MAX) {
			close(polls[1].fd);
			count--;
			memmove(polls + 1, polls + 2, (size_t)(count - 1) * sizeof *polls);
			memmove(heard + 1, heard + 2, (size_t)(count - 1) * sizeof *heard);
		}
		heard[count] = 0;
		polls[count++] = (struct pollfd){.fd = fresh, .events = POLLIN};
	}
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		sigaction(ends[i], &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
	for (int i = 0; i < count; i++)
		if (i != won)
			close(polls[i].fd);
	return polls[won].fd;
}
