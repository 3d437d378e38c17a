#include "shim.h"

#include "abi.h"

#include <signal.h>

/*
 * By raw calls: three signals the libc keeps for itself and does not touch (musl: 32 to 34), also when whoever started us
 * has them ignored, and what is ignored stays so across an exec.
 */
void reset_signals(void)
{
	/* struct sigaction as the kernel has it, on x86-64 and arm64: handler (0 is SIG_DFL), flags, restorer, mask. */
	static const unsigned long standard[4];
	for (int signal = 1; signal <= 64; signal++)
		if (signal != SIGKILL && signal != SIGSTOP)
			syscall(SYS_rt_sigaction, signal, standard, NULL, 8);
}
