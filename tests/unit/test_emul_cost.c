/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What operations may cost: counts of looks at processes, and bytes. Times are tests/bench's. */
#include "emul_fixture.h"

#include <malloc.h>

#include "suite.h"

static struct tasks_ops counting;
static unsigned n_births;

static int count_births(struct tasks *t, uint64_t *ret_births)
{
	n_births++;
	return fake_births(t, ret_births);
}

static void setup(void)
{
	emul_setup();
	counting = *fake->tasks.ops;
	counting.births = count_births;
	fake->tasks.ops = &counting;
	do_rmdir("none"); /* the first look finds nobody */
	n_births = fake->n_scans = 0;
}

static void cycle(const char *path)
{
	ck_assert_int_eq(do_mkdir(path), 0);
	ck_assert_int_eq(do_rmdir(path), 0);
}

START_TEST(without_members_nobody_looks_at_processes)
{
	cleanup_buf struct buf text = { 0 };

	for (int i = 0; i < 10; i++) {
		fake_spawn(fake); /* somebody else's */
		cycle("a");
		ck_assert_int_eq(do_read("cgroup.procs", &text), 0);
		ck_assert_int_eq(do_read("cgroup.stat", &text), 0);
	}
	ck_assert_uint_eq(n_births, 0);
	ck_assert_uint_eq(fake->n_scans, 0);
}
END_TEST

START_TEST(the_first_member_is_looked_for)
{
	pid_t pid = fake_spawn(fake), child;

	ck_assert_int_eq(do_mkdir("a"), 0);
	move("a", pid);
	child = fake_fork(fake, pid);
	PROCS("a", pid, child);
	ck_assert_int_eq(do_rmdir("a"), -EBUSY);
	fake_end(fake, pid);
	PROCS("a", child);
}
END_TEST

/* After the last one is gone it is quiet again, but not before a look that nothing disturbed. */
START_TEST(after_the_last_member_it_is_quiet)
{
	pid_t pid = spawn_in("");

	fake_end(fake, pid);
	fake_spawn(fake);
	NONE("");
	n_births = fake->n_scans = 0;
	fake_spawn(fake);
	NONE("");
	cycle("a");
	ck_assert_uint_eq(n_births, 0);
	ck_assert_uint_eq(fake->n_scans, 0);
}
END_TEST

/* A chain: what is looked at dies in each scan, and a child lives on. */
static pid_t chain;

static void hop(struct fake *f)
{
	pid_t child = fake_fork(f, chain);

	fake_end(f, chain);
	chain = child;
}

START_TEST(who_hides_from_scans_is_found_when_he_rests)
{
	make_dirs("a", "b");
	chain = spawn_in("a");
	fake->during_scan = hop;
	ck_assert_int_eq(do_rmdir("b"), 0);
	fake->during_scan = NULL;
	PROCS("a", chain);
}
END_TEST

START_TEST(a_move_that_fails_ends_the_quiet)
{
	pid_t pid = fake_spawn(fake);

	fake->task[0].fixed = true;
	ck_assert_int_lt(write_pid("cgroup.procs", pid), 0);
	n_births = 0;
	NONE("");
	ck_assert_uint_gt(n_births, 0);
}
END_TEST

#define MANY 2000

/* With room for what a name, an owner or an open file adds. */
START_TEST(a_cgroup_is_small)
{
	cleanup_buf struct buf all = { 0 };
	char path[32];
	size_t before;

	ck_assert_int_eq(do_mkdir("p"), 0);
	for (int i = 0; i < 2; i++) {
		char *rest, *name;

		buf_reset(&all);
		ck_assert_int_eq(do_read(i ? "p/cgroup.controllers" : "cgroup.controllers", &all),
				 0);
		rest = all.data;
		while ((name = strsep(&rest, " \n"))) {
			snprintf(path, sizeof path, "+%s", name);
			if (*name)
				ck_assert_int_eq(do_write(i ? "p/cgroup.subtree_control" :
							      "cgroup.subtree_control", path), 0);
		}
	}
	before = mallinfo2().uordblks;
	for (int i = 0; i < MANY; i++) {
		snprintf(path, sizeof path, "p/container-%d.scope", i);
		ck_assert_int_eq(do_mkdir(path), 0);
	}
	ck_assert_uint_lt((mallinfo2().uordblks - before) / MANY, 2048);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emul_cost");
	TCase *tc = tcase_create("cost");

	tcase_add_checked_fixture(tc, setup, emul_teardown);
	tcase_add_test(tc, without_members_nobody_looks_at_processes);
	tcase_add_test(tc, the_first_member_is_looked_for);
	tcase_add_test(tc, after_the_last_member_it_is_quiet);
	tcase_add_test(tc, who_hides_from_scans_is_found_when_he_rests);
	tcase_add_test(tc, a_move_that_fails_ends_the_quiet);
	tcase_add_test(tc, a_cgroup_is_small);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
