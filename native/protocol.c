/*
 * The socket that a daemon talks to: text lines, version 1. The table is in docs/flows/container-start.md; what is
 * not in it is answered with `error <verb> unknown`, so a newer daemon learns from an older shim what it lacks.
 */
#include "shim.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "abi.h"

#define CLIENTS_MAX 32
#define LINE_MAX_BYTES 128

struct client {
	int fd;
	bool waits, leaves;
	unsigned used;
	char line[LINE_MAX_BYTES];
};

static int listener = -1;
static struct client clients[CLIENTS_MAX];
static int client_count;

int protocol_listen(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof address.sun_path)
		return fail(ENAMETOOLONG, "socket path %s is longer than %zu bytes", path, sizeof address.sun_path - 1);
	strcpy(address.sun_path, path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 64) < 0)
		return fail_errno("listen on %s", path);
	return 0;
}

int protocol_poll_count(void)
{
	return client_count + 1;
}

int protocol_poll_fd(int index)
{
	return index == 0 ? listener : clients[index - 1].fd;
}

/* Clients are named by descriptor: their places in the table move. */
void protocol_answer(int client, const char *format, ...)
{
	char text[MESSAGE_MAX];
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(text, sizeof text - 1, format, arguments);
	va_end(arguments);
	if (length > (int)sizeof text - 2)
		length = (int)sizeof text - 2;
	for (int i = 0; i < length; i++)
		if (text[i] == '\n')
			text[i] = ' ';
	text[length] = '\n';
	/* Answers are short and few: whoever lets them fill a socket's buffer is not listening. */
	if (send(client, text, (size_t)length + 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		shutdown(client, SHUT_RDWR);
}

static void accept_client(void)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (client_count == CLIENTS_MAX) {
		protocol_answer(fd, "error hello EAGAIN more than %d clients", CLIENTS_MAX);
		close(fd);
		return;
	}
	clients[client_count++] = (struct client){.fd = fd};
	protocol_answer(fd, "hello %d", PROTOCOL_VERSION);
}

static void drop_client(int index, struct container *container)
{
	if (container->starter == clients[index].fd)
		container->starter = -1;
	close(clients[index].fd);
	clients[index] = clients[--client_count];
}

static void send_signal(int fd, const char *argument, const struct container *container)
{
	long long signal;
	if (parse_number(argument, &signal) < 0 || signal < 1 || signal > 64)
		return protocol_answer(fd, "error signal EINVAL \"%s\" is not a signal", argument);
	if (syscall(SYS_pidfd_send_signal, container->pidfd, (int)signal, NULL, 0) < 0 && errno != ESRCH)
		return protocol_answer(fd, "error signal %s %s", errno_name(errno), strerror(errno));
	protocol_answer(fd, "ok signal");
}

static void serve(struct client *client, char *line, struct container *container)
{
	int fd = client->fd;
	char *argument = line + strcspn(line, " ");
	if (*argument != 0)
		*argument++ = 0;
	if (strcmp(line, "start") == 0) {
		if (container_start(container, fd) < 0)
			protocol_answer(fd, "error start %s 0 %s", errno_name(failure_code()), failure_text());
	} else if (strcmp(line, "signal") == 0) {
		send_signal(fd, argument, container);
	} else if (strcmp(line, "state") == 0) {
		static const char *const names[] = {"created", "running", "stopped"};
		protocol_answer(fd, "ok state %s pid=%d log-dropped=%llu log-error=%s", names[container->phase], container->pid,
				log_dropped(), log_error() == 0 ? "-" : errno_name(log_error()));
	} else if (strcmp(line, "wait") == 0) {
		client->waits = true;
		protocol_answer(fd, "ok wait");
	} else if (strcmp(line, "attach") == 0) {
		/* It goes on in frames, on a descriptor of attach.c's. The answer comes before what is told there. */
		bool writes = strcmp(argument, "stdin") == 0;
		if (attach_add(fd, writes) < 0)
			return protocol_answer(fd, "error attach %s %s", errno_name(failure_code()), failure_text());
		protocol_answer(fd, "ok attach %s", attach_kinds(writes));
		client->leaves = true;
	} else if (strcmp(line, "reopen-log") == 0) {
		if (log_reopen() < 0)
			protocol_answer(fd, "error reopen-log %s %s", errno_name(failure_code()), failure_text());
		else
			protocol_answer(fd, "ok reopen-log");
	} else {
		protocol_answer(fd, "error %s unknown", line);
	}
}

/* False when the client is to be dropped. */
static bool read_client(struct client *client, struct container *container)
{
	ssize_t got = recv(client->fd, client->line + client->used, sizeof client->line - client->used, 0);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (got == 0)
		return false;
	client->used += (unsigned)got;
	for (;;) {
		char *newline = memchr(client->line, '\n', client->used);
		if (newline == NULL)
			break;
		*newline = 0;
		serve(client, client->line, container);
		if (client->leaves)
			return false;
		unsigned length = (unsigned)(newline - client->line) + 1;
		client->used -= length;
		memmove(client->line, newline + 1, client->used);
	}
	if (client->used < sizeof client->line)
		return true;
	protocol_answer(client->fd, "error line E2BIG longer than %d bytes", LINE_MAX_BYTES);
	return false;
}

void protocol_event(int index, struct container *container)
{
	if (index == 0)
		accept_client();
	else if (!read_client(&clients[index - 1], container))
		drop_client(index - 1, container);
}

void protocol_announce_exit(const struct container *container)
{
	for (int i = 0; i < client_count; i++)
		if (clients[i].waits)
			protocol_answer(clients[i].fd, "exit %d %d %lld %d", container->exit_code, container->exit_signal,
					container->finished_ms, container->oom_killed);
}

void protocol_close(void)
{
	close_owned(&listener);
	for (int i = 0; i < client_count; i++)
		close(clients[i].fd);
	client_count = 0;
}
