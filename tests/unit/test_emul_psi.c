/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pressure in virtual time: totals, averages, triggers; and how often files tell of changes. */
#include <math.h>
#include <poll.h>

#include "emul_fixture.h"

#include "emul/cgroup.h"
#include "emul/psi.h"
#include "suite.h"

#define MS 1000000ULL
#define SEC (1000 * MS)
#define QUIET (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)
#define GONE (QUIET | POLLERR | POLLPRI)
#define FIRED (QUIET | POLLPRI)

static const struct caller user = { .uid = 1000, .gid = 1000 };

static void setup_version(enum emul_version version)
{
	struct emul_config config = { .version = version };

	fake = fake_new();
	config.tasks = &fake->tasks;
	ck_assert_int_eq(emul_new(&config, &tree), 0);
	tree->changed = on_change;
	n_changes = 0;
}

static void setup(void)
{
	setup_version(EMUL_6_12);
	make_dirs("a", "a/b", "a/c");
}

static struct cgroup *cgroup_at(const char *path)
{
	return cgroup_by_id((struct emul *)tree, (uint32_t)(node_at(path) / 256));
}

static void stall(const char *path, enum psi_resource resource, unsigned some, unsigned full)
{
	struct cgroup *cg = cgroup_at(path);

	guard_mutex(&cg->emul->lock);
	psi_stall(cg, resource, some, full);
}

/* Time passes, and what is due is run when it is. */
static void pass(uint64_t ns)
{
	uint64_t end = fake->now + ns, next;

	while ((next = emul_run_due(tree)) <= end) {
		if (next > fake->now)
			fake->now = next;
	}
	fake->now = end;
}

static void assert_asleep(void)
{
	ck_assert_uint_eq(emul_run_due(tree), UINT64_MAX);
}

struct line {
	double avg[3];
	unsigned long long total;
};

/* Nothing but the line; returns what follows it. */
static const char *scan_line(const char *text, const char *what, struct line *ret_line)
{
	double *avg = ret_line->avg;
	unsigned long long total;
	int end = 0;

	ck_assert_int_eq(strncmp(text, what, 5), 0);
	ck_assert_int_eq(sscanf(text + 5, "avg10=%lf avg60=%lf avg300=%lf total=%llu%n", &avg[0],
				&avg[1], &avg[2], &total, &end), 4);
	ck_assert_int_eq(text[5 + end], '\n');
	ret_line->total = total;
	return text + 5 + end + 1;
}

static void read_lines(const char *path, struct line line[2])
{
	cleanup_buf struct buf text = { 0 };
	const char *rest;

	ck_assert_int_eq(do_read(path, &text), 0);
	rest = scan_line(buf_text(&text), "some ", &line[0]);
	rest = scan_line(rest, "full ", &line[1]);
	ck_assert_str_eq(rest, "");
}

/* Exponential decay from `from` towards percent over seconds, by the kernel's factors for 2 s. Its
 * fixed point rounds by at most 1/2048 in each step: that adds up to less than 0.1. */
static void assert_avgs(const struct line *line, const double from[3], double percent,
			double seconds)
{
	static const double factors[3] = { 1677, 1981, 2034 };

	for (int i = 0; i < 3; i++) {
		double k = pow(factors[i] / 2048, seconds / 2);
		double expected = from[i] * k + percent * (1 - k);

		ck_assert_msg(fabs(line->avg[i] - expected) < 0.1, "average %d is %g, not %g", i,
			      line->avg[i], expected);
	}
}

/* --- time and averages --- */

START_TEST(averages)
{
	static const double nothing[3];
	struct line line[2], before[2];

	setup();
	assert_read("a/memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
					 "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
	fake->now = 12345;
	stall("a", PSI_MEMORY, 500000, 250000);
	pass(1999 * MS);
	read_lines("a/memory.pressure", line);
	ck_assert_uint_eq(line[0].total, 999500);
	ck_assert_uint_eq(line[1].total, 499750);
	ck_assert(line[0].avg[0] == 0); /* the period is not over */
	pass(1 * MS);
	/* (102400 * (2048 - 1677) + 2047) / 2048 = 18550.99: 18550 / 2048 = 9.05 */
	assert_read("a/memory.pressure", "some avg10=9.05 avg60=1.63 avg300=0.34 total=1000000\n"
					 "full avg10=4.52 avg60=0.81 avg300=0.17 total=500000\n");
	for (int i = 2; i <= 30; i++) {
		pass(2 * SEC);
		read_lines("a/memory.pressure", line);
		assert_avgs(&line[0], nothing, 50, 2 * i);
		assert_avgs(&line[1], nothing, 25, 2 * i);
	}
	stall("a", PSI_MEMORY, 1000000, 0);
	pass(20 * SEC);
	memcpy(before, line, sizeof before);
	read_lines("a/memory.pressure", line);
	assert_avgs(&line[0], before[0].avg, 100, 20);
	assert_avgs(&line[1], before[1].avg, 0, 20);
	ck_assert_uint_eq(line[0].total, before[0].total + 20000000);
	ck_assert_uint_eq(line[1].total, before[1].total);
	assert_read("a/io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
				     "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
	assert_asleep(); /* all of this without a timer */
	emul_teardown();
}
END_TEST

/* Nobody looks at b meanwhile: it must not matter. */
START_TEST(averages_unread)
{
	cleanup_buf struct buf text = { 0 };
	struct line line[2];

	setup();
	for (int k = 0; k < 3; k++) {
		stall("a/b", PSI_IO, 700000, 90000);
		stall("a/c", PSI_IO, 700000, 90000);
		for (int i = 0; i < 400; i++) {
			fake->now += 2 * SEC;
			ck_assert_int_eq(do_read("a/b/io.pressure", &text), 0);
		}
		assert_read("a/c/io.pressure", buf_text(&text));
	}
	fake->now += 365 * 86400 * SEC; /* at once */
	read_lines("a/c/io.pressure", line);
	ck_assert_uint_eq(line[0].total, (2400ULL + 365 * 86400) * 700000);
	ck_assert_uint_eq(line[1].total, (2400ULL + 365 * 86400) * 90000);
	assert_read("a/c/io.pressure",
		    "some avg10=70.00 avg60=70.00 avg300=70.00 total=22076880000000\n"
		    "full avg10=9.00 avg60=9.00 avg300=9.00 total=2838456000000\n");
	stall("a/c", PSI_IO, 0, 0);
	stall("a/b", PSI_IO, 0, 0);
	fake->now += 60 * SEC;
	read_lines("a/c/io.pressure", line);
	assert_avgs(&line[0], (const double[]){ 70, 70, 70 }, 0, 60);
	fake->now += 86400 * SEC;
	assert_read("a/c/io.pressure",
		    "some avg10=0.00 avg60=0.00 avg300=0.00 total=22076880000000\n"
		    "full avg10=0.00 avg60=0.00 avg300=0.00 total=2838456000000\n");
	emul_teardown();
}
END_TEST

/* Odd rates and moments lose nothing. */
START_TEST(totals_are_exact)
{
	struct line line[2];

	setup();
	stall("a", PSI_CPU, 333333, 1);
	for (int i = 0; i < 3000; i++) {
		fake->now += 1000 * MS / 3; /* 333,333,333 ns */
		read_lines("a/cpu.pressure", line);
	}
	/* 999,999,999,000 ns in all */
	ck_assert_uint_eq(line[0].total, 333332999);
	ck_assert_uint_eq(line[1].total, 999);
	emul_teardown();
}
END_TEST

/* Every ancestor has the most of what its descendants have. */
START_TEST(hierarchy)
{
	static const char *const paths[] = { "a/b/cpu.pressure", "a/c/cpu.pressure",
					     "a/cpu.pressure", "cpu.pressure" };
	static const struct {
		const char *path; /* what changes ... */
		unsigned some, full;
		unsigned long long grown[4][2]; /* ... and ms in the second after it */
	} steps[] = {
		{ "a/b", 300000, 100000, { { 300, 100 }, { 0, 0 }, { 300, 100 }, { 300, 0 } } },
		{ "a/c", 500000, 50000, { { 300, 100 }, { 500, 50 }, { 500, 100 }, { 500, 0 } } },
		{ "a", 400000, 400000, { { 300, 100 }, { 500, 50 }, { 500, 400 }, { 500, 0 } } },
		{ "a/c", 0, 0, { { 300, 100 }, { 0, 0 }, { 400, 400 }, { 400, 0 } } },
		{ "a", 0, 0, { { 300, 100 }, { 0, 0 }, { 300, 100 }, { 300, 0 } } },
		{ "a/b", 2000000, 3000000,
		  { { 1000, 1000 }, { 0, 0 }, { 1000, 1000 }, { 1000, 0 } } },
		{ "a/b", 10, 20, { { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } } },
	};
	struct line before[2], line[2];

	setup();
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		unsigned long long total[4][2];

		stall(steps[i].path, PSI_CPU, steps[i].some, steps[i].full);
		for (int k = 0; k < 4; k++) {
			read_lines(paths[k], before);
			total[k][0] = before[0].total / 1000;
			total[k][1] = before[1].total / 1000;
		}
		pass(1 * SEC);
		for (int k = 0; k < 4; k++) {
			read_lines(paths[k], line);
			for (int full = 0; full < 2; full++)
				ck_assert_uint_eq(line[full].total / 1000 - total[k][full],
						  steps[i].grown[k][full]);
		}
	}
	/* What is removed stalls no more. */
	stall("a/b", PSI_CPU, 1000000, 1000000);
	ck_assert_int_eq(do_rmdir("a/b"), 0);
	read_lines("a/cpu.pressure", before);
	pass(10 * SEC);
	read_lines("a/cpu.pressure", line);
	ck_assert_uint_eq(before[0].total, line[0].total);
	emul_teardown();
}
END_TEST

START_TEST(accounting_switched_off)
{
	struct tree_file *old, *new;
	struct line line[2];
	cleanup_buf struct buf text = { 0 };

	setup();
	stall("a/b", PSI_MEMORY, 1000000, 0);
	pass(3 * SEC);
	old = open_file("a/b/memory.pressure");
	ck_assert_int_eq(do_write("a/b/cgroup.pressure", "0"), 0);
	ck_assert_uint_eq(old->ops->poll(old), GONE);
	pass(5 * SEC);
	read_lines("a/memory.pressure", line);
	ck_assert_uint_eq(line[0].total, 8000000); /* the parent goes on */
	ck_assert_int_eq(do_write("a/b/cgroup.pressure", "1"), 0);
	pass(1 * SEC);
	read_lines("a/b/memory.pressure", line);
	ck_assert_uint_eq(line[0].total, 4000000);
	/* A file that was open then stays dead. */
	ck_assert_uint_eq(old->ops->poll(old), GONE);
	assert_refused(read_file_as(old, &TREE_SELF, &text), ENODEV);
	assert_refused(write_file_as(old, &TREE_SELF, "some 1 1"), ENODEV);
	new = open_file("a/b/memory.pressure");
	ck_assert_int_eq(write_file_as(new, &TREE_SELF, "some 1 1"), 0);
	old->ops->close(old);
	new->ops->close(new);
	emul_teardown();
}
END_TEST

/* --- triggers --- */

static struct tree_file *trigger_as(const struct caller *who, const char *path, const char *text)
{
	struct tree_file *file = NULL;

	ck_assert_int_eq(open_as(who, path, &file), 0);
	ck_assert_int_eq(write_file_as(file, who, text), 0);
	ck_assert_uint_eq(file->ops->poll(file), QUIET);
	return file;
}

/* When f fires in the next ns, in ms from now; -1 if it does not. Told of exactly once. */
static long fires_within(struct tree_file *f, const char *path, uint64_t ns)
{
	uint64_t from = fake->now;

	while (fake->now < from + ns) {
		changes_of(path);
		n_changes = 0;
		pass(10 * MS);
		if (f->ops->poll(f) != FIRED) {
			ck_assert_uint_eq(changes_of(path), 0);
			continue;
		}
		ck_assert_uint_eq(changes_of(path), 1);
		ck_assert_uint_eq(f->ops->poll(f), QUIET); /* taken */
		return (long)((fake->now - from) / MS);
	}
	return -1;
}

START_TEST(trigger_fires)
{
	static const char path[] = "a/b/memory.pressure";
	struct tree_file *f, *slow;

	setup();
	f = trigger_as(&TREE_SELF, path, "some 100000 1000000");
	slow = trigger_as(&TREE_SELF, path, "full 100000 1000000");
	assert_asleep(); /* nothing stalls */
	pass(60 * SEC);
	assert_asleep();
	/* 80 ms after the first look, 160 ms after the second */
	stall("a/b", PSI_MEMORY, 800000, 0);
	ck_assert_int_eq(fires_within(f, path, 5 * SEC), 200);
	/* Then once in a window as long as it lasts. */
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(fires_within(f, path, 5 * SEC), 1000);
	stall("a/b", PSI_MEMORY, 0, 0);
	ck_assert_int_eq(fires_within(f, path, 30 * SEC), -1);
	assert_asleep();
	ck_assert_uint_eq(slow->ops->poll(slow), QUIET); /* what it watches never stalled */
	slow->ops->close(slow);
	/* Below the threshold, and above it: a window ends with the first look after it. */
	stall("a/b", PSI_MEMORY, 90000, 0);
	ck_assert_int_eq(fires_within(f, path, 30 * SEC), -1);
	stall("a/b", PSI_MEMORY, 0, 0);
	pass(30 * SEC);
	stall("a/b", PSI_MEMORY, 91000, 0);
	ck_assert_int_eq(fires_within(f, path, 30 * SEC), 1100);
	/* An ancestor's stall is not the child's, but the child's is the ancestor's. */
	f->ops->close(f);
	assert_asleep();
	stall("a/b", PSI_MEMORY, 0, 0);
	f = trigger_as(&TREE_SELF, "a/memory.pressure", "some 100000 1000000");
	stall("a/c", PSI_MEMORY, 500000, 0);
	ck_assert_int_eq(fires_within(f, "a/memory.pressure", 5 * SEC), 200);
	f->ops->close(f);
	emul_teardown();
}
END_TEST

/* A short stall within a window is enough; one that ended before the window opened is not. */
START_TEST(trigger_counts_in_its_window)
{
	static const char path[] = "a/b/io.pressure";
	struct tree_file *f;

	setup();
	f = trigger_as(&TREE_SELF, path, "some 300000 2000000");
	stall("a/b", PSI_IO, 1000000, 0);
	pass(150 * MS);
	stall("a/b", PSI_IO, 0, 0);
	pass(600 * MS);
	ck_assert_uint_eq(f->ops->poll(f), QUIET);
	stall("a/b", PSI_IO, 1000000, 0);
	pass(160 * MS);
	stall("a/b", PSI_IO, 0, 0);
	pass(200 * MS);
	ck_assert_uint_eq(f->ops->poll(f), FIRED);
	pass(20 * SEC);
	stall("a/b", PSI_IO, 1000000, 0);
	pass(150 * MS);
	stall("a/b", PSI_IO, 0, 0);
	pass(10 * SEC);
	stall("a/b", PSI_IO, 1000000, 0);
	pass(160 * MS);
	stall("a/b", PSI_IO, 0, 0);
	pass(10 * SEC);
	ck_assert_uint_eq(f->ops->poll(f), QUIET);
	f->ops->close(f);
	emul_teardown();
}
END_TEST

/* Looked at with the averages, every 2 s. */
START_TEST(trigger_unprivileged)
{
	static const char path[] = "a/b/memory.pressure";
	struct tree_file *f;

	setup();
	f = trigger_as(&user, path, "some 500000 2000000");
	assert_asleep();
	stall("a/b", PSI_MEMORY, 300000, 0);
	ck_assert_int_eq(fires_within(f, path, 5 * SEC), 2000);
	ck_assert_int_eq(fires_within(f, path, 5 * SEC), 2000);
	stall("a/b", PSI_MEMORY, 0, 0);
	pass(10 * SEC);
	f->ops->poll(f);
	assert_asleep();
	f->ops->close(f);
	f = trigger_as(&user, path, "some 700000 4000000");
	stall("a/b", PSI_MEMORY, 100000, 0);
	ck_assert_int_eq(fires_within(f, path, 60 * SEC), -1);
	f->ops->close(f);
	stall("a/b", PSI_MEMORY, 0, 0);
	assert_asleep();
	emul_teardown();
}
END_TEST

START_TEST(trigger_goes_with_its_file)
{
	struct tree_file *f, *g, *bare;

	setup();
	f = trigger_as(&TREE_SELF, "a/b/cpu.pressure", "some 100000 1000000");
	g = trigger_as(&TREE_SELF, "a/c/cpu.pressure", "some 100000 500000");
	bare = open_file("a/b/cpu.pressure");
	ck_assert_uint_eq(bare->ops->poll(bare), GONE);
	bare->ops->close(bare);
	stall("a/b", PSI_CPU, 1000000, 0);
	stall("a/c", PSI_CPU, 1000000, 0);
	ck_assert_uint_ne(emul_run_due(tree), UINT64_MAX);
	n_changes = 0;
	ck_assert_int_eq(do_write("a/c/cgroup.pressure", "0"), 0);
	ck_assert_uint_eq(n_changes, 1); /* who waits is woken ... */
	ck_assert_uint_eq(g->ops->poll(g), GONE);
	ck_assert_int_eq(do_rmdir("a/b"), 0);
	ck_assert_uint_eq(n_changes, 3); /* ... also here, and the directory is gone */
	ck_assert_uint_eq(f->ops->poll(f), GONE);
	assert_asleep();
	f->ops->close(f);
	g->ops->close(g);
	emul_teardown();
}
END_TEST

START_TEST(trigger_text)
{
	enum { ROOT_6_12 = 1, USER_6_12 = 2, ROOT_6_1 = 4, USER_6_1 = 8, ROOT_6_18 = 16,
	       USER_6_18 = 32, NOT_6_1 = ROOT_6_12 | ROOT_6_18, ALL = 63 };
	static const struct {
		const char *text;
		unsigned takes; /* bits of version and user */
	} cases[] = {
		{ "some 1 1", NOT_6_1 },
		{ "some 1 499999", NOT_6_1 },
		{ "full 500000 500000", NOT_6_1 | ROOT_6_1 | USER_6_1 },
		{ "some 1 2000000", ALL },
		{ "some 1 3000000", NOT_6_1 | ROOT_6_1 | USER_6_1 },
		{ "some 1 10000000 x", ALL },
		{ "some1 2000000", ALL },
		{ "some 4294967297 4296967296", ALL },
		{ "some 1 10000001", 0 },
		{ "some 2000001 2000000", 0 },
		{ "some 0 2000000", 0 },
		{ "some -1 2000000", 0 },
		{ "some+1 2000000", 0 },
		{ " some 1 2000000", 0 },
		{ "som", 0 },
		{ "", 0 },
	};
	struct psi_spec spec;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (unsigned bit = 0; bit < 6; bit++) {
			int r = psi_spec_parse(cases[i].text, (enum emul_version)(bit / 2),
					       bit % 2 == 0, &spec);

			ck_assert_msg(r == (cases[i].takes & 1u << bit ? 0 : -EINVAL),
				      "\"%s\", version %u, %s: %d", cases[i].text, bit / 2,
				      bit % 2 ? "user" : "root", r);
		}
	}
	ck_assert_int_eq(psi_spec_parse("full\t4294967297 7", EMUL_6_12, true, &spec), 0);
	ck_assert(spec.full && spec.threshold == 1 && spec.window == 7);
}
END_TEST

/* A tiny window costs no more looks than the kernel's clock ticks. */
START_TEST(trigger_of_a_tiny_window)
{
	struct tree_file *f;

	setup();
	f = trigger_as(&TREE_SELF, "a/cpu.pressure", "some 1 1");
	stall("a", PSI_CPU, 1000000, 0);
	ck_assert_uint_ge(emul_run_due(tree), fake->now + 4 * MS);
	fake->now += 3600 * SEC; /* nobody ran it for an hour: caught up with soon */
	for (int i = 0; emul_run_due(tree) <= fake->now; i++)
		ck_assert_int_lt(i, 2000);
	ck_assert_uint_eq(f->ops->poll(f), FIRED);
	f->ops->close(f);
	assert_asleep();
	emul_teardown();
}
END_TEST

/* --- files that notify --- */

static void notify(const char *path)
{
	struct cgroup *cg = cgroup_at(path);

	guard_mutex(&cg->emul->lock);
	emul_notify(cg, SLOT_CORE_EVENTS);
}

START_TEST(notifications_are_merged)
{
	setup();
	fake->now = 5 * SEC;
	notify("a");
	ck_assert_uint_eq(changes_of("a/cgroup.events"), 1); /* at once */
	assert_asleep();
	fake->now += 1 * MS;
	for (int i = 0; i < 100; i++)
		notify("a");
	notify("a/b"); /* another file's own */
	ck_assert_uint_eq(changes_of("a/cgroup.events"), 1);
	ck_assert_uint_eq(changes_of("a/b/cgroup.events"), 1);
	ck_assert_uint_eq(emul_run_due(tree), 5 * SEC + 10 * MS);
	pass(8 * MS);
	ck_assert_uint_eq(changes_of("a/cgroup.events"), 1);
	pass(1 * MS);
	ck_assert_uint_eq(changes_of("a/cgroup.events"), 2); /* when the 10 ms are over */
	assert_asleep();
	fake->now += 9 * MS;
	notify("a"); /* counted from then on */
	ck_assert_uint_eq(changes_of("a/cgroup.events"), 2);
	pass(1 * MS);
	ck_assert_uint_eq(changes_of("a/cgroup.events"), 3);
	fake->now += 10 * MS;
	notify("a");
	ck_assert_uint_eq(changes_of("a/cgroup.events"), 4);
	/* What nobody ran in time is not lost. */
	notify("a");
	fake->now += 60 * SEC;
	notify("a/b");
	ck_assert_uint_eq(changes_of("a/cgroup.events"), 5);
	assert_asleep();
	/* Removed while there is more to tell. */
	notify("a/b");
	ck_assert_int_eq(do_rmdir("a/b"), 0);
	pass(1 * SEC);
	assert_asleep();
	notify("a/c");
	notify("a/c"); /* and the end of the tree, too */
	emul_teardown();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emul_psi");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, averages);
	tcase_add_test(tc, averages_unread);
	tcase_add_test(tc, totals_are_exact);
	tcase_add_test(tc, hierarchy);
	tcase_add_test(tc, accounting_switched_off);
	tcase_add_test(tc, trigger_fires);
	tcase_add_test(tc, trigger_counts_in_its_window);
	tcase_add_test(tc, trigger_unprivileged);
	tcase_add_test(tc, trigger_goes_with_its_file);
	tcase_add_test(tc, trigger_text);
	tcase_add_test(tc, trigger_of_a_tiny_window);
	tcase_add_test(tc, notifications_are_merged);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
