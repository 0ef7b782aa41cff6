/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded into the kernel's cgroup selftests, so that they find the emulator's tree ($CTLFS_TREE)
 * where they look for cgroup2, and nothing else: the list of mounts, /proc/PID/cgroup, and
 * clone3(CLONE_INTO_CGROUP), which the kernel allows for its own directories only.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What libc exports is what the tests call; these have no declaration that would fit. */
int open(const char *path, int flags, ...);
long syscall(long number, ...);

static int real_open(const char *path, int flags, mode_t mode)
{
	int (*next)(int, const char *, int, ...) = dlsym(RTLD_NEXT, "openat");

	return next(AT_FDCWD, path, flags, mode);
}

/* A descriptor from which a text is read. */
static int open_text(const char *text)
{
	int fd = memfd_create("ctlfs", MFD_CLOEXEC);

	if (fd >= 0 && (write(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool lists(const char *path, pid_t tid)
{
	FILE *file;
	int number;
	bool found = false;

	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && fscanf(file, "%d", &number) == 1)
		found = number == tid;
	fclose(file);
	return found;
}

/* The cgroup below dir that has the task. path: dir at first, then where it was found. */
static bool find_task(char path[static PATH_MAX], pid_t tid)
{
	size_t length = strlen(path);
	struct dirent *entry;
	bool found;
	DIR *dir;

	snprintf(path + length, PATH_MAX - length, "/cgroup.threads");
	found = lists(path, tid);
	path[length] = '\0';
	dir = found ? NULL : opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(path + length, PATH_MAX - length, "/%s", entry->d_name);
		found = find_task(path, tid);
		if (!found)
			path[length] = '\0';
	}
	if (dir)
		closedir(dir);
	return found;
}

/*
 * In a container the tree's root is a cgroup like others, which does not take processes and grant
 * controllers at once: who goes "to the root" goes to $CTLFS_REST beside the test's own cgroups.
 */
static const char *instead(const char *path, const char *tree)
{
	const char *rest = getenv("CTLFS_REST");
	size_t length = strlen(tree);

	return rest && !strncmp(path, tree, length) && !strcmp(path + length, "/cgroup.procs") ?
		       rest : path;
}

static int open_cgroup_of(pid_t tid, const char *tree)
{
	char path[PATH_MAX], text[PATH_MAX + 8];

	snprintf(path, sizeof(path), "%s", tree);
	find_task(path, tid);
	snprintf(text, sizeof(text), "0::%s\n", path[strlen(tree)] ? path + strlen(tree) : "/");
	return open_text(text);
}

/* The task whose cgroup a path of /proc tells, else 0. */
static pid_t task_of(const char *path)
{
	int pid, end = 0;

	if (!strcmp(path, "/proc/self/cgroup"))
		return getpid();
	if (!strcmp(path, "/proc/thread-self/cgroup"))
		return gettid();
	return sscanf(path, "/proc/%d/cgroup%n", &pid, &end) == 1 && end && !path[end] ? pid : 0;
}

int open(const char *path, int flags, ...)
{
	const char *tree = getenv("CTLFS_TREE");
	mode_t mode = 0;

	if (flags & (O_CREAT | __O_TMPFILE)) {
		va_list args;

		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	if (tree && (!strcmp(path, "/proc/self/mounts") || !strcmp(path, "/proc/mounts"))) {
		char text[PATH_MAX + 64];

		snprintf(text, sizeof(text),
			 "cgroup2 %s cgroup2 rw,nsdelegate,memory_recursiveprot 0 0\n", tree);
		return open_text(text);
	}
	if (tree && task_of(path))
		return open_cgroup_of(task_of(path), tree);
	return real_open(tree ? instead(path, tree) : path, flags, mode);
}

static long forward(long number, const unsigned long args[static 6])
{
	long (*next)(long, ...) = dlsym(RTLD_NEXT, "syscall");

	return next(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

/* The child waits until the parent has moved it, or has been refused. */
static long wait_as_child(int ends[static 2])
{
	char go;

	close(ends[1]);
	if (read(ends[0], &go, 1) != 1)
		_exit(0);
	close(ends[0]);
	return 0;
}

static int move_into(int cgroup, pid_t pid)
{
	int fd = openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC), error = 0;

	/* The kernel says so of a directory that has been removed. */
	if (fd < 0)
		return errno == ENOENT ? ENODEV : errno;
	if (dprintf(fd, "%d", pid) < 0)
		error = errno;
	close(fd);
	return error;
}

static long clone_into(const unsigned long words[static 6])
{
	struct clone_args args = *(struct clone_args *)words[0];
	unsigned long forwarded[6] = { (unsigned long)&args, words[1] };
	int cgroup = args.cgroup, ends[2], error;
	long pid;

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	args.flags &= ~CLONE_INTO_CGROUP;
	args.cgroup = 0;
	pid = forward(SYS_clone3, forwarded);
	if (pid == 0)
		return wait_as_child(ends);
	close(ends[0]);
	error = pid < 0 ? errno : move_into(cgroup, pid);
	if (!error && write(ends[1], "", 1) < 0)
		error = errno;
	close(ends[1]);
	if (error && pid > 0)
		waitpid(pid, NULL, 0);
	errno = error;
	return error ? -1 : pid;
}

long syscall(long number, ...)
{
	unsigned long words[6];
	va_list args;
	int i;

	va_start(args, number);
	for (i = 0; i < 6; i++)
		words[i] = va_arg(args, unsigned long);
	va_end(args);
	if (number == SYS_clone3 && getenv("CTLFS_TREE") &&
	    ((struct clone_args *)words[0])->flags & CLONE_INTO_CGROUP)
		return clone_into(words);
	return forward(number, words);
}
