/*
 * Paths and mounts below the container's root, for those who execute instructions about it. The convention is shim.h's.
 * Every path is resolved by openat2 with RESOLVE_IN_ROOT: a link in an image can only lead to another place in it.
 */
#ifndef SAMPAN_ROOT_H
#define SAMPAN_ROOT_H

#include "shim.h"

/* --- paths.c --- */

/* Of the container's root: the new one until pivot, then `/`. -1 before there is one. */
int root_descriptor(void);
/* Takes the descriptor over. */
void root_set(int fd);
int root_open(const char *path);
/* A descriptor of what is at `path` (RESOLVE_* bits besides IN_ROOT), or -1 with errno and nothing recorded. */
int open_below(const char *path, uint64_t flags, uint64_t resolve);
/* O_PATH descriptor of `path`, made when missing: parents as folders, itself as a folder or an empty file. */
int open_or_make(const char *path, bool directory, uint64_t resolve);
/* The folder that `path` is in, made when missing; `name` becomes the last part of `path`. */
int open_parent(const char *path, const char **name);

/* --- procfs.c: the kernel's own files of processes and sysctls; see there --- */

/* Opens `path`, relative to the root of a procfs; -1 with errno and nothing recorded. */
int procfs_open(const char *path, uint64_t flags);
/* Writes `value` at once; -1 with errno and nothing recorded. */
int procfs_write(const char *path, const char *value);
void procfs_close(void);

/* --- mounts.c --- */

/* The contract's AttributeChange. */
struct change {
	uint64_t set, clear, set_all, clear_all, propagation;
};
int read_change(const char *const *arguments, struct change *change);
/* On the mount `fd`; `what` is for messages. */
int apply_change(int fd, const struct change *change, const char *what);
/* A number that is a mask, in decimal. */
int parse_mask(const char *text, uint64_t *mask);
/* A detached copy of the mounts at `path` below `directory`; with an empty path, of the descriptor itself. -1 with errno. */
int clone_tree(int directory, const char *path, bool recursive);
/* A new file system, which nobody sees until it is placed; `path` is for messages. */
int new_mount(const char *type, const char *source, unsigned long flags, const char *data, const char *path);
/* Where something is to be mounted: open_or_make, and not in a procfs that a link led to. */
int open_target(const char *path, bool directory, uint64_t resolve);
/*
 * Puts the mount `tree` on `target` and makes sure that `path` leads to it: whoever shares a volume with the container
 * could have renamed a part of the path after `target` was opened, and so moved the mount elsewhere (CVE-2021-30465).
 */
int place(int tree, int target, const char *path, uint64_t resolve);
int mount_id(int fd, uint64_t *id, bool *is_root);

int do_mount(const struct instruction *in);
int do_mount_copy_up(const struct instruction *in);
int do_bind(const struct instruction *in);
int do_attach(const struct instruction *in);
int do_mount_attributes(const struct instruction *in);
int do_remount_readonly(const struct instruction *in);

/* --- copy.c --- */

/* Copies what is in the folder `from` into the folder `to`, without crossing into other mounts. */
int copy_folder(int from, int to, const char *path);

/* --- trees.c --- */

/* Those that no `attach` took. */
void release_trees(void);
/* Takes the tree out of its slot. */
int take_tree(const char *slot);

/* --- devices.c --- */

int do_device(const struct instruction *in);
int do_symlink(const struct instruction *in);

/* --- masks.c --- */

int do_mask(const struct instruction *in);
int do_readonly(const struct instruction *in);
/* What masks are copied from must not be held longer than they are made. */
void masks_close(void);

#endif
