/* Who the user's process is (names from the image's own files, as Docker does) and what it may do. */
#include "shim.h"

#include "abi.h"
#include "attributes.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUPS_MAX ARGS_MAX
#define DATABASE_MAX (8 << 20)

static struct {
	uid_t uid;
	gid_t gid;
	int group_count;
	bool keep_groups;
	char home[256];
	/* Last, since most of its pages are never touched. */
	gid_t groups[GROUPS_MAX];
} who;

static bool is_id(const char *text, long long *id)
{
	return *text >= '0' && *text <= '9' && parse_number(text, id) == 0 && *id <= INT32_MAX;
}

/* All but -1, which the kernel takes for "leave it as it is". */
static int parse_id(const char *text, uint32_t *id)
{
	long long number;
	if (parse_number(text, &number) < 0)
		return -1;
	if (number < 0 || number >= UINT32_MAX)
		return fail(EINVAL, "\"%s\" is not a user or group id", text);
	*id = (uint32_t)number;
	return 0;
}

static int add_group(gid_t gid)
{
	for (int i = 0; i < who.group_count; i++)
		if (who.groups[i] == gid)
			return 0;
	if (who.group_count == GROUPS_MAX)
		return fail(E2BIG, "more than %d supplementary groups", GROUPS_MAX);
	who.groups[who.group_count++] = gid;
	return 0;
}

/* Splits a line of /etc/passwd or /etc/group; missing fields are empty. */
static void split(char *line, char **fields, int count)
{
	for (int i = 0; i < count; i++) {
		fields[i] = strsep(&line, ":\n");
		if (fields[i] == NULL)
			fields[i] = "";
	}
}

/*
 * A file of the image's, who may have put anything in its place: a FIFO would keep us waiting, a device or a file
 * without a line's end would take all memory. What is no ordinary file of an ordinary size counts as missing.
 */
static FILE *open_database(const char *path)
{
	struct stat info;
	OWNED_FD fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_size > DATABASE_MAX)
		return NULL;
	FILE *file = fdopen(fd, "r");
	if (file != NULL)
		release_fd(&fd);
	return file;
}

static void close_file(FILE **file)
{
	if (*file != NULL)
		fclose(*file);
}
#define OWNED_FILE __attribute__((cleanup(close_file))) FILE

/* Finds a user by name or number. 1 found, 0 not there. */
static int find_user(const char *name, long long number)
{
	OWNED_FILE *file = open_database("/etc/passwd");
	OWNED_MEM(char) line = NULL;
	size_t size = 0;
	while (file != NULL && getline(&line, &size, file) >= 0) {
		char *field[7];
		long long uid, gid;
		split(line, field, 7);
		if (!is_id(field[2], &uid) || !is_id(field[3], &gid))
			continue;
		if (name != NULL ? strcmp(field[0], name) != 0 : uid != number)
			continue;
		who.uid = (uid_t)uid;
		who.gid = (gid_t)gid;
		snprintf(who.home, sizeof who.home, "%s", field[5]);
		return 1;
	}
	return 0;
}

static bool is_member(char *members, const char *user)
{
	for (char *member; (member = strsep(&members, ",")) != NULL;)
		if (strcmp(member, user) == 0)
			return true;
	return false;
}

/* Finds the group `name`, or when that is NULL adds every group that `member` is in. 1 found, 0 not there. */
static int read_groups(const char *name, const char *member, gid_t *found)
{
	OWNED_FILE *file = open_database("/etc/group");
	OWNED_MEM(char) line = NULL;
	size_t size = 0;
	while (file != NULL && getline(&line, &size, file) >= 0) {
		char *field[4];
		long long gid;
		split(line, field, 4);
		if (!is_id(field[2], &gid))
			continue;
		if (name != NULL && strcmp(field[0], name) == 0) {
			*found = (gid_t)gid;
			return 1;
		}
		if (name == NULL && is_member(field[3], member) && add_group((gid_t)gid) < 0)
			return -1;
	}
	return 0;
}

/* The name of the user with this number, for its supplementary groups. */
static int user_name(uid_t uid, char *name, size_t size)
{
	OWNED_FILE *file = open_database("/etc/passwd");
	OWNED_MEM(char) line = NULL;
	size_t length = 0;
	while (file != NULL && getline(&line, &length, file) >= 0) {
		char *field[7];
		long long id;
		split(line, field, 7);
		if (!is_id(field[2], &id) || (uid_t)id != uid)
			continue;
		snprintf(name, size, "%s", field[0]);
		return 1;
	}
	return 0;
}

int identity_lookup(const char *text, int extra_count, const char *const *extra)
{
	char user[256];
	long long number = 0;
	snprintf(user, sizeof user, "%s", *text == 0 ? "0" : text);
	char *group = strchr(user, ':');
	if (group != NULL)
		*group++ = 0;
	strcpy(who.home, "/");
	if (is_id(user, &number)) {
		who.uid = (uid_t)number;
		if (find_user(NULL, number) == 0 && number == 0)
			strcpy(who.home, "/root");
	} else if (find_user(user, 0) == 0) {
		return fail(ENOENT, "unable to find user %s: no matching entries in passwd file", user);
	}
	if (group != NULL && *group != 0) {
		if (is_id(group, &number))
			who.gid = (gid_t)number;
		else if (read_groups(group, NULL, &who.gid) == 0)
			return fail(ENOENT, "unable to find group %s: no matching entries in group file", group);
	} else {
		char name[256];
		if (user_name(who.uid, name, sizeof name) == 1 && read_groups(NULL, name, NULL) < 0)
			return -1;
	}
	for (int i = 0; i < extra_count; i++)
		if (parse_number(extra[i], &number) < 0 || add_group((gid_t)number) < 0)
			return -1;
	return 0;
}

const char *identity_home(void)
{
	return who.home;
}

/* user <user[:group]> <gid>… */
int do_user(const struct instruction *in)
{
	return want_args(in, 1, -1) < 0 ? -1 : identity_lookup(in->argv[0], in->argc - 1, in->argv + 1);
}

/* ids <uid> <gid> <set-groups|keep-groups> <gid>…: no file of the image's has a say; HOME is looked up all the same. */
int do_ids(const struct instruction *in)
{
	uint32_t uid, gid, group;
	if (want_args(in, 3, -1) < 0 || parse_id(in->argv[0], &uid) < 0 || parse_id(in->argv[1], &gid) < 0)
		return -1;
	strcpy(who.home, "/");
	if (find_user(NULL, uid) == 0 && uid == 0)
		strcpy(who.home, "/root");
	who.uid = uid;
	who.gid = gid;
	who.group_count = 0;
	who.keep_groups = strcmp(in->argv[2], "keep-groups") == 0;
	for (int i = 3; i < in->argc; i++)
		if (parse_id(in->argv[i], &group) < 0 || add_group(group) < 0)
			return -1;
	return 0;
}

uid_t identity_uid(void)
{
	return who.uid;
}

int identity_apply(void)
{
	/* Else the kernel takes all capabilities from who stops being root, and `capabilities` has none to leave. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return fail_errno("keep the capabilities over the change of user");
	/* In a user namespace of an ordinary user setgroups(2) is denied, and the caller's groups stay. */
	if (!who.keep_groups && setgroups((size_t)who.group_count, who.groups) < 0)
		return fail_errno("setgroups");
	if (setresgid(who.gid, who.gid, who.gid) < 0)
		return fail_errno("setgid %u", who.gid);
	if (setresuid(who.uid, who.uid, who.uid) < 0)
		return fail_errno("setuid %u", who.uid);
	return 0;
}

int capabilities_bound(uint64_t mask)
{
	/* The kernel's last capability is the last one that it lets us ask for. */
	for (int capability = 0, there; (there = prctl(PR_CAPBSET_READ, capability, 0, 0, 0)) >= 0; capability++)
		if (there && !(mask & UINT64_C(1) << capability) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
			return fail_errno("drop capability %d from the bounding set", capability);
	return 0;
}

struct sets {
	uint64_t effective, permitted, inheritable, ambient;
};

/*
 * What we do not have nobody can be given, and that is no error: "runtimes should not fail if the configuration
 * requests capabilities that cannot be granted" (OCI runtime-spec, process).
 */
static int set_capabilities(struct sets sets)
{
	struct abi_cap_header header = {.version = ABI_CAP_VERSION_3};
	struct abi_cap_data data[2] = {0};
	if (syscall(SYS_capget, &header, data) < 0)
		return fail_errno("capget");
	uint64_t ours = data[0].permitted | (uint64_t)data[1].permitted << 32;
	sets.permitted &= ours;
	sets.effective &= sets.permitted;
	sets.inheritable &= ours;
	for (int capability = 0; capability < 64; capability++)
		if (sets.inheritable & UINT64_C(1) << capability && prctl(PR_CAPBSET_READ, capability, 0, 0, 0) <= 0)
			sets.inheritable &= ~(UINT64_C(1) << capability);
	sets.ambient &= sets.permitted & sets.inheritable;
	for (int half = 0; half < 2; half++) {
		data[half].effective = (uint32_t)(sets.effective >> (32 * half));
		data[half].permitted = (uint32_t)(sets.permitted >> (32 * half));
		data[half].inheritable = (uint32_t)(sets.inheritable >> (32 * half));
	}
	if (syscall(SYS_capset, &header, data) < 0)
		return fail_errno("capset %llx", (unsigned long long)sets.permitted);
	if (prctl(ABI_PR_CAP_AMBIENT, ABI_PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return fail_errno("clear the ambient capabilities");
	for (int capability = 0; capability < 64; capability++)
		if (sets.ambient & UINT64_C(1) << capability && prctl(ABI_PR_CAP_AMBIENT, ABI_PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
			return fail_errno("make capability %d ambient", capability);
	return 0;
}

int capabilities_set(uint64_t mask)
{
	return set_capabilities((struct sets){.effective = mask, .permitted = mask});
}

static int parse_hex(const char *text, uint64_t *mask)
{
	char *end;
	errno = 0;
	*mask = strtoull(text, &end, 16);
	return errno != 0 || end == text || *end != 0 ? fail(EINVAL, "\"%s\" is not a mask of capabilities", text) : 0;
}

/* bounding <hex>: before the user changes, which takes away the right to do it. */
int do_bounding(const struct instruction *in)
{
	uint64_t mask;
	return want_args(in, 1, 1) < 0 || parse_hex(in->argv[0], &mask) < 0 ? -1 : capabilities_bound(mask);
}

/* capabilities <effective> <permitted> <inheritable> <ambient>, in hex */
int do_capabilities(const struct instruction *in)
{
	struct sets sets;
	uint64_t *const fields[] = {&sets.effective, &sets.permitted, &sets.inheritable, &sets.ambient};
	if (want_args(in, 4, 4) < 0)
		return -1;
	for (int i = 0; i < 4; i++)
		if (parse_hex(in->argv[i], fields[i]) < 0)
			return -1;
	if (set_capabilities(sets) < 0)
		return -1;
	/* exec(2) would clear it, but what runs until then need not have it. */
	return prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0 ? fail_errno("no longer keep the capabilities") : 0;
}
