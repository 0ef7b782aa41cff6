/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is built apart, together: limits and pressure, real members beside synthetic ones. */
#include <poll.h>

#include "emul_fixture.h"
#include "emul/emul.h"
#include "suite.h"

static void scenario(const char *text)
{
	int r = emul_scenario(tree, "scenario", text);

	ck_assert_msg(r == 0, "%s (%s)", why_take(), strerror(-r));
}

static const char beginning[] = "time virtual\n"
				"write /cgroup.subtree_control +cpu +memory +pids +cpuset\n"
				"mkdir /a\n"
				"mkdir /b\n";

static void setup(void)
{
	emul_setup();
	scenario(beginning);
	n_changes = 0;
}

static void setup_parts(void)
{
	setup();
	scenario("write /a/cgroup.subtree_control +cpu +memory\nmkdir /a/x\nmkdir /a/y\n");
}

/* What follows key in the file. */
static double number_of(const char *path, const char *key)
{
	cleanup_buf struct buf text = { 0 };
	const char *at;

	ck_assert_int_eq(do_read(path, &text), 0);
	at = strstr(buf_text(&text), key);
	ck_assert_msg(at, "no \"%s\" in %s", key, buf_text(&text));
	return strtod(at + strlen(key), NULL);
}

#define assert_between(value, least, most)                                              \
	do {                                                                            \
		double value_ = (value);                                                \
		ck_assert_msg(value_ >= (least) && value_ <= (most), "%s is %g", #value, value_); \
	} while (0)

/* --- throttling is pressure --- */

/* 2.5 CPUs stand for 60 ms of 100: they wait, and nobody of the group runs. */
START_TEST(throttled_ones_wait_for_cpu)
{
	scenario("write /a/cpu.max 100000 100000\nadd /a burn cpu=2.5\nadd /b other cpu=1\n"
		 "advance 10s");
	assert_between(number_of("a/cpu.pressure", "some avg10="), 30, 45);
	scenario("advance 50s");
	assert_between(number_of("a/cpu.pressure", "some avg10="), 56, 62);
	assert_between(number_of("a/cpu.pressure", "full avg10="), 56, 62);
	assert_between(number_of("a/cpu.pressure", "some avg10="), 56, 62);
	assert_between(number_of("cpu.pressure", "some avg10="), 56, 62);
	ck_assert(number_of("b/cpu.pressure", "total=") == 0);
	ck_assert(number_of("a/memory.pressure", "total=") == 0);
	scenario("write /a/cpu.max max\nadvance 120s");
	assert_between(number_of("a/cpu.pressure", "some avg10="), 0, 0.01);
}
END_TEST

START_TEST(nothing_waits_below_the_quota)
{
	scenario("write /a/cpu.max 100000 100000\nadd /a idle cpu=0.5\nadvance 20s");
	ck_assert(number_of("a/cpu.pressure", "total=") == 0);
}
END_TEST

/* Those of the cgroup that has the tasks, and of all above. */
START_TEST(throttled_from_above)
{
	scenario("write /a/cpu.max 100000 100000\nadd /a/x burn cpu=2\nadd /a/y sleep\n"
		 "advance 60s");
	assert_between(number_of("a/x/cpu.pressure", "some avg10="), 46, 52);
	assert_between(number_of("a/cpu.pressure", "full avg10="), 46, 52);
	ck_assert(number_of("a/y/cpu.pressure", "total=") == 0);
	scenario("exit burn\nadvance 120s");
	assert_between(number_of("a/cpu.pressure", "some avg10="), 0, 0.01);
}
END_TEST

/* What a test says and what limits do stand beside one another. */
START_TEST(told_stalls_are_not_overwritten)
{
	double before;

	scenario("write /a/cpu.max 100000 100000\npressure /a cpu some=90% full=10%\n"
		 "add /a burn cpu=2.5\nadvance 60s");
	assert_between(number_of("a/cpu.pressure", "some avg10="), 89, 98);
	scenario("exit burn\nadvance 60s");
	assert_between(number_of("a/cpu.pressure", "some avg10="), 89, 90.1);
	assert_between(number_of("a/cpu.pressure", "full avg10="), 9, 12);
	scenario("pressure /a cpu some=0%\n");
	before = number_of("a/cpu.pressure", "total=");
	scenario("advance 10s");
	ck_assert(number_of("a/cpu.pressure", "total=") == before);
}
END_TEST

START_TEST(triggers_see_throttling)
{
	struct tree_file *file = open_file("a/cpu.pressure");

	ck_assert_int_eq(write_file_as(file, &TREE_SELF, "some 300000 1000000"), 0);
	scenario("write /a/cpu.max 100000 100000\nadvance 5s");
	ck_assert(!(file->ops->poll(file) & POLLPRI));
	scenario("add /a burn cpu=2.5\nadvance 5s");
	ck_assert(file->ops->poll(file) & POLLPRI);
	file->ops->close(file);
}
END_TEST

START_TEST(triggers_see_told_pressure)
{
	struct tree_file *file = open_file("a/memory.pressure");

	ck_assert_int_eq(write_file_as(file, &TREE_SELF, "full 100000 1000000"), 0);
	scenario("pressure /a memory some=80% full=40% over 10s\nadvance 1s");
	ck_assert(!(file->ops->poll(file) & POLLPRI));
	scenario("advance 9s");
	ck_assert(file->ops->poll(file) & POLLPRI);
	file->ops->close(file);
}
END_TEST

START_TEST(memory_high_is_pressure)
{
	scenario("write /a/memory.high 60M\nadd /a leak memory=50M grow=10M/s\nadvance 30s");
	ck_assert(number_of("a/memory.events", "high ") >= 1);
	ck_assert(number_of("a/memory.pressure", "some avg10=") > 10);
	ck_assert(number_of("a/memory.pressure", "full avg10=") > 10);
	ck_assert(number_of("b/memory.pressure", "total=") == 0);
	scenario("exit leak\nadd /a busy memory=50M cpu=1\nadvance 120s");
	assert_between(number_of("a/memory.pressure", "some avg10="), 0, 0.01);
}
END_TEST

/* Somebody else runs: some, and not full. */
START_TEST(memory_high_beside_a_runner)
{
	scenario("write /a/memory.high 60M\nadd /a leak memory=50M grow=10M/s\n"
		 "add /a busy cpu=1\nadvance 30s");
	ck_assert(number_of("a/memory.pressure", "some avg10=") > 10);
	ck_assert(number_of("a/memory.pressure", "full avg10=") == 0);
}
END_TEST

/* --- real members beside synthetic ones --- */

START_TEST(pids_max_counts_both)
{
	pid_t pid = spawn_in("a");

	scenario("add /a x threads=2\nwrite /a/pids.max 5\n");
	assert_read("a/pids.current", "3\n");
	fake_fork(fake, pid);
	assert_read("a/pids.current", "4\n");
	ck_assert_int_eq(emul_inject(tree, "fork x y"), -EAGAIN);
	ck_assert(number_of("a/pids.events", "max ") == 1);
	fake_exit(fake, pid); /* a zombie counts until it is reaped */
	fake_settle(&fake->tasks);
	assert_read("a/pids.current", "4\n");
	ck_assert_int_eq(emul_inject(tree, "fork x y"), -EAGAIN);
	fake_reap(fake, pid);
	assert_read("a/pids.current", "3\n");
	ck_assert_int_eq(emul_inject(tree, "fork x y"), 0);
	assert_read("a/pids.current", "5\n");
}
END_TEST

START_TEST(a_group_is_killed_as_one)
{
	pid_t real = spawn_in("a"), other = spawn_in("b");

	scenario("write /a/memory.oom.group 1\nwrite /a/memory.max 100M\n"
		 "add /a big memory=80M grow=10M/s\nadd /a small memory=1M\nadd /b out memory=1M\n"
		 "advance 5s");
	ck_assert(number_of("a/memory.events", "oom_kill ") == 3);
	ck_assert(number_of("a/memory.events", "oom_group_kill ") == 1);
	ck_assert(fake_find(fake, real)->exited && !fake_find(fake, other)->exited);
	fake_settle(&fake->tasks);
	NONE("a");
	PROCS("b", other, 4194306);
}
END_TEST

START_TEST(a_cpuset_caps_demand)
{
	scenario("add /a burn cpu=2.5\nadvance 1s");
	ck_assert(number_of("a/cpu.stat", "usage_usec ") == 2500000);
	scenario("write /a/cpuset.cpus 0\nadvance 1s");
	ck_assert(number_of("a/cpu.stat", "usage_usec ") == 3500000);
	scenario("write /a/cpuset.cpus 0-1\nadvance 1s");
	ck_assert(number_of("a/cpu.stat", "usage_usec ") == 5500000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emul_together");
	TCase *limits = tcase_create("limits");
	TCase *parts = tcase_create("parts");

	tcase_add_checked_fixture(limits, setup, emul_teardown);
	tcase_add_test(limits, throttled_ones_wait_for_cpu);
	tcase_add_test(limits, nothing_waits_below_the_quota);
	tcase_add_test(limits, told_stalls_are_not_overwritten);
	tcase_add_test(limits, triggers_see_throttling);
	tcase_add_test(limits, triggers_see_told_pressure);
	tcase_add_test(limits, memory_high_is_pressure);
	tcase_add_test(limits, memory_high_beside_a_runner);
	tcase_add_test(limits, pids_max_counts_both);
	tcase_add_test(limits, a_group_is_killed_as_one);
	tcase_add_test(limits, a_cpuset_caps_demand);
	tcase_add_checked_fixture(parts, setup_parts, emul_teardown);
	tcase_add_test(parts, throttled_from_above);
	suite_add_tcase(suite, limits);
	suite_add_tcase(suite, parts);
	return suite_run(suite);
}
