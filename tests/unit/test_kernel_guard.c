/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attacks on the kernel backend: what a container does to reach out of its cgroup, or above its
 * ceilings, through the daemon. Containers a and b are cgroups with processes of their own. */
#include "test_kernel.h"

#include <grp.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "ctlfs/userns.h"
#include "kernel/policy.h"

#define MAPPED 100000 /* what a container's root is outside */
#define USER 1000

/* What a process is told: to change what it is. */
enum order { ORDER_USER, ORDER_CGROUP_NS, ORDER_USER_NS };

/* A process that waits for orders. */
struct member {
	struct caller who;
	int orders, done;
};

static void follow(enum order order)
{
	bool failed;

	if (order == ORDER_USER)
		failed = setgroups(0, NULL) < 0 || setresgid(USER, USER, USER) < 0 ||
			 setresuid(USER, USER, USER) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0;
	else
		failed = unshare(order == ORDER_USER_NS ? CLONE_NEWUSER : CLONE_NEWCGROUP) < 0;
	if (order == ORDER_USER_NS)
		failed |= direct_write("/proc/self/uid_map", "0 1000 1", 8) < 0;
	if (failed)
		_exit(1);
}

static void serve(int orders, int done)
{
	char order;

	while (read(orders, &order, 1) == 1) {
		follow((enum order)order);
		if (write(done, "", 1) != 1)
			break;
	}
	_exit(0);
}

static void tell(struct member *m, enum order order)
{
	char c = (char)order;

	ck_assert_int_eq(write(m->orders, &c, 1), 1);
	ck_assert_int_eq(read(m->done, &c, 1), 1);
}

static void put(pid_t pid, const char *dir)
{
	char path[PATH_MAX], text[16];

	snprintf(path, sizeof path, "%s/cgroup.procs", dir);
	snprintf(text, sizeof text, "%d", pid);
	must_write(path, text);
}

static void map_ids(pid_t pid, const char *map)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/uid_map", pid);
	must_write(path, map);
	snprintf(path, sizeof path, "/proc/%d/gid_map", pid);
	must_write(path, map);
}

/* A process in new namespaces of these kinds, in the cgroup dir; root of its user namespace. */
static struct member start_member(const char *dir, int flags)
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

static void end_member(struct member *m)
{
	close(m->orders);
	close(m->done);
	stop(m->who.pid);
}

#define CONTAINER CLONE_NEWPID

static int open_as(const struct caller *who, const char *path, int flags,
		   struct tree_file **ret_file)
{
	return tree->ops->open(tree, who, node_at(path), flags, ret_file);
}

static int open_close(const struct caller *who, const char *path, int flags)
{
	struct tree_file *file;
	int r = open_as(who, path, flags, &file);

	if (r == 0)
		file->ops->close(file);
	return r;
}

static int write_file(struct tree_file *file, const struct caller *who, const char *text)
{
	cleanup_free char *copy = strdup(text);

	return file->ops->write(file, who, copy, strlen(copy));
}

static int mkdir_as(const struct caller *who, const char *dir, const char *name)
{
	return tree->ops->mkdir(tree, who, node_at(dir), name, 0755);
}

static int chmod_as(const struct caller *who, const char *path, mode_t mode)
{
	struct stat st = { .st_mode = mode };

	return tree->ops->setattr(tree, who, node_at(path), &st, TREE_SET_MODE);
}

static int set_xattr_as(const struct caller *who, const char *path)
{
	struct tree_xattr x = { .value = "1", .size = 1 };

	return tree->ops->xattr->set(tree, who, node_at(path), "user.test", &x);
}

/* A tree with another policy: lines "FILE VERB" or "FILE <= CEILING" about one pattern. */
static void use_policy(const char *cgroup, const char *const (*rules)[2], size_t n)
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

START_TEST(other_container)
{
	struct member a = start_member(BASE "/a", CONTAINER), b = start_member(BASE "/b", CONTAINER);

	ck_assert_int_eq(mkdir_as(&b.who, "b", "x"), 0);
	ck_assert_int_eq(write_as(&b.who, "b/x/cgroup.max.depth", "1"), 0);
	ck_assert_int_eq(write_as(&a.who, "b/x/cgroup.max.depth", "2"), -EACCES);
	ck_assert_ptr_nonnull(strstr(why_take(), "outside the caller's container"));
	ck_assert_int_eq(write_as(&a.who, "b/memory.max", "1M"), -EACCES);
	ck_assert_int_eq(open_close(&a.who, "b/memory.max", O_RDONLY), -EACCES);
	ck_assert_int_eq(open_close(&a.who, "cgroup.procs", O_RDONLY), -EACCES);
	ck_assert_int_eq(mkdir_as(&a.who, "b", "y"), -EACCES);
	ck_assert_int_eq(mkdir_as(&a.who, "", "y"), -EACCES);
	ck_assert_int_eq(tree->ops->rmdir(tree, &a.who, node_at("b"), "x"), -EACCES);
	ck_assert_int_eq(tree->ops->rmdir(tree, &a.who, TREE_ROOT, "a"), -EACCES);
	ck_assert_int_eq(chmod_as(&a.who, "b/x", 0777), -EACCES);
	ck_assert_int_eq(chmod_as(&a.who, "b/x/cgroup.procs", 0666), -EACCES);
	ck_assert_int_eq(chmod_as(&a.who, "", 0777), -EACCES);
	ck_assert_int_eq(set_xattr_as(&a.who, "b/x"), -EACCES);
	ck_assert_int_eq(tree->ops->look(tree, &a.who, node_at("b")), -EACCES);
	ck_assert_int_eq(tree->ops->look(tree, &a.who, TREE_ROOT), -EACCES);
	must_contain(BASE "/b/x/cgroup.max.depth", "1\n");
	/* At home all of it goes. */
	ck_assert_int_eq(tree->ops->look(tree, &a.who, node_at("a")), 0);
	ck_assert_int_eq(open_close(&a.who, "a/memory.max", O_RDONLY), 0);
	ck_assert_int_eq(mkdir_as(&a.who, "a", "x"), 0);
	ck_assert_int_eq(write_as(&a.who, "a/x/cgroup.max.depth", "2"), 0);
	ck_assert_int_eq(chmod_as(&a.who, "a/x", 0700), 0);
	ck_assert_int_eq(set_xattr_as(&a.who, "a/x"), 0);
	ck_assert_int_eq(tree->ops->rmdir(tree, &a.who, node_at("a"), "x"), 0);
	end_member(&a);
	end_member(&b);
}
END_TEST

START_TEST(passed_fd)
{
	struct member a = start_member(BASE "/a", CONTAINER), b = start_member(BASE "/b", CONTAINER);
	struct caller host = { .pid = getpid(), .umask = 022 };
	struct tree_file *file;

	ck_assert_int_eq(mkdir_as(&b.who, "b", "x"), 0);
	/* From the host, and from a container to another. */
	ck_assert_int_eq(open_as(&host, "b/x/cgroup.max.depth", O_WRONLY, &file), 0);
	ck_assert_int_eq(write_file(file, &a.who, "1"), -EACCES);
	ck_assert_int_eq(write_file(file, &b.who, "2"), 0);
	ck_assert_int_eq(write_file(file, &host, "3"), 0);
	file->ops->close(file);
	ck_assert_int_eq(open_as(&b.who, "b/x/cgroup.max.depth", O_RDWR, &file), 0);
	ck_assert_int_eq(write_file(file, &a.who, "4"), -EACCES);
	ck_assert_int_eq(write_file(file, &host, "5"), 0);
	file->ops->close(file);
	must_contain(BASE "/b/x/cgroup.max.depth", "5\n");
	/* The top's own limits stay the host's: with his file, and with one that he passed to him. */
	ck_assert_int_eq(open_as(&host, "b/memory.max", O_WRONLY, &file), 0);
	ck_assert_int_eq(write_file(file, &b.who, "1G"), -EPERM);
	file->ops->close(file);
	ck_assert_int_eq(open_as(&b.who, "b/memory.max", O_WRONLY, &file), 0);
	ck_assert_int_eq(write_file(file, &host, "1G"), -EPERM);
	file->ops->close(file);
	end_member(&a);
	end_member(&b);
}
END_TEST

/* Between open and write. */
START_TEST(changed_namespace)
{
	struct member m = start_member(BASE "/a", 0);
	struct tree_file *file;

	ck_assert_int_eq(open_as(&m.who, "b/cgroup.max.depth", O_WRONLY, &file), 0);
	ck_assert_int_eq(write_file(file, &m.who, "1"), 0);
	tell(&m, ORDER_CGROUP_NS);
	ck_assert_int_eq(write_file(file, &m.who, "2"), -EACCES);
	must_contain(BASE "/b/cgroup.max.depth", "1\n");
	file->ops->close(file);
	end_member(&m);
}
END_TEST

START_TEST(changed_uid)
{
	static const char *const rules[][2] = { { "memory.max", "<= 2G" } };
	struct member a = start_member(BASE "/a", CONTAINER);
	struct tree_file *file;

	use_policy("/ctlfs-unit/*", rules, 1);
	ck_assert_int_eq(open_as(&a.who, "a/memory.max", O_WRONLY, &file), 0);
	ck_assert_int_eq(write_file(file, &a.who, "1G"), 0);
	must_contain(BASE "/a/memory.max", "1073741824\n");
	tell(&a, ORDER_USER);
	a.who.uid = a.who.gid = USER;
	ck_assert_int_eq(write_file(file, &a.who, "2G"), -EPERM);
	ck_assert_ptr_nonnull(strstr(why_take(), "only root of the container"));
	ck_assert_int_eq(open_close(&a.who, "a/memory.max", O_WRONLY), -EACCES);
	must_contain(BASE "/a/memory.max", "1073741824\n");
	file->ops->close(file);
	end_member(&a);
}
END_TEST

/* Who shares the host's pids but has a cgroup namespace is kept in that. */
START_TEST(cgroup_namespace)
{
	struct member m = start_member(BASE "/a", 0);

	ck_assert_int_eq(mkdir(BASE "/a/x", 0755), 0);
	tell(&m, ORDER_CGROUP_NS);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(write_as(&m.who, "a/x/cgroup.max.depth", "1"), 0);
		ck_assert_int_eq(write_as(&m.who, "a/memory.max", "1G"), -EPERM);
		ck_assert_int_eq(write_as(&m.who, "b/memory.max", "1G"), -EACCES);
		ck_assert_int_eq(mkdir_as(&m.who, "", "y"), -EACCES);
		put(m.who.pid, BASE "/a/x"); /* its root stays */
	}
	put(m.who.pid, BASE "/b");
	ck_assert_int_eq(write_as(&m.who, "a/x/cgroup.max.depth", "2"), -EACCES);
	ck_assert_int_eq(write_as(&m.who, "b/cgroup.max.depth", "2"), -EACCES);
	end_member(&m);
}
END_TEST

START_TEST(moves)
{
	struct member a = start_member(BASE "/a", CONTAINER), b = start_member(BASE "/b", CONTAINER);
	struct caller host = { .pid = getpid(), .umask = 022 };
	struct member pod = start_member(BASE "/b", 0); /* shares the host's pids */
	cleanup_free char *own = direct_read("/proc/self/cgroup"), *after = NULL;
	struct tree_file *file;
	char text[16], line[16];

	ck_assert_int_eq(mkdir(BASE "/a/x", 0755), 0);
	ck_assert_int_eq(mkdir(BASE "/b/x", 0755), 0);
	/* One that he sees, of another container: from a cgroup namespace in the host's pids. */
	put(pod.who.pid, BASE "/a");
	tell(&pod, ORDER_CGROUP_NS);
	snprintf(text, sizeof text, "%d", b.who.pid);
	snprintf(line, sizeof line, "%d\n", b.who.pid);
	ck_assert_int_eq(write_as(&pod.who, "a/x/cgroup.procs", text), -ENOENT);
	ck_assert_ptr_nonnull(strstr(why_take(), "not in the container"));
	ck_assert_int_eq(write_as(&pod.who, "a/x/cgroup.threads", text), -ENOENT);
	must_contain(BASE "/b/cgroup.procs", line);
	/* The same with a file that somebody on the host opened. */
	ck_assert_int_eq(open_as(&host, "a/x/cgroup.procs", O_WRONLY, &file), 0);
	ck_assert_int_eq(write_file(file, &pod.who, text), -ENOENT);
	file->ops->close(file);
	must_contain(BASE "/b/cgroup.procs", line);
	/* The host's. */
	snprintf(text, sizeof text, "%d", getpid());
	ck_assert_int_eq(write_as(&pod.who, "a/x/cgroup.procs", text), -ENOENT);
	/* His own, to where he is not, and home. */
	ck_assert_int_eq(write_as(&a.who, "b/x/cgroup.procs", "0"), -EACCES);
	ck_assert_int_eq(write_as(&a.who, "a/x/cgroup.procs", "0"), 0);
	ck_assert_int_eq(write_as(&a.who, "a/cgroup.procs", "1"), -EACCES);
	put(a.who.pid, BASE "/a");
	ck_assert_int_eq(write_as(&a.who, "a/x/cgroup.procs", "3"), -ESRCH);
	/* A file that he opened, to which somebody on the host is made to write. */
	ck_assert_int_eq(open_as(&a.who, "a/x/cgroup.procs", O_WRONLY, &file), 0);
	ck_assert_int_eq(write_file(file, &host, "0"), -ENOENT);
	file->ops->close(file);
	after = direct_read("/proc/self/cgroup");
	ck_assert_str_eq(after, own);
	end_member(&a);
	end_member(&b);
	end_member(&pod);
}
END_TEST

/* Nobody knows where they belong, so they change nothing. */
START_TEST(unknown)
{
	struct member stray = start_member(MOUNT, CONTAINER), gone = start_member(BASE "/a", 0);
	struct caller hidden = { .umask = 022 };

	ck_assert_int_eq(write_as(&hidden, "a/memory.max", "1G"), -EACCES);
	ck_assert_int_eq(mkdir_as(&hidden, "a", "x"), -EACCES);
	ck_assert_int_eq(open_close(&hidden, "a/memory.max", O_RDONLY), -EACCES);
	ck_assert_int_eq(write_as(&stray.who, "a/memory.max", "1G"), -EACCES);
	ck_assert_ptr_nonnull(strstr(why_take(), "outside this tree"));
	ck_assert_int_eq(chmod_as(&stray.who, "a", 0777), -EACCES);
	end_member(&gone);
	ck_assert_int_eq(write_as(&gone.who, "a/memory.max", "1G"), -EINTR);
	ck_assert_int_eq(set_xattr_as(&gone.who, "a"), -EINTR);
	end_member(&stray);
}
END_TEST

START_TEST(own_top)
{
	struct member a = start_member(BASE "/a", CONTAINER);

	ck_assert_int_eq(open_close(&a.who, "a/memory.max", O_WRONLY), 0);
	ck_assert_int_eq(write_as(&a.who, "a/memory.max", "1G"), -EPERM);
	ck_assert_ptr_nonnull(strstr(why_take(), "no policy allows"));
	ck_assert_int_eq(write_as(&a.who, "a/cpu.max", "max"), -EPERM);
	ck_assert_int_eq(write_as(&a.who, "a/cgroup.freeze", "1"), -EPERM);
	ck_assert_int_eq(write_as(&a.who, "a/cgroup.kill", "1"), -EPERM);
	ck_assert_int_eq(write_as(&a.who, "a/memory.oom.group", "1"), 0);
	ck_assert_int_eq(write_as(&a.who, "a/cgroup.procs", "0"), 0);
	ck_assert_int_eq(chmod_as(&a.who, "a/memory.max", 0666), -EPERM);
	ck_assert_int_eq(set_xattr_as(&a.who, "a/memory.max"), -EPERM);
	ck_assert_int_eq(set_xattr_as(&a.who, "a"), 0);
	ck_assert_int_eq(mkdir_as(&a.who, "a", "x"), 0);
	ck_assert_int_eq(write_as(&a.who, "a/x/cgroup.procs", "0"), 0);
	put(a.who.pid, BASE "/a");
	must_contain(BASE "/a/memory.max", "max\n");
	end_member(&a);
}
END_TEST

START_TEST(rules)
{
	static const char *const lines[][2] = {
		{ "*", "allow" }, { "cgroup.procs", "readonly" }, { "memory.oom.group", "readonly" },
		{ "pids.max", "deny" },
	};
	struct member a = start_member(BASE "/a", CONTAINER), b = start_member(BASE "/b", CONTAINER);

	use_policy("/ctlfs-unit/a", lines, ARRAY_SIZE(lines));
	ck_assert_int_eq(write_as(&a.who, "a/memory.max", "1G"), 0);
	ck_assert_int_eq(chmod_as(&a.who, "a/memory.max", 0666), -EPERM);
	ck_assert_int_eq(write_as(&a.who, "a/cgroup.procs", "0"), -EPERM);
	ck_assert_int_eq(write_as(&a.who, "a/memory.oom.group", "1"), -EPERM);
	ck_assert_int_eq(open_close(&a.who, "a/pids.max", O_RDONLY), -EACCES);
	ck_assert_int_eq(open_close(&a.who, "a/pids.max", O_WRONLY), -EACCES);
	ck_assert_int_eq(write_as(&b.who, "b/memory.max", "1G"), -EPERM);
	ck_assert_int_eq(open_close(&b.who, "b/pids.max", O_RDONLY), 0);
	end_member(&a);
	end_member(&b);
}
END_TEST

#define MEMORY "a/memory.max"
#define CPU "a/cpu.max"
#define PIDS "a/pids.max"

START_TEST(ceilings)
{
	static const char *const lines[][2] = {
		{ "memory.max", "<= 2G" }, { "cpu.max", "<= 150%" }, { "pids.max", "<= 500" },
		{ "cpu.weight", "<= 200" },
	};
	static const struct {
		const char *file, *text;
		int r;
		const char *after;
	} rows[] = {
		{ MEMORY, "1G", 0, "1073741824\n" },
		{ MEMORY, "2G", 0, "2147483648\n" },
		{ MEMORY, "2147483649", 0, "2147483648\n" }, /* what the kernel makes of it */
		{ MEMORY, "2147487744", -EPERM, NULL },
		{ MEMORY, "3G", -EPERM, NULL },
		{ MEMORY, "max", -EPERM, NULL },
		{ MEMORY, " max\n", -EPERM, NULL },
		{ MEMORY, "0x80000000\n", 0, "2147483648\n" },
		{ MEMORY, "0x100000000", -EPERM, NULL },
		{ MEMORY, "1G max", -EINVAL, NULL },
		{ MEMORY, "1G\nmax", -EINVAL, NULL },
		{ MEMORY, "-1", -EINVAL, NULL },
		{ MEMORY, "17592186044416M", 0, "0\n" }, /* it wraps to 0 there, too */
		{ PIDS, "500", 0, "500\n" }, { PIDS, "501", -EPERM, NULL },
		{ PIDS, "max", -EPERM, NULL }, { PIDS, "0x1f5", -EPERM, NULL },
		{ PIDS, "-1", -EINVAL, NULL },
		{ CPU, "150000 100000", 0, "150000 100000\n" },
		{ CPU, "150001 100000", -EPERM, NULL },
		{ CPU, "max 100000", -EPERM, NULL }, { CPU, "max", -EPERM, NULL },
		{ CPU, "1500000 1000000", 0, "1500000 1000000\n" },
		{ CPU, "1500000 100000", -EPERM, NULL },
		{ CPU, "30000 20000\n", 0, "30000 20000\n" },
		{ CPU, "150000", -EPERM, NULL }, /* with the period that is set now */
		{ CPU, "20000", 0, "20000 20000\n" },
		{ CPU, "20000abc 20000junk", 0, "20000 20000\n" },
		{ CPU, "18446744073709552 100000", -EINVAL, NULL }, /* 384 us if it wrapped */
		{ CPU, "20000 18446744073709651", -EINVAL, NULL },
		{ "a/cpu.weight", "200\n", 0, "200\n" }, { "a/cpu.weight", "201", -EPERM, NULL },
		{ "a/cpu.weight.nice", "-20", -EPERM, "0\n" },
		{ "a/memory.high", "1G", -EPERM, "max\n" },
	};
	struct member a = start_member(BASE "/a", CONTAINER);
	char path[PATH_MAX];

	use_policy("/ctlfs-unit/a", lines, ARRAY_SIZE(lines));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free char *before = NULL, *after = NULL;
		const char *want = rows[i].after;
		int r;

		snprintf(path, sizeof path, BASE "/%s", rows[i].file);
		before = direct_read(path);
		r = write_as(&a.who, rows[i].file, rows[i].text);
		ck_assert_msg(r == rows[i].r, "%s: '%s': %s", rows[i].file, rows[i].text,
			      strerrorname_np(-r));
		after = direct_read(path);
		if (strcmp(rows[i].file, "a/cpu.weight.nice"))
			ck_assert_str_eq(after, want ? want : before);
	}
	/* The host is not bound. */
	ck_assert_int_eq(write_as(&(struct caller){ .pid = getpid() }, MEMORY, "3G"), 0);
	end_member(&a);
}
END_TEST

/* A file of which the ceiling counts, however it came to who writes. */
START_TEST(ceiling_by_passed_fd)
{
	static const char *const lines[][2] = { { "memory.max", "<= 2G" } };
	struct member a = start_member(BASE "/a", CONTAINER);
	struct caller host = { .pid = getpid(), .umask = 022 };
	struct tree_file *file;

	use_policy("/ctlfs-unit/a", lines, 1);
	ck_assert_int_eq(open_as(&host, MEMORY, O_WRONLY, &file), 0);
	ck_assert_int_eq(write_file(file, &a.who, "3G"), -EPERM);
	ck_assert_int_eq(write_file(file, &a.who, "1G"), 0);
	file->ops->close(file);
	ck_assert_int_eq(open_as(&a.who, MEMORY, O_WRONLY, &file), 0);
	ck_assert_int_eq(write_file(file, &host, "3G"), -EPERM);
	file->ops->close(file);
	must_contain(BASE "/a/memory.max", "1073741824\n");
	end_member(&a);
}
END_TEST

/* Only root of the container is given anything, and he cannot be made in it. */
START_TEST(container_root)
{
	static const char *const lines[][2] = { { "memory.max", "<= 2G" } };
	struct member mapped = start_member(BASE "/a", CONTAINER | CLONE_NEWUSER);
	struct caller user = mapped.who;
	struct stat st;
	uid_t root;

	use_policy("/ctlfs-unit/a", lines, 1);
	ck_assert_int_eq(userns_root(mapped.who.pid, &root), 0);
	ck_assert_uint_eq(root, MAPPED);
	ck_assert_int_eq(userns_root(getpid(), &root), -EPERM);
	ck_assert_int_eq(write_as(&mapped.who, MEMORY, "1G"), 0);
	ck_assert_int_eq(write_as(&mapped.who, MEMORY, "3G"), -EPERM);
	ck_assert_int_eq(write_as(&mapped.who, "a/memory.high", "1G"), -EACCES);
	user.uid = MAPPED + 1000;
	ck_assert_int_eq(write_as(&user, MEMORY, "1G"), -EACCES);
	/* The front end goes by the mode, and it is the same for all. */
	ck_assert_int_eq(tree->ops->stat(tree, node_at("a"), "memory.max", &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0666);
	ck_assert_int_eq(tree->ops->stat(tree, node_at("b"), "memory.max", &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0644);
	ck_assert_int_eq(stat(BASE "/a/memory.max", &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0644);
	/* What was shown does not become true by being set. */
	ck_assert_int_eq(chmod_as(&(struct caller){ .pid = getpid() }, MEMORY, 0666), 0);
	ck_assert_int_eq(stat(BASE "/a/memory.max", &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0644);
	must_contain(BASE "/a/memory.max", "1073741824\n");
	end_member(&mapped);
}
END_TEST

/* A user in a container makes a user namespace, and is root of that. */
START_TEST(made_root_of_user_namespace)
{
	static const char *const lines[][2] = { { "memory.max", "<= 2G" } };
	struct member m = start_member(BASE "/a", CONTAINER | CLONE_NEWUSER);
	struct tree_file *file;
	uid_t root;

	tell(&m, ORDER_USER);
	tell(&m, ORDER_USER_NS);
	m.who.uid = m.who.gid = MAPPED + USER;
	use_policy("/ctlfs-unit/a", lines, 1);
	ck_assert_int_eq(userns_root(m.who.pid, &root), -EPERM);
	ck_assert_int_eq(open_close(&m.who, MEMORY, O_WRONLY), -EACCES);
	ck_assert_int_eq(open_as(&(struct caller){ .pid = getpid() }, MEMORY, O_WRONLY, &file), 0);
	ck_assert_int_eq(write_file(file, &m.who, "1G"), -EPERM);
	file->ops->close(file);
	end_member(&m);
}
END_TEST

/* A user in a container makes a user and a pid namespace, and is root of both. */
static pid_t nest(int *ret_done)
{
	int ends[2], ids[2];
	pid_t outer, inner = 0;

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(pipe(ids), 0);
	outer = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	if (outer == 0) {
		char c;

		/* Once the parent has put us into the container. */
		if (read(ends[0], &c, 1) != 1 || setresgid(USER, USER, USER) < 0 ||
		    setresuid(USER, USER, USER) < 0)
			_exit(1);
		inner = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWPID | SIGCHLD, 0, 0, 0,
				       0);
		if (inner == 0) {
			pause();
			_exit(0);
		}
		if (inner < 0 || write(ids[1], &inner, sizeof inner) != sizeof inner)
			_exit(1);
		pause();
		_exit(0);
	}
	put(outer, BASE "/a");
	ck_assert_int_eq(write(ends[1], "", 1), 1);
	ck_assert_int_eq(read(ids[0], &inner, sizeof inner), sizeof inner);
	ck_assert_int_eq(pidns_find(outer, inner, ret_done), 0);
	return outer;
}

START_TEST(made_root)
{
	static const char *const lines[][2] = { { "memory.max", "<= 2G" } };
	pid_t inner, outer = nest(&inner);
	struct caller who = { .pid = inner, .uid = USER, .gid = USER };
	struct tree_file *file;
	uid_t root;

	map_ids(inner, "0 1000 1");
	use_policy("/ctlfs-unit/a", lines, 1);
	ck_assert_int_eq(userns_root(inner, &root), -EPERM);
	ck_assert_int_eq(open_close(&who, MEMORY, O_WRONLY), -EACCES);
	/* The same with a file that somebody may write. */
	ck_assert_int_eq(open_as(&(struct caller){ .pid = getpid() }, MEMORY, O_WRONLY, &file), 0);
	ck_assert_int_eq(write_file(file, &who, "1G"), -EPERM);
	file->ops->close(file);
	must_contain(BASE "/a/memory.max", "max\n");
	stop(outer);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_add_test(tc, other_container);
	tcase_add_test(tc, passed_fd);
	tcase_add_test(tc, changed_namespace);
	tcase_add_test(tc, changed_uid);
	tcase_add_test(tc, cgroup_namespace);
	tcase_add_test(tc, moves);
	tcase_add_test(tc, unknown);
	tcase_add_test(tc, own_top);
	tcase_add_test(tc, rules);
	tcase_add_test(tc, ceilings);
	tcase_add_test(tc, ceiling_by_passed_fd);
	tcase_add_test(tc, container_root);
	tcase_add_test(tc, made_root_of_user_namespace);
	tcase_add_test(tc, made_root);
}

int main(void)
{
	return run_suite("kernel_guard", fill);
}
