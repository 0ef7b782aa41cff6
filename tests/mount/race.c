/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * race recreate DIR ROUNDS: removes the cgroup and makes it again, so many times.
 * race press DIR NAME: as long as its standard input is open, goes to DIR and writes to each file
 * NAME/cgroup.max.depth that it opens that file's own number, at once and when it has been open
 * for a while; and makes cgroups and moves itself there.
 *
 * Each tells lines "WHAT ERRNO COUNT" in the end, and "strange TEXT" of a number that is not the
 * file's own or a cgroup where it should not be.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "cgroup.max.depth"
#define HELD 6
/* How long a cgroup lives: mostly too short for a whole turn of who presses, sometimes not. */
#define LIFE_USEC 1500
#define LONG_LIFE_USEC 60000

enum { OPEN, NEW, OLD, MKDIR, MOVE, KINDS };

static unsigned ends[KINDS][256];

static void note(int kind, bool fine)
{
	ends[kind][fine ? 0 : errno & 255]++;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* A number for each file another, that the file can hold. */
static long token(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -1 : (long)(st.st_ino % 1000000007);
}

/* False if it could not be read. */
static bool look(int fd)
{
	char text[64];
	ssize_t n = pread(fd, text, sizeof text - 1, 0);

	if (n < 0)
		return false;
	text[n] = '\0';
	if (strcmp(text, "max\n") != 0 && atol(text) != token(fd))
		printf("strange %ld: %s", token(fd), text);
	return true;
}

static bool use(int fd)
{
	char text[32];

	snprintf(text, sizeof text, "%ld", token(fd));
	return write(fd, text, strlen(text)) >= 0 && look(fd);
}

static void recreate_once(const char *dir)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof path, "%s/" FILE_NAME, dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail(path);
	usleep((useconds_t)(random() % (random() % 8 ? LIFE_USEC : LONG_LIFE_USEC)));
	look(fd);
	while (rmdir(dir) < 0) {
		if (errno != EBUSY)
			fail(dir);
		sched_yield();
	}
	close(fd);
	if (mkdir(dir, 0755) < 0)
		fail(dir);
}

/* Our own place, seen from the root of its cgroup namespace. */
static void look_where(const char *name)
{
	char text[256];
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	if (n < 4)
		fail("/proc/self/cgroup");
	close(fd);
	text[n - 1] = '\0';
	if (strcmp(text, "0::/") != 0 && strcmp(text + 4, name) != 0)
		printf("strange place %s\n", text);
}

static bool put(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool fine = fd >= 0 && write(fd, "0", 1) == 1;
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return fine;
}

static void stir(const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/y", name);
	note(MKDIR, mkdir(path, 0755) == 0);
	rmdir(path);
	snprintf(path, sizeof path, "%s/cgroup.procs", name);
	note(MOVE, put(path));
	look_where(name);
	if (!put("cgroup.procs"))
		fail("the way home");
}

static void press(const char *name)
{
	struct pollfd input = { .fd = 0, .events = POLLIN };
	int held[HELD], n = 0;
	char path[256];

	snprintf(path, sizeof path, "%s/" FILE_NAME, name);
	for (unsigned round = 0; poll(&input, 1, 0) == 0; round++) {
		int fd = open(path, O_RDWR | O_CLOEXEC);

		note(OPEN, fd >= 0);
		if (fd >= 0) {
			note(NEW, use(fd));
			held[n++] = fd;
		}
		if (n > 0)
			note(OLD, use(held[0]));
		if (n == HELD) {
			close(held[0]);
			memmove(held, held + 1, sizeof *held * (size_t)--n);
		}
		if (round % 4 == 0)
			stir(name);
	}
}

int main(int argc, char **argv)
{
	static const char *const kinds[KINDS] = { "open", "new", "old", "mkdir", "move" };

	if (argc != 4)
		return 2;
	if (!strcmp(argv[1], "recreate")) {
		for (long n = atol(argv[3]); n > 0; n--)
			recreate_once(argv[2]);
	} else {
		if (chdir(argv[2]) < 0)
			fail(argv[2]);
		press(argv[3]);
	}
	for (int kind = 0; kind < KINDS; kind++) {
		for (int e = 0; e < 256; e++) {
			if (ends[kind][e])
				printf("%s %s %u\n", kinds[kind], e ? strerrorname_np(e) : "OK",
				       ends[kind][e]);
		}
	}
	return 0;
}
