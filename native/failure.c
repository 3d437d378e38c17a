#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static struct {
	int code, exit_code;
	char text[512];
} failure;

int fail(int code, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(failure.text, sizeof failure.text, format, arguments);
	va_end(arguments);
	failure.code = code;
	return -1;
}

int fail_errno(const char *format, ...)
{
	int code = errno;
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(failure.text, sizeof failure.text, format, arguments);
	va_end(arguments);
	if (length >= 0 && (size_t)length < sizeof failure.text)
		snprintf(failure.text + length, sizeof failure.text - (size_t)length, ": %s", strerror(code));
	failure.code = code;
	return -1;
}

int failure_code(void)
{
	return failure.code;
}

const char *failure_text(void)
{
	return failure.text;
}

void set_failure_exit_code(int code)
{
	failure.exit_code = code;
}

int failure_exit_code(void)
{
	return failure.exit_code;
}

const char *errno_name(int code)
{
	static const struct {
		int code;
		const char *name;
	} names[] = {
	    {EPERM, "EPERM"},     {ENOENT, "ENOENT"}, {ESRCH, "ESRCH"},   {EIO, "EIO"},           {E2BIG, "E2BIG"},
	    {ENOEXEC, "ENOEXEC"}, {EBADF, "EBADF"},   {EAGAIN, "EAGAIN"}, {ENOMEM, "ENOMEM"},     {EACCES, "EACCES"},
	    {EBUSY, "EBUSY"},     {EEXIST, "EEXIST"}, {EXDEV, "EXDEV"},   {ENODEV, "ENODEV"},     {ENOTDIR, "ENOTDIR"},
	    {EISDIR, "EISDIR"},   {EINVAL, "EINVAL"}, {ENFILE, "ENFILE"}, {EMFILE, "EMFILE"},     {ENOSPC, "ENOSPC"},
	    {EROFS, "EROFS"},     {EPIPE, "EPIPE"},   {ENOSYS, "ENOSYS"}, {ELOOP, "ELOOP"},       {ESTALE, "ESTALE"},
	    {EALREADY, "EALREADY"}, {ENOTSUP, "ENOTSUP"}, {ENAMETOOLONG, "ENAMETOOLONG"},
	    {EFAULT, "EFAULT"},   {ENXIO, "ENXIO"},   {EUSERS, "EUSERS"}, {EDQUOT, "EDQUOT"},     {ERANGE, "ERANGE"},
	    {EOVERFLOW, "EOVERFLOW"}, {ETIMEDOUT, "ETIMEDOUT"}, {EMSGSIZE, "EMSGSIZE"}, {ECONNREFUSED, "ECONNREFUSED"},
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].code == code)
			return names[i].name;
	return "EUNKNOWN";
}

void close_owned(int *fd)
{
	if (*fd < 0)
		return;
	int saved = errno;
	close(*fd);
	errno = saved;
}

void free_owned(void *pointer)
{
	free(*(void **)pointer);
}

int release_fd(int *fd)
{
	int released = *fd;
	*fd = -1;
	return released;
}

int write_all(int fd, const void *data, size_t length)
{
	const char *at = data;
	while (length > 0) {
		ssize_t written = write(fd, at, length);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return fail_errno("write");
		at += written;
		length -= (size_t)written;
	}
	return 0;
}

ssize_t read_small(const char *path, char *buffer, size_t size)
{
	OWNED_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	size_t length = 0;
	while (length + 1 < size) {
		ssize_t got = read(fd, buffer + length, size - 1 - length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		length += (size_t)got;
	}
	buffer[length] = 0;
	return (ssize_t)length;
}

int parse_number(const char *text, long long *value)
{
	char *end;
	errno = 0;
	*value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != 0)
		return fail(EINVAL, "\"%s\" is not a number", text);
	return 0;
}

void release_stack(void)
{
	enum { PAGE = 4096, DEPTH = 256 << 10 };
	/* What our caller and this call use stays; of what is below, where the kernel has grown it. */
	uintptr_t end = ((uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)(PAGE - 1)) - PAGE;
	madvise((void *)(end - DEPTH), DEPTH, MADV_DONTNEED);
}

long long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
