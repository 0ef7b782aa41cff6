/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whoever is stopped has his parent stopped before and continued after him, in virtual time. */
#include <signal.h>

#include "emul/emul.h"
#include "enforce.h"
#include "suite.h"

/* A shell, its job, and what that started: who comes first in the table is the last of them. */
struct family {
	pid_t shell, job, worker;
};

static struct family family_in(const char *dir, const char *shell_in)
{
	struct family f;

	pass(1); /* nobody ran just now */
	f.shell = spawn_in("");
	f.job = fake_fork(fake, f.shell);
	f.worker = fake_fork(fake, f.job);
	move(dir, f.worker);
	move(dir, f.job);
	move(shell_in, f.shell);
	task(f.job)->job = true;
	return f;
}

static void assert_order(const struct family *f, int sig, bool parents_first)
{
	unsigned shell = task(f->shell)->last[sig], job = task(f->job)->last[sig],
		 worker = task(f->worker)->last[sig];

	ck_assert_msg(shell && job && worker, "%u, %u, %u", shell, job, worker);
	ck_assert_int_eq(parents_first, shell < job && job < worker);
	ck_assert_int_eq(!parents_first, worker < job && job < shell);
}

static bool all_stopped(const struct family *f)
{
	return task(f->shell)->stopped && task(f->job)->stopped && task(f->worker)->stopped;
}

static bool any_stopped(const struct family *f)
{
	return task(f->shell)->stopped || task(f->job)->stopped || task(f->worker)->stopped;
}

START_TEST(parents_of_throttled_ones)
{
	struct family f = family_in("a/x", "a/y");

	ck_assert_int_eq(do_write("a/cpu.max", "20000 100000"), 0);
	spin_until_stopped(f.worker);
	ck_assert(all_stopped(&f));
	assert_order(&f, SIGSTOP, true);
	/* only who ran is throttled */
	ck_assert_uint_eq(stat_value("a/y/cpu.stat.local", "throttled_usec "), 0);
	ck_assert_int_eq(do_write("a/cpu.max", "max"), 0);
	ck_assert(!any_stopped(&f));
	assert_order(&f, SIGCONT, false);
	/* a parent outside of what is throttled runs on, and its job must */
	ck_assert_int_eq(do_write("a/x/cpu.max", "20000 100000"), 0);
	spin(&f.job, 1, 300);
	ck_assert(!task(f.shell)->stopped && !task(f.job)->stopped);
}
END_TEST

START_TEST(parents_of_frozen_ones)
{
	struct family f = family_in("a/x", "a/x");

	ck_assert_int_eq(do_write("a/cgroup.freeze", "1"), 0);
	ck_assert(all_stopped(&f));
	assert_order(&f, SIGSTOP, true);
	ck_assert_int_eq(do_write("a/cgroup.freeze", "0"), 0);
	ck_assert(!any_stopped(&f));
	assert_order(&f, SIGCONT, false);
	/* moved out alone: it runs, whatever becomes of its child */
	ck_assert_int_eq(do_write("a/cgroup.freeze", "1"), 0);
	move("", f.shell);
	ck_assert(!task(f.shell)->stopped && task(f.job)->stopped);
	ck_assert_int_eq(do_write("a/cgroup.freeze", "0"), 0);
	ck_assert(!any_stopped(&f));
	/* and the other way round */
	ck_assert_int_eq(do_write("a/cgroup.freeze", "1"), 0);
	move("", f.worker);
	ck_assert(!task(f.worker)->stopped && task(f.job)->stopped);
}
END_TEST

START_TEST(parents_of_those_that_end)
{
	struct family f = family_in("a/x", "a/y");

	ck_assert_int_eq(do_write("a/cpu.max", "20000 100000"), 0);
	spin_until_stopped(f.worker);
	/* one in the middle is killed: its child is another's now */
	fake_end(fake, f.job);
	fake_settle(&fake->tasks);
	ck_assert(!task(f.shell)->stopped && task(f.worker)->stopped);
	ck_assert_int_eq(do_write("a/cpu.max", "max"), 0);
	ck_assert(!task(f.worker)->stopped);
	/* the last one */
	ck_assert_int_eq(do_write("a/cpu.max", "20000 100000"), 0);
	task(f.worker)->use.parent = f.shell;
	spin_until_stopped(f.worker);
	ck_assert(task(f.shell)->stopped);
	fake_end(fake, f.worker);
	fake_settle(&fake->tasks);
	ck_assert(!task(f.shell)->stopped);
}
END_TEST

START_TEST(who_is_spared)
{
	struct family f = family_in("a/x", "a/y");

	ck_assert_int_eq(emul_spare(tree, f.shell), 0);
	ck_assert_int_eq(emul_spare(tree, 1), -ESRCH);
	ck_assert_int_eq(do_write("a/cpu.max", "20000 100000"), 0);
	spin_until_stopped(f.worker);
	ck_assert(!task(f.shell)->stopped && task(f.job)->stopped);
	spin(&f.shell, 1, 300);
	ck_assert_uint_eq(task(f.shell)->signals[SIGSTOP], 0);
}
END_TEST

START_TEST(the_end_keeps_the_order)
{
	struct family f = family_in("a/x", "a/y");

	ck_assert_int_eq(do_write("a/cgroup.freeze", "1"), 0);
	ck_assert(all_stopped(&f));
	ck_assert_int_eq(do_write("a/x/cpu.max", "20000 100000"), 0);
	tree_destroy(tree);
	ck_assert(!any_stopped(&f));
	assert_order(&f, SIGCONT, false);
	ck_assert_int_eq(emul_new(&(struct emul_config){ .tasks = &fake->tasks }, &tree), 0);
}
END_TEST

/* --- a parent that takes its signal late --- */

static struct family late_family(void)
{
	struct family f = family_in("a/x", "a/y");

	task(f.shell)->late = true;
	return f;
}

START_TEST(children_wait_for_a_late_parent)
{
	struct family f = late_family();

	ck_assert_int_eq(do_write("a/cgroup.freeze", "1"), 0);
	pass(50);
	ck_assert(task(f.shell)->stopped && !task(f.job)->stopped && !task(f.worker)->stopped);
	assert_read("a/cgroup.events", "populated 1\nfrozen 0\n");
	assert_read("a/y/cgroup.events", "populated 1\nfrozen 1\n");
	task(f.job)->late = true;
	task(f.shell)->late = false;
	pass(1);
	ck_assert(task(f.job)->stopped && !task(f.worker)->stopped);
	assert_read("a/cgroup.events", "populated 1\nfrozen 0\n");
	task(f.job)->late = false;
	pass(1);
	ck_assert(all_stopped(&f));
	assert_order(&f, SIGSTOP, true);
	assert_read("a/cgroup.events", "populated 1\nfrozen 1\n");
	ck_assert_int_eq(do_write("a/cgroup.freeze", "0"), 0);
	ck_assert(!any_stopped(&f));
	assert_order(&f, SIGCONT, false);
	assert_read("a/cgroup.events", "populated 1\nfrozen 0\n");
}
END_TEST

START_TEST(a_quota_waits_for_a_late_parent)
{
	struct family f = late_family();

	ck_assert_int_eq(do_write("a/cpu.max", "20000 100000"), 0);
	spin(&f.worker, 1, 50);
	ck_assert(task(f.shell)->stopped && !task(f.job)->stopped && !task(f.worker)->stopped);
	/* what it uses meanwhile is paid back */
	task(f.shell)->late = false;
	spin(&f.worker, 1, 1950);
	assert_near(task(f.worker)->use.user_ns / MSEC, 400, 10);
}
END_TEST

START_TEST(what_is_due_can_be_taken_back)
{
	struct family f = late_family();

	ck_assert_int_eq(do_write("a/cgroup.freeze", "1"), 0);
	ck_assert_int_eq(do_write("a/cgroup.freeze", "0"), 0);
	task(f.shell)->late = false;
	pass(10);
	ck_assert(!any_stopped(&f));
	ck_assert_uint_eq(task(f.job)->signals[SIGSTOP] + task(f.job)->signals[SIGCONT], 0);
	assert_read("a/cgroup.events", "populated 1\nfrozen 0\n");
	/* moved out while it is due: it never was stopped */
	task(f.shell)->late = true;
	ck_assert_int_eq(do_write("a/cgroup.freeze", "1"), 0);
	move("", f.worker);
	move("", f.job);
	assert_read("a/x/cgroup.events", "populated 0\nfrozen 1\n");
	task(f.shell)->late = false;
	pass(10);
	ck_assert(task(f.shell)->stopped && !task(f.job)->stopped && !task(f.worker)->stopped);
	assert_read("a/cgroup.events", "populated 1\nfrozen 1\n");
}
END_TEST

START_TEST(a_late_parent_ends)
{
	struct family f = late_family();

	ck_assert_int_eq(do_write("a/cgroup.freeze", "1"), 0);
	fake_end(fake, f.shell);
	pass(1);
	ck_assert(task(f.job)->stopped);
	pass(1);
	ck_assert(task(f.worker)->stopped);
	assert_read("a/cgroup.events", "populated 1\nfrozen 1\n");
	/* and who is due ends */
	ck_assert_int_eq(do_write("a/cgroup.freeze", "0"), 0);
	task(f.job)->late = true;
	ck_assert_int_eq(do_write("a/cgroup.freeze", "1"), 0);
	ck_assert(!task(f.worker)->stopped);
	fake_end(fake, f.worker);
	pass(1);
	assert_read("a/cgroup.events", "populated 1\nfrozen 1\n");
	pass(20); /* cgroup.events is told of late, since it changed a moment ago */
	ck_assert_uint_eq(emul_run_due(tree), UINT64_MAX);
}
END_TEST

START_TEST(who_is_due_cannot_be_stopped)
{
	struct family f = late_family();

	task(f.job)->fixed = true;
	ck_assert_int_eq(do_write("a/cgroup.freeze", "1"), 0);
	task(f.shell)->late = false;
	pass(10);
	ck_assert(!task(f.job)->stopped);
	assert_read("a/cgroup.events", "populated 1\nfrozen 0\n");
	ck_assert_int_eq(do_write("a/cgroup.freeze", "0"), 0);
	ck_assert(!any_stopped(&f));
	assert_read("a/cgroup.events", "populated 1\nfrozen 0\n");
	pass(20); /* cgroup.events is told of late, since it changed a moment ago */
	ck_assert_uint_eq(emul_run_due(tree), UINT64_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emul_stops");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, enforce_setup, emul_teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, parents_of_throttled_ones);
	tcase_add_test(tc, parents_of_frozen_ones);
	tcase_add_test(tc, parents_of_those_that_end);
	tcase_add_test(tc, who_is_spared);
	tcase_add_test(tc, the_end_keeps_the_order);
	tcase_add_test(tc, children_wait_for_a_late_parent);
	tcase_add_test(tc, a_quota_waits_for_a_late_parent);
	tcase_add_test(tc, what_is_due_can_be_taken_back);
	tcase_add_test(tc, a_late_parent_ends);
	tcase_add_test(tc, who_is_due_cannot_be_stopped);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
