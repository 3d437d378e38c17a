#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int program_take(struct program *program, const char *text, size_t length)
{
	if (length == 0 || text[length - 1] != 0)
		return fail(EINVAL, "the program is cut off");
	*program = (struct program){.text = text, .length = length};
	return 0;
}

static int read_whole(int fd, char *text, size_t size, size_t *length)
{
	*length = 0;
	while (*length < size) {
		ssize_t got = read(fd, text + *length, size - *length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail_errno("read the program");
		if (got == 0)
			break;
		*length += (size_t)got;
	}
	return 0;
}

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
	/* Of the memory that goes back when it is no longer needed, which the heap's does not. */
	size_t size = (size_t)info.st_size, length;
	char *text = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (text == MAP_FAILED)
		return fail_errno("allocate the program");
	if (read_whole(fd, text, size, &length) < 0 || program_take(program, text, length) < 0) {
		munmap(text, size);
		return -1;
	}
	program->mapping = text;
	program->mapped = size;
	return 0;
}

/* Of pages of its own, so that they can be given back. */
static union {
	struct instruction instruction;
	char pages[(sizeof(struct instruction) + 4095) & ~(size_t)4095];
} current __attribute__((aligned(4096)));

struct instruction *program_instruction(void)
{
	return &current.instruction;
}

void program_unload(struct program *program)
{
	madvise(&current, sizeof current, MADV_DONTNEED);
	if (program->mapping != NULL)
		munmap(program->mapping, program->mapped);
	*program = (struct program){0};
}

/* The next NUL-terminated string; NULL at the end. program_take made sure that the text ends with a NUL. */
static const char *next_string(struct program *program)
{
	if (program->offset >= program->length)
		return NULL;
	const char *string = program->text + program->offset;
	program->offset += strlen(string) + 1;
	return string;
}

int program_next(struct program *program, struct instruction *instruction)
{
	const char *head = next_string(program);
	if (head == NULL)
		return 0;
	instruction->number = ++program->count;
	const char *space = strchr(head, ' ');
	size_t length = space == NULL ? 0 : (size_t)(space - head);
	long long argc;
	if (length == 0 || length >= sizeof instruction->name || parse_number(space + 1, &argc) < 0 || argc < 0 || argc >= ARGS_MAX)
		return fail(EINVAL, "instruction %d: \"%s\" is not an opcode and a count", instruction->number, head);
	memcpy(instruction->name, head, length);
	instruction->name[length] = 0;
	instruction->opcode = instruction->name;
	instruction->argc = (int)argc;
	for (int i = 0; i < instruction->argc; i++) {
		instruction->argv[i] = next_string(program);
		if (instruction->argv[i] == NULL)
			return fail(EINVAL, "instruction %d (%s): %d arguments announced, %d there", instruction->number,
				    instruction->name, instruction->argc, i);
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
