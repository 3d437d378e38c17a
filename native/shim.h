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
/* Milliseconds since the epoch. */
long long now_ms(void);

/* --- program.c: the instruction list --- */

#define ARGS_MAX 512

struct instruction {
	const char *opcode;
	int argc;
	const char *argv[ARGS_MAX];
	int number; /* from 1 */
};

struct program {
	char *text;
	size_t length, offset;
	int count;
};

int program_load(struct program *program, const char *path);
/* 1 and the next instruction, 0 at the end, -1 when the text is broken. The strings live as long as the program. */
int program_next(struct program *program, struct instruction *instruction);
/* Checks the number of arguments; `max` -1 is no maximum. */
int want_args(const struct instruction *instruction, int min, int max);

enum failpoint { FAILPOINT_NONE, FAILPOINT_ERROR, FAILPOINT_KILL, FAILPOINT_DIE };
void failpoint_arm(const char *text);
enum failpoint failpoint_at(int number);

/* --- init.c: everything that runs inside the container; see docs/flows/container-start.md --- */

struct init_stdio {
	int in, out, err; /* -1: keep ours */
	bool terminal;
};

/* Also the shim's, for a PID namespace, which only children enter. */
int join_namespace(const struct instruction *instruction);
/* Executes the program from behind `enter`. `arguments` are the process' own, to be overwritten. Never returns. */
_Noreturn void init_main(struct program *program, int sync, const struct init_stdio *stdio, char **arguments);

/* --- root.c and mounts.c, devices.c, masks.c: the container's root; for init. The paths are in root.h --- */

bool is_root_instruction(const char *opcode);
int root_instruction(const struct instruction *instruction);

/* --- trees.c: detached trees (tree, tree-id-map), opened by the parent before it clones --- */

bool is_tree_instruction(const char *opcode);
int tree_instruction(const struct instruction *instruction);
/*
 * What the parent opened for init (trees, the seccomp agent's socket): the index-th variable that holds such a
 * descriptor, so that it can be moved; NULL behind the last. `attach`, `seccomp` and `pivot` close what they used up;
 * whoever forks a process that stays (supervise) lets go of the rest in it.
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
	int pidfd, sync;
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

#endif
