/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads of threaded cgroups, and what members use. */
#include "emul_fixture.h"

#include "emul/cgroup.h"
#include "suite.h"

static struct cgroup *cgroup_at(const char *path)
{
	return cgroup_by_id((struct emul *)tree, (uint32_t)(node_at(path) / 256));
}

/* --- threads --- */

/* "top" is a thread root with threaded children x and y; a process with three threads in it. */
static pid_t threads_setup(pid_t tids[2])
{
	pid_t pid;

	make_dirs("top", "top/x", "top/y");
	ck_assert_int_eq(do_write("top/x/cgroup.type", "threaded"), 0);
	ck_assert_int_eq(do_write("top/y/cgroup.type", "threaded"), 0);
	pid = fake_spawn(fake);
	tids[0] = fake_thread(fake, pid);
	tids[1] = fake_thread(fake, pid);
	ck_assert_int_eq(write_pid("top/cgroup.procs", tids[1]), 0); /* any thread's number */
	return pid;
}

START_TEST(threads_of_threaded_cgroups)
{
	uint64_t node;
	pid_t tids[2], pid = threads_setup(tids);

	PROCS("top", pid);
	THREADS("top", pid, tids[0], tids[1]);
	ck_assert_int_eq(write_pid("top/x/cgroup.threads", tids[0]), 0);
	ck_assert_int_eq(write_pid("top/x/cgroup.threads", tids[0]), 0);
	THREADS("top/x", tids[0]);
	THREADS("top", pid, tids[1]);
	PROCS("top", pid);
	assert_read("top/x/cgroup.events", "populated 1\nfrozen 0\n");
	ck_assert_int_eq(tree->ops->locate(tree, tids[0], &node), 0);
	ck_assert_uint_eq(node, node_at("top/x"));
	ck_assert_int_eq(write_pid("top/y/cgroup.threads", tids[0]), 0);
	assert_read("top/x/cgroup.events", "populated 0\nfrozen 0\n");
	ck_assert_int_eq(do_rmdir("top/x"), 0);
	ck_assert_int_eq(do_rmdir("top/y"), -EBUSY);
	/* an ended thread is gone */
	fake_thread_exit(fake, tids[0]);
	assert_read("top/y/cgroup.threads", "");
	ck_assert_int_eq(do_rmdir("top/y"), 0);
	PROCS("top", pid);
}
END_TEST

START_TEST(all_threads_leave)
{
	pid_t child, tids[2], pid = threads_setup(tids);
	struct usage u;

	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(write_pid("top/x/cgroup.threads", tids[i]), 0);
	ck_assert_int_eq(write_pid("top/y/cgroup.threads", pid), 0);
	assert_read("top/cgroup.threads", "");
	THREADS("top/y", pid);
	THREADS("top/x", tids[0], tids[1]);
	PROCS("top", pid);
	child = fake_fork(fake, pid); /* starts where its parent now is */
	THREADS("top/y", pid, child);
	ck_assert_int_eq(emul_usage(cgroup_at("top"), &u), 0);
	ck_assert_uint_eq(u.threads, 4);
	ck_assert_int_eq(emul_usage(cgroup_at("top/x"), &u), 0);
	ck_assert_uint_eq(u.threads, 2);
	ck_assert_int_eq(emul_usage(cgroup_at("top/y"), &u), 0);
	ck_assert_uint_eq(u.threads, 2);
	/* as a whole again */
	ck_assert_int_eq(write_pid("top/x/cgroup.procs", pid), 0);
	THREADS("top/x", pid, tids[0], tids[1]);
	THREADS("top/y", child);
	ck_assert_int_eq(emul_usage(cgroup_at("top/x"), &u), 0);
	ck_assert_uint_eq(u.threads, 3);
	fake_end(fake, pid);
	fake_end(fake, child);
	assert_read("top/cgroup.events", "populated 0\nfrozen 0\n");
	ck_assert_int_eq(emul_usage(cgroup_at("top"), &u), 0);
	ck_assert_uint_eq(u.threads, 0);
}
END_TEST

START_TEST(threads_stay_in_their_domain)
{
	pid_t tids[2], pid = threads_setup(tids);

	make_dirs("z");
	assert_refused(write_pid("z/cgroup.threads", tids[0]), EOPNOTSUPP);
	ck_assert_int_eq(write_pid("z/cgroup.threads", 999999), -ESRCH);
	move("z", pid);
	assert_refused(write_pid("top/x/cgroup.threads", tids[0]), EOPNOTSUPP);
	ck_assert_int_eq(write_pid("z/cgroup.threads", tids[0]), 0); /* already there */
	ck_assert_int_eq(write_pid("top/x/cgroup.procs", pid), 0);
	THREADS("top/x", pid, tids[0], tids[1]);
}
END_TEST

/* --- usage --- */

static struct usage usage_of(const char *path)
{
	struct usage u;

	((struct emul *)tree)->moment++; /* another operation */
	((struct emul *)tree)->sample++;
	ck_assert_int_eq(emul_usage(cgroup_at(path), &u), 0);
	return u;
}

START_TEST(usage_adds_up)
{
	struct task_sample *use;
	pid_t pid, child;

	make_dirs("a", "a/x", "a/y");
	pid = fake_spawn(fake);
	use = &fake_find(fake, pid)->use;
	use->user_ns = 1000; /* before it came: does not count */
	use->anon = 4096;
	move("a/x", pid);
	ck_assert_uint_eq(usage_of("a").user_ns, 0);
	ck_assert_uint_eq(usage_of("a").anon, 4096);
	use->user_ns = 1500;
	use->system_ns = 200;
	ck_assert_uint_eq(usage_of("a").user_ns, 500);
	ck_assert_uint_eq(usage_of("a").system_ns, 200);
	/* CPU time stays where it was used, memory goes along */
	use->user_ns = 1600;
	move("a/y", pid);
	use->user_ns = 1607;
	ck_assert_uint_eq(usage_of("a/x").user_ns, 600);
	ck_assert_uint_eq(usage_of("a/x").anon, 0);
	ck_assert_uint_eq(usage_of("a/y").user_ns, 7);
	ck_assert_uint_eq(usage_of("a/y").anon, 4096);
	ck_assert_uint_eq(usage_of("a").user_ns, 607);
	/* a child's counts from its birth */
	child = fake_fork(fake, pid);
	fake_find(fake, child)->use.user_ns = 30;
	ck_assert_uint_eq(usage_of("a").user_ns, 637);
	ck_assert_uint_eq(usage_of("a").processes, 2);
	ck_assert_uint_eq(usage_of("a").threads, 2);
	/* a zombie still tells, what was reaped is as it was last seen, a removed cgroup's stays */
	use->user_ns = 1700;
	fake_exit(fake, pid);
	fake_end(fake, child);
	fake_settle(&fake->tasks);
	ck_assert_uint_eq(usage_of("a").user_ns, 730);
	ck_assert_uint_eq(usage_of("a").processes, 0);
	ck_assert_uint_eq(usage_of("a").threads, 1); /* the zombie */
	fake_reap(fake, pid);
	ck_assert_uint_eq(usage_of("a").threads, 0);
	ck_assert_uint_eq(usage_of("a").anon, 0);
	ck_assert_int_eq(do_rmdir("a/y"), 0);
	ck_assert_int_eq(do_rmdir("a/x"), 0);
	ck_assert_uint_eq(usage_of("a").user_ns, 730);
	ck_assert_uint_eq(usage_of("").user_ns, 730);
}
END_TEST

/* The kernel's division of CPU time wavers: nothing may fall, and the sum stays true. */
START_TEST(usage_never_falls)
{
	struct task_sample *use;
	struct usage before, after;

	make_dirs("a");
	use = &fake_find(fake, spawn_in("a"))->use;
	use->user_ns = 100;
	use->system_ns = 900;
	before = usage_of("a");
	use->user_ns = 700;
	use->system_ns = 400;
	after = usage_of("a");
	ck_assert_uint_ge(after.user_ns, before.user_ns);
	ck_assert_uint_ge(after.system_ns, before.system_ns);
	ck_assert_uint_eq(after.user_ns + after.system_ns, 1100);
	use->user_ns = use->system_ns = 1;
	after = usage_of("a");
	ck_assert_uint_eq(after.user_ns + after.system_ns, 1100);
}
END_TEST

START_TEST(sampled_once_in_an_operation)
{
	struct cgroup *cg;
	struct usage u;

	make_dirs("a", "a/b");
	spawn_in("a");
	spawn_in("a/b");
	cg = cgroup_at("a/b");
	usage_of("a");
	fake->n_samples = 0;
	cg->emul->moment++;
	cg->emul->sample++;
	for (; cg; cg = cg->parent)
		ck_assert_int_eq(emul_usage(cg, &u), 0);
	ck_assert_uint_eq(fake->n_samples, 2);
}
END_TEST

/* --- spreading over CPUs --- */

START_TEST(spreading)
{
	pid_t pid, child;

	emul_teardown();
	emul_setup_with(true);
	make_dirs("a", "a/b");
	ck_assert_int_eq(do_write("cgroup.subtree_control", "+cpu"), 0);
	pid = spawn_in("a/b");
	child = fake_fork(fake, pid);
	NONE("a");
	ck_assert_int_eq(do_write("a/cpu.max", "150000 100000"), 0);
	ck_assert_uint_eq(fake_find(fake, pid)->spread, 2);
	ck_assert_uint_eq(fake_find(fake, child)->spread, 2);
	ck_assert_int_eq(write_pid("cgroup.procs", pid), 0);
	ck_assert_uint_eq(fake_find(fake, pid)->spread, 0);
	move("a", pid);
	ck_assert_uint_eq(fake_find(fake, pid)->spread, 2);
	ck_assert_int_eq(do_write("a/cpu.max", "max"), 0);
	ck_assert_uint_eq(fake_find(fake, pid)->spread, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emul_usage");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, emul_setup, emul_teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, threads_of_threaded_cgroups);
	tcase_add_test(tc, all_threads_leave);
	tcase_add_test(tc, threads_stay_in_their_domain);
	tcase_add_test(tc, usage_adds_up);
	tcase_add_test(tc, usage_never_falls);
	tcase_add_test(tc, sampled_once_in_an_operation);
	tcase_add_test(tc, spreading);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
