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

/* The next field; "\\e" is nothing. */
static const char *field(char **rest)
{
	const char *text = strsep(rest, "\t");

	return text && !strcmp(text, "\\e") ? "" : text;
}

static void play(struct replay *r, char *rest)
{
	const char *what = field(&rest);
	const char *path = field(&rest);
	const char *text = field(&rest);
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
		name = field(&rest);
		expect(r, name, field(&rest));
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

START_TEST(as_6_12_nested)
{
	replay("cpuset-6.12-nested", EMUL_6_12, 800);
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

/* --- what they do not show ------------------------------------------------------------------ */

/* A tree with a/b and c, all with cpusets. */
static void setup_small(struct emul_config config, unsigned cpus)
{
	machine_cpus = cpus;
	emul_setup_config(config);
	ck_assert_int_eq(do_write("cgroup.subtree_control", "+cpuset"), 0);
	make_dirs("a", "c", "a/b");
	ck_assert_int_eq(do_write("a/cgroup.subtree_control", "+cpuset"), 0);
	changes_forget();
}

static void setup_eight(void)
{
	setup_small((struct emul_config){ 0 }, 8);
}

static uint64_t cpus_of(pid_t pid)
{
	const struct fake_task *task = fake_find(fake, pid);

	return task->cpus[0] ? task->cpus[0] : fake_all_cpus(fake);
}

START_TEST(lists)
{
	cleanup_buf struct buf text = { 0 };

	while (text.len < 5000)
		buf_adds(&text, "1,");
	ck_assert_int_eq(do_write("a/cpuset.cpus", buf_text(&text)), 0);
	assert_read("a/cpuset.cpus", "1\n");
	buf_adds(&text, "8");
	assert_refused(do_write("a/cpuset.cpus", buf_text(&text)), ERANGE);
	assert_refused(do_write("a/cpuset.cpus", "4294967296"), EOVERFLOW);
	assert_refused(do_write("a/cpuset.cpus", "1-0"), EINVAL);
	assert_refused(do_write("a/cpuset.mems", "1"), EINVAL);
	assert_refused(do_write("a/cpuset.mems", "1024"), ERANGE);
	assert_refused(do_write("a/cpuset.cpus.partition", "Root"), EINVAL);
	assert_read("a/cpuset.cpus", "1\n");
	ck_assert_int_eq(do_write("a/cpuset.cpus", ","), 0);
	assert_read("a/cpuset.cpus", "\n");
	assert_read("a/cpuset.cpus.effective", "0-7\n");
}
END_TEST

START_TEST(not_cleared)
{
	pid_t pid = spawn_in("a/b");

	ck_assert_int_eq(do_write("a/cpuset.cpus", "1-2"), 0);
	ck_assert_int_eq(do_write("a/cpuset.mems", "0"), 0);
	assert_refused(do_write("a/cpuset.cpus", "\n"), ENOSPC);
	assert_refused(do_write("a/cpuset.mems", "\n"), ENOSPC);
	fake_end(fake, pid);
	ck_assert_int_eq(do_write("a/cpuset.cpus", "\n"), 0);
	ck_assert_int_eq(do_write("a/cpuset.mems", "\n"), 0);
	ck_assert_int_eq(do_write("c/cpuset.cpus.exclusive", "1-2"), 0);
	assert_refused(do_write("a/cpuset.cpus.exclusive", "2-3"), EINVAL);
}
END_TEST

/* What is told late, for it was told just before, is told. */
static void settle(void)
{
	fake->now += 1000000000;
	emul_run_due(tree);
}

START_TEST(partitions_notify)
{
	ck_assert_int_eq(do_write("a/cpuset.cpus", "0-1"), 0);
	ck_assert_int_eq(do_write("a/cpuset.cpus.partition", "root"), 0);
	ck_assert_uint_ge(changes_of("a/cpuset.cpus.partition"), 1);
	settle();
	changes_forget();
	ck_assert_int_eq(do_write("a/cpuset.cpus.partition", "root"), 0);
	settle();
	ck_assert_uint_eq(changes_of("a/cpuset.cpus.partition"), 0);
	ck_assert_int_eq(do_write("c/cpuset.cpus", "1-2"), 0);
	settle();
	assert_read("a/cpuset.cpus.partition", "root invalid\n");
	ck_assert_uint_eq(changes_of("a/cpuset.cpus.partition"), 1);
	ck_assert_uint_eq(changes_of("c/cpuset.cpus.partition"), 0);
	ck_assert_uint_eq(changes_of("a/cpuset.cpus.effective"), 0);
}
END_TEST

/* A remote partition takes from the machine, which a user in a subtree may not. */
START_TEST(remote_is_the_admins)
{
	const struct caller user = { .uid = 1000 };

	ck_assert_int_eq(do_write("a/cpuset.cpus.exclusive", "1-3"), 0);
	ck_assert_int_eq(do_write("a/b/cpuset.cpus.exclusive", "2"), 0);
	ck_assert_int_eq(write_as(&user, &user, "a/b/cpuset.cpus.partition", "isolated"), 0);
	assert_read("a/b/cpuset.cpus.partition",
		    "isolated invalid (Enable partition not permitted)\n");
	ck_assert_int_eq(do_write("a/b/cpuset.cpus.partition", "isolated"), 0);
	assert_read("a/b/cpuset.cpus.partition", "isolated\n");
	assert_read("cpuset.cpus.isolated", "2\n");
	assert_read("cpuset.cpus.effective", "0-1,3-7\n");
	ck_assert_int_eq(do_rmdir("a/b"), 0);
	assert_read("cpuset.cpus.isolated", "\n");
	assert_read("cpuset.cpus.effective", "0-7\n");
}
END_TEST

START_TEST(members_follow)
{
	pid_t pid, child, outside = fake_spawn(fake);

	ck_assert_int_eq(do_write("a/cpuset.cpus", "1-2"), 0);
	pid = spawn_in("a/b");
	ck_assert_uint_eq(cpus_of(pid), 0x06);
	child = fake_fork(fake, pid);
	ck_assert_int_eq(do_write("a/cpuset.cpus", "2-5"), 0);
	ck_assert_uint_eq(cpus_of(pid), 0x3c);
	ck_assert_uint_eq(cpus_of(child), 0x3c);
	ck_assert_int_eq(do_write("a/b/cpuset.cpus", "5"), 0);
	ck_assert_uint_eq(cpus_of(child), 0x20);
	ck_assert_int_eq(do_write("a/cgroup.subtree_control", "-cpuset"), 0);
	ck_assert_uint_eq(cpus_of(child), 0x3c);
	move("c", child);
	ck_assert_uint_eq(cpus_of(child), 0xff);
	ck_assert_uint_eq(cpus_of(outside), 0xff);
}
END_TEST

/* Born before a change that it was found after. */
START_TEST(late_births)
{
	pid_t pid = spawn_in("a"), child;

	ck_assert_int_eq(do_write("a/cpuset.cpus", "1"), 0);
	child = fake_fork(fake, pid);
	fake_find(fake, child)->cpus[0] = 0xff;
	PROCS("a", pid, child);
	ck_assert_uint_eq(cpus_of(child), 0x02);
}
END_TEST

START_TEST(choices_are_kept)
{
	pid_t pid = spawn_in("a");

	fake_find(fake, pid)->cpus[0] = 0x0c;
	ck_assert_int_eq(do_write("a/cpuset.cpus", "3-5"), 0);
	ck_assert_uint_eq(cpus_of(pid), 0x08);
	ck_assert_int_eq(do_write("a/cpuset.cpus", "6-7"), 0);
	ck_assert_uint_eq(cpus_of(pid), 0xc0);
}
END_TEST

START_TEST(threads_follow)
{
	pid_t pid = fake_spawn(fake), tid = fake_thread(fake, pid);
	const struct fake_task *task = fake_find(fake, pid);

	make_dirs("t", "t/x");
	ck_assert_int_eq(do_write("t/x/cgroup.type", "threaded"), 0);
	ck_assert_int_eq(do_write("t/cgroup.subtree_control", "+cpuset"), 0);
	ck_assert_int_eq(do_write("t/x/cpuset.cpus", "1"), 0);
	move("t", pid);
	ck_assert_int_eq(write_pid("t/x/cgroup.threads", tid), 0);
	ck_assert_uint_eq(task->cpus[0], 0);
	ck_assert_uint_eq(task->cpus[1], 0x02);
	ck_assert_int_eq(do_write("t/cpuset.cpus", "1-3"), 0);
	ck_assert_uint_eq(task->cpus[0], 0x0e);
	ck_assert_uint_eq(task->cpus[1], 0x02);
	ck_assert_int_eq(do_write("t/x/cpuset.cpus", "3"), 0);
	ck_assert_uint_eq(task->cpus[1], 0x08);
	ck_assert_int_eq(write_pid("t/cgroup.threads", tid), 0);
	ck_assert_uint_eq(task->cpus[1], 0x0e);
	move("c", pid);
	ck_assert_uint_eq(task->cpus[0], 0);
	ck_assert_uint_eq(task->cpus[1], 0);
}
END_TEST

/* A partition without CPUs of its own takes nobody in. */
START_TEST(nowhere_to_run)
{
	pid_t pid = fake_spawn(fake);

	ck_assert_int_eq(do_write("a/cpuset.cpus", "1"), 0);
	ck_assert_int_eq(do_write("a/cpuset.cpus.partition", "root"), 0);
	ck_assert_int_eq(do_write("a/b/cpuset.cpus", "1"), 0);
	ck_assert_int_eq(do_write("a/b/cpuset.cpus.partition", "root"), 0);
	assert_read("a/cpuset.cpus.effective", "\n");
	assert_refused(write_pid("a/cgroup.procs", pid), ENOSPC);
	move("a/b", pid);
	ck_assert_uint_eq(cpus_of(pid), 0x02);
}
END_TEST

/* Who writes needs rights over a process of root whose CPUs change (CAP_SYS_NICE). */
START_TEST(others_cpus)
{
	pid_t roots = spawn_in("a"), own = fake_spawn_uid(fake, 1000);
	const struct caller user = { .pid = own, .uid = 1000, .gid = 1000 };
	char text[16];

	move("a", own);
	snprintf(text, sizeof text, "%d", (int)roots);
	ck_assert_int_eq(write_as(&TREE_SELF, &user, "c/cgroup.procs", text), 0);
	ck_assert_int_eq(do_write("a/cpuset.cpus", "1"), 0);
	assert_refused(write_as(&TREE_SELF, &user, "a/cgroup.procs", text), EPERM);
	ck_assert_int_eq(write_as(&TREE_SELF, &user, "c/cgroup.procs", "0"), 0);
	PROCS("c", roots, own);
	ck_assert_int_eq(write_pid("a/cgroup.procs", roots), 0);
	ck_assert_uint_eq(cpus_of(roots), 0x02);
}
END_TEST

START_TEST(only_observed)
{
	pid_t pid;

	emul_teardown();
	setup_small((struct emul_config){ .observe = true }, 8);
	pid = spawn_in("a");
	ck_assert_int_eq(do_write("a/cpuset.cpus", "1-2"), 0);
	assert_read("a/cpuset.cpus.effective", "1-2\n");
	ck_assert_uint_eq(cpus_of(pid), 0xff);
}
END_TEST

START_TEST(quota_and_cpuset)
{
	pid_t pid;

	emul_teardown();
	setup_small((struct emul_config){ .spread = true }, 8);
	ck_assert_int_eq(do_write("cgroup.subtree_control", "+cpu"), 0);
	pid = spawn_in("a");
	ck_assert_int_eq(do_write("a/cpuset.cpus", "2,4-6"), 0);
	ck_assert_int_eq(do_write("a/cpu.max", "150000 100000"), 0);
	ck_assert_uint_eq(cpus_of(pid), 0x14);
	ck_assert_int_eq(do_write("a/cpuset.cpus", "6"), 0);
	ck_assert_uint_eq(cpus_of(pid), 0x40);
}
END_TEST

START_TEST(many_cpus)
{
	emul_teardown();
	setup_small((struct emul_config){ 0 }, 200);
	ck_assert_int_eq(do_write("a/cpuset.cpus", "60-70,199"), 0);
	assert_read("a/cpuset.cpus.effective", "60-70,199\n");
	ck_assert_int_eq(do_write("a/cpuset.cpus.partition", "isolated"), 0);
	assert_read("cpuset.cpus.effective", "0-59,71-198\n");
	assert_refused(do_write("a/cpuset.cpus", "200"), ERANGE);
	ck_assert_int_eq(do_rmdir("a/b"), 0);
	ck_assert_int_eq(do_rmdir("a"), 0);
	assert_read("cpuset.cpus.effective", "0-199\n");
}
END_TEST

START_TEST(offline_cpus)
{
	emul_teardown();
	fake = fake_new();
	fake->n_cpus = 4;
	fake->offline = 0x02;
	ck_assert_int_eq(
		emul_new(&(struct emul_config){ .tasks = &fake->tasks }, &tree), 0);
	ck_assert_int_eq(do_write("cgroup.subtree_control", "+cpuset"), 0);
	make_dirs("a");
	assert_read("a/cpuset.cpus.effective", "0,2-3\n");
	ck_assert_int_eq(do_write("a/cpuset.cpus", "1-2"), 0);
	assert_read("a/cpuset.cpus", "1-2\n");
	assert_read("a/cpuset.cpus.effective", "2\n");
	ck_assert_int_eq(do_write("a/cpuset.cpus", "1"), 0);
	assert_read("a/cpuset.cpus.effective", "0,2-3\n");
	assert_refused(do_write("a/cpuset.cpus", "4"), ERANGE);
}
END_TEST

static TCase *recordings(void)
{
	TCase *tc = tcase_create("recordings");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, as_6_12);
	tcase_add_test(tc, as_6_12_nested);
	tcase_add_test(tc, as_6_12_on_two_cpus);
	tcase_add_test(tc, as_6_1);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("emul_cpuset");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup_eight, emul_teardown);
	tcase_add_test(tc, lists);
	tcase_add_test(tc, not_cleared);
	tcase_add_test(tc, partitions_notify);
	tcase_add_test(tc, remote_is_the_admins);
	tcase_add_test(tc, members_follow);
	tcase_add_test(tc, late_births);
	tcase_add_test(tc, choices_are_kept);
	tcase_add_test(tc, threads_follow);
	tcase_add_test(tc, nowhere_to_run);
	tcase_add_test(tc, others_cpus);
	tcase_add_test(tc, only_observed);
	tcase_add_test(tc, quota_and_cpuset);
	tcase_add_test(tc, many_cpus);
	tcase_add_test(tc, offline_cpus);
	suite_add_tcase(suite, recordings());
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
