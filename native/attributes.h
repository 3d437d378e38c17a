/* What attributes.c hands to the files that know one attribute each. */
#ifndef SAMPAN_ATTRIBUTES_H
#define SAMPAN_ATTRIBUTES_H

#include "shim.h"

/* --- identity.c --- */

int do_user(const struct instruction *in);
int do_ids(const struct instruction *in);
int do_bounding(const struct instruction *in);
int do_capabilities(const struct instruction *in);

/* --- seccomp.c --- */

int do_seccomp_listener(const struct instruction *in);
int do_seccomp(const struct instruction *in);
/* The variable with the socket to the seccomp agent; -1 none. */
int *seccomp_agent(void);
/* While the host's /proc can still be seen: who we are to the host. */
void seccomp_learn_pid(void);

#endif
