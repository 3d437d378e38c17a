/* Who the user's process is (names from the image's own files, as Docker does) and what it may do. */
#include "shim.h"

#include "abi.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define GROUPS_MAX 256

static struct {
	uid_t uid;
	gid_t gid;
	gid_t groups[GROUPS_MAX];
	int group_count;
	char home[256];
} who;

static bool is_id(const char *text, long long *id)
{
	return *text >= '0' && *text <= '9' && parse_number(text, id) == 0 && *id <= INT32_MAX;
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

static void close_file(FILE **file)
{
	if (*file != NULL)
		fclose(*file);
}
#define OWNED_FILE __attribute__((cleanup(close_file))) FILE

/* Finds a user by name or number. 1 found, 0 not there. */
static int find_user(const char *name, long long number)
{
	OWNED_FILE *file = fopen("/etc/passwd", "re");
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
	OWNED_FILE *file = fopen("/etc/group", "re");
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
	OWNED_FILE *file = fopen("/etc/passwd", "re");
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

int identity_apply(void)
{
	if (setgroups((size_t)who.group_count, who.groups) < 0)
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
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		if (!(mask & UINT64_C(1) << capability) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
			return fail_errno("drop capability %d from the bounding set", capability);
	return 0;
}

int capabilities_set(uint64_t mask)
{
	struct abi_cap_header header = {.version = ABI_CAP_VERSION_3};
	struct abi_cap_data data[2] = {0};
	if (syscall(SYS_capget, &header, data) < 0)
		return fail_errno("capget");
	for (int half = 0; half < 2; half++) {
		/* Nobody can be given what we do not have, and changing to another user has taken everything already. */
		data[half].permitted &= (uint32_t)(mask >> (32 * half));
		data[half].effective = data[half].permitted;
		data[half].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, data) < 0)
		return fail_errno("capset %llx", (unsigned long long)mask);
	return 0;
}
