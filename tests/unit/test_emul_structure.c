/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The emulator's structure beyond trees and moves: what is dead and still there, what is removed
 * and still open, extended attributes, and who opened a file.
 */
#include <sys/xattr.h>

#include "emul_fixture.h"
#include "suite.h"

#define NOBODY 65534

/* --- what is dead --- */

static void assert_line(const char *path, const char *line)
{
	cleanup_buf struct buf text = { 0 };

	ck_assert_int_eq(do_read(path, &text), 0);
	ck_assert_msg(strstr(buf_text(&text), line), "%s holds no \"%s\" but\n%s", path, line,
		      buf_text(&text));
}

static void grant_pids(const char *const *paths)
{
	for (; *paths; paths++)
		ck_assert_int_eq(do_write(*paths, "+pids"), 0);
}

#define GRANT_PIDS(...) grant_pids((const char *const[]){ __VA_ARGS__, NULL })

START_TEST(zombies_count_until_reaped)
{
	pid_t pid, other;

	GRANT_PIDS("cgroup.subtree_control");
	make_dirs("a");
	GRANT_PIDS("a/cgroup.subtree_control");
	make_dirs("a/b");
	pid = spawn_in("a/b");
	other = spawn_in("a/b");
	fake_exit(fake, pid);
	fake_end(fake, other);
	NONE("a/b");
	assert_read("a/b/cgroup.threads", "");
	assert_read("a/b/cgroup.events", "populated 0\nfrozen 0\n");
	assert_read("a/b/pids.current", "1\n");
	assert_read("a/pids.current", "1\n");
	/* moving it is fine, and moves nothing */
	make_dirs("c");
	ck_assert_int_eq(write_pid("c/cgroup.procs", pid), 0);
	assert_read("c/pids.current", "0\n");
	assert_read("a/b/pids.current", "1\n");
	/* nor does it keep its cgroup from being removed, which then is dying */
	ck_assert_int_eq(do_rmdir("a/b"), 0);
	assert_read("a/pids.current", "1\n");
	assert_line("a/cgroup.stat", "nr_dying_descendants 1\n");
	assert_line("cgroup.stat", "nr_dying_descendants 1\n");
	fake_reap(fake, pid);
	assert_line("a/cgroup.stat", "nr_dying_descendants 0\n");
	assert_line("cgroup.stat", "nr_dying_descendants 0\n");
	assert_read("a/pids.current", "0\n");
}
END_TEST

/* Born and ended while nobody looked. */
START_TEST(zombies_never_seen_alive)
{
	pid_t parent, pid;

	GRANT_PIDS("cgroup.subtree_control");
	make_dirs("a", "b");
	parent = spawn_in("a");
	pid = fake_fork(fake, parent);
	fake_exit(fake, pid);
	assert_read("a/pids.current", "2\n");
	PROCS("a", parent);
	fake_fork(fake, parent); /* another scan counts it once */
	assert_read("a/pids.current", "3\n");
	fake_reap(fake, pid);
	assert_read("a/pids.current", "2\n");
}
END_TEST

/* Looking at many is not done for each read, but is done. */
START_TEST(many_zombies)
{
	enum { MANY = 300 };
	pid_t parent, pids[MANY];

	GRANT_PIDS("cgroup.subtree_control");
	make_dirs("a");
	parent = spawn_in("a");
	for (unsigned i = 0; i < MANY; i++) {
		pids[i] = fake_fork(fake, parent);
		fake_exit(fake, pids[i]);
	}
	assert_read("a/pids.current", "301\n");
	for (unsigned i = 0; i < MANY; i++)
		fake_reap(fake, pids[i]);
	fake->now += 1000000000;
	assert_read("a/pids.current", "1\n");
}
END_TEST

START_TEST(dying_parents)
{
	pid_t pid;

	make_dirs("a", "a/b", "a/b/c");
	pid = spawn_in("a/b/c");
	fake_exit(fake, pid);
	ck_assert_int_eq(do_rmdir("a/b/c"), 0);
	ck_assert_int_eq(do_rmdir("a/b"), 0);
	assert_line("a/cgroup.stat", "nr_dying_descendants 2\n");
	ck_assert_int_eq(do_rmdir("a"), 0);
	assert_line("cgroup.stat", "nr_dying_descendants 3\n");
	fake_reap(fake, pid);
	assert_line("cgroup.stat", "nr_dying_descendants 0\n");
}
END_TEST

/* The first thread is dead: the others move, it stays, and is listed where it is. */
START_TEST(dead_first_thread)
{
	pid_t pid, tid;

	GRANT_PIDS("cgroup.subtree_control");
	make_dirs("a", "b", "c");
	pid = spawn_in("a");
	tid = fake_thread(fake, pid);
	fake_thread_exit(fake, pid);
	fake_find(fake, pid)->use.threads = 2; /* as the kernel counts */
	move("b", pid);
	PROCS("a", pid);
	NONE("b");
	THREADS("b", tid);
	assert_read("a/cgroup.events", "populated 0\nfrozen 0\n");
	assert_read("b/cgroup.events", "populated 1\nfrozen 0\n");
	assert_read("a/pids.current", "1\n");
	assert_read("b/pids.current", "1\n");
	move("c", tid);
	PROCS("a", pid);
	NONE("c");
	THREADS("c", tid);
	assert_read("b/pids.current", "0\n");
	assert_read("c/pids.current", "1\n");
	ck_assert_int_eq(do_rmdir("a"), 0);
	fake_thread_exit(fake, tid);
	fake_settle(&fake->tasks);
	assert_read("c/pids.current", "0\n");
	assert_line("cgroup.stat", "nr_dying_descendants 1\n");
	fake_reap(fake, pid);
	assert_line("cgroup.stat", "nr_dying_descendants 0\n");
}
END_TEST

/* From outside: it stays there. */
START_TEST(dead_first_thread_of_a_stranger)
{
	pid_t pid = fake_spawn(fake), tid = fake_thread(fake, pid);

	GRANT_PIDS("cgroup.subtree_control");
	make_dirs("a");
	fake_thread_exit(fake, pid);
	fake_find(fake, pid)->use.threads = 2;
	move("a", pid);
	NONE("a");
	THREADS("a", tid);
	assert_read("a/pids.current", "1\n");
	ck_assert_int_eq(do_write("a/cgroup.kill", "1"), 0);
	ck_assert_uint_eq(fake_find(fake, pid)->signals[SIGKILL], 1);
}
END_TEST

static pid_t stolen;

/* As soon as the number is looked at, its process is gone and another has it. */
static int set_tag_late(struct tasks *t, pid_t pid, uint64_t tag)
{
	struct fake *f = fake_of(t);

	if (pid == stolen) {
		fake_end(f, pid);
		stolen = fake_spawn(f);
		fake_find(f, stolen)->pid = pid;
		stolen = 0;
	}
	return fake_set_tag(t, pid, tag);
}

START_TEST(number_used_again_while_moving)
{
	static struct tasks_ops ops; /* used until the end of the fixture */
	pid_t pid = fake_spawn(fake);

	make_dirs("a");
	ops = *fake->tasks.ops;
	ops.set_tag = set_tag_late;
	fake->tasks.ops = &ops;
	stolen = pid;
	assert_refused(write_pid("a/cgroup.procs", pid), ESRCH);
	NONE("a");
	ck_assert(!task_tag_valid(fake_find(fake, pid)->tag));
}
END_TEST

/* --- what is removed --- */

START_TEST(removed_until_forgotten)
{
	const struct caller who = { .pid = 1, .uid = 0 };
	const struct stat attr = { .st_mode = 0700 };
	struct tree_list list = { 0 };
	struct stat st;
	uint64_t node, file;

	tree->forgets = true;
	make_dirs("a", "a/b");
	node = node_at("a/b");
	file = node_at("a/b/cgroup.procs");
	ck_assert_int_eq(tree->ops->rmdir(tree, &who, node_at("a"), "b"), 0);
	ck_assert_int_eq(tree->ops->stat(tree, node, "", &st), 0);
	ck_assert_uint_eq(st.st_ino, node);
	ck_assert_int_eq(tree->ops->stat(tree, file, "", &st), 0);
	ck_assert_int_eq(tree->ops->stat(tree, node, NULL, &st), -ENODEV);
	ck_assert_int_eq(tree->ops->stat(tree, node, "cgroup.procs", &st), -ENOENT);
	ck_assert_int_eq(tree->ops->setattr(tree, &who, node, &attr, TREE_SET_MODE), 0);
	ck_assert_int_eq(tree->ops->stat(tree, node, "", &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0700);
	ck_assert_int_eq(tree->ops->list(tree, node, &list), 0);
	ck_assert_uint_eq(list.n, 0);
	assert_refused(tree->ops->mkdir(tree, &who, node, "x", 0755), ENOENT);
	/* what may come late for a file, or for the living, ends nothing */
	tree->ops->forget(tree, file);
	tree->ops->forget(tree, node_at("a"));
	ck_assert_int_eq(tree->ops->stat(tree, node, "", &st), 0);
	ck_assert_uint_ne(node_at("a"), 0);
	tree->ops->forget(tree, node);
	ck_assert_int_eq(tree->ops->stat(tree, node, "", &st), -ENODEV);
	ck_assert_int_eq(tree->ops->stat(tree, file, "", &st), -ENODEV);
	tree->ops->forget(tree, node);
	/* nobody would forget what the daemon itself removed */
	node = node_at("a");
	ck_assert_int_eq(do_rmdir("a"), 0);
	ck_assert_int_eq(tree->ops->stat(tree, node, "", &st), -ENODEV);
}
END_TEST

/* --- extended attributes --- */

static int set_xattr(uint64_t node, const char *name, const char *value, int flags)
{
	const struct tree_xattr x = { value, value ? strlen(value) : 0, flags };

	return tree->ops->xattr->set(tree, &TREE_SELF, node, name, &x);
}

START_TEST(xattrs)
{
	cleanup_buf struct buf out = { 0 };
	uint64_t dir, file;

	make_dirs("a");
	dir = node_at("a");
	file = node_at("a/cgroup.procs");
	ck_assert_int_eq(set_xattr(dir, "user.b", "1", 0), 0);
	ck_assert_int_eq(set_xattr(dir, "user.a", "22", XATTR_CREATE), 0);
	ck_assert_int_eq(set_xattr(dir, "user.a", "3", XATTR_CREATE), -EEXIST);
	ck_assert_int_eq(set_xattr(dir, "user.c", "3", XATTR_REPLACE), -ENODATA);
	ck_assert_int_eq(set_xattr(file, "trusted.x", "4", 0), 0);
	assert_refused(set_xattr(dir, "system.x", "1", 0), EOPNOTSUPP);
	ck_assert_int_eq(set_xattr(dir, "security.", "1", 0), -EINVAL);
	ck_assert_int_eq(tree->ops->xattr->list(tree, dir, &out), 0);
	ck_assert_uint_eq(out.len, 14);
	ck_assert_mem_eq(out.data, "user.b\0user.a\0", 14);
	buf_reset(&out);
	ck_assert_int_eq(tree->ops->xattr->get(tree, dir, "user.a", &out), 0);
	ck_assert_str_eq(buf_text(&out), "22");
	ck_assert_int_eq(tree->ops->xattr->get(tree, file, "user.a", &out), -ENODATA);
	ck_assert_int_eq(set_xattr(dir, "user.a", NULL, XATTR_REPLACE), 0);
	ck_assert_int_eq(set_xattr(dir, "user.a", NULL, XATTR_REPLACE), -ENODATA);
	/* a controller's files are others when it comes back */
	GRANT_PIDS("cgroup.subtree_control");
	ck_assert_int_eq(set_xattr(node_at("a/pids.max"), "user.a", "1", 0), 0);
	ck_assert_int_eq(do_write("cgroup.subtree_control", "-pids"), 0);
	GRANT_PIDS("cgroup.subtree_control");
	ck_assert_int_eq(tree->ops->xattr->get(tree, node_at("a/pids.max"), "user.a", &out),
			 -ENODATA);
}
END_TEST

static void assert_list(uint64_t node, const char *names, size_t len)
{
	cleanup_buf struct buf out = { 0 };

	ck_assert_int_eq(tree->ops->xattr->list(tree, node, &out), 0);
	ck_assert_uint_eq(out.len, len);
	ck_assert_mem_eq(out.data, names, len);
}

/* As kernels list them. */
START_TEST(order_of_xattrs)
{
	static const char *const names[] = { "user.b", "user.a", "user.c", "user.ab", "trusted.z" };
	static const char v612[] = "user.c\0user.b\0user.ab\0user.a\0trusted.z";
	static const char v61[] = "trusted.z\0user.ab\0user.c\0user.a\0user.b";

	emul_teardown();
	for (int i = 0; i < 2; i++) {
		emul_setup_config(
			(struct emul_config){ .version = i == 0 ? EMUL_6_12 : EMUL_6_1 });
		make_dirs("a");
		for (size_t n = 0; n < ARRAY_SIZE(names); n++)
			ck_assert_int_eq(set_xattr(node_at("a"), names[n], "1", 0), 0);
		ck_assert_int_eq(set_xattr(node_at("a"), "user.b", "2", 0), 0);
		if (i == 0)
			assert_list(node_at("a"), v612, sizeof v612);
		else
			assert_list(node_at("a"), v61, sizeof v61);
		if (i == 0)
			emul_teardown();
	}
}
END_TEST

/* --- who opened it --- */

static struct caller caller_for(pid_t pid, uid_t uid)
{
	return (struct caller){ .pid = pid, .uid = uid, .gid = uid };
}

static int write_number_as(const struct caller *who, const char *path, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof text, "%d", (int)pid);
	return write_as(who, who, path, text);
}

/* The migration of a process across the root of the opener's namespace, whoever writes. */
START_TEST(namespace_of_the_opener)
{
	pid_t opener, other;
	struct caller who, root;
	struct tree_file *old;

	make_dirs("a", "b", "b/c");
	opener = spawn_in("b");
	other = spawn_in("a");
	fake_find(fake, opener)->cgroup_ns = 77;
	who = caller_for(opener, 0);
	root = caller_for(other, 0);
	ck_assert_int_eq(open_as(&who, "b/cgroup.procs", &old), 0);
	assert_refused(write_file_as(old, &root, "0"), ENOENT);
	ck_assert_int_eq(write_number_as(&root, "b/cgroup.procs", other), 0);
	ck_assert_int_eq(write_file_as(old, &root, "0"), 0);
	/* within it is free */
	ck_assert_int_eq(write_number_as(&who, "b/c/cgroup.procs", other), 0);
	assert_refused(write_number_as(&who, "a/cgroup.procs", other), ENOENT);
	old->ops->close(old);
}
END_TEST

/* Its root's files belong to who made the namespace, all but those that are for its inside. */
START_TEST(namespace_root_files)
{
	struct caller who;
	pid_t pid;

	ck_assert_int_eq(do_write("cgroup.subtree_control", "+memory +pids"), 0);
	make_dirs("a", "a/b");
	pid = spawn_in("a/b");
	move("a", pid);
	fake_find(fake, pid)->cgroup_ns = 5;
	who = caller_for(pid, 0);
	assert_refused(write_as(&who, &who, "a/pids.max", "5"), EPERM);
	assert_refused(write_as(&who, &who, "a/cgroup.freeze", "0"), EPERM);
	assert_refused(write_as(&who, &TREE_SELF, "a/cgroup.max.depth", "5"), EPERM);
	ck_assert_int_eq(write_as(&who, &who, "a/memory.oom.group", "1"), 0);
	ck_assert_int_eq(write_as(&who, &who, "a/cgroup.procs", "0"), 0);
	ck_assert_int_eq(write_as(&who, &who, "a/b/cgroup.max.depth", "5"), 0);
	ck_assert_int_eq(write_as(&who, &who, "a/b/cgroup.procs", "0"), 0);
	ck_assert_int_eq(write_as(&who, &who, "a/cgroup.subtree_control", "+pids"), 0);
	/* moved on, it still is the one that it was made in */
	assert_refused(write_as(&who, &who, "a/pids.max", "5"), EPERM);
	/* who is outside sees all; a number that is used again means another */
	ck_assert_int_eq(do_write("a/pids.max", "5"), 0);
	make_dirs("z");
	move("z", pid);
	assert_refused(write_as(&who, &who, "z/pids.max", "5"), EPERM);
	ck_assert_int_eq(write_as(&who, &who, "a/pids.max", "6"), 0);
}
END_TEST

START_TEST(namespace_of_a_stranger)
{
	struct caller who;
	pid_t pid = fake_spawn(fake);

	make_dirs("a");
	fake_find(fake, pid)->cgroup_ns = 6;
	who = caller_for(pid, 0);
	ck_assert_int_eq(write_as(&who, &who, "cgroup.max.depth", "5"), 0);
	ck_assert_int_eq(write_as(&who, &who, "a/cgroup.procs", "0"), 0);
	ck_assert_int_eq(write_as(&who, &who, "a/cgroup.max.depth", "5"), 0);
	ck_assert_int_eq(write_as(&who, &who, "cgroup.max.depth", "6"), 0);
}
END_TEST

/* A cgroup.procs that a group may write decides by all groups of the opener. */
START_TEST(supplementary_groups)
{
	const struct stat attr = { .st_mode = 0664, .st_gid = 500 };
	struct fake_task *task;
	struct caller who;
	pid_t pid;

	make_dirs("a", "a/b", "a/c");
	for (const char *const *path = (const char *const[]){ "a/cgroup.procs", "a/b/cgroup.procs",
							      "a/c/cgroup.procs", NULL };
	     *path; path++)
		ck_assert_int_eq(tree->ops->setattr(tree, &TREE_SELF, node_at(*path), &attr,
						    TREE_SET_MODE | TREE_SET_GID),
				 0);
	pid = spawn_in("a/b");
	task = fake_find(fake, pid);
	who = caller_for(pid, NOBODY);
	assert_refused(write_number_as(&who, "a/c/cgroup.procs", pid), EACCES);
	task->groups[0] = 499;
	task->groups[1] = 500;
	task->n_groups = 2;
	ck_assert_int_eq(write_number_as(&who, "a/c/cgroup.procs", pid), 0);
	task->n_groups = 1;
	assert_refused(write_number_as(&who, "a/b/cgroup.procs", pid), EACCES);
	who.gid = 500;
	ck_assert_int_eq(write_number_as(&who, "a/b/cgroup.procs", pid), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emul_structure");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, emul_setup, emul_teardown);
	tcase_add_test(tc, zombies_count_until_reaped);
	tcase_add_test(tc, zombies_never_seen_alive);
	tcase_add_test(tc, many_zombies);
	tcase_add_test(tc, dying_parents);
	tcase_add_test(tc, dead_first_thread);
	tcase_add_test(tc, dead_first_thread_of_a_stranger);
	tcase_add_test(tc, number_used_again_while_moving);
	tcase_add_test(tc, removed_until_forgotten);
	tcase_add_test(tc, xattrs);
	tcase_add_test(tc, order_of_xattrs);
	tcase_add_test(tc, namespace_of_the_opener);
	tcase_add_test(tc, namespace_root_files);
	tcase_add_test(tc, namespace_of_a_stranger);
	tcase_add_test(tc, supplementary_groups);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
