/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attacks on the kernel backend: what a container does to reach out of its cgroup through the
 * daemon. Containers a and b are cgroups with processes of their own. */
#include "test_guard.h"

START_TEST(other_container)
{
	struct member a = start_member(BASE "/a", CONTAINER);
	struct member b = start_member(BASE "/b", CONTAINER);

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
	struct member a = start_member(BASE "/a", CONTAINER);
	struct member b = start_member(BASE "/b", CONTAINER);
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
	/* The top's own limits stay the host's: with his file, and with one passed to him. */
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

/* A container's cgroup namespace is its border also when its init has moved down, which it has to
 * before it can enable controllers; a cgroup namespace that is shared with the container around is
 * not. */
START_TEST(init_moves_down)
{
	struct member m = start_member(BASE "/a", CONTAINER), plain;
	char pid[16];

	ck_assert_int_eq(mkdir(BASE "/a/x", 0755), 0);
	ck_assert_int_eq(mkdir(BASE "/a/y", 0755), 0);
	tell(&m, ORDER_CGROUP_NS);
	ck_assert_int_eq(write_as(&m.who, "a/x/cgroup.procs", "0"), 0);
	ck_assert_int_eq(write_as(&m.who, "a/y/cgroup.max.depth", "1"), 0);
	ck_assert_int_eq(write_as(&m.who, "a/cgroup.subtree_control", "+memory"), 0);
	ck_assert_int_eq(write_as(&m.who, "a/memory.max", "1G"), -EPERM);
	ck_assert_int_eq(write_as(&m.who, "a/y/memory.max", "1G"), 0);
	ck_assert_int_eq(write_as(&m.who, "b/memory.max", "1G"), -EACCES);
	ck_assert_int_eq(mkdir_as(&m.who, "", "y"), -EACCES);
	/* A container in it, without a cgroup namespace of its own. */
	tell(&m, ORDER_NEST);
	plain.who = m.who;
	ck_assert_int_eq(pidns_find(m.who.pid, 2, &plain.who.pid), 0);
	snprintf(pid, sizeof pid, "%d", plain.who.pid);
	must_write(BASE "/a/y/cgroup.procs", pid);
	ck_assert_int_eq(write_as(&plain.who, "a/x/cgroup.max.depth", "1"), -EACCES);
	ck_assert_int_eq(write_as(&plain.who, "a/y/memory.max", "2G"), -EPERM);
	ck_assert_int_eq(mkdir_as(&plain.who, "a/y", "z"), 0);
	end_member(&m);
}
END_TEST

START_TEST(moves)
{
	struct member a = start_member(BASE "/a", CONTAINER);
	struct member b = start_member(BASE "/b", CONTAINER);
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

static void fill(TCase *tc)
{
	tcase_add_test(tc, other_container);
	tcase_add_test(tc, passed_fd);
	tcase_add_test(tc, changed_namespace);
	tcase_add_test(tc, cgroup_namespace);
	tcase_add_test(tc, init_moves_down);
	tcase_add_test(tc, moves);
	tcase_add_test(tc, unknown);
	tcase_add_test(tc, own_top);
}

int main(void)
{
	return run_suite("kernel_guard", fill);
}
