/*
 * The kernel seam: a Node-API addon with two functions.
 *
 *   syscall(nr, ...args)   up to six arguments -> the kernel's own result: a number, negative errno on failure
 *   address(bytes)         -> where the bytes are, as a bigint, for pointers inside structures (iovec, msghdr)
 *
 * An argument is a number or a bigint (passed as it is), a Uint8Array (passed as the address of its first byte) or
 * undefined or null (0). It decides nothing: which calls are made, and what they mean, is in src/kernel.
 *
 * No C library: the addon needs nothing but the napi_* functions of the program that loads it, so one file serves
 * a Node built on glibc and one built on musl, of any version from 18 on. A consequence is that errno is never
 * touched: results come back as the kernel gave them.
 *
 * A memory block passed to the kernel cannot move or be freed during the call (JavaScript does not run meanwhile).
 * Calls that keep the address after they return (io_uring, AIO) must not be made through here, nor those that
 * return twice (fork, vfork, clone): the JavaScript engine has threads.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAPI_VERSION 8
#include <node_api.h>

enum { MAX_ARGUMENTS = 6 };

#if defined(__x86_64__)

static long raw_syscall(long nr, const long a[MAX_ARGUMENTS])
{
	long result;
	register long r10 __asm__("r10") = a[3];
	register long r8 __asm__("r8") = a[4];
	register long r9 __asm__("r9") = a[5];
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

#elif defined(__aarch64__)

static long raw_syscall(long nr, const long a[MAX_ARGUMENTS])
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a[0];
	register long x1 __asm__("x1") = a[1];
	register long x2 __asm__("x2") = a[2];
	register long x3 __asm__("x3") = a[3];
	register long x4 __asm__("x4") = a[4];
	register long x5 __asm__("x5") = a[5];
	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

#else
#error "the seam knows x86-64 and arm64 only"
#endif

static napi_value fail(napi_env env, const char *message)
{
	napi_throw_type_error(env, NULL, message);
	return NULL;
}

/* The address of a Uint8Array's first byte; false for anything else. */
static bool bytes_address(napi_env env, napi_value value, void **address)
{
	napi_typedarray_type type;
	size_t length, offset;
	napi_value buffer;
	bool is_typed_array = false;

	if (napi_is_typedarray(env, value, &is_typed_array) != napi_ok || !is_typed_array)
		return false;
	if (napi_get_typedarray_info(env, value, &type, &length, address, &buffer, &offset) != napi_ok)
		return false;
	return type == napi_uint8_array;
}

/* False when the value is of no kind that can be passed. */
static bool to_word(napi_env env, napi_value value, long *word)
{
	napi_valuetype type;
	int64_t number;
	bool lossless;
	void *address;
	double exact;

	if (napi_typeof(env, value, &type) != napi_ok)
		return false;
	switch (type) {
	case napi_undefined:
	case napi_null:
		*word = 0;
		return true;
	case napi_number:
		/* A fraction, NaN or infinity here is a bug of the caller's, never to be rounded into an argument. */
		if (napi_get_value_int64(env, value, &number) != napi_ok ||
		    napi_get_value_double(env, value, &exact) != napi_ok || (double)number != exact)
			return false;
		*word = number;
		return true;
	case napi_bigint:
		if (napi_get_value_bigint_int64(env, value, &number, &lossless) != napi_ok)
			return false;
		if (!lossless) {
			/* The upper half of the unsigned range: the same 64 bits. */
			uint64_t bits;
			if (napi_get_value_bigint_uint64(env, value, &bits, &lossless) != napi_ok || !lossless)
				return false;
			number = (int64_t)bits;
		}
		*word = number;
		return true;
	case napi_object:
		if (!bytes_address(env, value, &address))
			return false;
		*word = (long)address;
		return true;
	default:
		return false;
	}
}

static napi_value seam_syscall(napi_env env, napi_callback_info info)
{
	napi_value arguments[MAX_ARGUMENTS + 1];
	size_t count = MAX_ARGUMENTS + 1;
	long words[MAX_ARGUMENTS + 1] = {0};
	napi_value result;

	if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok)
		return fail(env, "syscall: no arguments");
	if (count < 1 || count > MAX_ARGUMENTS + 1)
		return fail(env, "syscall: want a number and up to six arguments");
	for (size_t i = 0; i < count; i++)
		if (!to_word(env, arguments[i], &words[i]))
			return fail(env, "syscall: an argument must be an integer, a bigint, a Uint8Array or undefined");
	if (napi_create_int64(env, raw_syscall(words[0], words + 1), &result) != napi_ok)
		return fail(env, "syscall: no result");
	return result;
}

static napi_value seam_address(napi_env env, napi_callback_info info)
{
	napi_value argument, result;
	size_t count = 1;
	void *address;

	if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok ||
	    !bytes_address(env, argument, &address))
		return fail(env, "address: want a Uint8Array");
	if (napi_create_bigint_uint64(env, (uint64_t)(uintptr_t)address, &result) != napi_ok)
		return fail(env, "address: no result");
	return result;
}

static bool export_function(napi_env env, napi_value exports, const char *name, napi_callback callback)
{
	napi_value function;

	return napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, NULL, &function) == napi_ok &&
	       napi_set_named_property(env, exports, name, function) == napi_ok;
}

NAPI_MODULE_EXPORT int32_t node_api_module_get_api_version_v1(void)
{
	return NAPI_VERSION;
}

NAPI_MODULE_EXPORT napi_value napi_register_module_v1(napi_env env, napi_value exports)
{
	if (!export_function(env, exports, "syscall", seam_syscall) ||
	    !export_function(env, exports, "address", seam_address))
		return fail(env, "seam: cannot export");
	return exports;
}
