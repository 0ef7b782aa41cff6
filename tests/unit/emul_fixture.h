/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An emulator over fake tasks, and shell-like words for what is done with it: paths from the root
 * without a leading slash ("a/b/cgroup.procs"), results as 0 or -errno.
 */
#ifndef TESTS_EMUL_FIXTURE_H
#define TESTS_EMUL_FIXTURE_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/emul.h"
#include "ctlfs/tree.h"
#include "ctlfs/why.h"
#include "fake_tasks.h"

#define CHANGES_MAX 4096

/* One emulator at a time. */
static struct fake *fake;
static struct tree *tree;
static uint64_t changes[CHANGES_MAX]; /* nodes told of since the last changes_forget() */
static unsigned n_changes;
static unsigned machine_cpus; /* of the next machine; 0: as fake_new() has it */

static inline void on_change(void *data, uint64_t node)
{
	(void)data;
	ck_assert_uint_lt(n_changes, CHANGES_MAX);
	changes[n_changes++] = node;
}

static inline void emul_setup_config(struct emul_config config)
{
	fake = fake_new();
	if (machine_cpus)
		fake->n_cpus = machine_cpus;
	config.tasks = &fake->tasks;
	ck_assert_int_eq(emul_new(&config, &tree), 0);
	tree->changed = on_change;
	n_changes = 0;
}

static inline void emul_setup_with(bool spread)
{
	emul_setup_config((struct emul_config){ .spread = spread });
}

static inline void emul_setup(void)
{
	emul_setup_with(false);
}

static inline void emul_teardown(void)
{
	tree_destroy(tree);
	tasks_free(&fake->tasks);
	tree = NULL;
	fake = NULL;
}

/* A file of tests/golden. */
static inline FILE *open_recording(const char *name)
{
	cleanup_buf struct buf path = { 0 };
	const char *slash = strrchr(__FILE__, '/');
	FILE *file;

	buf_add(&path, __FILE__, slash ? (size_t)(slash + 1 - __FILE__) : 0);
	buf_addf(&path, "../golden/%s", name);
	file = fopen(buf_text(&path), "re");
	ck_assert_msg(file, "%s: %m (to be run from the top of the sources)", buf_text(&path));
	return file;
}

/* --- nodes --- */

/* 0 if there is none. */
static inline uint64_t node_at(const char *path)
{
	uint64_t node;

	return tree_walk(tree, path, &node) == 0 ? node : 0;
}

/* Splits "a/b/c" into the node of "a/b" and "c". */
static inline int parent_of(const char *path, uint64_t *ret_dir, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *dir = slash ? strndup(path, (size_t)(slash - path)) : strdup("");

	*ret_name = slash ? slash + 1 : path;
	return tree_walk(tree, dir, ret_dir);
}

static inline int do_mkdir_as(const struct caller *who, const char *path, mode_t mode)
{
	const char *name;
	uint64_t dir;
	int r = parent_of(path, &dir, &name);

	return r < 0 ? r : tree->ops->mkdir(tree, who, dir, name, mode);
}

static inline int do_mkdir(const char *path)
{
	return do_mkdir_as(&TREE_SELF, path, 0755);
}

static inline int do_rmdir(const char *path)
{
	const char *name;
	uint64_t dir;
	int r = parent_of(path, &dir, &name);

	return r < 0 ? r : tree->ops->rmdir(tree, &TREE_SELF, dir, name);
}

/* Makes each of a NULL-terminated list. */
#define make_dirs(...)                                             \
	do {                                                       \
		const char *const paths_[] = { __VA_ARGS__ };      \
		for (size_t i_ = 0; i_ < ARRAY_SIZE(paths_); i_++) \
			ck_assert_int_eq(do_mkdir(paths_[i_]), 0); \
	} while (0)

static inline struct stat stat_of(const char *path)
{
	struct stat st;

	ck_assert_msg(node_at(path), "no %s", path);
	ck_assert_int_eq(tree->ops->stat(tree, node_at(path), NULL, &st), 0);
	return st;
}

/* --- files --- */

static inline int open_as(const struct caller *who, const char *path, struct tree_file **ret_file)
{
	uint64_t node;
	int r = tree_walk(tree, path, &node);

	return r < 0 ? r : tree->ops->open(tree, who, node, O_RDWR, ret_file);
}

static inline struct tree_file *open_file(const char *path)
{
	struct tree_file *file = NULL;

	ck_assert_msg(open_as(&TREE_SELF, path, &file) == 0, "cannot open %s", path);
	return file;
}

static inline int write_file_as(struct tree_file *file, const struct caller *who, const char *text)
{
	cleanup_free char *copy = strdup(text);

	return file->ops->write(file, who, copy, strlen(copy));
}

static inline int read_file_as(struct tree_file *file, const struct caller *who, struct buf *out)
{
	buf_reset(out);
	return file->ops->read(file, who, out);
}

/* Opened by one, written by another. */
static inline int write_as(const struct caller *opener, const struct caller *writer,
			   const char *path, const char *text)
{
	struct tree_file *file;
	int r = open_as(opener, path, &file);

	if (r < 0)
		return r;
	r = write_file_as(file, writer, text);
	file->ops->close(file);
	return r;
}

static inline int do_write(const char *path, const char *text)
{
	return write_as(&TREE_SELF, &TREE_SELF, path, text);
}

static inline int write_pid(const char *path, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof text, "%d", (int)pid);
	return do_write(path, text);
}

static inline int do_read(const char *path, struct buf *out)
{
	struct tree_file *file;
	int r = open_as(&TREE_SELF, path, &file);

	if (r < 0)
		return r;
	r = read_file_as(file, &TREE_SELF, out);
	file->ops->close(file);
	return r;
}

static inline void assert_read(const char *path, const char *expected)
{
	cleanup_buf struct buf text = { 0 };
	int r = do_read(path, &text);

	ck_assert_msg(r == 0, "reading %s: %s", path, strerror(-r));
	ck_assert_msg(!strcmp(buf_text(&text), expected), "%s holds \"%s\", not \"%s\"", path,
		      buf_text(&text), expected);
}

/* Refused with errnum, and said why. */
static inline void assert_refused(int r, int errnum)
{
	const char *why = why_take();

	ck_assert_int_eq(r, -errnum);
	ck_assert_str_ne(why, "");
}

/* --- members --- */

static inline void assert_procs(const char *path, const pid_t *pids, size_t n)
{
	cleanup_buf struct buf expected = { 0 };

	for (size_t i = 0; i < n; i++)
		buf_addf(&expected, "%d\n", (int)pids[i]);
	assert_read(path, buf_text(&expected));
}

#define PROCS(path, ...)                                                  \
	do {                                                              \
		const pid_t pids_[] = { __VA_ARGS__ };                    \
		assert_procs(path "/cgroup.procs", pids_, ARRAY_SIZE(pids_)); \
	} while (0)
#define THREADS(path, ...)                                                  \
	do {                                                                \
		const pid_t pids_[] = { __VA_ARGS__ };                      \
		assert_procs(path "/cgroup.threads", pids_, ARRAY_SIZE(pids_)); \
	} while (0)
#define NONE(path) assert_read(path "/cgroup.procs", "")

static inline void move(const char *dir, pid_t pid)
{
	char path[64];

	snprintf(path, sizeof path, "%s/cgroup.procs", dir);
	ck_assert_int_eq(write_pid(path, pid), 0);
}

static inline pid_t spawn_in(const char *dir)
{
	pid_t pid = fake_spawn(fake);

	move(dir, pid);
	return pid;
}

/* --- what was told --- */

/* Later: a file that has just told of a change is free to tell again. */
static inline void changes_forget(void)
{
	fake->now += 10000000;
	emul_run_due(tree);
	n_changes = 0;
}

static inline unsigned changes_of(const char *path)
{
	uint64_t node = node_at(path);
	unsigned n = 0;

	for (unsigned i = 0; i < n_changes; i++)
		n += changes[i] == node;
	return n;
}

#endif
