/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The emulator's controllers over processes that use what the test says: sums over the hierarchy,
 * peaks, limits and how their settings depend on each other. What single writes answer is compared
 * with a kernel's recordings in test_emul_golden.c.
 */
#include "ctlfs/keyed.h"
#include "emul_fixture.h"

#include "emul/emul.h"
#include "suite.h"

#define MSEC 1000000ULL /* nanoseconds */
#define MIB (1ULL << 20)

#define ENABLE "+cpu +memory +pids"

/* a/b and a/c, all controllers in all of them. */
static void setup_tree(void)
{
	emul_setup();
	make_dirs("a", "a/b", "a/c");
	ck_assert_int_eq(do_write("cgroup.subtree_control", ENABLE), 0);
	ck_assert_int_eq(do_write("a/cgroup.subtree_control", ENABLE), 0);
}

/* A process in the cgroup; its use may be changed as long as none is spawned. */
static pid_t member(const char *procs)
{
	pid_t pid = fake_spawn(fake);

	ck_assert_int_eq(write_pid(procs, pid), 0);
	return pid;
}

static struct task_sample *use(pid_t pid)
{
	return &fake_find(fake, pid)->use;
}

/* The value of a line "key VALUE" of a file. */
static uint64_t value_of(const char *path, const char *key)
{
	cleanup_buf struct buf text = { 0 };
	uint64_t value = UINT64_MAX;
	const struct keyed keys[] = { { key, &value } };

	ck_assert_int_eq(do_read(path, &text), 0);
	ck_assert_msg(keyed_read(buf_text(&text), keys, 1) == 1, "%s has no %s", path, key);
	return value;
}

static void assert_file_read(struct tree_file *file, const char *expected)
{
	cleanup_buf struct buf text = { 0 };

	ck_assert_int_eq(read_file_as(file, &TREE_SELF, &text), 0);
	ck_assert_str_eq(buf_text(&text), expected);
}

static int read_error(struct tree_file *file)
{
	cleanup_buf struct buf text = { 0 };

	return read_file_as(file, &TREE_SELF, &text);
}

/* A row of writes to the files of one cgroup, each with what the file then reads. */
struct setting {
	const char *file;
	const char *text;
	int error;
	const char *then;
};

static void play_settings(const char *dir, const struct setting *settings, size_t n)
{
	for (const struct setting *s = settings; s < settings + n; s++) {
		cleanup_buf struct buf path = { 0 };
		int error;

		buf_addf(&path, "%s/%s", dir, s->file);
		error = do_write(buf_text(&path), s->text);
		ck_assert_msg(error == -s->error, "%s > %s: %s", s->text, s->file,
			      strerror(-error));
		if (error)
			ck_assert_str_ne(why_take(), "");
		assert_read(buf_text(&path), s->then);
	}
}

/* --- cpu ------------------------------------------------------------------------------------ */

START_TEST(cpu_time_adds_up)
{
	pid_t b1, b2, c;

	setup_tree();
	b1 = member("a/b/cgroup.procs");
	b2 = member("a/b/cgroup.procs");
	c = member("a/c/cgroup.procs");
	use(b1)->user_ns = 30 * MSEC;
	use(b1)->system_ns = 5 * MSEC;
	use(b2)->user_ns = 7 * MSEC;
	use(b2)->nice = true;
	use(c)->system_ns = 100 * MSEC;
	assert_read("a/b/cpu.stat", "usage_usec 42000\nuser_usec 37000\nsystem_usec 5000\n"
				    "nice_usec 7000\nnr_periods 0\nnr_throttled 0\n"
				    "throttled_usec 0\nnr_bursts 0\nburst_usec 0\n");
	ck_assert_uint_eq(value_of("a/cpu.stat", "usage_usec"), 142000);
	ck_assert_uint_eq(value_of("cpu.stat", "system_usec"), 105000);
	/* What has ended, or gone elsewhere, has been used all the same. */
	fake_end(fake, b1);
	ck_assert_uint_eq(value_of("a/b/cpu.stat", "usage_usec"), 42000);
	ck_assert_int_eq(write_pid("a/c/cgroup.procs", b2), 0);
	use(b2)->user_ns += 1 * MSEC;
	ck_assert_uint_eq(value_of("a/b/cpu.stat", "usage_usec"), 42000);
	ck_assert_uint_eq(value_of("a/c/cpu.stat", "usage_usec"), 101000);
	ck_assert_uint_eq(value_of("a/cpu.stat", "usage_usec"), 143000);
	/* ... also by a cgroup that is no more. */
	ck_assert_int_eq(do_rmdir("a/b"), 0);
	ck_assert_uint_eq(value_of("a/cpu.stat", "usage_usec"), 143000);
	emul_teardown();
}
END_TEST

START_TEST(cpu_time_never_falls)
{
	uint64_t usage = 0, user = 0, system = 0;
	pid_t pid;

	setup_tree();
	pid = member("a/b/cgroup.procs");
	for (unsigned i = 0; i < 100; i++) {
		struct task_sample *u = use(pid);

		/* The kernel's split into user and system sways; the sum does not. */
		u->user_ns = (i * 10 + (i % 3) * 7) * MSEC;
		u->system_ns = (i * 20 - (i % 3) * 7 + 14) * MSEC;
		if (i % 10 == 9) {
			fake_end(fake, pid);
			pid = member("a/b/cgroup.procs");
		}
		ck_assert_uint_ge(value_of("a/cpu.stat", "usage_usec"), usage);
		ck_assert_uint_ge(value_of("a/cpu.stat", "user_usec"), user);
		ck_assert_uint_ge(value_of("a/cpu.stat", "system_usec"), system);
		usage = value_of("a/cpu.stat", "usage_usec");
		user = value_of("a/cpu.stat", "user_usec");
		system = value_of("a/cpu.stat", "system_usec");
	}
	ck_assert_uint_gt(usage, 0);
	emul_teardown();
}
END_TEST

START_TEST(cpu_stat_without_cpu)
{
	emul_setup();
	make_dirs("a");
	member("a/cgroup.procs");
	assert_read("a/cpu.stat", "usage_usec 0\nuser_usec 0\nsystem_usec 0\nnice_usec 0\n");
	assert_read("a/cpu.stat.local", "");
	ck_assert_int_eq(do_write("cgroup.subtree_control", "+cpu"), 0);
	assert_read("a/cpu.stat.local", "throttled_usec 0\n");
	ck_assert_uint_eq(value_of("a/cpu.stat", "nr_throttled"), 0);
	emul_teardown();
}
END_TEST

static const struct {
	int nice;
	const char *weight;
} nice_weights[] = {
	{ -20, "8668\n" }, { -10, "932\n" }, { -1, "125\n" }, { 0, "100\n" },
	{ 1, "80\n" },	   { 10, "11\n" },   { 19, "1\n" },
};

static const struct setting weights[] = {
	{ "cpu.weight", "1", 0, "1\n" },
	{ "cpu.weight.nice", "20", ERANGE, "19\n" },
	{ "cpu.weight", "200", 0, "200\n" },
	{ "cpu.weight.nice", "-21", ERANGE, "-3\n" },
	{ "cpu.weight", "10000", 0, "10000\n" },
	{ "cpu.weight.nice", "x", EINVAL, "-20\n" },
	/* Not idle anyway: the weight stays. */
	{ "cpu.idle", "0", 0, "0\n" },
	{ "cpu.weight", "0", ERANGE, "10000\n" },
	/* Idle has no weight, and leaves with the default. */
	{ "cpu.idle", "1", 0, "1\n" },
	{ "cpu.weight", "5", EINVAL, "1\n" },
	{ "cpu.weight", "10001", ERANGE, "1\n" },
	{ "cpu.weight.nice", "5", EINVAL, "19\n" },
	{ "cpu.idle", "2", EINVAL, "1\n" },
	{ "cpu.idle", "1", 0, "1\n" },
	{ "cpu.idle", "0", 0, "0\n" },
	{ "cpu.weight", "x", EINVAL, "100\n" },
	{ "cpu.weight.nice", "5", 0, "5\n" },
};

START_TEST(cpu_weights)
{
	setup_tree();
	for (size_t i = 0; i < ARRAY_SIZE(nice_weights); i++) {
		char text[8];

		snprintf(text, sizeof(text), "%d\n", nice_weights[i].nice);
		ck_assert_int_eq(do_write("a/cpu.weight.nice", text), 0);
		assert_read("a/cpu.weight.nice", text);
		assert_read("a/cpu.weight", nice_weights[i].weight);
	}
	for (int weight = 1; weight <= 10000; weight++) {
		char text[8];

		snprintf(text, sizeof(text), "%d\n", weight);
		ck_assert_int_eq(do_write("a/cpu.weight", text), 0);
		assert_read("a/cpu.weight", text);
	}
	play_settings("a", weights, ARRAY_SIZE(weights));
	emul_teardown();
}
END_TEST

static const struct setting bandwidth[] = {
	{ "cpu.max.burst", "500000", 0, "500000\n" },
	{ "cpu.max", "400000", EINVAL, "max 100000\n" }, /* below the burst */
	{ "cpu.max", "500000 200000", 0, "500000 200000\n" },
	{ "cpu.max.burst", "500001", EINVAL, "500000\n" },
	{ "cpu.max", "600000", 0, "600000 200000\n" }, /* the period stays */
	{ "cpu.max.burst", "600000", 0, "600000\n" },
	{ "cpu.max", "17592186044415", EINVAL, "600000 200000\n" }, /* with the burst too much */
	{ "cpu.max", "max 1000", 0, "max 1000\n" },
	{ "cpu.max.burst", "0", 0, "0\n" },
	{ "cpu.max", "17592186044415", 0, "17592186044415 1000\n" },
};

START_TEST(cpu_bandwidth)
{
	setup_tree();
	play_settings("a", bandwidth, ARRAY_SIZE(bandwidth));
	/* A child may have more than its parent. */
	ck_assert_int_eq(do_write("a/cpu.max", "10000 100000"), 0);
	ck_assert_int_eq(do_write("a/b/cpu.max", "50000 100000"), 0);
	emul_teardown();
}
END_TEST

START_TEST(cpu_spread)
{
	pid_t pid;

	emul_setup_with(true);
	make_dirs("a", "a/b");
	ck_assert_int_eq(do_write("cgroup.subtree_control", "+cpu"), 0);
	ck_assert_int_eq(do_write("a/cgroup.subtree_control", "+cpu"), 0);
	pid = member("a/b/cgroup.procs");
	ck_assert_uint_eq(fake_find(fake, pid)->spread, 0);
	ck_assert_int_eq(do_write("a/cpu.max", "250000 100000"), 0);
	ck_assert_uint_eq(fake_find(fake, pid)->spread, 3);
	ck_assert_int_eq(do_write("a/b/cpu.max", "100000 100000"), 0);
	ck_assert_uint_eq(fake_find(fake, pid)->spread, 1);
	ck_assert_int_eq(do_write("a/cgroup.subtree_control", "-cpu"), 0);
	ck_assert_uint_eq(fake_find(fake, pid)->spread, 3);
	ck_assert_int_eq(do_write("a/cpu.max", "max"), 0);
	ck_assert_uint_eq(fake_find(fake, pid)->spread, 0);
	emul_teardown();
}
END_TEST

/* --- memory --------------------------------------------------------------------------------- */

START_TEST(memory_adds_up)
{
	pid_t b, c;

	setup_tree();
	b = member("a/b/cgroup.procs");
	c = member("a/c/cgroup.procs");
	use(b)->anon = 10 * MIB;
	use(b)->file = 3 * MIB;
	use(b)->shmem = 2 * MIB;
	use(b)->swap = 1 * MIB;
	use(b)->pagetables = 8192;
	use(b)->minflt = 50;
	use(b)->majflt = 4;
	use(c)->anon = 20 * MIB;
	ck_assert_uint_eq(value_of("a/memory.stat", "anon"), 30 * MIB);
	assert_read("a/b/memory.current", "15728640\n");
	assert_read("a/b/memory.swap.current", "1048576\n");
	assert_read("a/memory.current", "36700160\n");
	ck_assert_uint_eq(value_of("memory.stat", "anon"), 30 * MIB);
	ck_assert_uint_eq(value_of("a/b/memory.stat", "file"), 5 * MIB);
	ck_assert_uint_eq(value_of("a/b/memory.stat", "shmem"), 2 * MIB);
	ck_assert_uint_eq(value_of("a/b/memory.stat", "file_mapped"), 5 * MIB);
	ck_assert_uint_eq(value_of("a/b/memory.stat", "pagetables"), 8192);
	ck_assert_uint_eq(value_of("a/b/memory.stat", "pgfault"), 54);
	ck_assert_uint_eq(value_of("a/b/memory.stat", "pgmajfault"), 4);
	/* The lists hold all that is in use. */
	ck_assert_uint_eq(value_of("a/b/memory.stat", "active_anon") +
				  value_of("a/b/memory.stat", "inactive_anon") +
				  value_of("a/b/memory.stat", "active_file") +
				  value_of("a/b/memory.stat", "inactive_file"),
			  15 * MIB);
	/* Memory goes with the process, faults stay. */
	ck_assert_int_eq(write_pid("a/c/cgroup.procs", b), 0);
	assert_read("a/b/memory.current", "0\n");
	assert_read("a/c/memory.current", "36700160\n");
	ck_assert_uint_eq(value_of("a/b/memory.stat", "pgfault"), 54);
	fake_end(fake, b);
	assert_read("a/memory.current", "20971520\n");
	assert_read("a/memory.swap.current", "0\n");
	assert_read("a/memory.peak", "36700160\n");
	assert_read("a/memory.swap.peak", "1048576\n");
	emul_teardown();
}
END_TEST

/* A write begins a peak of the open file's own; nobody else sees it. */
START_TEST(memory_peak_of_a_file)
{
	struct tree_file *one, *two;
	pid_t pid;

	setup_tree();
	pid = member("a/b/cgroup.procs");
	use(pid)->anon = 3 * MIB;
	one = open_file("a/memory.peak");
	two = open_file("a/memory.peak");
	assert_file_read(one, "3145728\n");
	use(pid)->anon = 1 * MIB;
	ck_assert_int_eq(write_file_as(one, &TREE_SELF, "anything"), 0);
	assert_file_read(one, "1048576\n");
	assert_file_read(two, "3145728\n");
	assert_read("a/memory.peak", "3145728\n");
	use(pid)->anon = 2 * MIB;
	ck_assert_int_eq(write_file_as(two, &TREE_SELF, "\n"), 0);
	use(pid)->anon = 0;
	assert_file_read(one, "2097152\n");
	assert_file_read(two, "2097152\n");
	ck_assert_int_eq(write_file_as(one, &TREE_SELF, "again"), 0);
	assert_file_read(one, "0\n");
	/* What is seen of a descendant counts as well. */
	use(pid)->anon = 4 * MIB;
	assert_read("a/b/memory.current", "4194304\n");
	use(pid)->anon = 0;
	assert_file_read(one, "4194304\n");
	one->ops->close(one);
	assert_file_read(two, "4194304\n");
	two->ops->close(two);
	emul_teardown();
}
END_TEST

/* Open files outlive the controller and the cgroup. */
START_TEST(memory_peak_outlived)
{
	struct tree_file *peak, *swap;

	setup_tree();
	peak = open_file("a/b/memory.peak");
	swap = open_file("a/b/memory.swap.peak");
	ck_assert_int_eq(write_file_as(peak, &TREE_SELF, "x"), 0);
	ck_assert_int_eq(write_file_as(swap, &TREE_SELF, "x"), 0);
	ck_assert_int_eq(do_write("a/cgroup.subtree_control", "-memory"), 0);
	ck_assert_int_eq(do_write("a/cgroup.subtree_control", "+memory"), 0);
	ck_assert_int_eq(read_error(peak), -ENODEV);
	ck_assert_int_eq(write_file_as(peak, &TREE_SELF, "x"), -ENODEV);
	peak->ops->close(peak);
	peak = open_file("a/b/memory.peak");
	ck_assert_int_eq(write_file_as(peak, &TREE_SELF, "x"), 0);
	ck_assert_int_eq(do_rmdir("a/b"), 0);
	ck_assert_int_eq(read_error(peak), -ENODEV);
	peak->ops->close(peak);
	swap->ops->close(swap);
	emul_teardown();
}
END_TEST

static const struct setting limits[] = {
	{ "memory.max", "1M", 0, "1048576\n" },	     { "memory.high", "4097", 0, "4096\n" },
	{ "memory.low", "max", 0, "max\n" },	     { "memory.min", "8192", 0, "8192\n" },
	{ "memory.swap.max", "0", 0, "0\n" },	     { "memory.swap.high", "1M", 0, "1048576\n" },
	{ "memory.zswap.max", "2M", 0, "2097152\n" }, { "memory.oom.group", "1", 0, "1\n" },
	{ "memory.zswap.writeback", "0", 0, "0\n" }, { "pids.max", "1", 0, "1\n" },
	{ "cpu.max", "20000", 0, "20000 100000\n" }, { "cpu.weight", "7", 0, "7\n" },
	{ "cpu.max.burst", "10", 0, "10\n" },
};

static const struct setting defaults[] = {
	{ "memory.max", NULL, 0, "max\n" },	  { "memory.high", NULL, 0, "max\n" },
	{ "memory.low", NULL, 0, "0\n" },	  { "memory.min", NULL, 0, "0\n" },
	{ "memory.swap.max", NULL, 0, "max\n" },  { "memory.swap.high", NULL, 0, "max\n" },
	{ "memory.zswap.max", NULL, 0, "max\n" }, { "memory.oom.group", NULL, 0, "0\n" },
	{ "memory.zswap.writeback", NULL, 0, "1\n" }, { "pids.max", NULL, 0, "max\n" },
	{ "cpu.max", NULL, 0, "max 100000\n" },	  { "cpu.weight", NULL, 0, "100\n" },
	{ "cpu.max.burst", NULL, 0, "0\n" },
};

/* Settings are a cgroup's own, and gone once the controller was off. */
START_TEST(settings_live_with_the_controller)
{
	setup_tree();
	play_settings("a/b", limits, ARRAY_SIZE(limits));
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		char path[64];

		snprintf(path, sizeof(path), "a/b/%s", limits[i].file);
		assert_read(path, limits[i].then);
		snprintf(path, sizeof(path), "a/c/%s", defaults[i].file);
		assert_read(path, defaults[i].then);
	}
	ck_assert_int_eq(do_write("a/cgroup.subtree_control", "-cpu -memory -pids"), 0);
	ck_assert_int_eq(do_write("a/cgroup.subtree_control", ENABLE), 0);
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
		char path[64];

		snprintf(path, sizeof(path), "a/b/%s", defaults[i].file);
		assert_read(path, defaults[i].then);
	}
	emul_teardown();
}
END_TEST

/* --- pids ----------------------------------------------------------------------------------- */

START_TEST(pids_count_threads)
{
	pid_t b, c;

	setup_tree();
	b = member("a/b/cgroup.procs");
	fake_thread(fake, b);
	fake_thread(fake, b);
	c = member("a/c/cgroup.procs");
	assert_read("a/b/pids.current", "3\n");
	assert_read("a/pids.current", "4\n");
	fake_fork(fake, c);
	assert_read("a/c/pids.current", "2\n");
	assert_read("a/pids.peak", "5\n");
	fake_end(fake, b);
	assert_read("a/pids.current", "2\n");
	assert_read("a/b/pids.current", "0\n");
	assert_read("a/b/pids.peak", "3\n");
	assert_read("a/pids.peak", "5\n");
	emul_teardown();
}
END_TEST

/* --- events and pressure -------------------------------------------------------------------- */

/* When it only observes nobody is killed or slowed down for a limit. */
START_TEST(limits_when_observing)
{
	pid_t pid;

	setup_tree();
	((struct emul *)tree)->config.observe = true;
	pid = member("a/b/cgroup.procs");
	use(pid)->anon = 100 * MIB;
	use(pid)->swap = 100 * MIB;
	fake_thread(fake, pid);
	changes_forget();
	play_settings("a/b", limits, ARRAY_SIZE(limits));
	assert_read("a/b/memory.current", "104857600\n");
	assert_read("a/b/pids.current", "2\n");
	ck_assert_int_eq(write_pid("a/b/cgroup.procs", fake_spawn(fake)), 0);
	assert_read("a/b/pids.current", "3\n");
	assert_read("a/b/memory.events",
		    "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n");
	assert_read("a/b/memory.events.local",
		    "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n");
	assert_read("a/b/memory.swap.events", "high 0\nmax 0\nfail 0\n");
	assert_read("a/b/pids.events", "max 0\n");
	assert_read("a/b/pids.events.local", "max 0\n");
	ck_assert_uint_eq(changes_of("a/b/memory.events"), 0);
	ck_assert_uint_eq(changes_of("a/b/pids.events"), 0);
	for (int sig = 1; sig < 65; sig++)
		ck_assert_uint_eq(fake_find(fake, pid)->signals[sig], 0);
	/* It has to be said that nothing can be reclaimed. */
	assert_refused(do_write("a/b/memory.reclaim", "1M"), EAGAIN);
	emul_teardown();
}
END_TEST

START_TEST(pressure_triggers)
{
	struct tree_file *one, *two;

	setup_tree();
	one = open_file("a/cpu.pressure");
	two = open_file("a/cpu.pressure");
	assert_refused(write_file_as(one, &TREE_SELF, "some 2 1"), EINVAL);
	ck_assert_int_eq(write_file_as(one, &TREE_SELF, "some 150000 1000000"), 0);
	assert_refused(write_file_as(one, &TREE_SELF, "full 150000 1000000"), EBUSY);
	assert_refused(write_file_as(one, &TREE_SELF, "nonsense"), EBUSY);
	ck_assert_int_eq(write_file_as(two, &TREE_SELF, "full 150000 1000000"), 0);
	two->ops->close(two);
	ck_assert_int_eq(do_write("a/cgroup.pressure", "0"), 0);
	ck_assert_uint_eq(node_at("a/cpu.pressure"), 0);
	ck_assert_uint_eq(node_at("a/io.pressure"), 0);
	ck_assert_uint_eq(node_at("a/memory.pressure"), 0);
	ck_assert_uint_ne(node_at("a/b/memory.pressure"), 0);
	one->ops->close(one);
	emul_teardown();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emul_controllers");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, cpu_time_adds_up);
	tcase_add_test(tc, cpu_time_never_falls);
	tcase_add_test(tc, cpu_stat_without_cpu);
	tcase_add_test(tc, cpu_weights);
	tcase_add_test(tc, cpu_bandwidth);
	tcase_add_test(tc, cpu_spread);
	tcase_add_test(tc, memory_adds_up);
	tcase_add_test(tc, memory_peak_of_a_file);
	tcase_add_test(tc, memory_peak_outlived);
	tcase_add_test(tc, settings_live_with_the_controller);
	tcase_add_test(tc, pids_count_threads);
	tcase_add_test(tc, limits_when_observing);
	tcase_add_test(tc, pressure_triggers);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
