/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * driver ROOT SETTLE_US CONTROLLER...: runs the script on its input in a cgroup of its own below
 * ROOT, and answers each line with one line, so that the answers of two trees can be compared.
 * "episode NAME" begins a new tree, with new tasks. Writes no pid that is not its own child's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "conform.h"

static void put(const char *dir, const char *file, const char *value)
{
	char path[2048];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, value, strlen(value)) < 0 && errno == EIO)
		perror(path);
	close(fd);
}

static void close_held(struct driver *driver)
{
	int i;

	for (i = 0; i < HELD; i++) {
		if (driver->held[i] >= 0)
			close(driver->held[i]);
		driver->held[i] = -1;
	}
}

/* Each controller by itself since one may be refused. */
static void grant(const char *dir, char **controllers)
{
	char word[64];

	for (; *controllers; controllers++) {
		snprintf(word, sizeof(word), "+%s", *controllers);
		put(dir, "cgroup.subtree_control", word);
	}
}

static void thaw_tree(const char *dir, bool remove)
{
	DIR *stream = opendir(dir);
	struct dirent *entry;
	int tries;

	put(dir, "cgroup.freeze", "0");
	while (stream && (entry = readdir(stream))) {
		char path[2048];

		if (entry->d_type != DT_DIR || !strcmp(entry->d_name, ".") ||
		    !strcmp(entry->d_name, ".."))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name) < (int)sizeof(path))
			thaw_tree(path, remove);
	}
	if (stream)
		closedir(stream);
	for (tries = 0; remove && rmdir(dir) && errno == EBUSY && tries < 2000; tries++)
		usleep(1000);
}

static void end_episode(struct driver *driver)
{
	if (!driver->top[0])
		return;
	if (chdir("/"))
		exit(2);
	close_held(driver);
	thaw_tree(driver->top, false);
	actors_end(driver);
	thaw_tree(driver->top, true);
	if (!access(driver->top, F_OK)) {
		fprintf(stderr, "driver: %s cannot be removed\n", driver->top);
		exit(2);
	}
	driver->top[0] = '\0';
}

static void begin_episode(struct driver *driver, const char *name)
{
	end_episode(driver);
	snprintf(driver->top, sizeof(driver->top), "%s/%s", driver->root, name);
	umask(022);
	if (mkdir(driver->top, 0755) || chdir(driver->top)) {
		perror(driver->top);
		exit(2);
	}
	actors_init(driver);
	say(&driver->answer, "OK");
}

static int split(char *line, char *words[WORDS])
{
	char *word, *rest;
	int count = 0;

	for (word = strtok_r(line, " \n", &rest); word && count < WORDS;
	     word = strtok_r(NULL, " \n", &rest))
		words[count++] = word;
	return count;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void run_line(struct driver *driver, char *line)
{
	char *words[WORDS + 1] = { NULL };
	int count = split(line, words);
	double start = now();

	driver->answer.size = 0;
	driver->answer.text[0] = '\0';
	if (count == 2 && !strcmp(words[0], "episode"))
		begin_episode(driver, words[1]);
	else if (!driver->top[0] || !run_operation(driver, count, words))
		say(&driver->answer, "no such operation");
	puts(driver->answer.text);
	if (now() - start > 1)
		fprintf(stderr, "driver: %.1f s: %s %s %s: %.40s\n", now() - start, words[0],
			words[1] ? words[1] : "", words[2] ? words[2] : "", driver->answer.text);
}

int main(int argc, char **argv)
{
	static struct driver driver;
	static char line[1 << 16];

	if (argc < 3) {
		fprintf(stderr, "usage: driver ROOT SETTLE_US CONTROLLER... <SCRIPT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	memset(driver.held, -1, sizeof(driver.held));
	driver.settle_us = atol(argv[2]);
	snprintf(driver.root, sizeof(driver.root), "%s/conform", argv[1]);
	grant(argv[1], argv + 3);
	if (mkdir(driver.root, 0755) && errno != EEXIST) {
		perror(driver.root);
		return 2;
	}
	grant(driver.root, argv + 3);
	while (fgets(line, sizeof(line), stdin))
		run_line(&driver, line);
	end_episode(&driver);
	thaw_tree(driver.root, true);
	return 0;
}
