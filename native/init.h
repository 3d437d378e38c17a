/* What init.c shares with the files that do a part of init's work. The convention is shim.h's. */
#ifndef SAMPAN_INIT_H
#define SAMPAN_INIT_H

#include "shim.h"

/* --- user-program.c --- */

int do_environment(const struct instruction *in);
int do_arguments(const struct instruction *in);
int do_home(const struct instruction *in);
int do_find_program(const struct instruction *in);
int user_program_is_named(void);
/* Returns only when it fails. */
int user_program_execute(void);

/* --- start-socket.c --- */

int await_start(int listener);

/* --- reaper.c --- */

/* Of a sandbox's PID 1 with `child` 0. */
_Noreturn void reap_and_forward(pid_t child, bool terminal);
int drop_to_kill(void);

#endif
