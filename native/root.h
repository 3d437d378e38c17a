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
int root_open(const char *path);
/* A descriptor of what is at `path` (RESOLVE_* bits besides IN_ROOT), or -1 with errno and nothing recorded. */
int open_below(const char *path, uint64_t flags, uint64_t resolve);
/* O_PATH descriptor of `path`, made when missing: parents as folders, itself as a folder or an empty file. */
int open_or_make(const char *path, bool directory, uint64_t resolve);
/* The folder that `path` is in, made when missing; `name` becomes the last part of `path`. */
int open_parent(const char *path, const char **name);

/* --- procfs.c: a procfs that nothing is mounted in, and that no mount of the container's can stand in for --- */

/* Opens `path` (relative, no link of the kernel's magic ones on the way); -1 with errno and nothing recorded. */
int procfs_open(const char *path, uint64_t flags);
/* Writes `value`; -1 with errno and nothing recorded. */
int procfs_write(const char *path, const char *value);
void procfs_close(void);

/* --- mounts.c --- */

/* A detached copy of the mounts at `path` below `directory`; with an empty path, of the descriptor itself. -1 with errno. */
int clone_tree(int directory, const char *path, bool recursive);
/* A new file system that is nowhere to be seen until it is placed. `what` is for messages. */
int new_mount(const char *type, const char *source, unsigned long flags, const char *data, const char *what);
/*
 * Puts the mount `tree` on `target` and makes sure that `path` leads to it then: a part of the path that was renamed
 * meanwhile, by a container that shares a volume, would have moved it.
 */
int place(int tree, int target, const char *path, uint64_t resolve);

#endif
