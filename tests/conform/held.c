/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The operations on descriptors that a conformance script keeps open, "f0" to "f11": over changes
 * of the file, its controller's end and its cgroup's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conform.h"
#include "ops.h"

/* "f3" is 3, and the answer begins with the file's name; -1 where nothing is open there. */
static int held_number(struct driver *driver, const char *word)
{
	int number = word[0] == 'f' ? atoi(word + 1) : -1;

	if (number < 0 || number >= HELD || driver->held[number] < 0) {
		say(&driver->answer, "not open");
		return -1;
	}
	say_name(&driver->answer, driver->held_name[number]);
	say(&driver->answer, ": ");
	return number;
}

static int open_flags(const char *word)
{
	int flags = O_CLOEXEC;

	if (strchr(word, 'd'))
		return flags | O_RDONLY | O_DIRECTORY;
	if (strchr(word, 't'))
		flags |= O_TRUNC;
	if (strchr(word, 'a'))
		flags |= O_APPEND;
	if (strchr(word, 'r'))
		return flags | (strchr(word, 'w') ? O_RDWR : O_RDONLY);
	return flags | O_WRONLY;
}

/* open fN PATH FLAGS: of r, w, t, a, d. */
void op_open(struct driver *driver, char **words)
{
	int number = atoi(words[1] + 1);

	if (number < 0 || number >= HELD) {
		say(&driver->answer, "no such");
		return;
	}
	if (driver->held[number] >= 0)
		close(driver->held[number]);
	driver->held[number] = open(words[2], open_flags(words[3]));
	snprintf(driver->held_name[number], sizeof(*driver->held_name), "%s",
		 last_part(words[2]));
	say_result(&driver->answer, driver->held[number] < 0 ? errno : 0);
}

void op_close(struct driver *driver, char **words)
{
	int number = held_number(driver, words[1]);

	if (number < 0)
		return;
	say_result(&driver->answer, close(driver->held[number]) ? errno : 0);
	driver->held[number] = -1;
}

void op_fwrite(struct driver *driver, char **words)
{
	int number = held_number(driver, words[1]);

	if (number >= 0)
		write_fd(driver, driver->held[number], driver->held_name[number], words[2]);
}

/* fread fN OFFSET SIZE: pread, whose snapshot is new at offset 0. */
void op_fread(struct driver *driver, char **words)
{
	int number = held_number(driver, words[1]);
	char text[8192];
	size_t size = strtoul(words[3], NULL, 10);
	off_t offset = strtol(words[2], NULL, 10);
	ssize_t done;

	if (number < 0)
		return;
	if (size > sizeof(text) - 1)
		size = sizeof(text) - 1;
	done = pread(driver->held[number], text, size, offset);
	say_result(&driver->answer, done < 0 ? errno : 0);
	if (done < 0)
		return;
	text[done] = '\0';
	/* What is at an offset, or before an end, is volatile, too. */
	if ((offset || (size_t)done == size) && is_usage(driver->held_name[number]))
		say(&driver->answer, " #");
	else
		say_content(driver, driver->held_name[number], text, done);
}

void op_fseek(struct driver *driver, char **words)
{
	int number = held_number(driver, words[1]);
	off_t at;

	if (number < 0)
		return;
	at = lseek(driver->held[number], strtol(words[2], NULL, 10), SEEK_SET);
	say_result(&driver->answer, at < 0 ? errno : 0);
}

void op_freadall(struct driver *driver, char **words)
{
	int number = held_number(driver, words[1]);

	if (number >= 0)
		read_fd(driver, driver->held[number], driver->held_name[number]);
}

/* Events are told at most every 10 ms. */
void op_fpoll(struct driver *driver, char **words)
{
	int number = held_number(driver, words[1]);
	struct pollfd pollfd = { .events = POLLPRI | POLLERR | POLLIN };

	if (number < 0)
		return;
	usleep(15000 + 4 * driver->settle_us);
	pollfd.fd = driver->held[number];
	if (poll(&pollfd, 1, 0) < 0)
		say_result(&driver->answer, errno);
	else
		say(&driver->answer, "%x", (unsigned int)pollfd.revents);
}

void op_fstat(struct driver *driver, char **words)
{
	int number = held_number(driver, words[1]);
	struct stat attr;

	if (number < 0)
		return;
	if (fstat(driver->held[number], &attr))
		say_result(&driver->answer, errno);
	else
		say_stat(driver, &attr);
}

void op_openat(struct driver *driver, char **words)
{
	int number = held_number(driver, words[1]), fd;

	if (number < 0)
		return;
	fd = openat(driver->held[number], words[2], O_RDONLY | O_CLOEXEC);
	say_result(&driver->answer, fd < 0 ? errno : 0);
	if (fd >= 0)
		close(fd);
}

void op_mkdirat(struct driver *driver, char **words)
{
	int number = held_number(driver, words[1]);

	if (number >= 0)
		say_result(&driver->answer,
			   mkdirat(driver->held[number], words[2], 0755) ? errno : 0);
}

void op_fls(struct driver *driver, char **words)
{
	int number = held_number(driver, words[1]), count, i;
	struct dirent **names;
	char path[64];

	if (number < 0)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", driver->held[number]);
	count = scandir(path, &names, NULL, by_name);
	say_result(&driver->answer, count < 0 ? errno : 0);
	for (i = 0; i < count; i++) {
		say(&driver->answer, " ");
		say_name(&driver->answer, names[i]->d_name);
		free(names[i]);
	}
	if (count >= 0)
		free(names);
}
