/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scenarios in virtual time: synthetic processes, what they use, and that each run is the same. */
#include <signal.h>

#include "emul_fixture.h"
#include "emul/emul.h"
#include "suite.h"

static void scenario(const char *text)
{
	int r = emul_scenario(tree, "scenario", text);

	ck_assert_msg(r == 0, "%s (%s)", why_take(), strerror(-r));
}

/* Refused with errnum, for a reason in which words stand. */
static void refused(const char *text, int errnum, const char *words)
{
	int r = emul_inject(tree, text);
	const char *why = why_take();

	ck_assert_msg(r == -errnum, "%s: %d", text, r);
	ck_assert_msg(strstr(why, words), "%s: \"%s\" does not say \"%s\"", text, why, words);
}

static const char beginning[] = "write /cgroup.subtree_control +cpu +memory +pids\n"
				"mkdir /a\n"
				"mkdir /b\n";

/* Nothing but what the scenario brings; time begins at 0 and stands. */
static struct tree *new_alone(void)
{
	struct emul_config config = { .tasks = NULL };
	struct tree *t;

	ck_assert_int_eq(emul_new(&config, &t), 0);
	t->changed = on_change;
	return t;
}

static void setup_alone(void)
{
	tree = new_alone();
	scenario(beginning);
	n_changes = 0;
}

static void teardown_alone(void)
{
	tree_destroy(tree);
	tree = NULL;
}

static void setup_among_others(void)
{
	emul_setup();
	fake->now = 3 * 1000000000ULL;
	scenario("time virtual\n");
	scenario(beginning);
	n_changes = 0;
}

static uint64_t number_of(const char *path, const char *key)
{
	cleanup_buf struct buf text = { 0 };
	const char *at;

	ck_assert_int_eq(do_read(path, &text), 0);
	at = strstr(buf_text(&text), key);
	ck_assert_msg(at, "no %s in %s", key, path);
	return strtoull(at + strlen(key), NULL, 10);
}

static void assert_state(const char *expected)
{
	cleanup_buf struct buf text = { 0 };

	ck_assert_int_eq(emul_inject_show(tree, &text), 0);
	ck_assert_str_eq(buf_text(&text), expected);
}

/* --- usage over time ------------------------------------------------------------------------ */

START_TEST(memory_grows_by_the_second)
{
	scenario("add /a leak memory=50M grow=10M/s file=1M\n");
	assert_read("a/memory.current", "53477376\n");
	scenario("advance 1s");
	assert_read("a/memory.current", "63963136\n");
	scenario("advance 500ms\nadvance 500ms");
	assert_read("a/memory.current", "74448896\n");
	ck_assert_uint_eq(number_of("memory.stat", "anon "), 73400320);
}
END_TEST

START_TEST(memory_falls_to_nothing)
{
	scenario("add /a shrink memory=10M grow=-4M/s\nadvance 2s");
	assert_read("a/memory.current", "2097152\n");
	scenario("advance 100s");
	assert_read("a/memory.current", "0\n");
	assert_read("a/memory.peak", "2097152\n");
}
END_TEST

START_TEST(cpu_is_used_by_the_clock)
{
	scenario("add /a burn cpu=2.5 system=0.5\nadvance 2s");
	ck_assert_uint_eq(number_of("a/cpu.stat", "usage_usec "), 6000000);
	ck_assert_uint_eq(number_of("a/cpu.stat", "user_usec "), 5000000);
	ck_assert_uint_eq(number_of("a/cpu.stat", "system_usec "), 1000000);
	assert_read("a/pids.current", "3\n");
	scenario("set burn cpu=0 system=0\nadvance 10s");
	ck_assert_uint_eq(number_of("a/cpu.stat", "usage_usec "), 6000000);
	refused("set burn cpu=4 threads=3", EINVAL, "3 threads cannot use 4 CPUs");
	scenario("set burn cpu=4\nadvance 1s");
	assert_read("a/pids.current", "4\n");
	ck_assert_uint_eq(number_of("a/cpu.stat", "usage_usec "), 10000000);
}
END_TEST

START_TEST(looking_changes_nothing)
{
	cleanup_buf struct buf text = { 0 };

	scenario("add /a odd cpu=0.333333 grow=1234567/s");
	for (int i = 0; i < 1000; i++) {
		scenario("advance 999999ns");
		buf_reset(&text);
		ck_assert_int_eq(do_read("a/cpu.stat", &text), 0);
		ck_assert_int_eq(do_read("a/memory.current", &text), 0);
	}
	ck_assert_uint_eq(number_of("a/cpu.stat", "usage_usec "), 999999ULL * 333333 / 1000000);
	assert_read("a/memory.current", "1232896\n"); /* 301 pages */
}
END_TEST

START_TEST(stopped_ones_use_nothing)
{
	scenario("add /a x cpu=1 grow=1M/s\nadvance 1s\nwrite /a/cgroup.freeze 1\nadvance 5s");
	assert_read("a/cgroup.events", "populated 1\nfrozen 1\n");
	ck_assert_uint_eq(number_of("a/cpu.stat", "usage_usec "), 1000000);
	assert_read("a/memory.current", "1048576\n");
	scenario("write /a/cgroup.freeze 0\nadvance 1s");
	ck_assert_uint_eq(number_of("a/cpu.stat", "usage_usec "), 2000000);
	assert_read("a/memory.current", "2097152\n");
}
END_TEST

/* --- life ----------------------------------------------------------------------------------- */

START_TEST(they_are_members_like_others)
{
	scenario("add /a one memory=1M\nadd /a two threads=3 memory=2M\nfork two three");
	assert_read("a/cgroup.procs", "4194304\n4194305\n4194308\n");
	assert_read("a/pids.current", "7\n");
	ck_assert_uint_eq(changes_of("a/cgroup.events"), 1);
	ck_assert_int_eq(do_write("b/cgroup.procs", "4194305"), 0);
	assert_read("b/cgroup.procs", "4194305\n");
	assert_read("b/memory.current", "2097152\n");
	assert_read("a/memory.current", "3145728\n");
	assert_state("time virtual\nprocess one 4194304 /a\nprocess two 4194305 /b\n"
		     "process three 4194308 /a\n");
	ck_assert_int_eq(do_write("b/cgroup.procs", "4199999"), -ESRCH);
	ck_assert_int_eq(do_rmdir("b"), -EBUSY);
	scenario("exit two");
	assert_read("b/cgroup.events", "populated 0\nfrozen 0\n");
	ck_assert_int_eq(do_rmdir("b"), 0);
	refused("exit two", ESRCH, "no synthetic process two");
	refused("add /a one", EEXIST, "process one already");
	scenario("add /a two");
	assert_read("a/cgroup.procs", "4194304\n4194308\n4194311\n");
}
END_TEST

START_TEST(killed_ones_are_told_of_without_a_reader)
{
	scenario("add /a x cpu=2\nadd /a y\nadvance 1s");
	scenario("advance 20ms");
	n_changes = 0;
	ck_assert_int_eq(do_write("a/cgroup.kill", "1"), 0);
	emul_run_due(tree);
	ck_assert_uint_eq(changes_of("a/cgroup.events"), 1);
	assert_read("a/cgroup.procs", "");
	ck_assert_uint_eq(number_of("a/cpu.stat", "usage_usec "), 2040000);
	assert_state("time virtual\n");
}
END_TEST

START_TEST(forks_meet_pids_max)
{
	scenario("write /a/pids.max 3\nadd /a x threads=2");
	refused("fork x y", EAGAIN, "pids.max of \"a\" is 3");
	assert_read("a/pids.events", "max 1\n");
	scenario("write /a/pids.max 4\nfork x y");
	assert_read("a/pids.current", "4\n");
}
END_TEST

START_TEST(threads_can_be_placed)
{
	scenario("mkdir /a/t\nwrite /a/t/cgroup.type threaded\nadd /a x threads=3\n"
		 "write /a/t/cgroup.threads 4194306");
	assert_read("a/t/cgroup.threads", "4194306\n");
	assert_read("a/cgroup.threads", "4194304\n4194305\n");
	scenario("set x threads=2");
	assert_read("a/t/cgroup.threads", "");
	assert_read("a/cgroup.threads", "4194304\n4194305\n");
}
END_TEST

/* The rules of cgroup.procs hold for them; what could not be moved in is gone. */
START_TEST(what_may_not_be_moved_in_is_not_made)
{
	scenario("mkdir /a/c\nwrite /a/cgroup.subtree_control +memory");
	refused("add /a x", EBUSY, "no internal processes");
	assert_state("time virtual\nfailed: EBUSY: the cgroup's subtree_control is not empty (no "
		     "internal processes rule)\n");
	refused("add /nowhere x", ENOENT, "no cgroup /nowhere");
}
END_TEST

/* --- time ----------------------------------------------------------------------------------- */

START_TEST(later_lines_wait_for_their_time)
{
	scenario("at 2s mkdir /late\nat 1s mkdir /a/x\nat 1s rmdir /a/x\nat 3s rmdir /nothing\n");
	assert_state("time virtual\nin 1.000000000s: at 1s mkdir /a/x\n"
		     "in 1.000000000s: at 1s rmdir /a/x\nin 2.000000000s: at 2s mkdir /late\n"
		     "in 3.000000000s: at 3s rmdir /nothing\n");
	scenario("advance 1999999999ns");
	ck_assert_uint_eq(node_at("late"), 0);
	ck_assert_uint_eq(node_at("a/x"), 0);
	scenario("advance 1ns");
	ck_assert_uint_ne(node_at("late"), 0);
	scenario("advance 3600s");
	assert_state("time virtual\nfailed: scenario:4: ENOENT: there is no cgroup /nothing\n");
}
END_TEST

/* A line finds the world as of its time, however far the clock is moved at once. */
START_TEST(later_lines_find_their_moment)
{
	scenario("add /a x cpu=1 grow=1M/s\nat 2s exit x\nat 1s set x cpu=3\nadvance 100s");
	ck_assert_uint_eq(number_of("a/cpu.stat", "usage_usec "), 4000000);
	assert_read("a/memory.current", "0\n");
}
END_TEST

/* The clock of the others is left at a moment that divides by ten seconds. */
START_TEST(virtual_time_leaves_the_real_one)
{
	pid_t pid = spawn_in("a");

	fake_find(fake, pid)->use.anon = 1 << 20;
	scenario("add /a x memory=1M grow=1M/s");
	fake->now += 50 * 1000000000ULL;
	assert_read("a/memory.current", "2097152\n");
	scenario("advance 1s");
	assert_read("a/memory.current", "3145728\n");
	scenario("time real");
	refused("advance 1s", EINVAL, "only virtual time");
	fake->now += 1000000000ULL;
	assert_read("a/memory.current", "4194304\n");
	scenario("at 1s set x memory=0 grow=0/s");
	fake->now += 1000000000ULL;
	emul_run_due(tree);
	assert_read("a/memory.current", "1048576\n");
	PROCS("a", pid, 4194304);
}
END_TEST

START_TEST(real_processes_keep_their_numbers)
{
	const struct caller nobody = { .pid = 0, .uid = 7 };
	pid_t pid = fake_spawn_uid(fake, 7);

	scenario("add /a x uid=7");
	move("a", pid);
	ck_assert_int_eq(do_write("b/cgroup.procs", "4194304"), 0);
	PROCS("a", pid);
	ck_assert_int_eq(write_as(&nobody, &nobody, "a/cgroup.procs", "4194304"), -ESRCH);
	fake_end(fake, pid);
	NONE("a");
	ck_assert_int_eq(do_write("b/cgroup.kill", "1"), 0);
	NONE("b");
}
END_TEST

START_TEST(pressure_rises_in_steps)
{
	scenario("pressure /a memory some=50% full=10% over 1s\npressure /a cpu some=1%");
	ck_assert_uint_eq(emul_run_due(tree), 50000000);
	scenario("advance 10s");
	ck_assert_uint_eq(emul_run_due(tree), UINT64_MAX); /* nothing more to do */
	scenario("pressure /a memory some=0% over 1s\nrmdir /a");
	ck_assert_uint_eq(emul_run_due(tree), UINT64_MAX);
}
END_TEST

/* --- with what acts ------------------------------------------------------------------------- */

#define assert_between(value, least, most)          \
	do {                                        \
		uint64_t value_ = (value);          \
		ck_assert_uint_ge(value_, (least)); \
		ck_assert_uint_le(value_, (most));  \
	} while (0)

/* 2.5 CPUs use up 100 ms of each period in 40 of it, and stand for 60. */
START_TEST(demand_above_cpu_max_is_throttled)
{
	scenario("write /a/cpu.max 100000 100000\nadd /a burn cpu=2.5\nadvance 10s");
	assert_between(number_of("a/cpu.stat", "usage_usec "), 9900000, 10150000);
	assert_between(number_of("a/cpu.stat", "nr_periods "), 99, 100);
	assert_between(number_of("a/cpu.stat", "nr_throttled "), 98, 100);
	assert_between(number_of("a/cpu.stat", "throttled_usec "), 5800000, 6100000);
	scenario("write /a/cpu.max max\nadvance 1s");
	assert_between(number_of("a/cpu.stat", "usage_usec "), 12400000, 12650000);
}
END_TEST

START_TEST(demand_below_cpu_max_is_not)
{
	scenario("write /a/cpu.max 100000 100000\nadd /a idle cpu=0.5\nadvance 10s");
	ck_assert_uint_eq(number_of("a/cpu.stat", "usage_usec "), 5000000);
	ck_assert_uint_eq(number_of("a/cpu.stat", "nr_throttled "), 0);
}
END_TEST

/* 50 MiB and 10 MiB a second meet 100 MiB after five seconds. */
START_TEST(a_leak_is_killed_at_its_limit)
{
	scenario("write /a/memory.max 100M\nadd /a leak memory=50M grow=10M/s\nadd /b other\n"
		 "advance 4990ms");
	ck_assert_uint_eq(number_of("a/memory.events", "oom_kill "), 0);
	scenario("advance 200ms");
	ck_assert_uint_eq(number_of("a/memory.events", "oom_kill "), 1);
	ck_assert_uint_ge(number_of("a/memory.events", "max "), 1);
	assert_read("a/memory.current", "0\n");
	assert_between(number_of("a/memory.peak", ""), 100 << 20, 103 << 20);
	assert_read("a/cgroup.events", "populated 0\nfrozen 0\n");
	assert_state("time virtual\nprocess other 4194305 /b\n");
}
END_TEST

START_TEST(a_leak_above_memory_high_is_slowed)
{
	scenario("write /a/memory.high 60M\nadd /a leak memory=50M grow=10M/s\nadvance 10s");
	ck_assert_uint_ge(number_of("a/memory.events", "high "), 1);
	assert_between(number_of("a/memory.current", ""), 60 << 20, 149 << 20);
	ck_assert_uint_eq(number_of("a/memory.events", "oom_kill "), 0);
}
END_TEST

START_TEST(stalls_are_seen_as_pressure)
{
	scenario("pressure /a memory some=50% full=10%\nadvance 10s\n"
		 "pressure /a memory some=0%\nadvance 1s");
	ck_assert_uint_eq(number_of("a/memory.pressure", "total="), 5000000);
	ck_assert_uint_eq(number_of("memory.pressure", "total="), 5000000);
	assert_between(number_of("a/memory.pressure", "some avg10="), 25, 35);
	ck_assert_uint_eq(number_of("b/memory.pressure", "total="), 0);
	scenario("advance 600s");
	assert_between(number_of("a/memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0."),
		       20, 23);
	ck_assert_uint_eq(number_of("a/memory.pressure", "total="), 5000000);
}
END_TEST

/* --- the same again ------------------------------------------------------------------------- */

static void add_dir(struct tree *t, uint64_t dir, struct buf *out)
{
	cleanup_tree_list struct tree_list list = { 0 };

	ck_assert_int_eq(t->ops->list(t, dir, &list), 0);
	for (size_t i = 0; i < list.n; i++) {
		const struct tree_entry *e = &list.entries[i];

		buf_addf(out, "%llu %s:\n", (unsigned long long)e->node, e->name);
		if (e->dir)
			add_dir(t, e->node, out);
		else
			tree_read(t, dir, e->name, out); /* some can only be written */
	}
	ck_assert_int_eq(emul_inject_show(t, out), 0);
}

static void run_to_text(const char *text, struct buf *out)
{
	struct tree *before = tree;

	tree = new_alone();
	scenario(text);
	add_dir(tree, TREE_ROOT, out);
	teardown_alone();
	tree = before;
}

START_TEST(the_same_script_gives_the_same_bytes)
{
	static const char text[] = "write /cgroup.subtree_control +cpu +memory +pids\n"
				   "mkdir /a\nwrite /a/cgroup.subtree_control +cpu +memory\n"
				   "mkdir /a/b\nmkdir /c\n"
				   "write /a/b/cpu.max 50000 100000\n"
				   "write /c/memory.max 100M\n"
				   "add /a/b x cpu=2.5 grow=10M/s uid=1000\n"
				   "add /c y memory=50M grow=10M/s threads=4\n"
				   "pressure /c memory some=12.5% full=3% over 10s\n"
				   "usage /c memory=+1M user=+1.234567s\n"
				   "fail /c write:memory.max EBUSY 3 times\n"
				   "at 1.7s fork x z\n"
				   "at 2.3s event /c memory.oom_kill +3\n"
				   "at 2.3s write /a/b/cgroup.freeze 1\n"
				   "at 4s write /a/b/cgroup.freeze 0\n"
				   "at 4.000001s write /c/cgroup.procs 4194304\n"
				   "at 60s exit z\n"
				   "advance 7.654321s\n";
	cleanup_buf struct buf one = { 0 };
	cleanup_buf struct buf two = { 0 };

	run_to_text(text, &one);
	run_to_text(text, &two);
	ck_assert_str_eq(buf_text(&one), buf_text(&two));
	/* and one that was killed when x came to y, at 4 s: 40 and 90 MiB are above the limit */
	ck_assert_ptr_nonnull(strstr(buf_text(&one), "oom_kill 4\n"));
	ck_assert_ptr_nonnull(strstr(buf_text(&one), "process z 4194311 /a/b\n"));
}
END_TEST

/* --- several at a time ---------------------------------------------------------------------- */

#define ROUNDS 200

static void *come_and_go(void *data)
{
	const char *name = data;

	for (int i = 0; i < ROUNDS; i++) {
		cleanup_buf struct buf text = { 0 };
		char line[128];

		snprintf(line, sizeof line, "add /a %s cpu=1 grow=1M/s\nat 1ms event /a pids.max\n"
			 "at 1ms event /b memory.high", name);
		ck_assert_int_eq(emul_inject(tree, line), 0);
		tree_read(tree, node_at("a"), "memory.current", &text);
		if (i % 2)
			snprintf(line, sizeof line, "exit %s", name);
		else
			snprintf(line, sizeof line, "write /a/cgroup.kill 1");
		emul_inject(tree, line); /* the other one may have killed it */
		snprintf(line, sizeof line, "exit %s", name);
		emul_inject(tree, line);
		emul_inject_show(tree, &text);
	}
	return NULL;
}

static void *move_time(void *data)
{
	(void)data;
	for (int i = 0; i < ROUNDS; i++)
		ck_assert_int_eq(emul_inject(tree, "advance 300us\ntime real\ntime virtual"), 0);
	return NULL;
}

/* Threads of users beside the tree's own: each later line is done once, nobody stays behind. */
START_TEST(users_do_not_disturb_each_other)
{
	struct emul_config config = { .clock = true };
	pthread_t threads[3];

	ck_assert_int_eq(emul_new(&config, &tree), 0);
	scenario(beginning);
	pthread_create(&threads[0], NULL, come_and_go, "x");
	pthread_create(&threads[1], NULL, come_and_go, "y");
	pthread_create(&threads[2], NULL, move_time, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	scenario("advance 1s");
	ck_assert_uint_eq(number_of("a/pids.events", "max "), 2 * ROUNDS);
	ck_assert_uint_eq(number_of("b/memory.events", "high "), 2 * ROUNDS);
	assert_read("a/cgroup.procs", "");
	assert_read("a/memory.current", "0\n");
	teardown_alone();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emul_scenario");
	TCase *alone = tcase_create("alone");
	TCase *others = tcase_create("among others");
	TCase *together = tcase_create("together");

	tcase_add_checked_fixture(alone, setup_alone, teardown_alone);
	tcase_add_test(alone, memory_grows_by_the_second);
	tcase_add_test(alone, memory_falls_to_nothing);
	tcase_add_test(alone, cpu_is_used_by_the_clock);
	tcase_add_test(alone, looking_changes_nothing);
	tcase_add_test(alone, stopped_ones_use_nothing);
	tcase_add_test(alone, they_are_members_like_others);
	tcase_add_test(alone, killed_ones_are_told_of_without_a_reader);
	tcase_add_test(alone, forks_meet_pids_max);
	tcase_add_test(alone, threads_can_be_placed);
	tcase_add_test(alone, what_may_not_be_moved_in_is_not_made);
	tcase_add_test(alone, later_lines_wait_for_their_time);
	tcase_add_test(alone, later_lines_find_their_moment);
	tcase_add_test(alone, pressure_rises_in_steps);
	tcase_add_test(alone, demand_above_cpu_max_is_throttled);
	tcase_add_test(alone, demand_below_cpu_max_is_not);
	tcase_add_test(alone, a_leak_is_killed_at_its_limit);
	tcase_add_test(alone, a_leak_above_memory_high_is_slowed);
	tcase_add_test(alone, stalls_are_seen_as_pressure);
	tcase_add_test(alone, the_same_script_gives_the_same_bytes);
	tcase_add_checked_fixture(others, setup_among_others, emul_teardown);
	tcase_add_test(others, virtual_time_leaves_the_real_one);
	tcase_add_test(others, real_processes_keep_their_numbers);
	suite_add_tcase(suite, alone);
	suite_add_tcase(suite, others);
	tcase_add_test(together, users_do_not_disturb_each_other);
	tcase_set_timeout(together, 60);
	suite_add_tcase(suite, together);
	return suite_run(suite);
}
