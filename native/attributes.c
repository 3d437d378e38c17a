/* What the user's process is given, one attribute an instruction; each is in force from then on, if not said otherwise. */
#include "attributes.h"

#include "abi.h"
#include "root.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define IOPRIO_WHO_PROCESS 1

static mode_t mask_of_files = 022;

mode_t user_umask(void)
{
	return mask_of_files;
}

static int do_umask(const struct instruction *in)
{
	char *end;
	if (want_args(in, 1, 1) < 0)
		return -1;
	unsigned long mask = strtoul(in->argv[0], &end, 8);
	if (end == in->argv[0] || *end != 0 || mask > 0777)
		return fail(EINVAL, "\"%s\" is not a umask", in->argv[0]);
	mask_of_files = (mode_t)mask;
	return 0;
}

static int do_hostname(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0)
		return -1;
	return sethostname(in->argv[0], strlen(in->argv[0])) < 0 ? fail_errno("sethostname %s", in->argv[0]) : 0;
}

static int do_domainname(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0)
		return -1;
	return setdomainname(in->argv[0], strlen(in->argv[0])) < 0 ? fail_errno("setdomainname %s", in->argv[0]) : 0;
}

static int do_loopback(const struct instruction *in)
{
	(void)in;
	OWNED_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo"};
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return fail_errno("find the loopback interface");
	request.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? fail_errno("bring the loopback interface up") : 0;
}

/*
 * keyring <name>: keys of the host's session stay out of reach. A kernel without keys has none to protect. The user may
 * search it too: whoever changes to another user after us possesses it no longer.
 */
static int do_keyring(const struct instruction *in)
{
	char text[256];
	unsigned permissions;
	if (want_args(in, 1, 1) < 0)
		return -1;
	long ring = syscall(SYS_keyctl, ABI_KEYCTL_JOIN_SESSION_KEYRING, in->argv[0]);
	if (ring < 0)
		return errno == ENOSYS ? 0 : fail_errno("join a session keyring");
	long length = syscall(SYS_keyctl, ABI_KEYCTL_DESCRIBE, ring, text, sizeof text - 1);
	if (length < 0 || length >= (long)sizeof text)
		return fail_errno("describe the session keyring");
	text[length] = 0;
	/* type;uid;gid;permissions;name */
	const unsigned user_may_search = 0x080000;
	if (sscanf(text, "%*[^;];%*[^;];%*[^;];%x", &permissions) != 1 ||
	    syscall(SYS_keyctl, ABI_KEYCTL_SETPERM, ring, permissions | user_may_search) < 0)
		return fail_errno("let the user search the session keyring");
	return 0;
}

static int do_personality(const struct instruction *in)
{
	long long value;
	if (want_args(in, 1, 1) < 0 || parse_number(in->argv[0], &value) < 0)
		return -1;
	return personality((unsigned long)value) < 0 ? fail_errno("personality %s", in->argv[0]) : 0;
}

/* scheduler <policy> <flags> <nice> <priority> <runtime> <deadline> <period> */
static int do_scheduler(const struct instruction *in)
{
	long long nice;
	uint64_t policy, flags, priority;
	struct abi_sched_attr attr = {.size = sizeof attr};
	if (want_args(in, 7, 7) < 0 || parse_mask(in->argv[0], &policy) < 0 || parse_mask(in->argv[1], &flags) < 0 ||
	    parse_number(in->argv[2], &nice) < 0 || parse_mask(in->argv[3], &priority) < 0 ||
	    parse_mask(in->argv[4], &attr.runtime) < 0 || parse_mask(in->argv[5], &attr.deadline) < 0 ||
	    parse_mask(in->argv[6], &attr.period) < 0)
		return -1;
	attr.policy = (uint32_t)policy;
	attr.flags = flags;
	attr.nice = (int32_t)nice;
	attr.priority = (uint32_t)priority;
	if (syscall(SYS_sched_setattr, 0, &attr, 0) < 0)
		return fail_errno("scheduler: policy %s, nice %s, priority %s", in->argv[0], in->argv[2], in->argv[3]);
	return 0;
}

static int do_io_priority(const struct instruction *in)
{
	long long value;
	if (want_args(in, 1, 1) < 0 || parse_number(in->argv[0], &value) < 0)
		return -1;
	return syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, (int)value) < 0 ? fail_errno("I/O priority %s", in->argv[0]) : 0;
}

/* cpu-affinity <list>: numbers and ranges, with commas between (cpuset(7), list format). */
static int do_cpu_affinity(const struct instruction *in)
{
	cpu_set_t set;
	if (want_args(in, 1, 1) < 0)
		return -1;
	CPU_ZERO(&set);
	const char *at = in->argv[0];
	for (;;) {
		char *end;
		unsigned long first = strtoul(at, &end, 10), last = first;
		bool valid = end != at && *at >= '0' && *at <= '9';
		if (valid && *end == '-') {
			at = end + 1;
			last = strtoul(at, &end, 10);
			valid = end != at && *at >= '0' && *at <= '9';
		}
		if (!valid || last < first || last >= CPU_SETSIZE || (*end != 0 && *end != ','))
			return fail(EINVAL, "CPU list \"%s\": want numbers below %d and ranges of them", in->argv[0], CPU_SETSIZE);
		for (unsigned long cpu = first; cpu <= last; cpu++)
			CPU_SET(cpu, &set);
		if (*end == 0)
			break;
		at = end + 1;
	}
	return sched_setaffinity(0, sizeof set, &set) < 0 ? fail_errno("run on the CPUs %s", in->argv[0]) : 0;
}

static int do_apparmor_profile(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0)
		return -1;
	OWNED_MEM(char) value = NULL;
	if (asprintf(&value, "exec %s", in->argv[0]) < 0)
		return fail(ENOMEM, "allocate the profile's name");
	/* The module's own file is Linux 5.8; before, and with AppArmor alone, there is the one for all modules. */
	int status = procfs_write("thread-self/attr/apparmor/exec", value);
	if (status < 0 && errno == ENOENT)
		status = procfs_write("thread-self/attr/exec", value);
	if (status < 0 && errno == EINVAL)
		return fail_errno("apply AppArmor profile \"%s\" (is AppArmor enabled in this kernel?)", in->argv[0]);
	return status < 0 ? fail_errno("apply AppArmor profile \"%s\"", in->argv[0]) : 0;
}

static int do_selinux_label(const struct instruction *in)
{
	if (want_args(in, 1, 1) < 0)
		return -1;
	if (procfs_write("thread-self/attr/exec", in->argv[0]) == 0)
		return 0;
	if (errno == EINVAL)
		return fail_errno("apply SELinux label \"%s\" (is SELinux enabled in this kernel?)", in->argv[0]);
	return fail_errno("apply SELinux label \"%s\"", in->argv[0]);
}

static int do_no_new_privileges(const struct instruction *in)
{
	(void)in;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? fail_errno("set no_new_privs") : 0;
}

/* rlimit <RLIMIT_* number> <soft> <hard> */
int apply_rlimit(const struct instruction *in, pid_t pid)
{
	long long resource;
	struct abi_rlimit limit;
	if (want_args(in, 3, 3) < 0 || parse_number(in->argv[0], &resource) < 0 || parse_mask(in->argv[1], &limit.soft) < 0 ||
	    parse_mask(in->argv[2], &limit.hard) < 0)
		return -1;
	if (syscall(SYS_prlimit64, pid, (int)resource, &limit, NULL) == 0)
		return 0;
	if (errno == EPERM)
		return fail_errno("rlimit %s to %s:%s (a hard limit is raised with CAP_SYS_RESOURCE alone)", in->argv[0],
				  in->argv[1], in->argv[2]);
	return fail_errno("rlimit %s to %s:%s", in->argv[0], in->argv[1], in->argv[2]);
}

/*
 * oom-score-adj <value> <strict|lenient>: going below what we inherited takes CAP_SYS_RESOURCE. Without it (we are in a
 * container ourselves) the process is merely killed earlier than asked for, which `lenient` takes for no reason not to run.
 */
int apply_oom_score_adj(const struct instruction *in, pid_t pid)
{
	char path[48];
	if (want_args(in, 2, 2) < 0)
		return -1;
	if (pid == 0)
		snprintf(path, sizeof path, "self/oom_score_adj");
	else
		snprintf(path, sizeof path, "%d/oom_score_adj", pid);
	if (procfs_write(path, in->argv[0]) == 0 || (errno == EACCES && strcmp(in->argv[1], "lenient") == 0))
		return 0;
	return fail_errno("write \"%s\" to /proc/%s", in->argv[0], path);
}

static const struct {
	const char *opcode;
	int (*run)(const struct instruction *);
} table[] = {
    {"user", do_user},
    {"ids", do_ids},
    {"personality", do_personality},
    {"scheduler", do_scheduler},
    {"io-priority", do_io_priority},
    {"cpu-affinity", do_cpu_affinity},
    {"apparmor-profile", do_apparmor_profile},
    {"selinux-label", do_selinux_label},
    {"umask", do_umask},
    {"bounding", do_bounding},
    {"no-new-privileges", do_no_new_privileges},
    {"capabilities", do_capabilities},
    {"seccomp", do_seccomp},
    {"seccomp-listener", do_seccomp_listener},
    {"hostname", do_hostname},
    {"domainname", do_domainname},
    {"loopback", do_loopback},
    {"keyring", do_keyring},
};

bool is_attribute_instruction(const char *opcode)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].opcode, opcode) == 0)
			return true;
	return false;
}

int attribute_instruction(const struct instruction *instruction)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].opcode, instruction->opcode) == 0)
			return table[i].run(instruction);
	return fail(EINVAL, "unknown instruction %s", instruction->opcode);
}
