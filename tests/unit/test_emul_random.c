/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Thousands of random operations over fake tasks, the same in each run. After each one what the
 * emulator keeps is compared with a recomputation: counts, usage, and who has to be stopped.
 */
#include <limits.h>

#include "emul/cgroup.h"
#include "emul_fixture.h"
#include "suite.h"

#define MSEC 1000000ULL
#define PATHS 10 /* the ones that cgroups may have, parents first */
#define TASKS_MAX 24
#define FILES 8
#define OPERATIONS 2500

static const char *const paths[PATHS] = { "a", "b", "a/x", "a/y", "b/x", "a/x/p", "a/x/q",
					  "a/y/p", "a/x/p/r", "a/x/p/s" };

static uint64_t seed;
static struct tree_file *files[FILES];

static unsigned any(unsigned n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(seed >> 33) % n;
}

static const char *any_path(void)
{
	return paths[any(PATHS)];
}

/* --- what must be ------------------------------------------------------------------------- */

struct sums {
	unsigned tasks, running, descendants, threaded_children, populated_domains;
	unsigned css[CTRL_COUNT];
	uint64_t anon, threads, processes;
};

static void add_members(const struct cgroup *cg, struct sums *s)
{
	unsigned n = 0;

	for (const struct member *m = cg->first; m; m = m->next) {
		ck_assert_ptr_eq(m->cg, cg);
		ck_assert_ptr_eq(m->next ? m->next->prev : cg->last, m);
		s->running += !m->stopped;
		s->anon += m->last.anon;
		s->threads += m->last.threads - m->n_placed - m->leader_away;
		n++;
	}
	ck_assert_uint_eq(cg->n_members, n);
	s->tasks += n;
	s->processes += n;
	n = 0;
	for (const struct placed *p = cg->placed_first; p; p = p->next) {
		ck_assert_ptr_eq(p->cg, cg);
		ck_assert_ptr_eq(member_find(cg->emul, p->process->pid, p->process->start),
				 p->process);
		n++;
	}
	ck_assert_uint_eq(cg->n_placed, n);
	s->tasks += n;
	s->threads += n;
}

static struct sums check_cgroup(const struct cgroup *cg)
{
	struct sums s = { 0 };

	add_members(cg, &s);
	for (const struct cgroup *child = cg->children; child; child = child->hh.next) {
		struct sums below = check_cgroup(child);

		ck_assert_ptr_eq(child->parent, cg);
		s.tasks += below.tasks;
		s.running += below.running;
		s.descendants += 1 + below.descendants;
		s.threaded_children += child->threaded;
		s.populated_domains += !child->threaded && below.tasks;
		s.anon += below.anon;
		s.threads += below.threads;
		s.processes += below.processes;
		for (int i = 0; i < CTRL_COUNT; i++)
			s.css[i] += below.css[i];
	}
	ck_assert_uint_eq(cg->nr_tasks, s.tasks);
	ck_assert_uint_eq(cg->nr_running, s.running);
	ck_assert_uint_eq(cg->nr_descendants, s.descendants);
	ck_assert_uint_eq(cg->nr_threaded_children, s.threaded_children);
	ck_assert_uint_eq(cg->nr_populated_domains, s.populated_domains);
	ck_assert_int_eq(cg->populated, s.tasks > 0);
	ck_assert_int_eq(cg->frozen, cg->e_freeze && !s.running);
	ck_assert_int_eq(cg->e_freeze, cg->freeze || (cg->parent && cg->parent->e_freeze));
	ck_assert_uint_eq(cg->usage.anon, s.anon);
	ck_assert_uint_eq(cg->usage.processes, s.processes);
	for (int i = 0; i < CTRL_COUNT; i++) {
		/* Where io is on, memory is, too, if only hidden. */
		s.css[i] += cg->css[i] || (i == CTRL_MEMORY && cg->css[CTRL_IO]);
		ck_assert_uint_eq(cg->nr_css[i], s.css[i]);
	}
	return s;
}

static bool is_held(const struct member *m)
{
	bool held = false;

	for (int i = 0; i < HOLDS; i++) {
		const struct cgroup *by = m->held_by[i];

		if (!by)
			continue;
		ck_assert(!by->dead && cgroup_inside(m->cg, by));
		held = true;
	}
	return held;
}

/* The children that keep m stopped, which are stopped themselves. */
static unsigned count_kept(const struct emul *e, const struct member *m)
{
	const struct member *child, *next;
	unsigned n = 0;

	HASH_ITER(hh, e->members, child, next) {
		if (child->kept_before != m)
			continue;
		ck_assert(child->cont);
		n++;
	}
	return n;
}

/* Nobody is left stopped by us without a reason, nor runs against one. */
static void check_member(const struct emul *e, const struct member *m)
{
	const struct fake_task *t = fake_find(fake, m->pid);
	bool keep = m->cg->e_freeze || is_held(m) || m->children_kept;

	ck_assert(cgroup_by_id(e, m->cg->id) == m->cg);
	ck_assert_int_eq(m->stopped, m->cg->e_freeze);
	ck_assert_int_eq(!keep && m->cont, 0);
	ck_assert_uint_eq(m->children_kept, count_kept(e, m));
	ck_assert(!m->children_kept || m->cont);
	if (t && !t->exited)
		ck_assert_int_eq(t->stopped, keep);
}

static void check_heap(const struct emul *e)
{
	const struct timers *ts = &e->timers;

	for (size_t i = 1; i <= ts->n; i++) {
		ck_assert_uint_eq(ts->heap[i]->place, i);
		ck_assert(i == 1 || ts->heap[i / 2]->due <= ts->heap[i]->due);
	}
}

static void check_all(void)
{
	struct emul *e = emul_of(tree);
	unsigned n = 0;

	check_cgroup(e->root);
	for (const struct member *m = e->members; m; m = m->hh.next, n++)
		check_member(e, m);
	ck_assert_uint_eq(e->n_members, n);
	for (unsigned i = 0; i < fake->n; i++) {
		const struct fake_task *t = &fake->task[i];

		if (!t->exited && !member_find(e, t->pid, t->start))
			ck_assert(!t->stopped);
	}
	check_heap(e);
}

/* --- what is done ------------------------------------------------------------------------- */

static struct fake_task *any_task(void)
{
	struct fake_task *live[FAKE_TASKS];
	unsigned n = 0;

	for (unsigned i = 0; i < fake->n; i++) {
		if (!fake->task[i].reaped)
			live[n++] = &fake->task[i];
	}
	return n ? live[any(n)] : NULL;
}

static unsigned n_live(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < fake->n; i++)
		n += !fake->task[i].exited;
	return n;
}

static void write_at(const char *dir, const char *file, const char *text)
{
	char path[64];

	snprintf(path, sizeof path, "%s/%s", dir, file);
	do_write(path, text);
}

static void do_births(void)
{
	struct fake_task *t = any_task();

	if (n_live() >= TASKS_MAX || fake->n + 2 >= FAKE_TASKS)
		return;
	if (!t || t->exited || any(3) == 0)
		fake_spawn(fake);
	else if (any(2) && t->n_tids < FAKE_THREADS)
		fake_thread(fake, t->pid);
	else
		fake_fork(fake, t->pid);
}

static void do_deaths(void)
{
	struct fake_task *t = any_task();

	if (!t)
		return;
	if (t->exited)
		fake_reap(fake, t->pid);
	else if (any(2) && t->n_tids)
		fake_thread_exit(fake, t->tids[any(t->n_tids)]);
	else if (any(2))
		fake_exit(fake, t->pid);
}

static void do_move(void)
{
	struct fake_task *t = any_task();
	char nr[16];
	bool thread = any(3) == 0;

	if (!t)
		return;
	snprintf(nr, sizeof nr, "%d", (int)(thread && t->n_tids ? t->tids[any(t->n_tids)] :
								  t->pid));
	write_at(any(8) ? any_path() : "", thread ? "cgroup.threads" : "cgroup.procs", nr);
}

static void do_structure(void)
{
	if (any(3))
		do_mkdir(any_path());
	else if (any(3))
		do_rmdir(any_path());
	else
		write_at(any_path(), "cgroup.type", "threaded");
}

static void do_control(void)
{
	static const char *const words[] = { "+cpu", "-cpu", "+memory", "-memory", "+pids -memory",
					     "+cpu +memory", "-cpu -pids", "+cpuset", "-cpuset",
					     "+io +misc +hugetlb", "-io -misc -hugetlb" };

	unsigned i = any(ARRAY_SIZE(words));

	write_at(any(4) ? any_path() : ".", "cgroup.subtree_control", words[i]);
}

static void do_limit(void)
{
	static const char *const limits[][2] = {
		{ "cpu.max", "1000 10000" },  { "cpu.max", "max" },
		{ "cpu.max", "20000 1000" },  { "cpu.max", "17592186044 1000000" },
		{ "cpu.max.burst", "500" },   { "memory.high", "4M" },
		{ "memory.high", "max" },     { "memory.max", "40M" },
		{ "memory.max", "max" },      { "memory.oom.group", "1" },
		{ "memory.high", "0" },	      { "pids.max", "3" },
		{ "cpuset.cpus", "0-3" },     { "cpuset.cpus.partition", "root" },
		{ "cpuset.cpus", "2,5" },     { "cpuset.cpus.partition", "member" },
		{ "cgroup.max.depth", "9" },  { "cgroup.pressure", "0" },
		{ "cgroup.pressure", "1" },   { "memory.swap.high", "1M" },
		{ "memory.pressure", "some 1000 1000000" },
	};
	unsigned i = any(ARRAY_SIZE(limits));

	write_at(any_path(), limits[i][0], limits[i][1]);
}

static void do_signals(void)
{
	if (any(8) == 0)
		write_at(any_path(), "cgroup.kill", "1");
	else
		write_at(any_path(), "cgroup.freeze", any(3) ? "0" : "1");
}

/* Who is not stopped runs, and may use more memory than before. */
static void do_time(void)
{
	for (unsigned n = 1 + any(30); n; n--) {
		fake->now += MSEC;
		for (unsigned i = 0; i < fake->n; i++) {
			struct fake_task *t = &fake->task[i];

			if (t->exited || t->stopped || (t->pid + i) % 3 == 0)
				continue;
			t->use.user_ns += MSEC;
			if (any(16) == 0)
				t->use.anon = any(8) << 20;
		}
		emul_run_due(tree);
		if (any(4) == 0)
			fake_settle(&fake->tasks);
	}
}

static void do_files(void)
{
	static const char *const names[] = { "cgroup.events", "memory.peak", "memory.pressure",
					     "cpu.pressure",  "cgroup.procs", "memory.events",
					     "cpu.stat",      "cgroup.stat",  "pids.current" };
	struct tree_file **file = &files[any(FILES)];
	cleanup_buf struct buf text = { 0 };
	char path[64];

	if (*file && any(2)) {
		read_file_as(*file, &TREE_SELF, &text);
		write_file_as(*file, &TREE_SELF, any(2) ? "some 1000 1000000" : "reset");
		if ((*file)->ops->poll)
			(*file)->ops->poll(*file);
		return;
	}
	if (*file)
		(*file)->ops->close(*file);
	*file = NULL;
	snprintf(path, sizeof path, "%s/%s", any_path(), names[any(ARRAY_SIZE(names))]);
	open_as(&TREE_SELF, path, file);
}

static void do_inject(void)
{
	static const char *const what[][2] = {
		{ "usage", "memory+1M" },
		{ "pressure", "memory some=50% full=10% for 100ms" },
		{ "pressure", "cpu some=0%" },
	};
	unsigned i = any(ARRAY_SIZE(what));
	char line[96];

	snprintf(line, sizeof line, "%s /%s %s", what[i][0], any_path(), what[i][1]);
	emul_inject(tree, line);
}

static void (*const operations[])(void) = {
	do_births, do_births, do_deaths, do_move, do_move,    do_move, do_structure, do_structure,
	do_control, do_limit, do_limit,	 do_signals, do_time, do_time, do_files,     do_files,
};

/* Brings members up to date, and so what must agree. */
static void settle(void)
{
	cleanup_buf struct buf text = { 0 };

	fake_settle(&fake->tasks);
	ck_assert_int_eq(do_read("cgroup.procs", &text), 0);
	ck_assert_int_eq(do_read("cpu.stat", &text), 0);
}

static void random_run(uint64_t number)
{
	seed = number;
	for (unsigned i = 0; i < OPERATIONS; i++) {
		operations[any(ARRAY_SIZE(operations))]();
		n_changes = 0;
		settle();
		check_all();
	}
	for (unsigned i = 0; i < FILES; i++) {
		if (files[i])
			files[i]->ops->close(files[i]);
		files[i] = NULL;
	}
}

START_TEST(counts_agree)
{
	random_run((uint64_t)_i + 1);
}
END_TEST

/* Usage that is injected is nobody's: only that nothing breaks. */
START_TEST(injected_beside)
{
	seed = 77;
	for (unsigned i = 0; i < OPERATIONS; i++) {
		if (any(8) == 0)
			do_inject();
		else
			operations[any(ARRAY_SIZE(operations))]();
		n_changes = 0;
		settle();
		check_heap(emul_of(tree));
	}
	for (unsigned i = 0; i < FILES; i++) {
		if (files[i])
			files[i]->ops->close(files[i]);
		files[i] = NULL;
	}
}
END_TEST

/* Whatever state it was left in, the end of the emulator continues everybody. */
START_TEST(end_continues_all)
{
	seed = 4711 + (uint64_t)_i;
	for (unsigned i = 0; i < 600; i++)
		operations[any(ARRAY_SIZE(operations) - 2)]();
	n_changes = 0;
	tree_destroy(tree);
	for (unsigned i = 0; i < fake->n; i++)
		ck_assert(fake->task[i].exited || !fake->task[i].stopped);
	tasks_free(&fake->tasks);
	emul_setup();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emul_random");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, emul_setup, emul_teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, counts_agree, 0, 12);
	tcase_add_test(tc, injected_beside);
	tcase_add_loop_test(tc, end_continues_all, 0, 8);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
