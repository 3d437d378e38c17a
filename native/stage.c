/*
 * Makes init, in the namespaces that the program asks for.
 *
 * Mostly that is one clone(2) by the parent: of the namespaces made in it the user namespace is the first and owns the
 * others, and those that are joined by path init joins by itself. But a PID namespace holds only for children, a time
 * namespace only for children and only until its offsets are read, and in a user namespace that was joined, or made
 * before the others had to be joined, init has lost the rights to what is the host's. Then a stage stands between:
 *
 *     parent                        stage (short-lived)                      init
 *     clone ───────────────────────► join; unshare the user namespace
 *     write the id maps ◄── maps ───
 *     ────────────────────── go ───► become 0; unshare time, offsets
 *                                    clone with CLONE_PARENT ──────────────► join the rest
 *     reap the stage ◄───────── pid, _exit
 *
 * By CLONE_PARENT init is the parent's own child. The stage shares the parent's descriptor table, so that the pidfd it
 * gets for init is the parent's too.
 */
#include "shim.h"

#include "abi.h"
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define JOINS_MAX 16

static const struct {
	const char *name;
	int flag;
} kinds[] = {{"pid", CLONE_NEWPID}, {"net", CLONE_NEWNET},   {"mnt", CLONE_NEWNS},	  {"ipc", CLONE_NEWIPC},
	     {"uts", CLONE_NEWUTS}, {"user", CLONE_NEWUSER}, {"cgroup", CLONE_NEWCGROUP}, {"time", ABI_CLONE_NEWTIME}};
#define KINDS (sizeof kinds / sizeof *kinds)

/* A namespace, or with a pidfd several of a process. */
struct join {
	int flags, fd, number;
	bool process;
	const char *what;
};

static struct {
	struct join joins[JOINS_MAX];
	int join_count;
	bool maps_init, joined_mounts, init_unshares_ipc;
	struct {
		const char *clock, *seconds, *nanoseconds;
	} offsets[2];
	int offset_count;
} plan;

/* What a stage says to its parent. */
struct word {
	enum { WORD_MAPS, WORD_INIT, WORD_FAILED } kind;
	bool inside; /* init was made in its cgroup */
	pid_t pid;
	int pidfd;
	struct launch_failure failure;
};

static int kind_flag(const char *name)
{
	for (size_t i = 0; i < KINDS; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return kinds[i].flag;
	return fail(EINVAL, "unknown namespace %s", name);
}

static int add_join(const struct instruction *in, int fd, int flags, bool process)
{
	if (plan.join_count == JOINS_MAX)
		return fail(E2BIG, "more than %d namespaces to join", JOINS_MAX);
	plan.joins[plan.join_count++] =
	    (struct join){.flags = flags, .fd = fd, .number = in->number, .process = process, .what = in->argv[process ? 0 : 1]};
	return 0;
}

/* join <kind> <path> <inode>: the inode tells that the path is still the namespace that was meant. */
static int do_join(const struct instruction *in)
{
	long long inode;
	struct stat info;
	int flag;
	if (want_args(in, 3, 3) < 0 || parse_number(in->argv[2], &inode) < 0 || (flag = kind_flag(in->argv[0])) < 0)
		return -1;
	/* Not to wait for a writer, where somebody gave us a pipe. */
	OWNED_FD fd = open(in->argv[1], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &info) < 0)
		return fail_errno("open namespace %s", in->argv[1]);
	if (inode != 0 && info.st_ino != (ino_t)inode)
		return fail(ESTALE, "namespace %s is %llu, not %lld: its holder has ended", in->argv[1],
			    (unsigned long long)info.st_ino, inode);
	if (add_join(in, fd, flag, false) < 0)
		return -1;
	release_fd(&fd);
	return 0;
}

long long start_time_of(pid_t pid)
{
	char path[64], text[1024];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	if (read_small(path, text, sizeof text) < 0)
		return 0;
	/* Counted from behind the name, which may contain anything. */
	char *at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at == NULL ? 0 : strtoll(at, NULL, 10);
}

/* join-process <pid> <start time> */
static int do_join_process(const struct instruction *in)
{
	long long pid, start;
	if (want_args(in, 2, 2) < 0 || parse_number(in->argv[0], &pid) < 0 || parse_number(in->argv[1], &start) < 0)
		return -1;
	OWNED_FD fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	if (fd < 0)
		return fail_errno("open process %lld", pid);
	/* In this order: whatever the number means now, the descriptor means it as well. */
	long long found = start_time_of((pid_t)pid);
	if (found != start)
		return fail(ESRCH, "process %lld started at %lld, not %lld: it is another one", pid, found, start);
	int flags = 0;
	for (size_t i = 0; i < KINDS; i++) {
		char path[64];
		struct stat ours, theirs;
		snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i].name);
		if (stat(path, &ours) < 0)
			continue;
		snprintf(path, sizeof path, "/proc/%lld/ns/%s", pid, kinds[i].name);
		if (stat(path, &theirs) < 0)
			return fail_errno("stat %s", path);
		/* Whoever asks for the user namespace that it is in already gets EINVAL (setns(2)). */
		if (ours.st_ino != theirs.st_ino)
			flags |= kinds[i].flag;
	}
	if (add_join(in, fd, flags, true) < 0)
		return -1;
	release_fd(&fd);
	return 0;
}

/* time-offset <clock> <seconds> <nanoseconds> */
static int do_time_offset(const struct instruction *in)
{
	if (want_args(in, 3, 3) < 0)
		return -1;
	if (plan.offset_count == 2)
		return fail(EINVAL, "more than two time offsets");
	plan.offsets[plan.offset_count].clock = in->argv[0];
	plan.offsets[plan.offset_count].seconds = in->argv[1];
	plan.offsets[plan.offset_count++].nanoseconds = in->argv[2];
	return 0;
}

static const struct {
	const char *opcode;
	int (*run)(const struct instruction *);
} table[] = {
    {"join", do_join},
    {"join-process", do_join_process},
    {"id-map", do_id_map},
    {"deny-setgroups", do_deny_setgroups},
    {"time-offset", do_time_offset},
};

bool is_stage_instruction(const char *opcode)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].opcode, opcode) == 0)
			return true;
	return false;
}

int stage_instruction(const struct instruction *instruction)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].opcode, instruction->opcode) == 0)
			return table[i].run(instruction);
	return fail(EINVAL, "unknown instruction %s", instruction->opcode);
}

void stage_become_root(void)
{
	/* Where 0 is not mapped (EINVAL) the capabilities in the namespace have to do. */
	if (setresgid(0, 0, 0) == 0)
		(void)!setresuid(0, 0, 0);
	/* Both are lost by a change of credentials. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

/* --- joining --- */

static int join_one(struct join *join)
{
	if (join->fd < 0 || join->flags == 0)
		return 0;
	if (setns(join->fd, join->flags) < 0)
		return join->process ? fail_errno("join the namespaces of process %s", join->what)
				     : fail_errno("join namespace %s", join->what);
	join->fd = -1;
	return 0;
}

/* The rights to most namespaces are the host's, to some those of the user namespace that is joined: these come later. */
static int join_all(struct instruction *in)
{
	for (int pass = 0; pass < 3; pass++)
		for (int i = 0; i < plan.join_count; i++) {
			struct join *join = &plan.joins[i];
			bool owner = (join->flags & CLONE_NEWUSER) != 0;
			if (join->fd < 0 || owner != (pass == 1))
				continue;
			in->number = join->number;
			in->opcode = join->process ? "join-process" : "join";
			if (join_one(join) < 0 && (failure_code() != EPERM || pass > 0))
				return -1;
			if (owner)
				stage_become_root();
		}
	return 0;
}

int stage_join_rest(struct instruction *in)
{
	return join_all(in);
}

static void close_joins(void)
{
	for (int i = 0; i < plan.join_count; i++)
		close_owned(&plan.joins[i].fd);
	plan.join_count = 0;
}

/* --- clone --- */

static bool needs_stage(int flags)
{
	int joined = 0;
	for (int i = 0; i < plan.join_count; i++)
		joined |= plan.joins[i].flags;
	/* What is the host's has to be joined before the user namespace is made. */
	return (joined & (CLONE_NEWUSER | CLONE_NEWPID | ABI_CLONE_NEWTIME)) != 0 || (flags & ABI_CLONE_NEWTIME) != 0 ||
	       (joined != 0 && (flags & CLONE_NEWUSER) != 0);
}

static pid_t clone_process(int flags, int *pidfd)
{
	/* The libc's fork knows no namespaces. Without threads there is nothing of it to keep in step. */
	return (pid_t)syscall(SYS_clone, (unsigned long)(unsigned)(flags | CLONE_PIDFD | SIGCHLD), NULL, pidfd, NULL, NULL);
}

/* Into the planned cgroup where that can be done; `inside` says whether it was. */
static pid_t clone_inside(int flags, int *pidfd, bool *inside)
{
	struct abi_clone_args arguments = {
	    .flags = (uint64_t)(unsigned)flags | CLONE_PIDFD | ABI_CLONE_INTO_CGROUP,
	    .pidfd = (uintptr_t)pidfd,
	    /* A sibling's is the parent's own (clone(2)). */
	    .exit_signal = (flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD,
	    .cgroup = (uint64_t)cgroups_folder(),
	};
	*inside = true;
	if (cgroups_folder() >= 0) {
		pid_t pid = (pid_t)syscall(ABI_SYS_CLONE3, &arguments, sizeof arguments);
		if (pid >= 0)
			return pid;
	}
	*inside = false;
	return clone_process(flags, pidfd);
}

static void say(int channel, const struct word *word)
{
	send(channel, word, sizeof *word, MSG_NOSIGNAL);
}

static int make_time_namespace(void)
{
	char text[128];
	if (unshare(ABI_CLONE_NEWTIME) < 0)
		return fail_errno("unshare the time namespace");
	if (plan.offset_count == 0)
		return 0;
	int used = 0;
	for (int i = 0; i < plan.offset_count; i++)
		used += snprintf(text + used, sizeof text - (size_t)used, "%s %s %s\n", plan.offsets[i].clock,
				 plan.offsets[i].seconds, plan.offsets[i].nanoseconds);
	/* A file of ours, but only while we are dumpable. Nobody of the container can see this process. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	OWNED_FD fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (fd < 0)
		return fail_errno("open /proc/self/timens_offsets");
	if (write(fd, text, (size_t)used) != used)
		return fail_errno("write \"%s\" to /proc/self/timens_offsets", text);
	return 0;
}

static int make_user_namespace(int channel)
{
	char go;
	if (unshare(CLONE_NEWUSER) < 0)
		return fail_errno("unshare the user namespace");
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	say(channel, &(struct word){.kind = WORD_MAPS});
	if (recv(channel, &go, 1, 0) != 1)
		_exit(137);
	stage_become_root();
	return 0;
}

static _Noreturn void stage_main(int flags, int channel, struct launch *launch, struct program *program, const int *sync)
{
	struct instruction *at = program_instruction();
	struct word word = {.kind = WORD_INIT, .pidfd = -1};
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	at->opcode = "clone";
	int status = join_all(at);
	if (status == 0) {
		at->opcode = "clone";
		at->number = program->count;
	}
	if (status == 0 && (flags & CLONE_NEWUSER) != 0 && (flags & ABI_CLONE_NEWTIME) != 0) {
		status = make_user_namespace(channel);
		flags &= ~CLONE_NEWUSER;
		plan.maps_init = false;
	}
	if (status == 0 && (flags & ABI_CLONE_NEWTIME) != 0) {
		status = make_time_namespace();
		flags &= ~ABI_CLONE_NEWTIME;
	}
	if (status == 0) {
		prctl(PR_SET_DUMPABLE, plan.maps_init, 0, 0, 0);
		word.pid = clone_inside(flags | CLONE_PARENT, &word.pidfd, &word.inside);
		if (word.pid == 0)
			init_main(program, launch, sync[1]);
		if (word.pid < 0)
			status = fail_errno("clone");
	}
	if (status < 0) {
		word.kind = WORD_FAILED;
		launch_explain(at, &word.failure);
	}
	say(channel, &word);
	_exit(0);
}

/* Listens to the stage until it has made init, or has failed. */
static int hear_stage(pid_t stage, int stage_fd, int channel, struct launch *launch, bool *inside)
{
	for (;;) {
		struct word word;
		/* Its end of the channel stays open in the table that we share: its own end is what tells that it has ended. */
		struct pollfd polls[] = {{.fd = channel, .events = POLLIN}, {.fd = stage_fd, .events = POLLIN}};
		if (poll(polls, 2, -1) < 0)
			continue;
		if (recv(channel, &word, sizeof word, MSG_DONTWAIT) != sizeof word)
			return fail(ESRCH, "the process that makes the namespaces ended without a word");
		if (word.kind == WORD_FAILED)
			return launch_failed(&word.failure);
		if (word.kind == WORD_INIT) {
			launch->pid = word.pid;
			launch->pidfd = word.pidfd;
			*inside = word.inside;
			return 0;
		}
		if (write_id_maps(stage) < 0)
			return -1;
		plan.maps_init = false;
		if (send(channel, "g", 1, MSG_NOSIGNAL) < 0)
			return fail_errno("let the stage go");
	}
}

static int clone_by_stage(int flags, struct launch *launch, struct program *program, const int *sync, bool *inside)
{
	int channel[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0)
		return fail_errno("socketpair");
	OWNED_FD stage_fd = -1;
	pid_t stage = clone_process(CLONE_FILES, &stage_fd);
	if (stage == 0)
		stage_main(flags, channel[1], launch, program, sync);
	int status = stage < 0 ? fail_errno("clone the stage") : 0;
	if (status == 0)
		status = hear_stage(stage, stage_fd, channel[0], launch, inside);
	if (stage > 0) {
		if (status < 0)
			kill(stage, SIGKILL);
		while (waitpid(stage, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(channel[0]);
	close(channel[1]);
	return status;
}

int stage_clone(struct launch *launch, struct program *program, const struct instruction *in)
{
	int flags = 0, sync[2];
	for (int i = 0; i < in->argc; i++) {
		int flag = kind_flag(in->argv[i]);
		if (flag < 0)
			return -1;
		flags |= flag;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) < 0)
		return fail_errno("socketpair");
	launch->sync = sync[0];
	plan.maps_init = (flags & CLONE_NEWUSER) != 0;
	/* Its message queues belong to who makes it: to root of the new user namespace, once there is one. */
	plan.init_unshares_ipc = plan.maps_init && (flags & CLONE_NEWIPC) != 0;
	if (plan.init_unshares_ipc)
		flags &= ~CLONE_NEWIPC;
	for (int i = 0; i < plan.join_count; i++)
		plan.joined_mounts = plan.joined_mounts || (plan.joins[i].flags & CLONE_NEWNS) != 0;
	/*
	 * From its first moment a process in a namespace that others are in must not be open to them by /proc/<pid>
	 * (CVE-2019-5736). Not with a new user namespace: its files are an ordinary user's to write as long as it is
	 * dumpable, and until then nobody of another user namespace may look into it.
	 */
	prctl(PR_SET_DUMPABLE, plan.maps_init, 0, 0, 0);
	int status = 0;
	bool inside = false;
	if (needs_stage(flags)) {
		status = clone_by_stage(flags, launch, program, sync, &inside);
	} else {
		launch->pid = clone_inside(flags, &launch->pidfd, &inside);
		if (launch->pid == 0)
			init_main(program, launch, sync[1]);
		if (launch->pid < 0)
			status = fail_errno("clone");
	}
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	close(sync[1]);
	close_joins();
	if (status < 0 && launch->pid <= 0)
		launch->pid = 0;
	if (status == 0)
		status = cgroups_finish(launch->pid, inside);
	return status == 0 && plan.maps_init ? write_id_maps(launch->pid) : status;
}

bool stage_maps_init(void)
{
	return plan.maps_init;
}

int stage_unshare_ipc(void)
{
	if (!plan.init_unshares_ipc)
		return 0;
	return unshare(CLONE_NEWIPC) < 0 ? fail_errno("unshare the IPC namespace") : 0;
}

bool stage_joined_mounts(void)
{
	return plan.joined_mounts;
}
