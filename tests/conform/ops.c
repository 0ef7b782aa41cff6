/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The operations of a conformance script, each a row of the table at the end: a word, the number
 * of words after it, and what it does. Each says in one line what came of it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "conform.h"
#include "ops.h"

#define USER 65534
#define PID_LIMIT 4194304

const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_members(const char *path)
{
	const char *name = last_part(path);

	return !strcmp(name, "cgroup.procs") || !strcmp(name, "cgroup.threads");
}

/* Only members are ever moved out of the tree; nothing else leads out of it. */
static bool is_inside(const char *path)
{
	return path[0] != '/' && (!strstr(path, "..") || !strcmp(path, "../cgroup.procs"));
}

/* A number that was not made from an actor's name could be anybody's pid. */
static bool names_stranger(const char *path, const char *word, const char *value)
{
	char *end;
	long long pid;

	if (!is_members(path) || strchr(word, '{'))
		return false;
	pid = strtoll(value, &end, 0);
	return end != value && pid >= 0 && pid < PID_LIMIT;
}

/* After what sets tasks in motion the answer of the next operation depends on them. */
static void settle_after(struct driver *driver, const char *path)
{
	const char *name = last_part(path);

	if (is_members(path) || !strcmp(name, "cgroup.freeze") || !strcmp(name, "cgroup.kill"))
		actors_settle(driver);
}

void write_fd(struct driver *driver, int fd, const char *path, const char *word)
{
	char value[VALUE_MAX];
	ssize_t size = unescape(driver, word, value), done;

	if (size < 0) {
		say(&driver->answer, "no actor");
		return;
	}
	if (names_stranger(path, word, value)) {
		say(&driver->answer, "not allowed");
		return;
	}
	done = write(fd, value, size);
	say_result(&driver->answer, done < 0 ? errno : 0);
	if (done >= 0 && done != size)
		say(&driver->answer, " %zd", done);
	if (done > 0)
		settle_after(driver, path);
}

static void op_write(struct driver *driver, char **words)
{
	int fd = open(words[1], O_WRONLY | O_CLOEXEC);

	if (fd < 0) {
		say(&driver->answer, "open ");
		say_result(&driver->answer, errno);
		return;
	}
	write_fd(driver, fd, words[1], words[2]);
	close(fd);
}

/* The whole text from an offset on. */
void read_fd(struct driver *driver, int fd, const char *path)
{
	static char text[1 << 16];
	size_t size = 0;
	ssize_t done = 0;

	while (size < sizeof(text) - 1) {
		done = read(fd, text + size, sizeof(text) - 1 - size);
		if (done <= 0)
			break;
		size += done;
	}
	text[size] = '\0';
	say_result(&driver->answer, done < 0 ? errno : 0);
	say_content(driver, last_part(path), text, size);
}

static void read_path(struct driver *driver, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		say(&driver->answer, "open ");
		say_result(&driver->answer, errno);
		return;
	}
	read_fd(driver, fd, path);
	close(fd);
}

/* A controller that was turned off is counted in cgroup.stat until a grace period has passed. */
static void wait_for_offline(const struct driver *driver)
{
	usleep(20000 + 5 * driver->settle_us);
}

static void op_read(struct driver *driver, char **words)
{
	if (!strcmp(last_part(words[1]), "cgroup.stat"))
		wait_for_offline(driver);
	read_path(driver, words[1]);
}

void say_stat(struct driver *driver, const struct stat *attr)
{
	say(&driver->answer, "%06o %lu %u %u %ld %ld %ld", attr->st_mode,
	    (unsigned long)attr->st_nlink, attr->st_uid, attr->st_gid, (long)attr->st_size,
	    (long)attr->st_blocks, (long)attr->st_blksize);
}

static void op_stat(struct driver *driver, char **words)
{
	struct stat attr;

	if (lstat(words[1], &attr))
		say_result(&driver->answer, errno);
	else
		say_stat(driver, &attr);
}

int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void op_ls(struct driver *driver, char **words)
{
	struct dirent **names;
	int count = scandir(words[1], &names, NULL, by_name), i;

	if (count < 0) {
		say_result(&driver->answer, errno);
		return;
	}
	for (i = 0; i < count; i++) {
		say(&driver->answer, "%s", i ? " " : "");
		say_name(&driver->answer, names[i]->d_name);
		say(&driver->answer, "%s", names[i]->d_type == DT_DIR ? "/" : "");
		free(names[i]);
	}
	free(names);
}

/* A whole tree is many files, and in the VM each takes its time: what was set, and its effects. */
static bool is_telling(const char *name, const struct stat *attr)
{
	if (tells_usage(name))
		return false;
	return attr->st_mode & 0222 || !strncmp(name, "cgroup.", 7) || strstr(name, "effective") ||
	       strstr(name, "events") || !strcmp(name, "pids.current");
}

/* Every file of a directory: its attributes and its text; deep: of those below, too. */
static void dump(struct driver *driver, const char *dir, bool deep)
{
	struct dirent **names;
	int count = scandir(dir, &names, NULL, by_name), i;

	if (count < 0) {
		say_result(&driver->answer, errno);
		return;
	}
	for (i = 0; i < count; i++) {
		const char *name = names[i]->d_name;
		char path[1024];
		struct stat attr;

		snprintf(path, sizeof(path), "%s/%s", dir, name);
		if (!strcmp(name, ".") || !strcmp(name, "..") || lstat(path, &attr)) {
			free(names[i]);
			continue;
		}
		say_name(&driver->answer, path);
		say(&driver->answer, " ");
		say_stat(driver, &attr);
		say(&driver->answer, " ");
		if (!S_ISDIR(attr.st_mode) && (!deep || is_telling(name, &attr)))
			read_path(driver, path);
		say(&driver->answer, "|");
		if (S_ISDIR(attr.st_mode) && deep)
			dump(driver, path, deep);
		free(names[i]);
	}
	free(names);
}

static void op_dump(struct driver *driver, char **words)
{
	wait_for_offline(driver);
	dump(driver, words[1], false);
}

static void op_dump_all(struct driver *driver, char **words)
{
	(void)words;
	wait_for_offline(driver);
	dump(driver, ".", true);
}

static void op_mkdir(struct driver *driver, char **words)
{
	char name[VALUE_MAX];

	if (unescape(driver, words[1], name) < 0)
		say(&driver->answer, "no actor");
	else
		say_result(&driver->answer, mkdir(name, strtol(words[2], NULL, 8)) ? errno : 0);
}

static void op_rmdir(struct driver *driver, char **words)
{
	say_result(&driver->answer, rmdir(words[1]) ? errno : 0);
}

static void op_unlink(struct driver *driver, char **words)
{
	say_result(&driver->answer, unlink(words[1]) ? errno : 0);
}

static void op_rename(struct driver *driver, char **words)
{
	say_result(&driver->answer, rename(words[1], words[2]) ? errno : 0);
}

static void op_link(struct driver *driver, char **words)
{
	say_result(&driver->answer, link(words[1], words[2]) ? errno : 0);
}

static void op_symlink(struct driver *driver, char **words)
{
	say_result(&driver->answer, symlink("x", words[1]) ? errno : 0);
}

static void op_mkfifo(struct driver *driver, char **words)
{
	say_result(&driver->answer, mkfifo(words[1], 0600) ? errno : 0);
}

static void op_create(struct driver *driver, char **words)
{
	int fd = open(words[1], O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	say_result(&driver->answer, fd < 0 ? errno : 0);
	if (fd >= 0)
		close(fd);
}

static void op_truncate(struct driver *driver, char **words)
{
	say_result(&driver->answer,
		   truncate(words[1], strtol(words[2], NULL, 10)) ? errno : 0);
}

static void op_chmod(struct driver *driver, char **words)
{
	say_result(&driver->answer, chmod(words[1], strtol(words[2], NULL, 8)) ? errno : 0);
}

static void op_chown(struct driver *driver, char **words)
{
	uid_t uid = strtol(words[2], NULL, 10);
	gid_t gid = strtol(words[3], NULL, 10);

	say_result(&driver->answer, lchown(words[1], uid, gid) ? errno : 0);
}

static void op_access(struct driver *driver, char **words)
{
	say_result(&driver->answer,
		   faccessat(AT_FDCWD, words[1], atoi(words[2]), AT_EACCESS) ? errno : 0);
}

static void op_setxattr(struct driver *driver, char **words)
{
	char value[VALUE_MAX];
	ssize_t size = unescape(driver, words[3], value);

	if (size < 0)
		say(&driver->answer, "no actor");
	else
		say_result(&driver->answer, lsetxattr(words[1], words[2], value, size,
						      atoi(words[4])) ? errno : 0);
}

static void op_getxattr(struct driver *driver, char **words)
{
	char value[VALUE_MAX];
	ssize_t size = lgetxattr(words[1], words[2], value, sizeof(value));

	say_result(&driver->answer, size < 0 ? errno : 0);
	if (size > 0) {
		say(&driver->answer, " ");
		say_escaped(&driver->answer, value, size);
	}
}

static void op_removexattr(struct driver *driver, char **words)
{
	say_result(&driver->answer, lremovexattr(words[1], words[2]) ? errno : 0);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void op_listxattr(struct driver *driver, char **words)
{
	char text[8192], *names[256], *at;
	ssize_t size = llistxattr(words[1], text, sizeof(text));
	int count = 0, i;

	say_result(&driver->answer, size < 0 ? errno : 0);
	for (at = text; size > 0 && at < text + size && count < 256; at += strlen(at) + 1)
		names[count++] = at;
	qsort(names, count, sizeof(*names), by_text);
	for (i = 0; i < count; i++)
		say(&driver->answer, " %s", names[i]);
}

/* --- tasks --- */

static void with_actor(struct driver *driver, char **words, char what)
{
	int number = actor_number(words[1]);
	int other = what == 'f' || what == 't' ? actor_number(words[2]) : number;

	if (number < 0 || other < 0)
		say(&driver->answer, "no such");
	else
		actor_order(driver, number, what, other);
}

static void op_spawn(struct driver *driver, char **words)
{
	int number = actor_number(words[1]);

	if (number < 0)
		say(&driver->answer, "no such");
	else
		actor_spawn(driver, number);
}

static void op_fork(struct driver *driver, char **words)
{
	with_actor(driver, words, 'f');
}

static void op_thread(struct driver *driver, char **words)
{
	with_actor(driver, words, 't');
}

static void op_texit(struct driver *driver, char **words)
{
	with_actor(driver, words, 'x');
	actors_settle(driver);
}

static void op_exit(struct driver *driver, char **words)
{
	with_actor(driver, words, 'X');
	actors_settle(driver);
}

static void op_self(struct driver *driver, char **words)
{
	int number = actor_number(words[1]);
	char path[2100];

	if (number < 0 || !is_members(words[2])) {
		say(&driver->answer, "no such");
		return;
	}
	snprintf(path, sizeof(path), "%s/%s", driver->top, words[2]);
	actor_move_self(driver, number, path);
	actors_settle(driver);
}

static void op_signal(struct driver *driver, char **words)
{
	int number = actor_number(words[1]);

	if (number < 0)
		say(&driver->answer, "no such");
	else
		actor_signal(driver, number, atoi(words[2]));
	actors_settle(driver);
}

static void op_reap(struct driver *driver, char **words)
{
	int number = actor_number(words[1]);

	if (number < 0)
		say(&driver->answer, "no such");
	else
		actor_reap(driver, number);
}

/* path: which of the words is a path, that must not lead out of the tree; 0: none. */
static const struct {
	const char *word;
	int count;
	int path;
	void (*run)(struct driver *driver, char **words);
} operations[] = {
	{ "mkdir", 2, 1, op_mkdir },
	{ "rmdir", 1, 1, op_rmdir },
	{ "write", 2, 1, op_write },
	{ "read", 1, 1, op_read },
	{ "stat", 1, 1, op_stat },
	{ "ls", 1, 1, op_ls },
	{ "dump", 1, 1, op_dump },
	{ "dumpall", 0, 0, op_dump_all },
	{ "unlink", 1, 1, op_unlink },
	{ "rename", 2, 1, op_rename },
	{ "link", 2, 1, op_link },
	{ "symlink", 1, 1, op_symlink },
	{ "mkfifo", 1, 1, op_mkfifo },
	{ "create", 1, 1, op_create },
	{ "truncate", 2, 1, op_truncate },
	{ "chmod", 2, 1, op_chmod },
	{ "chown", 3, 1, op_chown },
	{ "access", 2, 1, op_access },
	{ "setxattr", 4, 1, op_setxattr },
	{ "getxattr", 2, 1, op_getxattr },
	{ "listxattr", 1, 1, op_listxattr },
	{ "removexattr", 2, 1, op_removexattr },
	{ "open", 3, 2, op_open },
	{ "close", 1, 0, op_close },
	{ "fwrite", 2, 0, op_fwrite },
	{ "fread", 3, 0, op_fread },
	{ "freadall", 1, 0, op_freadall },
	{ "fseek", 2, 0, op_fseek },
	{ "fpoll", 1, 0, op_fpoll },
	{ "fstat", 1, 0, op_fstat },
	{ "openat", 2, 2, op_openat },
	{ "mkdirat", 2, 2, op_mkdirat },
	{ "fls", 1, 0, op_fls },
	{ "spawn", 1, 0, op_spawn },
	{ "fork", 2, 0, op_fork },
	{ "thread", 2, 0, op_thread },
	{ "texit", 1, 0, op_texit },
	{ "exit", 1, 0, op_exit },
	{ "self", 2, 2, op_self },
	{ "signal", 2, 0, op_signal },
	{ "reap", 1, 0, op_reap },
};

struct users_operation {
	struct driver *driver;
	size_t row;
	char **words;
};

/* setfsuid() alone would leave capabilities that an ordinary user does not have. */
static void *as_user(void *data)
{
	struct users_operation *o = data;
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	setfsgid(USER);
	setfsuid(USER);
	if (syscall(SYS_capset, &head, none))
		say(&o->driver->answer, "capset failed ");
	operations[o->row].run(o->driver, o->words);
	return NULL;
}

/* In a thread, since what it gives up does not come back. */
static void run_as_user(struct driver *driver, size_t row, char **words)
{
	struct users_operation o = { driver, row, words };
	pthread_t thread;

	if (pthread_create(&thread, NULL, as_user, &o)) {
		say(&driver->answer, "no thread");
		return;
	}
	pthread_join(thread, NULL);
}

bool run_operation(struct driver *driver, int count, char **words)
{
	bool user = count > 0 && !strcmp(words[0], "user");
	size_t i;

	words += user;
	count -= user;
	for (i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
		if (count != operations[i].count + 1 || strcmp(words[0], operations[i].word))
			continue;
		if (operations[i].path && !is_inside(words[operations[i].path]))
			say(&driver->answer, "not allowed");
		else if (user)
			run_as_user(driver, i, words);
		else
			operations[i].run(driver, words);
		return true;
	}
	return false;
}
