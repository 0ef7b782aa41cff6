/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is accounted beside limits: disks, children that nobody saw, forks that are asked for. */
#include "enforce.h"
#include "suite.h"

/* --- what is accounted beside --- */

static void io_setup(const char *devices)
{
	emul_teardown();
	emul_setup_config((struct emul_config){ .devices = devices });
	make_dirs("a", "a/x");
	ck_assert_int_eq(do_write("cgroup.subtree_control", "+io"), 0);
}

START_TEST(io_of_the_only_disk)
{
	pid_t pid;

	io_setup("8:0");
	pid = fake_spawn(fake);
	task(pid)->use.rbytes = 1000; /* before it came */
	move("a/x", pid);
	assert_read("a/io.stat", "");
	task(pid)->use.rbytes = 5096;
	task(pid)->use.wbytes = 100;
	assert_read("a/io.stat", "8:0 rbytes=4096 wbytes=100 rios=0 wios=0 dbytes=0 dios=0\n");
	fake_end(fake, pid);
	assert_read("a/io.stat", "8:0 rbytes=4096 wbytes=100 rios=0 wios=0 dbytes=0 dios=0\n");
	io_setup("8:0 8:16"); /* which one it was cannot be told */
	pid = spawn_in("a/x");
	task(pid)->use.rbytes = 4096;
	assert_read("a/io.stat", "");
}
END_TEST

/* --- children that nobody saw --- */

/* The parent waits for it: has what it used, and it is gone. */
static void reap(pid_t parent, pid_t child)
{
	const struct task_sample *use = &task(child)->use;

	task(parent)->use.child_user_ns += use->user_ns + use->child_user_ns;
	task(parent)->use.child_system_ns += use->system_ns + use->child_system_ns;
	fake_end(fake, child);
}

static pid_t used(pid_t parent, uint64_t user_msec, uint64_t system_msec)
{
	pid_t pid = fake_fork(fake, parent);

	task(pid)->use.user_ns = user_msec * MSEC;
	task(pid)->use.system_ns = system_msec * MSEC;
	return pid;
}

static void assert_cpu(const char *path, uint64_t user_msec, uint64_t system_msec)
{
	assert_near(stat_value(path, "user_usec "), user_msec * 1000, 2);
	assert_near(stat_value(path, "system_usec "), system_msec * 1000, 2);
}

START_TEST(quick_children_are_counted)
{
	pid_t shell = spawn_in("a/x"), child, below;

	reap(shell, used(shell, 30, 0)); /* never seen */
	assert_cpu("a/cpu.stat", 30, 0);
	child = used(shell, 10, 0);
	assert_cpu("a/cpu.stat", 40, 0); /* seen once, then on */
	task(child)->use.user_ns = 25 * MSEC;
	below = used(child, 5, 0);
	reap(child, below);
	reap(shell, child);
	assert_cpu("a/cpu.stat", 60, 0);
	/* a zombie is counted as itself, and not again when it is waited for */
	child = used(shell, 20, 0);
	assert_cpu("a/cpu.stat", 80, 0);
	fake_exit(fake, child);
	assert_cpu("a/cpu.stat", 80, 0);
	reap(shell, child);
	assert_cpu("a/cpu.stat", 80, 0);
	reap(shell, used(shell, 5, 5));
	ck_assert_uint_eq(stat_value("a/cpu.stat", "usage_usec "), 90000);
	/* the shell itself ends: its parent, a member, has no more than that */
	ck_assert_uint_eq(stat_value("a/x/cpu.stat", "usage_usec "), 90000);
}
END_TEST

/* One in another cgroup was counted there. */
START_TEST(moved_children_count_once)
{
	pid_t shell = spawn_in("a/x"), child = used(shell, 10, 0);

	assert_cpu("a/cpu.stat", 10, 0);
	move("a/y", child);
	task(child)->use.user_ns = 40 * MSEC;
	assert_cpu("a/y/cpu.stat", 30, 0);
	reap(shell, child);
	assert_cpu("a/y/cpu.stat", 30, 0);
	assert_cpu("a/x/cpu.stat", 10, 0);
	assert_cpu("a/cpu.stat", 40, 0);
}
END_TEST

START_TEST(children_from_elsewhere_do_not_count)
{
	pid_t shell = fake_spawn(fake), child = used(shell, 10, 0), other;

	reap(shell, used(shell, 70, 0)); /* before it came */
	move("a/x", shell);
	reap(shell, child); /* was outside */
	assert_cpu("a/cpu.stat", 0, 0);
	/* its reaper is not known: nobody counts what may be that again */
	other = spawn_in("a/y");
	child = used(other, 10, 0);
	assert_cpu("a/cpu.stat", 10, 0);
	task(child)->use.parent = 999999;
	assert_cpu("a/cpu.stat", 10, 0);
	reap(other, child);
	assert_cpu("a/cpu.stat", 10, 0);
}
END_TEST

/* The quota of a cgroup holds for a shell that runs one short command after the other. */
START_TEST(quota_of_quick_children)
{
	pid_t shell = spawn_in("a/x");
	uint64_t used_msec = 0;

	ck_assert_int_eq(do_write("a/cpu.max", "20000 100000"), 0);
	for (int i = 0; i < 3000; i++) {
		if (!task(shell)->stopped && fake->n < FAKE_TASKS) {
			reap(shell, used(shell, 1, 0));
			used_msec++;
		}
		pass(1);
	}
	assert_near(used_msec, 600, 100);
}
END_TEST

/* --- forks --- */

START_TEST(forks_at_the_limit)
{
	pid_t pid, other;

	ck_assert_int_eq(do_write("cgroup.subtree_control", "+pids"), 0);
	ck_assert_int_eq(do_write("a/cgroup.subtree_control", "+pids"), 0);
	pid = spawn_in("a/x");
	other = spawn_in("a/y");
	ck_assert_int_eq(emul_may_fork(tree, pid, 0), 0);
	ck_assert_int_eq(do_write("a/pids.max", "4"), 0);
	ck_assert_int_eq(emul_may_fork(tree, pid, 0), 0);
	fake_fork(fake, pid);
	ck_assert_int_eq(emul_may_fork(tree, other, 0), 0);
	/* one place is left, which the fork that was allowed may take */
	ck_assert_int_eq(emul_may_fork(tree, pid, 1), -EBUSY);
	assert_read("a/pids.events", "max 0\n");
	fake_thread(fake, other);
	assert_read("a/pids.peak", "4\n");
	ck_assert_int_eq(emul_may_fork(tree, pid, 0), -EAGAIN);
	ck_assert_int_eq(emul_may_fork(tree, other, 3), -EAGAIN);
	assert_read("a/pids.events", "max 2\n");
	assert_read("a/pids.events.local", "max 2\n");
	assert_read("a/x/pids.events", "max 0\n");
	fake_end(fake, pid);
	ck_assert_int_eq(emul_may_fork(tree, other, 0), 0);
	/* the nearest limit is asked first */
	ck_assert_int_eq(do_write("a/y/pids.max", "0"), 0);
	ck_assert_int_eq(emul_may_fork(tree, other, 0), -EAGAIN);
	assert_read("a/y/pids.events", "max 1\n");
	assert_read("a/pids.events", "max 3\n");
	ck_assert_int_eq(emul_may_fork(tree, fake_spawn(fake), 0), 0); /* nobody's */
	ck_assert_int_eq(emul_may_fork(tree, 999999, 0), 0);
}
END_TEST

/* Far from the limit nobody is looked at. */
START_TEST(forks_far_from_the_limit)
{
	pid_t pid;
	unsigned scans;

	ck_assert_int_eq(do_write("cgroup.subtree_control", "+pids"), 0);
	pid = spawn_in("a/x");
	ck_assert_int_eq(do_write("a/pids.max", "100"), 0);
	ck_assert_int_eq(emul_may_fork(tree, pid, 0), 0);
	scans = fake->n_scans;
	for (int i = 0; i < 98; i++) {
		fake_fork(fake, pid);
		ck_assert_int_eq(emul_may_fork(tree, pid, 1), 0);
	}
	ck_assert_uint_eq(fake->n_scans, scans);
	fake_fork(fake, pid); /* that is 100 */
	ck_assert_int_eq(emul_may_fork(tree, pid, 0), -EAGAIN);
	spawn_in("a/y"); /* the limit does not hold for who is moved: it is counted anew */
	assert_read("a/pids.current", "101\n");
	ck_assert_int_eq(emul_may_fork(tree, pid, 0), -EAGAIN);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emul_account");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, enforce_setup, emul_teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, io_of_the_only_disk);
	tcase_add_test(tc, quick_children_are_counted);
	tcase_add_test(tc, moved_children_count_once);
	tcase_add_test(tc, children_from_elsewhere_do_not_count);
	tcase_add_test(tc, quota_of_quick_children);
	tcase_add_test(tc, forks_at_the_limit);
	tcase_add_test(tc, forks_far_from_the_limit);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
