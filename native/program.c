#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int program_load(struct program *program, const char *path)
{
	OWNED_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno("open %s", path);
	struct stat info;
	if (fstat(fd, &info) < 0)
		return fail_errno("stat %s", path);
	if (info.st_size <= 0 || info.st_size > 4 << 20)
		return fail(EINVAL, "%s: %lld bytes is not a program's size", path, (long long)info.st_size);
	OWNED_MEM(char) text = malloc((size_t)info.st_size);
	if (text == NULL)
		return fail_errno("allocate the program");
	size_t length = 0;
	while (length < (size_t)info.st_size) {
		ssize_t got = read(fd, text + length, (size_t)info.st_size - length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail_errno("read %s", path);
		if (got == 0)
			break;
		length += (size_t)got;
	}
	if (length == 0 || text[length - 1] != 0)
		return fail(EINVAL, "%s: cut off", path);
	*program = (struct program){.text = text, .length = length};
	text = NULL;
	return 0;
}

/* The next NUL-terminated string; NULL at the end. program_load made sure that the text ends with a NUL. */
static char *next_string(struct program *program)
{
	if (program->offset >= program->length)
		return NULL;
	char *string = program->text + program->offset;
	program->offset += strlen(string) + 1;
	return string;
}

int program_next(struct program *program, struct instruction *instruction)
{
	char *head = next_string(program);
	if (head == NULL)
		return 0;
	instruction->number = ++program->count;
	char *space = strchr(head, ' ');
	long long argc;
	if (space == NULL || parse_number(space + 1, &argc) < 0 || argc < 0 || argc >= ARGS_MAX)
		return fail(EINVAL, "instruction %d: \"%s\" is not an opcode and a count", instruction->number, head);
	*space = 0;
	instruction->opcode = head;
	instruction->argc = (int)argc;
	for (int i = 0; i < instruction->argc; i++) {
		instruction->argv[i] = next_string(program);
		if (instruction->argv[i] == NULL)
			return fail(EINVAL, "instruction %d (%s): %d arguments announced, %d there", instruction->number, head,
				    instruction->argc, i);
	}
	instruction->argv[instruction->argc] = NULL;
	return 1;
}

int want_args(const struct instruction *instruction, int min, int max)
{
	if (instruction->argc >= min && (max < 0 || instruction->argc <= max))
		return 0;
	return fail(EINVAL, "%s takes %d..%d arguments, got %d", instruction->opcode, min, max, instruction->argc);
}

static int failpoint_number;
static enum failpoint failpoint_action;

void failpoint_arm(const char *text)
{
	char action[8];
	if (text != NULL && sscanf(text, "%d:%7s", &failpoint_number, action) == 2)
		failpoint_action = strcmp(action, "kill") == 0  ? FAILPOINT_KILL
				   : strcmp(action, "die") == 0 ? FAILPOINT_DIE
								: FAILPOINT_ERROR;
}

enum failpoint failpoint_at(int number)
{
	return failpoint_action != FAILPOINT_NONE && number == failpoint_number ? failpoint_action : FAILPOINT_NONE;
}
