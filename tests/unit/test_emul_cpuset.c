/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cpuset controller: recordings of kernels (tests/golden/cpuset-*, made by record-cpuset)
 * played again, every file and every task's affinity compared after each step; and what they do
 * not show.
 */
#include "emul_fixture.h"
#include "suite.h"

/* --- recordings ----------------------------------------------------------------------------- */

#define NAMES 128 /* files and tasks that are seen */

/* What is to be read: "-" or NULL where there is no such file. */
struct state {
	char *text[NAMES];
};

struct replay {
	FILE *file;
	char *line;
	size_t cap;
	unsigned number; /* of the line */
	unsigned steps, compared;
	char *names[NAMES];
	unsigned n_names;
	struct state now, fresh;
	bool was_fresh; /* the step was making a tree */
	enum emul_version version;
	pid_t tasks[2]; /* P and Q */
	bool in_root[2];
};

static void state_free(struct state *st)
{
	for (unsigned i = 0; i < NAMES; i++)
		free(st->text[i]);
	*st = (struct state){ 0 };
}

static void state_copy(struct state *to, const struct state *from)
{
	state_free(to);
	for (unsigned i = 0; i < NAMES; i++)
		to->text[i] = from->text[i] ? strdup(from->text[i]) : NULL;
}

static FILE *open_recording(const char *name)
{
	cleanup_buf struct buf path = { 0 };
	const char *slash = strrchr(__FILE__, '/');
	FILE *file;

	buf_add(&path, __FILE__, slash ? (size_t)(slash + 1 - __FILE__) : 0);
	buf_addf(&path, "../golden/%s", name);
	file = fopen(buf_text(&path), "re");
	ck_assert_msg(file, "%s: %m (to be run from the top of the sources)", buf_text(&path));
	return file;
}

static void expect(struct replay *r, const char *name, const char *text)
{
	unsigned i;

	for (i = 0; i < r->n_names && strcmp(r->names[i], name); i++)
		;
	if (i == r->n_names) {
		ck_assert_uint_lt(i, NAMES);
		r->names[r->n_names++] = strdup(name);
	}
	free(r->now.text[i]);
	r->now.text[i] = strdup(text);
}

static void read_name(const struct replay *r, const char *name, struct buf *out)
{
	const struct fake_task *task;
	struct cpulist cpus = { 0 };

	if (strlen(name) > 1) {
		if (do_read(name, out) < 0)
			buf_adds(out, "-");
		else
			buf_cut(out, out->len - 1);
		return;
	}
	task = fake_find(fake, r->tasks[*name - 'P']);
	cpus.bits[0] = task->cpus[0] ? task->cpus[0] : fake_all_cpus(fake);
	cpulist_show(&cpus, out);
}

/* All that is known is as expected, after the step before this line. */
static void compare(struct replay *r)
{
	for (unsigned i = 0; i < r->n_names; i++) {
		const char *wanted = r->now.text[i] ? r->now.text[i] : "-";
		cleanup_buf struct buf got = { 0 };

		if (strlen(r->names[i]) == 1 && r->version == EMUL_6_1 &&
		    r->in_root[*r->names[i] - 'P'])
			continue; /* 6.1 lets what comes into the root onto all CPUs */
		read_name(r, r->names[i], &got);
		ck_assert_msg(!strcmp(buf_text(&got), wanted),
			      "before line %u: %s is \"%s\" instead of \"%s\"", r->number,
			      r->names[i], buf_text(&got), wanted);
		r->compared++;
	}
}

static void end_step(struct replay *r)
{
	if (!tree)
		return;
	compare(r);
	if (r->was_fresh)
		state_copy(&r->fresh, &r->now);
	r->was_fresh = false;
}

static const char *const dirs[] = { "a", "b", "c", "a/x", "a/y", "b/z", "a/x/p", "a/x/q" };

/* As record-cpuset does: a kernel may not give back all CPUs of removed partitions. */
static void clear_tree(const struct replay *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(r->tasks); i++)
		move("", r->tasks[i]);
	for (size_t i = ARRAY_SIZE(dirs); i-- > 0;) {
		if (node_at(dirs[i]))
			ck_assert_int_eq(do_rmdir(dirs[i]), 0);
	}
}

static void make_tree(struct replay *r, unsigned cpus)
{
	static const char *const inner[] = { "", "a/", "b/", "a/x/" };

	if (tree) {
		clear_tree(r);
	} else {
		machine_cpus = cpus;
		emul_setup_config((struct emul_config){ .version = r->version });
		for (size_t i = 0; i < ARRAY_SIZE(r->tasks); i++)
			r->tasks[i] = spawn_in("");
	}
	for (size_t i = 0; i < ARRAY_SIZE(r->tasks); i++)
		r->in_root[i] = true;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		ck_assert_int_eq(do_mkdir(dirs[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(inner); i++) {
		cleanup_buf struct buf file = { 0 };

		buf_addf(&file, "%scgroup.subtree_control", inner[i]);
		ck_assert_int_eq(do_write(buf_text(&file), "+cpuset"), 0);
	}
	if (r->fresh.text[0])
		state_copy(&r->now, &r->fresh);
	r->was_fresh = true;
}

static int act(const struct replay *r, const char *what, const char *path, const char *text)
{
	cleanup_buf struct buf file = { 0 };

	if (!strcmp(what, "mkdir"))
		return do_mkdir(path);
	if (!strcmp(what, "rmdir"))
		return do_rmdir(path);
	buf_addf(&file, "%s%s", path, *path ? "/" : "");
	if (!strcmp(what, "move")) {
		buf_adds(&file, "cgroup.procs");
		return write_pid(buf_text(&file), r->tasks[*text - 'P']);
	}
	if (!strcmp(what, "control"))
		buf_adds(&file, "cgroup.subtree_control");
	else
		buf_addf(&file, "cpuset.%s", what);
	return do_write(buf_text(&file), *text ? text : "\n");
}

static void play(struct replay *r, char *rest)
{
	const char *what = strsep(&rest, "\t");
	const char *path = strsep(&rest, "\t");
	const char *text = strsep(&rest, "\t");
	const char *wanted = rest;
	int result;

	ck_assert_msg(wanted, "line %u has too few fields", r->number);
	result = act(r, what, path, text);
	if (!strcmp(what, "move") && !result)
		r->in_root[*text - 'P'] = !*path;
	ck_assert_msg(!strcmp(result ? strerrorname_np(-result) : "0", wanted),
		      "line %u: %s %s %s: %s instead of %s", r->number, what, path, text,
		      result ? strerrorname_np(-result) : "0", wanted);
	r->steps++;
}

static void play_line(struct replay *r)
{
	char *rest = r->line;

	if (*rest == '#')
		return;
	if (*rest == '\t') {
		const char *name;

		rest++;
		name = strsep(&rest, "\t");
		expect(r, name, rest);
		return;
	}
	end_step(r);
	if (!strncmp(rest, "new\t", 4))
		make_tree(r, (unsigned)atoi(rest + 4));
	else
		play(r, rest);
}

static void replay(const char *recording, enum emul_version version, unsigned min_steps)
{
	struct replay r = { .file = open_recording(recording), .version = version };

	while (getline(&r.line, &r.cap, r.file) >= 0) {
		r.number++;
		r.line[strcspn(r.line, "\n")] = '\0';
		play_line(&r);
	}
	end_step(&r);
	emul_teardown();
	ck_assert_uint_ge(r.steps, min_steps);
	printf("%s: %u steps, %u texts as recorded\n", recording, r.steps, r.compared);
	for (unsigned i = 0; i < r.n_names; i++)
		free(r.names[i]);
	state_free(&r.now);
	state_free(&r.fresh);
	free(r.line);
	fclose(r.file);
}

START_TEST(as_6_12)
{
	replay("cpuset-6.12", EMUL_6_12, 600);
}
END_TEST

START_TEST(as_6_12_on_two_cpus)
{
	replay("cpuset-6.12-2", EMUL_6_12, 100);
}
END_TEST

START_TEST(as_6_1)
{
	replay("cpuset-6.1", EMUL_6_1, 500);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emul_cpuset");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, as_6_12);
	tcase_add_test(tc, as_6_12_on_two_cpus);
	tcase_add_test(tc, as_6_1);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
