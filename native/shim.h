/*
 * One convention throughout: a function that can fail returns 0 (or a descriptor) on success and -1 after having
 * recorded why with fail(); its caller passes -1 on. What a function holds it declares with OWNED_FD or OWNED_MEM,
 * so every way out of it lets go. Nothing here has threads, so one record of the failure is enough.
 */
#ifndef SAMPAN_SHIM_H
#define SAMPAN_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROTOCOL_VERSION 1
#define MESSAGE_MAX 1024

/* --- failure.c: errors and ownership --- */

/* Records `code` (an errno) and a message; always returns -1. */
__attribute__((format(printf, 2, 3))) int fail(int code, const char *format, ...);
/* The same with errno, and its name and text appended to the message. */
__attribute__((format(printf, 1, 2))) int fail_errno(const char *format, ...);
int failure_code(void);
const char *failure_text(void);
/* What a program that cannot be run ends with: 127 not found, 126 not executable. */
void set_failure_exit_code(int code);
int failure_exit_code(void);
const char *errno_name(int code);

void close_owned(int *fd);
void free_owned(void *pointer);
#define OWNED_FD __attribute__((cleanup(close_owned))) int
#define OWNED_MEM(type) __attribute__((cleanup(free_owned))) type *
/* Hands an owned descriptor to the caller. */
int release_fd(int *fd);

int write_all(int fd, const void *data, size_t length);
/* Reads a whole small file (at most `size` - 1 bytes), ends it with NUL; the length or -1 with errno set. */
ssize_t read_small(const char *path, char *buffer, size_t size);
int parse_number(const char *text, long long *value);
/* Gives back the memory of a stack that was deep once: for a process that stays. */
void release_stack(void);
/* Milliseconds since the epoch. */
long long now_ms(void);

/* --- signals.c --- */

void reset_signals(void);

/* --- program.c: the instruction list --- */

#define ARGS_MAX 4096

struct instruction {
	const char *opcode;
	int argc;
	int number; /* from 1 */
	char name[24];
	const char *argv[ARGS_MAX];
};

/* Several processes read one text, each with an offset of its own; none writes to it, so its pages stay shared. */
struct program {
	const char *text;
	size_t length, offset;
	int count;
	void *mapping; /* what program_unload lets go */
	size_t mapped;
};

int program_load(struct program *program, const char *path);
/* Checks a text that is in memory already. */
int program_take(struct program *program, const char *text, size_t length);
/* It is large, and each process is at one instruction only: the same for all of its functions. */
struct instruction *program_instruction(void);
/* Of its instructions nothing is left then. */
void program_unload(struct program *program);
/* 1 and the next instruction, 0 at the end, -1 when the text is broken. The strings live as long as the program. */
int program_next(struct program *program, struct instruction *instruction);
/* Checks the number of arguments; `max` -1 is no maximum. */
int want_args(const struct instruction *instruction, int min, int max);

enum failpoint { FAILPOINT_NONE, FAILPOINT_ERROR, FAILPOINT_KILL, FAILPOINT_DIE };
void failpoint_arm(const char *text);
enum failpoint failpoint_at(int number);

/* --- cgroups.c: the container's cgroups, entered without holding up the machine --- */

int cgroups_plan(const struct instruction *instruction);
/* The one of version 2 that init is to be made in; -1 none. */
int cgroups_folder(void);
int cgroups_enter(struct instruction *instruction);
int cgroups_finish(pid_t process, bool made_inside);
int cgroups_add(const char *file, pid_t process);

/* --- launch.c and stage.c: the parent's part of a program, for the shim and the front --- */

struct init_stdio {
	int in, out, err; /* -1: keep ours */
	bool terminal;	  /* stdin is a terminal whose foreground group the user's process is to be */
};

struct launch {
	/* Who the parent is. */
	char **arguments; /* of this process, overwritten in init */
	bool leaves;	  /* init outlives us, once it was created or has executed the user's program */
	int watch;	  /* a socket whose hang-up ends the creation; -1 none */
	/* Opcodes of this parent alone: 1 done, 0 not its own, -1 failed. */
	int (*own)(const struct instruction *instruction);
	int (*ask)(const char *topic, pid_t pid);
	struct init_stdio stdio;
	/* What was made. */
	pid_t pid;
	int pidfd, sync;
	int console;  /* master of the container's terminal, for the relay */
	bool running; /* init has nothing left to do but its exec */
	bool waits;   /* the instruction at hand is `wait` */
	enum { SKIP_NOTHING, SKIP_TURN, SKIP_REST } skip; /* init's part of the program */
};

/* Why a program failed, here or in init. */
struct launch_failure {
	int number, exit_code;
	char opcode[24], code[24], text[512];
};

enum launch_outcome { LAUNCH_FAILED = -1, LAUNCH_ENDED, LAUNCH_CREATED, LAUNCH_EXECUTED };

/* Goes on with the program until init was created or has executed, or there is nothing left but `wait`. */
enum launch_outcome launch_run(struct launch *launch, struct program *program, struct instruction *instruction);
void launch_explain(const struct instruction *instruction, struct launch_failure *failure);
/* Records the failure of another process; always returns -1. */
int launch_failed(const struct launch_failure *failure);
/* Takes one word of init's (MSG_* flags of recv(2)). INIT_SILENT: nothing that anybody waits for. */
enum init_word { INIT_FAILED = -1, INIT_SILENT, INIT_LEFT, INIT_CREATED, INIT_EXECUTED };
enum init_word launch_hear(struct launch *launch, int flags);
/* Tells init that was created: we know of it, and may end without it (`leaves`). */
int launch_keep(struct launch *launch);
/* Kills init and reaps it. */
void launch_kill(struct launch *launch);

/* Makes init; returns in the parent alone. */
int stage_clone(struct launch *launch, struct program *program, const struct instruction *instruction);
bool is_stage_instruction(const char *opcode);
/* join, join-process, id-map, deny-setgroups, time-offset: remembered until `clone`. */
int stage_instruction(const struct instruction *instruction);
/* Init's part: the namespaces that need no stage. */
int stage_join_rest(struct instruction *instruction);
/* Init has a user namespace of its own: once its ids are mapped (its first turn) it becomes 0 in it. */
bool stage_maps_init(void);
void stage_become_root(void);
/* What init makes by itself once it is root of its user namespace. */
int stage_unshare_ipc(void);
bool stage_joined_mounts(void);

/* Descriptors 3 … 2 + this many are the caller's and go to the user's process. */
int preserved_descriptors(void);
/* The socket that `created` waits on; -1 none, then it waits for the parent's word. */
int start_listener(void);

/* pid's start time in clock ticks, proc(5) field 22; 0 when it is not there. */
long long start_time_of(pid_t pid);

/* --- unix-socket.c: by way of the folder, since a path may be longer than sockaddr_un's --- */

int unix_connect(const char *path);
int unix_listen(const char *folder, const char *name);
/* Sends a descriptor with some text; receives a message and at most one descriptor (-1 none). */
int unix_send_fd(int socket, const char *text, size_t length, int fd);
ssize_t unix_receive_fd(int socket, char *text, size_t size, int *fd, int flags);

/* --- init.c: everything that runs inside the container; see docs/flows/container-start.md --- */

/* Executes what stands between `enter` and `leave`. Never returns. */
_Noreturn void init_main(struct program *program, const struct launch *launch, int sync);
/* Where init's words to its parent go; for the terminal's master. */
int init_sync(void);

/* --- console.c: the container's terminal --- */

bool is_console_instruction(const char *opcode);
/* console, session: by init. */
int console_instruction(const struct instruction *instruction);
/* Stdio is the container's own terminal. */
bool console_is_open(void);
/* console-to: by the parent. */
int console_to(const struct instruction *instruction);
/* What the parent does with the master that init sent: passes it on, or keeps it for the relay. */
int console_deliver(int master, int *relayed);

/* --- stream-copy.c: bytes from one descriptor to another --- */

struct copy {
	int from, to;
	unsigned used, done;
	bool ended; /* `from` has */
	bool told;  /* the end-of-file character was written */
	char buffer[4096];
};

/* One step; poll(2) has said that it will not wait. */
void copy_step(struct copy *copy, short from, short to);
short copy_wants(const struct copy *copy, bool reading);
/* The end of what we read is not the end of the terminal: its program reads its end-of-file character. */
void copy_end_of_file(struct copy *copy);
/* What is there when the process has ended: not what others may still write. A hang-up of `watch` (-1 none) ends it. */
void copy_drain(struct copy *copy, int watch);

/* --- relay.c: waits for a container's process in the foreground --- */

/* The status as of waitpid(2). `master` is -1 without a terminal; it is closed. */
int relay_wait(pid_t pid, int pidfd, int master);

/* --- sealed.c: never run from a file that a container could write to (CVE-2019-5736) --- */

/* Runs this program anew from a place that nobody can write to; returns 0 when it does already, -1 on failure. */
int sealed_execute(char **arguments, char **environment);

/* --- root.c and mounts.c, devices.c, masks.c: the container's root; for init. The paths are in root.h --- */

bool is_root_instruction(const char *opcode);
int root_instruction(const struct instruction *instruction);

/* --- trees.c: detached trees (tree, tree-id-map), opened by the parent before it clones --- */

bool is_tree_instruction(const char *opcode);
int tree_instruction(const struct instruction *instruction);
/*
 * What the parent opened for init (trees, the seccomp agent's socket): the index-th variable that holds such a
 * descriptor, so that it can be moved; NULL behind the last. `attach` and `seccomp` close what they used up; the parent
 * lets go of its own after the clone, and so does a process that stays while another goes on (supervise).
 */
int *inherited_descriptor(int index);
void release_inherited_descriptors(void);

/*
 * --- attributes.c: user, ids, personality, scheduler, io-priority, cpu-affinity, apparmor-profile, selinux-label, umask,
 * bounding, no-new-privileges, capabilities, seccomp, seccomp-listener (parent), hostname, domainname, loopback, keyring.
 * Not these, which need what init.c has: `home` (identity_home), `identity` (identity_apply, then the parent-death signal).
 */

bool is_attribute_instruction(const char *opcode);
int attribute_instruction(const struct instruction *instruction);
/* By the parent on init, or with pid 0 by a process on itself. */
int apply_rlimit(const struct instruction *instruction, pid_t pid);
int apply_oom_score_adj(const struct instruction *instruction, pid_t pid);
/* What `umask` asked for, or 022; in force from the exec on, since init makes files by exact modes before. */
mode_t user_umask(void);
/* Init's pid as its parent sees it, for the seccomp agent; the parent tells it ("go"), init.c hands it on. */
void set_outer_pid(pid_t pid);

/* --- hooks.c: hook-state and hook, in the parent and in init; `pid` is init's as the caller sees it --- */

bool is_hook_instruction(const char *opcode);
int hook_instruction(const struct instruction *instruction, pid_t pid);

/* --- identity.c: who the user's process is, and what it may do --- */

int identity_lookup(const char *user, int extra_count, const char *const *extra);
const char *identity_home(void);
uid_t identity_uid(void);
int identity_apply(void);
int capabilities_bound(uint64_t mask);
/* Effective and permitted alone: what PID 1 keeps for itself. */
int capabilities_set(uint64_t mask);

/* --- log.c: output pipes to CRI log lines --- */

int log_open(const char *path);
int log_reopen(void);
/* Adds an output pipe; `name` is stdout or stderr. */
void log_attach(int fd, const char *name);
int log_poll_count(void);
int log_poll_fd(int index);
/* Reads once from this stream; false when it has ended, and the last stream has taken its index. */
bool log_read(int index);
/* Reads what is there now, then ends every stream with its last partial line. */
void log_finish(void);
/* Bytes that could not be written, and the errno of the last failure. */
unsigned long long log_dropped(void);
int log_error(void);

/* --- protocol.c: the socket that the daemon talks to --- */

enum container_phase { PHASE_CREATED, PHASE_RUNNING, PHASE_STOPPED };

struct container {
	enum container_phase phase;
	pid_t pid;
	int pidfd;
	long long created_ms, started_ms, finished_ms;
	int exit_code, exit_signal;
	bool oom_killed;
	int starter; /* client that waits for the answer to start; -1 none */
};

int protocol_listen(const char *path);
int protocol_poll_count(void);
int protocol_poll_fd(int index);
/* Serves what is readable on the descriptor of this index; index 0 is the listening socket. */
void protocol_event(int index, struct container *container);
__attribute__((format(printf, 2, 3))) void protocol_answer(int client, const char *format, ...);
/* Tells everyone who waits that it is over. */
void protocol_announce_exit(const struct container *container);
void protocol_close(void);

/* --- shim.c --- */
int container_start(struct container *container, int client);

/* --- attach.c: clients that see the container's output and write to its input --- */

struct pollfd;
/* The container's stdin: a pipe, or its terminal's master; -1 none, as for a master. `once`: it ends with the first who was attached to it. */
void attach_input(int fd, int master, bool once);
int attach_add(int fd, bool writes);
/* What such a client is told that it gets. */
const char *attach_kinds(bool writes);
int attach_count(void);
void attach_poll(int index, struct pollfd *socket, struct pollfd *input);
/* What ends is replaced in its place by the last one. */
void attach_event(int index, short socket, short input);
/* Somebody has not taken the last output yet: no more is to be read. */
bool attach_is_behind(void);
/* At most as much as log.c reads at once. */
void attach_output(int stream, const char *data, size_t length);
/* Waits, not for ever, until everybody has taken it. */
void attach_flush(void);
void attach_close(void);

/* --- exec.c: the parent of one process more in a container; its exit code --- */
int exec_main(char **arguments);

/* --- front-connection.c: frames between the front and its brain, see src/container/runtime/oci/front-protocol.ts --- */

struct frame {
	char *mapping;
	size_t mapped, length;
	const char *verb, *rest; /* behind the verb's NUL */
	size_t rest_length;
};

/* A connection to a `warm` brain, or else to one that it starts; the request is sent. */
int brain_connect(bool warm, int argc, char **argv);
bool brain_is_warm(void);
/* 1 a frame, 0 the brain has gone, -1 a failure. */
int frame_read(int connection, struct frame *frame);
void frame_release(struct frame *frame);
/* The verb and `count` strings, each with its NUL, and then `length` bytes more. */
int frame_send(int connection, const char *const *strings, int count, const void *rest, size_t length);
/* What a brain that ended without an answer has said, to our stderr. */
void brain_show_errors(void);

#endif
