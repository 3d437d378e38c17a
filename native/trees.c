/*
 * Detached copies of the host's mounts, made by the parent before it clones: a mount of the host's that init, in a user
 * namespace of its own, may not reach, or whose ids are mapped. Init finds the descriptors where the parent left them.
 */
#include "root.h"

#include "abi.h"
#include "attributes.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define SLOTS_MAX 4096

static int *slots;
static int slot_count;

static int *slot_of(const char *text)
{
	long long slot;
	if (parse_number(text, &slot) < 0)
		return NULL;
	if (slot < 0 || slot >= SLOTS_MAX) {
		fail(EINVAL, "slot %lld is not below %d", slot, SLOTS_MAX);
		return NULL;
	}
	if (slot >= slot_count) {
		int *grown = realloc(slots, ((size_t)slot + 1) * sizeof *slots);
		if (grown == NULL) {
			fail_errno("allocate slots");
			return NULL;
		}
		slots = grown;
		while (slot_count <= slot)
			slots[slot_count++] = -1;
	}
	return &slots[slot];
}

static int *filled_slot(const char *text)
{
	int *slot = slot_of(text);
	if (slot != NULL && *slot >= 0)
		return slot;
	if (slot != NULL)
		fail(EINVAL, "slot %s holds no tree", text);
	return NULL;
}

int take_tree(const char *text)
{
	int *slot = filled_slot(text);
	return slot == NULL ? -1 : release_fd(slot);
}

int *inherited_descriptor(int index)
{
	for (int i = 0; i < slot_count; i++)
		if (slots[i] >= 0 && index-- == 0)
			return &slots[i];
	int *agent = seccomp_agent();
	return *agent >= 0 && index == 0 ? agent : NULL;
}

void release_inherited_descriptors(void)
{
	release_trees();
	close_owned(seccomp_agent());
	*seccomp_agent() = -1;
}

void release_trees(void)
{
	for (int i = 0; i < slot_count; i++)
		close_owned(&slots[i]);
	free(slots);
	slots = NULL;
	slot_count = 0;
}

/* tree <slot> <source> <rec|one> <change…> */
static int do_tree(const struct instruction *in)
{
	struct change change;
	if (want_args(in, 8, 8) < 0 || read_change(in->argv + 3, &change) < 0)
		return -1;
	int *slot = slot_of(in->argv[0]);
	if (slot == NULL)
		return -1;
	OWNED_FD tree = clone_tree(AT_FDCWD, in->argv[1], strcmp(in->argv[2], "rec") == 0);
	if (tree < 0)
		return fail_errno("mount source %s", in->argv[1]);
	if (apply_change(tree, &change, in->argv[1]) < 0)
		return -1;
	close_owned(slot);
	*slot = release_fd(&tree);
	return 0;
}

static int write_map(pid_t pid, const char *name, const char *triples)
{
	char path[48];
	snprintf(path, sizeof path, "%d/%s", pid, name);
	/* One line for each three numbers, whatever stands between them here. */
	OWNED_MEM(char) text = strdup(triples);
	if (text == NULL)
		return fail_errno("allocate a mapping");
	int gap = 0;
	for (char *at = text; *at != 0; at++)
		if (strchr(" ,:\n", *at) != NULL)
			*at = ++gap % 3 == 0 ? '\n' : ' ';
	if (procfs_write(path, text) < 0)
		return fail_errno("write the mapping \"%s\" to /proc/%s", triples, path);
	return 0;
}

/* The user namespace of a child that does nothing else: a namespace without a process is all that a mapping needs. */
static int mapping_namespace(const char *uids, const char *gids)
{
	pid_t parent = getpid();
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		while (getppid() == parent)
			pause();
		_exit(0);
	}
	if (pid < 0)
		return fail_errno("make a user namespace for a mapping");
	char path[48];
	snprintf(path, sizeof path, "/proc/%ld/ns/user", pid);
	int fd = -1;
	if (write_map((pid_t)pid, "uid_map", uids) == 0 && write_map((pid_t)pid, "gid_map", gids) == 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			fail_errno("open %s", path);
	}
	kill((pid_t)pid, SIGKILL);
	while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}

/* tree-id-map <slot> <rec|one> namespace <path> | map <uids> <gids> */
static int do_tree_id_map(const struct instruction *in)
{
	if (want_args(in, 4, 5) < 0)
		return -1;
	bool by_path = strcmp(in->argv[2], "namespace") == 0;
	if (want_args(in, by_path ? 4 : 5, by_path ? 4 : 5) < 0)
		return -1;
	int *slot = filled_slot(in->argv[0]);
	if (slot == NULL)
		return -1;
	OWNED_FD namespace = by_path ? open(in->argv[3], O_RDONLY | O_CLOEXEC) : mapping_namespace(in->argv[3], in->argv[4]);
	if (namespace < 0)
		return by_path ? fail_errno("open user namespace %s", in->argv[3]) : -1;
	struct abi_mount_attr attr = {.attr_set = ABI_MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)namespace};
	unsigned flags = AT_EMPTY_PATH | (strcmp(in->argv[1], "rec") == 0 ? ABI_AT_RECURSIVE : 0);
	if (syscall(SYS_mount_setattr, *slot, "", flags, &attr, sizeof attr) == 0)
		return 0;
	if (errno == EINVAL)
		return fail_errno("map the ids of the mount in slot %s (its file system may not support this)", in->argv[0]);
	return fail_errno("map the ids of the mount in slot %s", in->argv[0]);
}

bool is_tree_instruction(const char *opcode)
{
	return strcmp(opcode, "tree") == 0 || strcmp(opcode, "tree-id-map") == 0;
}

int tree_instruction(const struct instruction *in)
{
	return strcmp(in->opcode, "tree") == 0 ? do_tree(in) : do_tree_id_map(in);
}
