#include "attributes.h"

#include "abi.h"
#include "root.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#define FILTER_MAX 4096 /* BPF_MAXINSNS */
#define STACK_SIZE (256 << 10)

static int agent = -1;
static pid_t outer_pid;

int *seccomp_agent(void)
{
	return &agent;
}

void set_outer_pid(pid_t pid)
{
	outer_pid = pid;
}

void seccomp_learn_pid(void)
{
	char text[16];
	if (agent < 0 || outer_pid != 0)
		return;
	OWNED_FD procfs = procfs_open(".", O_PATH | O_DIRECTORY);
	ssize_t length = procfs < 0 ? -1 : readlinkat(procfs, "self", text, sizeof text - 1);
	if (length <= 0)
		return;
	text[length] = 0;
	outer_pid = (pid_t)atoi(text);
}

/* seccomp-listener <path>: by the parent, who sees the host's sockets. */
int do_seccomp_listener(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0)
		return -1;
	OWNED_FD fd = unix_connect(in->argv[0]);
	if (fd < 0)
		return -1;
	close_owned(&agent);
	agent = release_fd(&fd);
	return 0;
}

static int nibble(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/*
 * Hex to bytes, in the program's own memory, which is ours to write: what the filter allows is not known, so after it
 * there may be nothing left to free and no call to free it with. The digits take twice the room, enough to align.
 */
static void *decode(char *text, size_t *length)
{
	size_t digits = strlen(text);
	if (digits == 0 || digits % (2 * ABI_SOCK_FILTER_SIZE) != 0 || digits / (2 * ABI_SOCK_FILTER_SIZE) > FILTER_MAX)
		return NULL;
	for (size_t i = 0; i < digits; i += 2) {
		int high = nibble(text[i]), low = nibble(text[i + 1]);
		if (high < 0 || low < 0)
			return NULL;
		text[i / 2] = (char)(high << 4 | low);
	}
	size_t misaligned = (uintptr_t)text % ABI_SOCK_FILTER_SIZE;
	char *aligned = misaligned == 0 ? text : text + ABI_SOCK_FILTER_SIZE - misaligned;
	memmove(aligned, text, digits / 2);
	*length = digits / (2 * ABI_SOCK_FILTER_SIZE);
	return aligned;
}

/*
 * Brings the listener's descriptor to the agent: a thread that the filter does not bind, since the filter may ask the
 * agent about sendmsg(2) itself, who knows of nothing yet. The two share memory and descriptors, and need no system
 * call to speak.
 */
struct courier {
	int listener; /* COURIER_WAITS, COURIER_GOES or the descriptor */
	int thread;   /* 0 when it has ended; the kernel's write */
	int failed;   /* errno */
	struct iovec text[3];
	char pid[16];
};
enum { COURIER_WAITS = -1, COURIER_GOES = -2 };

static int deliver(void *argument)
{
	struct courier *courier = argument;
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.space = {0}};
	int listener;
	const struct timespec moment = {.tv_nsec = 50000};
	while ((listener = __atomic_load_n(&courier->listener, __ATOMIC_ACQUIRE)) == COURIER_WAITS)
		nanosleep(&moment, NULL);
	if (listener == COURIER_GOES)
		return 0;
	struct msghdr message = {
	    .msg_iov = courier->text,
	    .msg_iovlen = 3,
	    .msg_control = &control,
	    .msg_controllen = sizeof control,
	};
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &listener, sizeof listener);
	size_t whole = courier->text[0].iov_len + courier->text[1].iov_len + courier->text[2].iov_len;
	ssize_t sent = sendmsg(agent, &message, MSG_NOSIGNAL);
	courier->failed = sent < 0 ? errno : (size_t)sent < whole ? EMSGSIZE : 0;
	close(listener);
	close(agent);
	return 0;
}

static int start_courier(struct courier *courier, const char *prefix, const char *suffix)
{
	snprintf(courier->pid, sizeof courier->pid, "%d", outer_pid != 0 ? outer_pid : getpid());
	courier->text[0] = (struct iovec){(void *)prefix, strlen(prefix)};
	courier->text[1] = (struct iovec){courier->pid, strlen(courier->pid)};
	courier->text[2] = (struct iovec){(void *)suffix, strlen(suffix)};
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack == MAP_FAILED)
		return fail_errno("allocate a stack");
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID |
			  CLONE_CHILD_CLEARTID;
	if (clone(deliver, stack + STACK_SIZE, flags, courier, &courier->thread, NULL, &courier->thread) < 0)
		return fail_errno("start a thread for the seccomp listener");
	return 0;
}

static void dismiss(struct courier *courier, int listener)
{
	__atomic_store_n(&courier->listener, listener, __ATOMIC_RELEASE);
	while (__atomic_load_n(&courier->thread, __ATOMIC_ACQUIRE) != 0)
		;
}

/* seccomp <flags> <filter, hex> [<state prefix> <state suffix>] */
int do_seccomp(const struct instruction *in)
{
	uint64_t flags;
	size_t length = 0;
	if (want_args(in, 2, 4) < 0 || parse_mask(in->argv[0], &flags) < 0)
		return -1;
	void *filter = decode((char *)in->argv[1], &length);
	if (filter == NULL)
		return fail(EINVAL, "seccomp: not a filter of 1 to %d instructions in hex", FILTER_MAX);
	struct abi_sock_fprog program = {.length = (uint16_t)length, .filter = filter};
	bool notify = flags & ABI_SECCOMP_FILTER_FLAG_NEW_LISTENER;
	/* There are no other threads to bring in line, and the one that there may be must stay free. */
	flags &= ~(uint64_t)ABI_SECCOMP_FILTER_FLAG_TSYNC;
	if (notify && (agent < 0 || in->argc < 4))
		return fail(EINVAL, "seccomp: a filter that notifies, and no agent to be notified");
	static struct courier courier = {.listener = COURIER_WAITS};
	if (notify && start_courier(&courier, in->argv[2], in->argv[3]) < 0)
		return -1;
	long listener = syscall(SYS_seccomp, ABI_SECCOMP_SET_MODE_FILTER, (unsigned)flags, &program);
	int code = errno;
	if (notify)
		dismiss(&courier, listener < 0 ? COURIER_GOES : (int)listener);
	errno = code;
	if (listener < 0)
		return fail_errno("load the seccomp filter of %zu instructions, flags %s", length, in->argv[0]);
	if (!notify)
		return 0;
	agent = -1;
	errno = courier.failed;
	return courier.failed != 0 ? fail_errno("send the seccomp listener to its agent") : 0;
}
