/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tests of the kernel backend share: a hierarchy of their own below /sys/fs/cgroup, and
 * what the kernel itself says about it. They change cgroups, so only the VM tier runs them.
 */
#ifndef CTLFS_TEST_KERNEL_H
#define CTLFS_TEST_KERNEL_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/kernel.h"
#include "ctlfs/pidns.h"
#include "ctlfs/why.h"
#include "kernel/internal.h"
#include "suite.h"

#define MOUNT "/sys/fs/cgroup"
#define BASE MOUNT "/ctlfs-unit" /* the tree's root */
#define OTHER MOUNT "/ctlfs-other" /* outside */

static struct tree *tree;

/* Writes text to a real file: 0 or -errno. */
static inline int direct_write(const char *path, const char *text, size_t len)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, len) < 0 ? -errno : 0;
}

static inline void must_write(const char *path, const char *text)
{
	int r = direct_write(path, text, strlen(text));

	ck_assert_msg(r == 0, "%s: %s: %s", path, text, strerrordesc_np(-r));
}

/* The text of a real file, to be freed; NULL if it cannot be read. */
static inline char *direct_read(const char *path)
{
	struct buf text = { 0 };

	if (buf_readat(&text, AT_FDCWD, path, 1u << 20) < 0) {
		buf_free(&text);
		return NULL;
	}
	return text.data ? text.data : strdup("");
}

static inline void must_contain(const char *path, const char *expected)
{
	cleanup_free char *text = direct_read(path);

	ck_assert_ptr_nonnull(text);
	ck_assert_str_eq(text, expected);
}

static inline uint64_t direct_ino(const char *path)
{
	struct stat st;

	ck_assert_msg(stat(path, &st) == 0, "%s: %s", path, strerrordesc_np(errno));
	return st.st_ino;
}

/* A process that waits in cgroup dir (a real path, or NULL) until it is killed. */
static inline pid_t start_in(const char *dir)
{
	char path[PATH_MAX], pid_text[16];
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	if (dir) {
		snprintf(path, sizeof path, "%s/cgroup.procs", dir);
		snprintf(pid_text, sizeof pid_text, "%d", pid);
		must_write(path, pid_text);
	}
	return pid;
}

static inline void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Removes a directory with all below it; processes are killed and may take a while to go. */
static inline void remove_tree(const char *path)
{
	char sub[PATH_MAX];
	DIR *d = opendir(path);
	const struct dirent *e;

	if (!d)
		return;
	snprintf(sub, sizeof sub, "%s/cgroup.kill", path);
	direct_write(sub, "1", 1);
	while ((e = readdir(d))) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		snprintf(sub, sizeof sub, "%s/%s", path, e->d_name);
		remove_tree(sub);
	}
	closedir(d);
	for (int tries = 0; rmdir(path) < 0 && errno == EBUSY && tries < 6000; tries++)
		usleep(10000);
}

/* Mounts made by a test are its own. */
static inline void setup(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	remove_tree(BASE);
	remove_tree(OTHER);
	must_write(MOUNT "/cgroup.subtree_control", "+cpu +memory +pids +cpuset");
	ck_assert_int_eq(mkdir(BASE, 0755), 0);
	ck_assert_int_eq(mkdir(OTHER, 0755), 0);
	must_write(BASE "/cgroup.subtree_control", "+cpu +memory +pids +cpuset");
	ck_assert_int_eq(mkdir(BASE "/a", 0755), 0);
	ck_assert_int_eq(mkdir(BASE "/b", 0755), 0);
	ck_assert_int_eq(kernel_new(BASE, NULL, &tree), 0);
}

static inline void teardown(void)
{
	tree_destroy(tree);
	remove_tree(BASE);
	remove_tree(OTHER);
}

/* Without open_by_handle_at, as for a daemon without privilege. */
static inline void forbid_handles(bool forbidden)
{
	ck_assert(kernel_of(tree)->handles);
	if (forbidden)
		kernel_of(tree)->handles = false;
}

static inline uint64_t node_at(const char *path)
{
	uint64_t node = 0;
	int r = tree_walk(tree, path, &node);

	ck_assert_msg(r == 0, "%s: %s", path, strerrordesc_np(-r));
	return node;
}

/* Opens path (from the tree's root) for who, writes text, and closes: 0 or -errno. */
static inline int write_as(const struct caller *who, const char *path, const char *text)
{
	cleanup_free char *copy = strdup(text);
	struct tree_file *file;
	uint64_t node;
	int r = tree_walk(tree, path, &node);

	if (r == 0)
		r = tree->ops->open(tree, who, node, O_WRONLY, &file);
	if (r < 0)
		return r;
	r = file->ops->write(file, who, copy, strlen(copy));
	file->ops->close(file);
	return r;
}

static inline int run_suite(const char *name, void (*fill)(TCase *tc))
{
	TCase *tc = tcase_create(name);
	Suite *s = suite_create(name);

	if (!getenv("CTLFS_IN_VM")) {
		printf("%s: changes cgroups, so it runs in the VM tier only\n0 passed, 0 failed\n",
		       name);
		return 0;
	}
	tcase_set_timeout(tc, 600);
	tcase_add_checked_fixture(tc, setup, teardown);
	fill(tc);
	suite_add_tcase(s, tc);
	return suite_run(s);
}

#endif
