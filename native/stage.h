/* What stage.c shares with the files that do a part of its work. The convention is shim.h's. */
#ifndef SAMPAN_STAGE_H
#define SAMPAN_STAGE_H

#include "shim.h"

/* --- id-maps.c: remembered until there is a process in the new user namespace --- */

int do_id_map(const struct instruction *in);
int do_deny_setgroups(const struct instruction *in);
/* By the parent, whose rights it takes. */
int write_id_maps(pid_t pid);

#endif
