/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members of containers, and what is done in their name: for tests of who may do what. */
#ifndef CTLFS_TEST_GUARD_H
#define CTLFS_TEST_GUARD_H

#include "test_kernel.h"

#include <grp.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "kernel/policy.h"

#define MAPPED 100000 /* what a container's root is outside */
#define USER 1000

/* What a process is told: to change what it is. */
enum order { ORDER_USER, ORDER_CGROUP_NS, ORDER_USER_NS, ORDER_NEST };

/* A process that waits for orders. */
struct member {
	struct caller who;
	int orders, done;
};

/* A child in a pid namespace of its own. */
static inline int nest_child(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0) {
		pause();
		_exit(0);
	}
	return pid;
}

static inline void follow(enum order order)
{
	bool failed;

	if (order == ORDER_NEST)
		failed = nest_child() < 0;
	else if (order == ORDER_USER)
		failed = setgroups(0, NULL) < 0 || setresgid(USER, USER, USER) < 0 ||
			 setresuid(USER, USER, USER) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0;
	else
		failed = unshare(order == ORDER_USER_NS ? CLONE_NEWUSER : CLONE_NEWCGROUP) < 0;
	if (order == ORDER_USER_NS)
		failed |= direct_write("/proc/self/uid_map", "0 1000 1", 8) < 0;
	if (failed)
		_exit(1);
}

static inline void serve(int orders, int done)
{
	char order;

	while (read(orders, &order, 1) == 1) {
		follow((enum order)order);
		if (write(done, "", 1) != 1)
			break;
	}
	_exit(0);
}

static inline void tell(struct member *m, enum order order)
{
	char c = (char)order;

	ck_assert_int_eq(write(m->orders, &c, 1), 1);
	ck_assert_int_eq(read(m->done, &c, 1), 1);
}

static inline void put(pid_t pid, const char *dir)
{
	char path[PATH_MAX], text[16];

	snprintf(path, sizeof path, "%s/cgroup.procs", dir);
	snprintf(text, sizeof text, "%d", pid);
	must_write(path, text);
}

static inline void map_ids(pid_t pid, const char *map)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/uid_map", pid);
	must_write(path, map);
	snprintf(path, sizeof path, "/proc/%d/gid_map", pid);
	must_write(path, map);
}

/* A process in new namespaces of these kinds, in the cgroup dir; root of its user namespace. */
static inline struct member start_member(const char *dir, int flags)
{
	struct member m = { .who = { .umask = 022 } };
	int orders[2], done[2];

	ck_assert_int_eq(pipe(orders), 0);
	ck_assert_int_eq(pipe(done), 0);
	m.who.pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
	if (m.who.pid == 0) {
		close(orders[1]);
		close(done[0]);
		serve(orders[0], done[1]);
	}
	ck_assert_int_gt(m.who.pid, 0);
	close(orders[0]);
	close(done[1]);
	m.orders = orders[1];
	m.done = done[0];
	put(m.who.pid, dir);
	if (flags & CLONE_NEWUSER) {
		map_ids(m.who.pid, "0 100000 65536");
		m.who.uid = m.who.gid = MAPPED;
	}
	return m;
}

static inline void end_member(struct member *m)
{
	close(m->orders);
	close(m->done);
	stop(m->who.pid);
}

#define CONTAINER CLONE_NEWPID

static inline int open_as(const struct caller *who, const char *path, int flags,
		   struct tree_file **ret_file)
{
	return tree->ops->open(tree, who, node_at(path), flags, ret_file);
}

static inline int open_close(const struct caller *who, const char *path, int flags)
{
	struct tree_file *file;
	int r = open_as(who, path, flags, &file);

	if (r == 0)
		file->ops->close(file);
	return r;
}

static inline int write_file(struct tree_file *file, const struct caller *who, const char *text)
{
	cleanup_free char *copy = strdup(text);

	return file->ops->write(file, who, copy, strlen(copy));
}

static inline int mkdir_as(const struct caller *who, const char *dir, const char *name)
{
	return tree->ops->mkdir(tree, who, node_at(dir), name, 0755);
}

static inline int chmod_as(const struct caller *who, const char *path, mode_t mode)
{
	struct stat st = { .st_mode = mode };

	return tree->ops->setattr(tree, who, node_at(path), &st, TREE_SET_MODE);
}

static inline int set_xattr_as(const struct caller *who, const char *path)
{
	struct tree_xattr x = { .value = "1", .size = 1 };

	return tree->ops->xattr->set(tree, who, node_at(path), "user.test", &x);
}

/* A tree with another policy: lines "FILE VERB" or "FILE <= CEILING" about one pattern. */
static inline void use_policy(const char *cgroup, const char *const (*rules)[2], size_t n)
{
	struct policy *policy;

	ck_assert_int_eq(policy_new(false, &policy), 0);
	for (size_t i = 0; i < n; i++) {
		struct rule at = { .cgroup = (char *)cgroup, .file = (char *)rules[i][0],
				   .where = "test:1" };
		bool ceiling = !strncmp(rules[i][1], "<= ", 3);

		ck_assert_msg(policy_add(policy, &at, ceiling ? NULL : rules[i][1],
					 ceiling ? rules[i][1] + 3 : NULL) == 0, "%s", why_take());
	}
	tree_destroy(tree);
	ck_assert_int_eq(kernel_new(BASE, policy, &tree), 0);
}

#endif
