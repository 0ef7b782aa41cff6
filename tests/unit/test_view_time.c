/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Views of what passes: CPU time, age, load. On a clock and with processes that the test moves. */
#include "test_view.h"

#include <math.h>

#include "view/cputimes.h"
#include "view/load.h"
#include "view/states.h"

#define LABELS 9 /* cpu, cpu0 .. cpu7 */
#define FIELDS 4 /* user, nice, system, idle */
#define TICK 10000 /* us */

/* The lines of proc/stat that begin with cpu: their values; shown says which are there. */
struct cpu_lines {
	unsigned long long values[LABELS][FIELDS];
	unsigned shown; /* cpuN lines */
};

static void read_cpus(uint64_t container, struct cpu_lines *ret_lines)
{
	const char *line = text_at(container, "proc/stat");

	*ret_lines = (struct cpu_lines){ 0 };
	for (unsigned i = 0; strncmp(line, "cpu", 3) == 0; i++) {
		unsigned long long *v = ret_lines->values[i];
		char label[8];

		ck_assert_uint_lt(i, LABELS);
		ck_assert_int_eq(sscanf(line, "%7s %llu %llu %llu %llu 0 0 0 0 0 0\n", label, &v[0],
					&v[1], &v[2], &v[3]), 5);
		ret_lines->shown = i;
		line = strchr(line, '\n') + 1;
	}
}

static void set_usage(uint64_t dir, uint64_t user, uint64_t nice, uint64_t system)
{
	fake_set(&tree, dir, "cpu.stat",
		 "usage_usec %llu\nuser_usec %llu\nsystem_usec %llu\nnice_usec %llu\n",
		 (unsigned long long)(user + nice + system), (unsigned long long)(user + nice),
		 (unsigned long long)system, (unsigned long long)nice);
}

static uint64_t container_since(uint64_t start)
{
	uint64_t a = fake_cgroup(TREE_ROOT, "a");

	fake_start(&host, 10, start, 1, 1);
	fake_set(&tree, a, "cgroup.procs", "10\n");
	return a;
}

static uint64_t sum_of(const struct cpu_lines *l, unsigned field)
{
	uint64_t sum = 0;

	for (unsigned i = 1; i <= l->shown; i++)
		sum += l->values[i][field];
	return sum;
}

START_TEST(first_reading)
{
	uint64_t a = container_since(900 * SECOND);
	struct cpu_lines l;

	fake_set(&tree, a, "cpu.max", "200000 100000\n");
	set_usage(a, 40000000, 2000000, 8000000);
	read_cpus(a, &l);
	ck_assert_uint_eq(l.shown, 2);
	for (unsigned i = 1; i <= 2; i++) {
		ck_assert_uint_eq(l.values[i][0], 2000);
		ck_assert_uint_eq(l.values[i][1], 100);
		ck_assert_uint_eq(l.values[i][2], 400);
		ck_assert_uint_eq(l.values[i][3], 10000 - 2500); /* of 100 s */
	}
	ck_assert_str_eq(text_at(a, "proc/uptime"), "100.00 150.00\n");
	ck_assert_ptr_nonnull(strstr(text_at(a, "proc/stat"), "\nbtime 1700000000\n"));
}
END_TEST

/* Two spinners under 150 %: one CPU is full, the other half. */
START_TEST(two_spinners)
{
	uint64_t a = container_since(900 * SECOND);
	struct cpu_lines before, after;
	uint64_t used = 1000000;

	fake_set(&tree, a, "cpu.max", "150000 100000\n");
	set_usage(a, used, 0, 0);
	read_cpus(a, &before);
	for (int i = 0; i < 10; i++) {
		host.boot += 3 * SECOND;
		used += 4500000;
		set_usage(a, used, 0, 0);
		read_cpus(a, &after);
		ck_assert_uint_eq(after.values[1][0] - before.values[1][0], 300);
		ck_assert_uint_eq(after.values[1][3] - before.values[1][3], 0);
		ck_assert_uint_eq(after.values[2][0] - before.values[2][0], 150);
		ck_assert_uint_eq(after.values[2][3] - before.values[2][3], 150);
		before = after;
	}
}
END_TEST

/* The most that each line ever showed, whether it is shown now or not. */
static void check_no_fall(const struct cpu_lines *l, struct cpu_lines *most)
{
	for (unsigned i = 0; i <= l->shown; i++) {
		for (unsigned f = 0; f < FIELDS; f++) {
			ck_assert_uint_ge(l->values[i][f], most->values[i][f]);
			most->values[i][f] = l->values[i][f];
		}
	}
	if (l->shown > most->shown)
		most->shown = l->shown;
}

static double idle_of(uint64_t container)
{
	double age, idle;

	ck_assert_int_eq(sscanf(text_at(container, "proc/uptime"), "%lf %lf", &age, &idle), 2);
	return idle;
}

/* Whatever happens to limits, usage and processes, nothing falls, and the lines add up. */
START_TEST(never_falls)
{
	uint64_t a = container_since(999 * SECOND);
	uint64_t used[3] = { 0 };
	struct cpu_lines l, most = { 0 };
	double idle = 0, age = 0;

	srandom(2);
	for (int round = 0; round < 3000; round++) {
		double now_idle, now_age;

		switch (random() % 6) {
		case 0:
			fake_set(&tree, a, "cpu.max", "%ld 100000\n", 1000 + random() % 900000);
			break;
		case 1: /* processes come and go; what is sampled of them may fall */
			fake_set(&tree, a, "cgroup.procs", "%s", random() % 2 ? "10\n11\n" : "");
			fake_start(&host, 11, (uint64_t)(random() % 1000) * SECOND, 1, 2);
			used[random() % 3] /= 1 + (uint64_t)(random() % 2);
			break;
		default:
			host.boot += (uint64_t)(random() % 3) * SECOND / 7;
			used[random() % 3] += (uint64_t)(random() % 1000000);
		}
		set_usage(a, used[0], used[1], used[2]);
		read_cpus(a, &l);
		check_no_fall(&l, &most);
		for (unsigned f = 0; f < FIELDS; f++) {
			ck_assert_uint_ge(l.values[0][f], sum_of(&l, f));
			if (l.shown == most.shown)
				ck_assert_uint_eq(l.values[0][f], sum_of(&l, f));
		}
		now_idle = idle_of(a);
		ck_assert_double_ge(now_idle, idle);
		idle = now_idle;
		now_age = strtod(text_at(a, "proc/uptime"), NULL);
		ck_assert_double_ge(now_age, age);
		age = now_age;
	}
}
END_TEST

/* All that was used is shown, and no more than that, even where it is more than the CPUs hold. */
START_TEST(all_is_shown)
{
	struct cputimes t = { 0 };
	struct usage u = { .cpus = 1, .alive = true };
	uint64_t sum[3] = { 0 };

	srandom(3);
	for (int round = 0; round < 2000; round++) {
		u.cpus = 1 + (unsigned)(random() % 16);
		u.now += (uint64_t)(random() % 100000);
		u.used.user += (uint64_t)(random() % 300000);
		u.used.nice += (uint64_t)(random() % 3);
		u.used.system += (uint64_t)(random() % 100000);
		ck_assert_int_eq(cputimes_update(&t, &u), 0);
	}
	for (unsigned i = 0; i < t.n; i++) {
		sum[0] += t.cpus[i].user;
		sum[1] += t.cpus[i].nice;
		sum[2] += t.cpus[i].system;
	}
	ck_assert_uint_eq(sum[0], u.used.user);
	ck_assert_uint_eq(sum[1], u.used.nice);
	ck_assert_uint_eq(sum[2], u.used.system);
	cputimes_free(&t);
}
END_TEST

START_TEST(age)
{
	uint64_t a = fake_cgroup(TREE_ROOT, "a"), b = fake_cgroup(a, "b");

	/* Nobody there yet. */
	ck_assert_str_eq(text_at(a, "proc/uptime"), "0.00 0.00\n");
	/* The oldest process, here in a cgroup below. */
	fake_start(&host, 10, 800 * SECOND, 1, 2);
	fake_start(&host, 11, 600 * SECOND, 1, 1);
	fake_set(&tree, a, "cgroup.procs", "10\n");
	fake_set(&tree, b, "cgroup.procs", "11\n");
	ck_assert_double_eq(strtod(text_at(a, "proc/uptime"), NULL), 400);
	ck_assert_double_eq(strtod(text_at(b, "proc/uptime"), NULL), 400);
	/* It ends: the container's age goes on. */
	fake_set(&tree, b, "cgroup.procs", "%s", "");
	host.boot += SECOND;
	ck_assert_double_eq(strtod(text_at(a, "proc/uptime"), NULL), 401);
	/* Once known, nobody is asked: cpu.stat alone is read. */
	tree.reads = 0;
	text_at(a, "proc/uptime");
	ck_assert_uint_eq((unsigned)tree.reads, 1);
}
END_TEST

/* kernel/sched/loadavg.c, sample by sample. */
static uint64_t one_sample(uint64_t load, uint64_t decay, uint64_t active)
{
	uint64_t next = load * decay + active * (2048 - decay);

	return (active >= load ? next + 2047 : next) / 2048;
}

START_TEST(load_formula)
{
	static const uint64_t decays[3] = { 1884, 2014, 2037 };
	struct load each = { 0 }, late = { 0 };
	uint64_t want[3] = { 0 };
	uint64_t now = 0;

	srandom(4);
	load_update(&each, 0, 0, now);
	for (int round = 0; round < 5000; round++) {
		unsigned active = (unsigned)(random() % 20);

		now += LOAD_PERIOD;
		load_update(&each, active, 0, now);
		load_update(&each, 1000, 0, now + LOAD_PERIOD - 1); /* none is due */
		for (int i = 0; i < 3; i++) {
			want[i] = one_sample(want[i], decays[i], active * 2048ULL);
			ck_assert_uint_eq(each.avg[i], want[i]);
		}
	}
	/* Samples that were missed: as many steps at once, but for rounding: 1/16 of a process. */
	for (int round = 0; round < 200; round++) {
		unsigned active = (unsigned)(random() % 20), missed = (unsigned)(random() % 50);

		late = each;
		memcpy(want, each.avg, sizeof want);
		now += missed * LOAD_PERIOD;
		load_update(&late, active, 0, now);
		for (int i = 0; i < 3; i++) {
			for (unsigned n = 0; n < missed; n++)
				want[i] = one_sample(want[i], decays[i], active * 2048ULL);
			ck_assert_double_le(fabs((double)late.avg[i] - (double)want[i]), 128);
		}
		ck_assert_uint_eq(late.next, now + LOAD_PERIOD);
		each = late;
	}
	/* A very long time nobody looked. */
	load_update(&each, 3, 0, now + 1000000 * LOAD_PERIOD);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(each.avg[i], 3 * 2048);
}
END_TEST

START_TEST(load_of_container)
{
	uint64_t a = container_since(1000 * SECOND), b = fake_cgroup(a, "b");

	fake_start(&host, 11, 1000 * SECOND, 1, 5);
	fake_set(&tree, b, "cgroup.procs", "11\n");
	host.processes[10].task = (struct host_task){ .start = 1000 * SECOND, .threads = 5,
						      .running = 2, .blocked = 1 };
	ck_assert_str_eq(text_at(a, "proc/loadavg"), "0.00 0.00 0.00 2/6 5\n");
	host.boot += 5 * SECOND;
	ck_assert_str_eq(text_at(a, "proc/loadavg"), "0.24 0.05 0.02 2/6 5\n");
	host.boot += 4 * SECOND;
	host.processes[10].task.running = 0;
	ck_assert_str_eq(text_at(a, "proc/loadavg"), "0.24 0.05 0.02 0/6 5\n");
	host.boot += 600 * SECOND;
	host.processes[10].task.blocked = 0;
	ck_assert_str_eq(text_at(a, "proc/loadavg"), "0.00 0.01 0.01 0/6 5\n");
	/* A process that is gone when its turn comes does not count. */
	host.processes[11].alive = false;
	ck_assert_str_eq(text_at(a, "proc/loadavg"), "0.00 0.01 0.01 0/5 1\n");
	ck_assert_ptr_nonnull(strstr(text_at(a, "proc/stat"), "\nprocesses 6\nprocs_running 0\n"));
}
END_TEST

/* One that nobody looked at so far has had the load of now for all of its life. */
START_TEST(load_of_old_container)
{
	uint64_t a = container_since(1);

	host.boot = 100000 * SECOND;
	host.processes[10].task.running = 1;
	ck_assert_str_eq(text_at(a, "proc/loadavg"), "1.00 1.00 1.00 1/1 1\n");
}
END_TEST

/* The table is bounded; what is read stays in it. */
START_TEST(bounded)
{
	struct states *s;
	uint64_t start;

	ck_assert_int_eq(states_new(3, &s), 0);
	for (uint64_t id = 1; id <= 3; id++)
		ck_assert_int_eq(states_start(s, id, id * 10, &start), 0);
	ck_assert_int_eq(states_start(s, 1, START_UNKNOWN, &start), 0);
	ck_assert_uint_eq(start, 10);
	ck_assert_int_eq(states_start(s, 4, 40, &start), 0); /* drops 2 */
	ck_assert_int_eq(states_start(s, 1, START_UNKNOWN, &start), 0);
	ck_assert_uint_eq(start, 10);
	ck_assert_int_eq(states_start(s, 2, START_UNKNOWN, &start), 0);
	ck_assert_uint_eq(start, START_UNKNOWN);
	states_free(s);
}
END_TEST

/* Counting tasks costs a bounded part of a CPU: a count that took long is used for longer. */
START_TEST(tally_is_kept)
{
	struct tally told = { .threads = 7 }, got;
	struct states *s;
	uint64_t forks;

	ck_assert_int_eq(states_new(3, &s), 0);
	ck_assert(!states_tally(s, 1, 100, &got));
	ck_assert_int_eq(states_tallied(s, 1, &told, 100, 150), 0);
	ck_assert(states_tally(s, 1, 649, &got));
	ck_assert_uint_eq(got.threads, 7);
	ck_assert(!states_tally(s, 1, 650, &got));
	told.threads = 3;
	ck_assert_int_eq(states_tallied(s, 1, &told, 700, 700), 0);
	ck_assert(!states_tally(s, 1, 700, &got));
	ck_assert_int_eq(states_forks(s, 1, &forks), 0);
	ck_assert_uint_eq(forks, 7);
	states_free(s);
}
END_TEST

struct reader {
	pthread_t thread;
	uint64_t container;
	bool fell;
};

static void *read_often(void *data)
{
	struct reader *r = data;
	unsigned slot = slot_at(r->container, "proc/stat");
	unsigned long long most[3] = { 0 };

	for (int i = 0; i < 300; i++) {
		cleanup_buf struct buf out = { 0 };
		unsigned long long v[3];

		if (view_render(view, r->container, slot, &out) < 0 ||
		    sscanf(buf_text(&out), "cpu %llu 0 %llu %llu", &v[0], &v[1], &v[2]) != 3)
			r->fell = true;
		for (int f = 0; !r->fell && f < 3; f++) {
			r->fell = v[f] < most[f];
			most[f] = v[f];
		}
	}
	return NULL;
}

/* Several at once, of more containers than one: each sees time that only rises. */
START_TEST(many_readers)
{
	uint64_t a = container_since(900 * SECOND), b = fake_cgroup(TREE_ROOT, "b");
	struct reader readers[4];

	set_usage(a, 5000000, 0, 1000000);
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
		readers[i] = (struct reader){ .container = i % 2 ? a : b };
		ck_assert_int_eq(pthread_create(&readers[i].thread, NULL, read_often, &readers[i]),
				 0);
	}
	for (int i = 0; i < 100000; i++)
		host.boot += SECOND / 1000;
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
		pthread_join(readers[i].thread, NULL);
		ck_assert(!readers[i].fell);
	}
}
END_TEST

/* The running kernel's facts: this process, the CPUs it may use, a clock that has gone on. */
START_TEST(real_host)
{
	struct host *real;
	struct host_clock clock;
	struct host_task task;
	struct cpulist cpus;
	cleanup_buf struct buf text = { 0 };

	ck_assert_int_eq(host_new(&real), 0);
	real->ops->now(real, &clock);
	ck_assert_int_eq(real->ops->task(real, getpid(), true, &task), 0);
	ck_assert_uint_le(task.start, clock.boot);
	ck_assert_uint_ge(task.threads, 1);
	ck_assert_uint_ge(task.running, 1);
	ck_assert_int_eq(host_online(real, &cpus), 0);
	ck_assert_uint_ge(cpulist_count(&cpus), 1);
	for (int file = HOST_MEMINFO; file <= HOST_LOADAVG; file++) {
		buf_reset(&text);
		ck_assert_int_eq(real->ops->text(real, file, &text), 0);
		ck_assert_uint_gt(text.len, 0);
		ck_assert_int_eq(text.data[text.len - 1], '\n');
	}
	host_free(real);
}
END_TEST

int main(void)
{
	const TTest *tests[] = { first_reading, two_spinners,	    never_falls,   all_is_shown,
				 age,		load_formula,	    load_of_container,
				 load_of_old_container, bounded,    tally_is_kept, many_readers,
				 real_host };

	return run_suite("view_time", tests, ARRAY_SIZE(tests));
}
