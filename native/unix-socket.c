/* Unix sockets by way of their folder: the path of one may be longer than the 107 bytes that sockaddr_un holds. */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* With the folder as the working directory the name alone is the address, and procfs is not needed. */
static int in_folder(const char *folder, int (*call)(int, const struct sockaddr *, socklen_t), int socket, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(name) >= sizeof address.sun_path)
		return fail(ENAMETOOLONG, "socket name %s is longer than %zu bytes", name, sizeof address.sun_path - 1);
	strcpy(address.sun_path, name);
	OWNED_FD here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (here < 0)
		return fail_errno("open the working directory");
	if (chdir(folder) < 0)
		return fail_errno("enter %s", folder);
	int status = call(socket, (const struct sockaddr *)&address, sizeof address);
	int code = errno;
	if (fchdir(here) < 0)
		return fail_errno("go back to the working directory");
	errno = code;
	return status < 0 ? fail_errno("socket %s/%s", folder, name) : 0;
}

int unix_connect(const char *path)
{
	char folder[PATH_MAX];
	if ((size_t)snprintf(folder, sizeof folder, "%s", path) >= sizeof folder)
		return fail(ENAMETOOLONG, "socket path of %zu bytes", strlen(path));
	char *slash = strrchr(folder, '/');
	const char *name = slash == NULL ? path : path + (slash - folder) + 1;
	if (slash != NULL)
		slash[slash == folder] = 0;
	OWNED_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail_errno("socket");
	if (in_folder(slash == NULL ? "." : folder, connect, fd, name) < 0)
		return -1;
	return release_fd(&fd);
}

int unix_listen(const char *folder, const char *name)
{
	OWNED_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail_errno("socket");
	/* The mode of a socket's file is the mask's alone; chmod(2) afterwards would leave a moment. */
	mode_t mask = umask(0177);
	int status = in_folder(folder, bind, fd, name);
	umask(mask);
	if (status < 0)
		return -1;
	return listen(fd, 16) < 0 ? fail_errno("listen on %s/%s", folder, name) : release_fd(&fd);
}

int unix_send_fd(int socket, const char *text, size_t length, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {(void *)text, length};
	struct msghdr message = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	ssize_t sent;
	do
		sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? fail_errno("send a descriptor") : 0;
}

ssize_t unix_receive_fd(int socket, char *text, size_t size, int *fd, int flags)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {text, size};
	struct msghdr message = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
	ssize_t got;
	*fd = -1;
	do
		got = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	struct cmsghdr *header = got < 0 ? NULL : CMSG_FIRSTHDR(&message);
	if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(header), sizeof *fd);
	return got;
}
