/*
 * How the front finds its brain, and the frames that they exchange (src/container/runtime/oci/front-protocol.ts).
 *
 * A warm brain listens on a socket whose name says for whom it can decide: the same user, in the same namespaces and
 * below the same root, by the same build. Where there is none one is started, which lives on and listens there.
 */
#include "shim.h"

#include "abi.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#define FRONT_PROTOCOL_VERSION "1"
#define FRAME_MAX (16u << 20)
#define BRAIN_FD 3

#if defined(__x86_64__)
#define ARCHITECTURE "x64"
#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"
#endif

static struct {
	char script[PATH_MAX], node[PATH_MAX];
	char folder[PATH_MAX], socket[PATH_MAX]; /* of warm brains; empty: none is looked for nor left behind */
} brain;

/* What the brain that we started has to say; -1 none. */
static int errors_fd = -1;

/* --- frames --- */

static int read_all(int fd, void *data, size_t length)
{
	char *at = data;
	while (length > 0) {
		ssize_t got = read(fd, at, length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 && errno != ECONNRESET ? fail_errno("read from the brain") : 0;
		at += got;
		length -= (size_t)got;
	}
	return 1;
}

int frame_read(int connection, struct frame *frame)
{
	uint32_t length;
	int status = read_all(connection, &length, sizeof length);
	if (status <= 0)
		return status;
	if (length == 0 || length > FRAME_MAX)
		return fail(EBADMSG, "the brain sent a frame of %u bytes", length);
	/* One byte more, so that every string ends. */
	*frame = (struct frame){.mapped = (size_t)length + 1, .length = length};
	frame->mapping = mmap(NULL, frame->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (frame->mapping == MAP_FAILED)
		return fail_errno("allocate a frame of %u bytes", length);
	status = read_all(connection, frame->mapping, length);
	if (status <= 0) {
		frame_release(frame);
		return status;
	}
	size_t verb = strlen(frame->mapping) + 1;
	frame->verb = frame->mapping;
	frame->rest = frame->mapping + (verb > length ? length : verb);
	frame->rest_length = verb > length ? 0 : length - verb;
	return 1;
}

void frame_release(struct frame *frame)
{
	if (frame->mapped > 0)
		munmap(frame->mapping, frame->mapped);
	*frame = (struct frame){0};
}

static int send_all(int fd, const void *data, size_t length)
{
	const char *at = data;
	while (length > 0) {
		ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return fail_errno("send to the brain");
		at += sent;
		length -= (size_t)sent;
	}
	return 0;
}

int frame_send(int connection, const char *const *strings, int count, const void *rest, size_t rest_length)
{
	size_t length = rest_length;
	for (int i = 0; i < count; i++)
		length += strlen(strings[i]) + 1;
	if (length > FRAME_MAX)
		return fail(E2BIG, "%zu bytes are more than the brain takes", length);
	/* In one piece where that is easy, so that the other side wakes once. */
	OWNED_MEM(char) text = malloc(length + 4);
	if (text == NULL)
		return fail_errno("allocate a frame");
	uint32_t head = (uint32_t)length;
	memcpy(text, &head, 4);
	size_t used = 4;
	for (int i = 0; i < count; i++) {
		size_t size = strlen(strings[i]) + 1;
		memcpy(text + used, strings[i], size);
		used += size;
	}
	if (rest_length > 0)
		memcpy(text + used, rest, rest_length);
	return send_all(connection, text, length + 4);
}

static int send_request(int connection, int argc, char **argv)
{
	char pid[16], uid[16], gid[16], mask[16], words[16], entries[16], cwd[PATH_MAX];
	int environment = 0;
	while (environ[environment] != NULL)
		environment++;
	mode_t current = umask(0);
	umask(current);
	/* A working directory that was removed has no name, and a command without relative paths needs none. */
	if (getcwd(cwd, sizeof cwd) == NULL || *cwd != '/')
		strcpy(cwd, "/");
	snprintf(pid, sizeof pid, "%d", getpid());
	snprintf(uid, sizeof uid, "%u", geteuid());
	snprintf(gid, sizeof gid, "%u", getegid());
	snprintf(mask, sizeof mask, "%o", current);
	snprintf(words, sizeof words, "%d", argc - 1);
	snprintf(entries, sizeof entries, "%d", environment);
	OWNED_MEM(const char *) strings = calloc((size_t)(9 + argc - 1 + environment), sizeof *strings);
	if (strings == NULL)
		return fail_errno("allocate the request");
	const char *const head[] = {"request", FRONT_PROTOCOL_VERSION, pid, uid, gid, mask, cwd, words};
	int count = 0;
	for (size_t i = 0; i < sizeof head / sizeof *head; i++)
		strings[count++] = head[i];
	for (int i = 1; i < argc; i++)
		strings[count++] = argv[i];
	strings[count++] = entries;
	for (int i = 0; i < environment; i++)
		strings[count++] = environ[i];
	return frame_send(connection, strings, count, NULL, 0);
}

/* --- where everything is --- */

static bool is_there(const char *path, int mode)
{
	return access(path, mode) == 0;
}

/* <root>/prebuilt/linux-<arch>/sampan-oci or <root>/build/native/sampan-oci: both are three steps below the root. */
static int find_root(char *root, size_t size)
{
	ssize_t length = readlink("/proc/self/exe", root, size - 1);
	if (length <= 0)
		return fail_errno("read /proc/self/exe");
	root[length] = 0;
	for (int step = 0; step < 3; step++) {
		char *slash = strrchr(root, '/');
		if (slash == NULL)
			return fail(EINVAL, "%s is not where a package has it", root);
		*slash = 0;
	}
	return 0;
}

static int find_on_path(const char *name, char *found, size_t size)
{
	const char *path = getenv("PATH");
	for (const char *part = path == NULL ? "/usr/local/bin:/usr/bin:/bin" : path; *part != 0;) {
		size_t length = strcspn(part, ":");
		if (length > 0 && (size_t)snprintf(found, size, "%.*s/%s", (int)length, part, name) < size && is_there(found, X_OK))
			return 0;
		part += length + (part[length] == ':');
	}
	return fail(ENOENT, "needs Node 26 or newer: install it, or run npm install without --omit=optional");
}

static int find_files(void)
{
	static const char *const nodes[] = {"node_modules/node-linux-" ARCHITECTURE "/bin/node",
					    "../node-linux-" ARCHITECTURE "/bin/node"};
	char root[PATH_MAX];
	if (find_root(root, sizeof root) < 0)
		return -1;
	const char *source = getenv("SAMPAN_OCI_SOURCE");
	snprintf(brain.script, sizeof brain.script, "%s/dist/sampan-oci.js", root);
	if ((source != NULL && strcmp(source, "1") == 0) || !is_there(brain.script, R_OK))
		snprintf(brain.script, sizeof brain.script, "%s/src/cli/oci/main.ts", root);
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
		snprintf(brain.node, sizeof brain.node, "%s/%s", root, nodes[i]);
		if (is_there(brain.node, X_OK))
			return 0;
	}
	return find_on_path("node", brain.node, sizeof brain.node);
}

/* --- the warm brain's socket --- */

static bool is_private(const char *path)
{
	struct stat info;
	return lstat(path, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() && (info.st_mode & 077) == 0;
}

static bool private_folder(const char *parent, mode_t mode, const char *name)
{
	char path[PATH_MAX];
	if ((size_t)snprintf(path, sizeof path, "%s/%s", parent, name) >= sizeof path)
		return false;
	mkdir(parent, mode);
	mkdir(path, 0700);
	if (!is_private(path))
		return false;
	strcpy(brain.folder, path);
	return true;
}

static void find_folder(void)
{
	char name[32], parent[PATH_MAX];
	const char *own = getenv("XDG_RUNTIME_DIR");
	snprintf(name, sizeof name, "oci-%u", geteuid());
	if (geteuid() == 0 && private_folder("/run/sampan", 0755, name))
		return;
	if (own == NULL || *own != '/' || (size_t)snprintf(parent, sizeof parent, "%s/sampan", own) >= sizeof parent)
		return;
	private_folder(parent, 0700, name);
}

/* FNV-1a: nobody but ourselves chooses what goes in, so that nobody could look for two that are alike. */
static void mix(uint64_t *hash, const void *data, size_t length)
{
	const unsigned char *at = data;
	for (size_t i = 0; i < length; i++)
		*hash = (*hash ^ at[i]) * UINT64_C(0x100000001b3);
}

static int mix_file(uint64_t *hash, const char *path, bool contents)
{
	struct stat info;
	if (stat(path, &info) < 0)
		return fail_errno("stat %s", path);
	uint64_t facts[] = {info.st_dev, info.st_ino, 0, 0, 0};
	if (contents) {
		facts[2] = (uint64_t)info.st_size;
		facts[3] = (uint64_t)info.st_mtim.tv_sec;
		facts[4] = (uint64_t)info.st_mtim.tv_nsec;
	}
	mix(hash, facts, sizeof facts);
	mix(hash, path, strlen(path) + 1);
	return 0;
}

static int name_socket(void)
{
	static const char *const namespaces[] = {"mnt", "user", "pid", "net", "cgroup", "ipc", "uts"};
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	uint64_t who[] = {geteuid(), getegid()};
	mix(&hash, who, sizeof who);
	for (size_t i = 0; i < sizeof namespaces / sizeof *namespaces; i++) {
		char path[64];
		struct stat info;
		snprintf(path, sizeof path, "/proc/self/ns/%s", namespaces[i]);
		uint64_t inode = stat(path, &info) < 0 ? 0 : info.st_ino;
		mix(&hash, &inode, sizeof inode);
	}
	if (mix_file(&hash, "/", false) < 0 || mix_file(&hash, brain.script, true) < 0 || mix_file(&hash, brain.node, true) < 0)
		return -1;
	int length = snprintf(brain.socket, sizeof brain.socket, "%s/%016llx.sock", brain.folder, (unsigned long long)hash);
	/* The brain binds it by its path. */
	if (length >= (int)sizeof((struct sockaddr_un *)0)->sun_path)
		*brain.socket = 0;
	return 0;
}

static bool is_ours(int connection)
{
	struct ucred peer;
	socklen_t size = sizeof peer;
	return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

static int connect_warm(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (*brain.socket == 0)
		return -1;
	strcpy(address.sun_path, brain.socket);
	OWNED_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0 || !is_ours(fd))
		return -1;
	return release_fd(&fd);
}

/* --- a brain of our own --- */

static char *variable(const char *name, const char *value)
{
	char *entry = NULL;
	return value == NULL || asprintf(&entry, "%s=%s", name, value) < 0 ? NULL : entry;
}

/* It serves others after us: of our environment it gets what Node itself needs, the rest comes with each request. */
static char **brain_environment(void)
{
	static char *entries[8];
	char cache[PATH_MAX];
	const char *home = getenv("HOME"), *given = getenv("NODE_COMPILE_CACHE"), *caches = getenv("XDG_CACHE_HOME");
	if (given == NULL)
		snprintf(cache, sizeof cache, "%s%s/sampan/compile", caches != NULL ? caches : home != NULL ? home : "/root",
			 caches != NULL ? "" : "/.cache");
	char *const wanted[] = {variable("PATH", getenv("PATH")), variable("HOME", home),
				variable("NODE_COMPILE_CACHE", given != NULL ? given : cache),
				variable("XDG_RUNTIME_DIR", getenv("XDG_RUNTIME_DIR")),
				variable("SAMPAN_OCI_LINGER", getenv("SAMPAN_OCI_LINGER"))};
	int count = 0;
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		if (wanted[i] != NULL)
			entries[count++] = wanted[i];
	return entries;
}

static _Noreturn void brain_main(int connection)
{
	const char *words[8];
	int count = 0;
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	reset_signals();
	words[count++] = brain.node;
	words[count++] = "--disable-warning=ExperimentalWarning";
	words[count++] = brain.script;
	words[count++] = "--serve";
	if (*brain.socket != 0)
		words[count++] = brain.socket;
	words[count] = NULL;
	char **environment = brain_environment();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* Above the places that they go to, so that none of the copies lands on another. */
	connection = fcntl(connection, F_DUPFD_CLOEXEC, 16);
	int errors = fcntl(errors_fd, F_DUPFD_CLOEXEC, 16);
	umask(022);
	if (null < 0 || chdir("/") < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(errors, 2) < 0 ||
	    dup2(connection, BRAIN_FD) < 0 || syscall(SYS_close_range, BRAIN_FD + 1, ~0U, 0) < 0)
		_exit(125);
	execve(brain.node, (char *const *)words, environment);
	dprintf(2, "execute %s: %s\n", brain.node, strerror(errno));
	_exit(127);
}

static int start_brain(void)
{
	int pair[2];
	errors_fd = memfd_create("sampan-oci-errors", MFD_CLOEXEC);
	if (errors_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return fail_errno("make a connection to a brain");
	OWNED_FD ours = pair[0], theirs = pair[1];
	pid_t child = fork();
	if (child < 0)
		return fail_errno("fork");
	if (child == 0) {
		/* Not a child of ours: our caller waits for us, and the brain stays. */
		setsid();
		pid_t grandchild = fork();
		if (grandchild == 0)
			brain_main(theirs);
		_exit(grandchild < 0 ? 1 : 0);
	}
	int status;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return fail(EAGAIN, "fork the brain");
	return release_fd(&ours);
}

int brain_connect(bool warm, int argc, char **argv)
{
	const char *linger = getenv("SAMPAN_OCI_LINGER");
	if (*brain.script == 0) {
		if (find_files() < 0)
			return -1;
		if (linger == NULL || strcmp(linger, "0") != 0)
			find_folder();
		if (*brain.folder != 0 && name_socket() < 0)
			return -1;
	}
	OWNED_FD connection = warm ? connect_warm() : -1;
	/* A brain that is about to end may still be connected to, but reads no more. */
	if (connection >= 0 && send_request(connection, argc, argv) == 0)
		return release_fd(&connection);
	close_owned(&connection);
	connection = start_brain();
	if (connection < 0 || send_request(connection, argc, argv) < 0)
		return -1;
	return release_fd(&connection);
}

bool brain_is_warm(void)
{
	return errors_fd < 0;
}

void brain_show_errors(void)
{
	char text[1024];
	if (errors_fd < 0)
		return;
	ssize_t got;
	for (off_t at = 0; (got = pread(errors_fd, text, sizeof text, at)) > 0; at += got)
		if (write_all(STDERR_FILENO, text, (size_t)got) < 0)
			return;
}
