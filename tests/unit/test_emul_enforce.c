/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What acts on limits, in virtual time: memory, memory.high, cpu.max, forks, freezing beside. */
#include "emul/emul.h"
#include "enforce.h"
#include "suite.h"

#define MIB (1024 * 1024ULL)

static pid_t fat(const char *dir, uint64_t mib)
{
	pid_t pid = spawn_in(dir);

	task(pid)->use.anon = mib * MIB;
	return pid;
}

static bool asleep(void)
{
	return emul_run_due(tree) == UINT64_MAX;
}

#define MEMORY_EVENTS(path, high, max, oom, kill, group)                                    \
	assert_read(path, "low 0\nhigh " #high "\nmax " #max "\noom " #oom "\noom_kill " #kill \
			  "\noom_group_kill " #group "\n")

/* --- out of memory --- */

START_TEST(write_below_usage)
{
	pid_t small = fat("a/x", 10), large = fat("a/y", 100), middle = fat("a/x", 50);

	ck_assert_int_eq(do_write("a/memory.max", "20M"), 0);
	ck_assert(task(large)->exited && task(middle)->exited && !task(small)->exited);
	fake_settle(&fake->tasks);
	assert_read("a/memory.current", "10485760\n");
	MEMORY_EVENTS("a/memory.events", 0, 0, 2, 2, 0);
	MEMORY_EVENTS("a/memory.events.local", 0, 0, 2, 0, 0);
	MEMORY_EVENTS("a/x/memory.events", 0, 0, 0, 1, 0);
	MEMORY_EVENTS("a/y/memory.events.local", 0, 0, 0, 1, 0);
	/* enough room is no reason to kill */
	ck_assert_int_eq(do_write("a/memory.max", "10M"), 0);
	ck_assert(!task(small)->exited);
}
END_TEST

START_TEST(points_decide)
{
	pid_t pid[4];

	for (int i = 0; i < 4; i++)
		pid[i] = fat("a/x", 100);
	task(pid[0])->adj = 500;
	task(pid[1])->adj = -1000;
	task(pid[2])->use.swap = 1 * MIB;
	task(pid[3])->fixed = true; /* not ours to kill */
	task(pid[3])->adj = 1000;
	ck_assert_int_eq(do_write("a/x/memory.max", "350M"), 0);
	ck_assert(task(pid[0])->exited && !task(pid[2])->exited);
	fake_settle(&fake->tasks);
	ck_assert_int_eq(do_write("a/x/memory.max", "0"), 0);
	ck_assert(task(pid[2])->exited && !task(pid[1])->exited && !task(pid[3])->exited);
	/* that nobody is left to kill is told once, not for ever */
	MEMORY_EVENTS("a/x/memory.events", 0, 0, 3, 2, 0);
	pass(1);
	MEMORY_EVENTS("a/x/memory.events", 0, 0, 3, 2, 0);
	pass(2000);
	MEMORY_EVENTS("a/x/memory.events", 0, 1, 4, 2, 0);
	task(pid[3])->fixed = false;
	fake_end(fake, pid[3]);
	fake_end(fake, pid[1]);
	pass(300);
	ck_assert(asleep());
}
END_TEST

START_TEST(growth_is_noticed)
{
	pid_t pid = fat("a/x", 90), other = fat("a/x", 5);

	ck_assert(asleep());
	ck_assert_int_eq(do_write("a/memory.max", "100M"), 0);
	ck_assert(!asleep());
	pass(300);
	ck_assert(!task(pid)->exited);
	MEMORY_EVENTS("a/memory.events", 0, 0, 0, 0, 0);
	task(pid)->use.anon = 200 * MIB;
	pass(250);
	ck_assert(task(pid)->exited && !task(other)->exited);
	MEMORY_EVENTS("a/memory.events", 0, 1, 1, 1, 0);
	MEMORY_EVENTS("a/memory.events.local", 0, 1, 1, 0, 0);
	MEMORY_EVENTS("a/x/memory.events", 0, 0, 0, 1, 0);
	assert_read("a/memory.peak", "214958080\n"); /* 205 MiB were seen */
	fake_end(fake, other);
	fake_settle(&fake->tasks);
	pass(20); /* cgroup.events is told of late, since it changed a moment ago */
	ck_assert(asleep()); /* nobody is in there: nothing to look at */
	fat("a/y", 10);
	ck_assert(!asleep());
	ck_assert_int_eq(do_write("a/memory.max", "max"), 0);
	ck_assert(asleep());
}
END_TEST

/* One that will not die is waited for, and then not counted on. */
START_TEST(one_kill_at_a_time)
{
	pid_t pid = fat("a/x", 100), other = fat("a/x", 90);

	ck_assert_int_eq(do_write("a/memory.max", "200M"), 0);
	task(pid)->use.anon = 150 * MIB;
	task(pid)->unkillable = true;
	pass(300);
	ck_assert_uint_eq(task(pid)->signals[SIGKILL], 1);
	pass(1000);
	ck_assert(!task(other)->exited);
	pass(2000);
	ck_assert(task(other)->exited);
	ck_assert_uint_eq(task(pid)->signals[SIGKILL], 1);
	MEMORY_EVENTS("a/x/memory.events.local", 0, 0, 0, 2, 0);
}
END_TEST

START_TEST(group_is_killed_as_a_whole)
{
	pid_t one = fat("a/x", 100), two = fat("a/x", 1), spared = fat("a/x", 1);
	pid_t other = fat("a/y", 1);

	task(spared)->adj = -1000;
	ck_assert_int_eq(do_write("a/x/memory.oom.group", "1"), 0);
	ck_assert_int_eq(do_write("a/memory.max", "50M"), 0);
	ck_assert(task(one)->exited && task(two)->exited);
	ck_assert(!task(spared)->exited && !task(other)->exited);
	MEMORY_EVENTS("a/x/memory.events.local", 0, 0, 0, 2, 1);
	MEMORY_EVENTS("a/memory.events", 0, 0, 1, 2, 1);
	/* the topmost within the domain */
	ck_assert_int_eq(do_write("a/memory.oom.group", "1"), 0);
	fat("a/x", 100);
	ck_assert_int_eq(do_write("a/memory.max", "40M"), 0);
	ck_assert(task(other)->exited && !task(spared)->exited);
}
END_TEST

START_TEST(observing_kills_nobody)
{
	pid_t pid = fat("a/x", 100);

	((struct emul *)tree)->config.observe = true;
	ck_assert_int_eq(do_write("a/memory.max", "50M"), 0);
	ck_assert_int_eq(do_write("a/memory.high", "50M"), 0);
	pass(300);
	task(pid)->use.anon = 200 * MIB;
	pass(300);
	ck_assert(!task(pid)->exited && !task(pid)->signals[SIGSTOP]);
	MEMORY_EVENTS("a/memory.events", 2, 2, 0, 0, 0);
}
END_TEST

START_TEST(high_delays_who_grows)
{
	pid_t grows = fat("a/x", 90), still = fat("a/x", 5);

	ck_assert_int_eq(do_write("a/memory.high", "100M"), 0);
	pass(300);
	ck_assert_uint_eq(task(grows)->signals[SIGSTOP], 0);
	task(grows)->use.anon = 115 * MIB; /* a fifth over: 2 s */
	pass(260);
	ck_assert(task(grows)->stopped && !task(still)->stopped);
	MEMORY_EVENTS("a/memory.events", 1, 0, 0, 0, 0);
	pass(1700);
	ck_assert(task(grows)->stopped);
	pass(400);
	ck_assert(!task(grows)->stopped && !task(grows)->exited);
	pass(3000); /* no growth, no delay */
	ck_assert_uint_eq(task(grows)->signals[SIGSTOP], 1);
	MEMORY_EVENTS("a/memory.events", 1, 0, 0, 0, 0);
}
END_TEST

START_TEST(swap_events)
{
	pid_t pid = fat("a/x", 1);

	ck_assert_int_eq(do_write("a/memory.swap.max", "10M"), 0);
	ck_assert_int_eq(do_write("a/memory.swap.high", "5M"), 0);
	task(pid)->use.swap = 7 * MIB;
	pass(300);
	assert_read("a/memory.swap.events", "high 1\nmax 0\nfail 0\n");
	task(pid)->use.swap = 20 * MIB;
	pass(300);
	assert_read("a/memory.swap.events", "high 2\nmax 1\nfail 0\n");
	ck_assert(!task(pid)->exited);
}
END_TEST

/* --- cpu.max --- */

START_TEST(quota_is_kept)
{
	pid_t pid = spawn_in("a/x");

	ck_assert_int_eq(do_write("a/cpu.max", "20000 100000"), 0);
	spin(&pid, 1, 2000);
	assert_near(task(pid)->use.user_ns / MSEC, 400, 5);
	assert_near(stat_value("a/cpu.stat", "nr_periods "), 20, 1);
	assert_near(stat_value("a/cpu.stat", "nr_throttled "), 20, 1);
	assert_near(stat_value("a/cpu.stat", "throttled_usec "), 1600000, 20000);
	assert_near(stat_value("a/x/cpu.stat.local", "throttled_usec "), 1600000, 100000);
	ck_assert_uint_eq(stat_value("a/cpu.stat.local", "throttled_usec "), 0);
	ck_assert_uint_eq(stat_value("a/cpu.stat", "nr_bursts "), 0);
	assert_near(stat_value("a/cpu.stat", "usage_usec "), 400000, 5000);
	/* without a quota it runs at once */
	ck_assert_int_eq(do_write("a/cpu.max", "max"), 0);
	ck_assert(!task(pid)->stopped);
	ck_assert(asleep());
}
END_TEST

START_TEST(quota_of_many)
{
	pid_t pids[4];

	for (int i = 0; i < 4; i++)
		pids[i] = spawn_in(i % 2 ? "a/x" : "a/y");
	ck_assert_int_eq(do_write("a/cpu.max", "150000 100000"), 0);
	ck_assert_int_eq(do_write("a/x/cpu.max", "50000"), 0);
	spin(pids, 4, 2000);
	assert_near(stat_value("a/cpu.stat", "usage_usec "), 3000000, 60000);
	ck_assert_uint_le(stat_value("a/x/cpu.stat", "usage_usec "), 1030000);
	ck_assert_uint_ge(stat_value("a/x/cpu.stat", "usage_usec "), 700000);
}
END_TEST

/* Who was at rest when the quota was used up may not run on what is not there. */
START_TEST(who_wakes_while_throttled)
{
	pid_t first = spawn_in("a/x"), late = spawn_in("a/y");

	pass(1000);
	ck_assert_int_eq(do_write("a/cpu.max", "20000 100000"), 0);
	spin(&first, 1, 50);
	ck_assert(task(first)->stopped && !task(late)->stopped);
	spin(&late, 1, 2000);
	ck_assert_uint_le(task(late)->use.user_ns / MSEC, 400);
	assert_near(stat_value("a/cpu.stat", "usage_usec "), 410000, 20000);
	ck_assert_uint_ge(stat_value("a/y/cpu.stat.local", "throttled_usec "), 1000000);
	ck_assert_int_eq(do_write("a/cpu.max", "max"), 0);
	ck_assert(!task(first)->stopped && !task(late)->stopped);
}
END_TEST

START_TEST(short_period)
{
	pid_t pid = spawn_in("a/x");

	ck_assert_int_eq(do_write("a/cpu.max", "1000 2000"), 0);
	spin(&pid, 1, 1000);
	assert_near(task(pid)->use.user_ns / MSEC, 500, 10);
	assert_near(stat_value("a/cpu.stat", "nr_periods "), 500, 10);
}
END_TEST

START_TEST(periods_stand_still_at_rest)
{
	pid_t pid = spawn_in("a/x");

	ck_assert_int_eq(do_write("a/cpu.max", "20000 100000"), 0);
	spin(&pid, 1, 5);
	spin(NULL, 0, 5000);
	ck_assert_uint_eq(stat_value("a/cpu.stat", "nr_periods "), 2); /* one in which it ran */
	ck_assert_uint_eq(stat_value("a/cpu.stat", "nr_throttled "), 0);
	ck_assert_uint_ge(emul_run_due(tree), fake->now + 1); /* looks seldom, but looks */
	spin(&pid, 1, 2000);
	assert_near(task(pid)->use.user_ns / MSEC, 420, 30);
}
END_TEST

START_TEST(bursts)
{
	pid_t pid = spawn_in("a/x");

	ck_assert_int_eq(do_write("a/cpu.max", "20000 100000"), 0);
	ck_assert_int_eq(do_write("a/cpu.max.burst", "20000"), 0);
	spin(&pid, 1, 1);
	spin(NULL, 0, 99);
	spin(&pid, 1, 100); /* what was left over may be used now */
	assert_near(task(pid)->use.user_ns / MSEC, 40, 3);
	spin(&pid, 1, 10);
	ck_assert_uint_eq(stat_value("a/cpu.stat", "nr_bursts "), 1);
	assert_near(stat_value("a/cpu.stat", "burst_usec "), 19000, 3000);
}
END_TEST

/* --- who is stopped, and who continues --- */

START_TEST(stops_are_not_mixed_up)
{
	pid_t pid = spawn_in("a/x");

	ck_assert_int_eq(do_write("a/cpu.max", "20000 100000"), 0);
	spin_until_stopped(pid);
	/* frozen meanwhile: stays so */
	ck_assert_int_eq(do_write("a/cgroup.freeze", "1"), 0);
	assert_read("a/cgroup.events", "populated 1\nfrozen 1\n");
	spin(&pid, 1, 200);
	ck_assert(task(pid)->stopped);
	ck_assert_int_eq(do_write("a/cgroup.freeze", "0"), 0);
	ck_assert(!task(pid)->stopped);
	/* stopped by its user meanwhile: stays so */
	spin_until_stopped(pid);
	fake->tasks.ops->kill(&fake->tasks, pid, task(pid)->start, SIGSTOP);
	spin(&pid, 1, 200);
	ck_assert(task(pid)->stopped);
	fake->tasks.ops->kill(&fake->tasks, pid, task(pid)->start, SIGCONT);
	/* moved out: free at once */
	spin_until_stopped(pid);
	move("a/y", pid);
	ck_assert(!task(pid)->stopped);
	/* a job of a shell is let alone */
	task(pid)->job = true;
	spin(&pid, 1, 500);
	ck_assert(!task(pid)->stopped);
}
END_TEST

START_TEST(nobody_stays_stopped)
{
	pid_t pid = spawn_in("a/x"), other = spawn_in("a/y");

	ck_assert_int_eq(do_write("a/x/cpu.max", "20000 100000"), 0);
	spin_until_stopped(pid);
	move("", pid);
	ck_assert(!task(pid)->stopped);
	move("a/x", pid);
	spin_until_stopped(pid);
	move("", other);
	ck_assert_int_eq(do_write("a/cgroup.subtree_control", "-cpu"), 0);
	ck_assert(!task(pid)->stopped);
	ck_assert(asleep());
}
END_TEST

START_TEST(frozen_and_continued)
{
	pid_t pid = spawn_in("a/x");

	ck_assert_int_eq(do_write("a/cgroup.freeze", "1"), 0);
	fake->tasks.ops->kill(&fake->tasks, pid, task(pid)->start, SIGCONT);
	ck_assert(!task(pid)->stopped);
	stat_value("a/cpu.stat", "usage_usec ");
	ck_assert(task(pid)->stopped);
	ck_assert_int_eq(do_write("a/cgroup.freeze", "0"), 0);
	ck_assert(!task(pid)->stopped);
	/* killed while frozen */
	ck_assert_int_eq(do_write("a/cgroup.freeze", "1"), 0);
	task(pid)->use.anon = 10 * MIB;
	ck_assert_int_eq(do_write("a/memory.max", "1M"), 0);
	ck_assert(task(pid)->exited);
	fake_settle(&fake->tasks);
	assert_read("a/cgroup.events", "populated 0\nfrozen 1\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emul_enforce");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, enforce_setup, emul_teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, write_below_usage);
	tcase_add_test(tc, points_decide);
	tcase_add_test(tc, growth_is_noticed);
	tcase_add_test(tc, one_kill_at_a_time);
	tcase_add_test(tc, group_is_killed_as_a_whole);
	tcase_add_test(tc, observing_kills_nobody);
	tcase_add_test(tc, high_delays_who_grows);
	tcase_add_test(tc, swap_events);
	tcase_add_test(tc, quota_is_kept);
	tcase_add_test(tc, quota_of_many);
	tcase_add_test(tc, who_wakes_while_throttled);
	tcase_add_test(tc, short_period);
	tcase_add_test(tc, periods_stand_still_at_rest);
	tcase_add_test(tc, bursts);
	tcase_add_test(tc, stops_are_not_mixed_up);
	tcase_add_test(tc, nobody_stays_stopped);
	tcase_add_test(tc, frozen_and_continued);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
