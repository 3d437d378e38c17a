/*
 * The container's terminal. Init opens a pair in the container's own devpts, by descriptors that it looks at, never by a
 * name that the image could have put something else behind (CVE-2025-52565); the master goes to the parent, and from
 * there to the caller's console socket or into the relay.
 */
#include "shim.h"

#include "abi.h"
#include "root.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>

#define DEVPTS_MAGIC 0x1cd1
#define SLAVE_MAJOR_FIRST 136
#define SLAVE_MAJOR_LAST 143
#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static struct {
	bool open;  /* in init: stdio is the terminal */
	int socket; /* in the parent: where the master goes */
	bool relay;
} state = {.socket = -1};

static int on_devpts(int fd, const char *what)
{
	struct statfs system;
	if (fstatfs(fd, &system) < 0)
		return fail_errno("statfs %s", what);
	return system.f_type == DEVPTS_MAGIC ? 0 : fail(EINVAL, "%s is not on a devpts", what);
}

/* The multiplexer of the devpts at /dev/pts in the container. */
static int open_master(void)
{
	static const char path[] = "/dev/pts/ptmx";
	struct stat info;
	/* Looked at before it is opened: to open some devices does something already. */
	OWNED_FD place = open_below(path, O_PATH, ABI_RESOLVE_NO_SYMLINKS | ABI_RESOLVE_NO_MAGICLINKS);
	if (place < 0)
		return fail_errno("open %s in the container", path);
	if (fstat(place, &info) < 0)
		return fail_errno("stat %s in the container", path);
	if (!S_ISCHR(info.st_mode) || info.st_rdev != makedev(5, 2))
		return fail(EINVAL, "%s in the container is not the terminals' multiplexer", path);
	if (on_devpts(place, "/dev/pts/ptmx in the container") < 0)
		return -1;
	/* By the path again: there may be no procfs to open the descriptor by. So this one is looked at too. */
	OWNED_FD master = open_below(path, O_RDWR | O_NOCTTY, ABI_RESOLVE_NO_SYMLINKS | ABI_RESOLVE_NO_MAGICLINKS);
	struct stat opened;
	if (master < 0 || fstat(master, &opened) < 0)
		return fail_errno("open %s in the container", path);
	if (opened.st_dev != info.st_dev || opened.st_ino != info.st_ino)
		return fail(EINVAL, "%s in the container was replaced", path);
	return release_fd(&master);
}

static int open_slave(int master)
{
	int unlocked = 0;
	struct stat info;
	if (ioctl(master, TIOCSPTLCK, &unlocked) < 0)
		return fail_errno("unlock the terminal");
	OWNED_FD slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || fstat(slave, &info) < 0)
		return fail_errno("open the terminal");
	unsigned number = major(info.st_rdev);
	if (!S_ISCHR(info.st_mode) || number < SLAVE_MAJOR_FIRST || number > SLAVE_MAJOR_LAST)
		return fail(EINVAL, "device %u:%u is not a terminal", number, minor(info.st_rdev));
	return on_devpts(slave, "the terminal") < 0 ? -1 : release_fd(&slave);
}

static int bind_console(int slave)
{
	OWNED_FD tree = clone_tree(slave, "", false);
	if (tree < 0)
		return fail_errno("open_tree of the terminal");
	OWNED_FD target = open_target("/dev/console", false, ABI_RESOLVE_NO_SYMLINKS);
	return target < 0 ? -1 : place(tree, target, "/dev/console", ABI_RESOLVE_NO_SYMLINKS);
}

/* console <height> <width> <bind|> */
static int do_console(const struct instruction *in)
{
	long long height, width;
	if (want_args(in, 3, 3) < 0 || parse_number(in->argv[0], &height) < 0 || parse_number(in->argv[1], &width) < 0)
		return -1;
	OWNED_FD master = open_master();
	OWNED_FD slave = master < 0 ? -1 : open_slave(master);
	if (slave < 0)
		return -1;
	struct winsize size = {.ws_row = (unsigned short)height, .ws_col = (unsigned short)width};
	if ((height > 0 || width > 0) && ioctl(master, TIOCSWINSZ, &size) < 0)
		return fail_errno("set the terminal's size");
	if (strcmp(in->argv[2], "bind") == 0 && bind_console(slave) < 0)
		return -1;
	if (unix_send_fd(init_sync(), "console", 7, master) < 0)
		return -1;
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(slave, fd) < 0)
			return fail_errno("dup2");
	state.open = true;
	return 0;
}

/* session: of its own, and if there is a console it is its terminal. */
static int do_session(const struct instruction *in)
{
	(void)in;
	if (setsid() < 0)
		return fail_errno("setsid");
	if (state.open && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
		return fail_errno("take the terminal");
	return 0;
}

bool console_is_open(void)
{
	return state.open;
}

bool is_console_instruction(const char *opcode)
{
	return strcmp(opcode, "console") == 0 || strcmp(opcode, "session") == 0;
}

int console_instruction(const struct instruction *instruction)
{
	return strcmp(instruction->opcode, "console") == 0 ? do_console(instruction) : do_session(instruction);
}

/* console-to socket <path> | relay: connected at once, while the caller waits for it. */
int console_to(const struct instruction *in)
{
	if (want_args(in, 1, 2) < 0)
		return -1;
	state.relay = strcmp(in->argv[0], "relay") == 0;
	if (state.relay)
		return 0;
	if (strcmp(in->argv[0], "socket") != 0 || in->argc != 2)
		return fail(EINVAL, "console-to %s", in->argv[0]);
	state.socket = unix_connect(in->argv[1]);
	return state.socket < 0 ? -1 : 0;
}

int console_deliver(int received, int *relayed)
{
	/* The text is what runc sends along, which some receivers take for the terminal's name. */
	static const char name[] = "/dev/ptmx";
	OWNED_FD master = received;
	if (master < 0)
		return fail(EBADMSG, "init sent no terminal");
	if (state.relay) {
		/* Before the program asks for it; the relay keeps it right from its start on. */
		struct winsize size;
		if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
			ioctl(master, TIOCSWINSZ, &size);
		*relayed = release_fd(&master);
		return 0;
	}
	if (state.socket < 0)
		return fail(EINVAL, "console without console-to");
	int status = unix_send_fd(state.socket, name, sizeof name - 1, master);
	close_owned(&state.socket);
	state.socket = -1;
	return status;
}
