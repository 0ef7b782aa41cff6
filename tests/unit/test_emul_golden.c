/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The emulator against recordings of a kernel (tests/golden): every file's mode and default text,
 * the files of the root, and what each of some two thousand writes answers and reads back.
 */
#include "emul_fixture.h"
#include "suite.h"

#define FIELDS_MAX 4

/* A line of a recording: fields with escapes. */
struct line {
	char *text;
	size_t cap;
	char *field[FIELDS_MAX];
	unsigned number;
};

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

/* The next line that is no comment, of exactly n fields. */
static bool next_line(FILE *file, struct line *line, size_t n)
{
	char *rest;
	ssize_t len;

	do {
		len = getline(&line->text, &line->cap, file);
		if (len < 0)
			return false;
		line->number++;
	} while (line->text[0] == '#');
	ck_assert_int_eq(line->text[len - 1], '\n');
	line->text[len - 1] = '\0';
	rest = line->text;
	for (size_t i = 0; i < n; i++) {
		line->field[i] = strsep(&rest, "\t");
		ck_assert_msg(line->field[i], "line %u has too few fields", line->number);
	}
	ck_assert_msg(!rest, "line %u has too many fields", line->number);
	return true;
}

/* --- tasks that lines speak of --- */

enum {
	PID, /* a process with one thread */
	SELF, /* who writes */
	LEADER, /* a process with two threads, one of them TID */
	TID,
	ZOMBIE,
	REAPED,
	DEADLEADER, /* its first thread has ended, another lives */
	KTHREADD,
	KWORKER,
	KSOFTIRQD,
	CAST,
};

static const char *const cast_names[CAST] = {
	"pid",	  "self",	"leader",   "tid",     "zombie",
	"reaped", "deadleader", "kthreadd", "kworker", "ksoftirqd",
};

/* "{a*4096}" is 4096 times a, "{pid}" the number of a task, "{hexpid}" in another base. */
static void add_braced(const char *word, const pid_t *cast, struct buf *out)
{
	if (word[1] == '*') {
		for (int i = atoi(word + 2); i > 0; i--)
			buf_add(out, word, 1);
		return;
	}
	if (!strcmp(word, "hexpid")) {
		buf_addf(out, "%x", (unsigned)cast[PID]);
		return;
	}
	for (int i = 0; i < CAST; i++) {
		if (!strcmp(word, cast_names[i])) {
			buf_addf(out, "%d", (int)cast[i]);
			return;
		}
	}
	ck_abort_msg("unknown escape {%s}", word);
}

static void unescape(const char *s, const pid_t *cast, struct buf *out)
{
	char word[32];
	int len;
	unsigned byte;
	char c;

	for (; *s; s++) {
		if (*s != '\\') {
			buf_add(out, s, 1);
			continue;
		}
		s++;
		if (*s == 'n' || *s == 't') {
			buf_adds(out, *s == 'n' ? "\n" : "\t");
		} else if (*s == 'e') {
			continue;
		} else if (sscanf(s, "x%2x%n", &byte, &len) == 1) {
			c = (char)byte;
			buf_add(out, &c, 1);
			s += len - 1;
		} else if (sscanf(s, "{%31[^}]}%n", word, &len) == 1) {
			add_braced(word, cast, out);
			s += len - 1;
		} else {
			ck_abort_msg("unknown escape \\%c", *s);
		}
	}
}

/* --- where the emulator differs ------------------------------------------------------------- */

#define CONTROLLERS "cpu memory pids\\n"
#define STAT                                                        \
	"nr_descendants 0\\nnr_subsys_cpu 1\\nnr_subsys_memory 1\\n" \
	"nr_subsys_pids 1\\nnr_dying_descendants 0\\n"               \
	"nr_dying_subsys_cpu 0\\nnr_dying_subsys_memory 0\\nnr_dying_subsys_pids 0\\n"

/* Lines whose answer is another. All but the last: the emulator has three of the kernel's nine
 * controllers so far. */
static const struct difference {
	const char *file;
	const char *input; /* or the recording; NULL: all lines of the file */
	const char *result; /* NULL: as recorded */
	const char *text;
} differences[] = {
	{ "cgroup.controllers", NULL, NULL, CONTROLLERS },
	{ "cgroup.stat", NULL, NULL, STAT },
	{ "cgroup.subtree_control", "root", NULL, CONTROLLERS }, /* had all there are */
	{ "cgroup.subtree_control", "+cpuset", "ENOENT", "" },
	{ "cgroup.subtree_control", "+io", "ENOENT", "" },
	{ "cgroup.subtree_control", "+hugetlb", "ENOENT", "" },
	{ "cgroup.subtree_control", "+rdma", "ENOENT", "" },
	{ "cgroup.subtree_control", "+misc", "ENOENT", "" },
};

static const struct difference *find_difference(const char *file, const char *input)
{
	for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
		const struct difference *d = &differences[i];

		if (!strcmp(d->file, file) && (!d->input || !strcmp(d->input, input)))
			return d;
	}
	return NULL;
}

/* --- the tests ------------------------------------------------------------------------------ */

/* Lines that are not as recorded, all in one message. */
struct verdict {
	struct buf complaints;
	unsigned equal, different, wrong;
};

/* Compares answers, "-" being a text that cannot be read. */
static void judge(struct verdict *v, const struct line *line, const struct difference *d,
		  const char *wanted, const char *got)
{
	if (strcmp(wanted, got)) {
		if (v->wrong++ < 20)
			buf_addf(&v->complaints, "line %u, %s %.40s: %.100s instead of %.100s\n",
				 line->number, line->field[0], line->field[1], got, wanted);
	} else if (d) {
		v->different++;
	} else {
		v->equal++;
	}
}

static void conclude(struct verdict *v, const char *what)
{
	ck_assert_msg(!v->wrong, "%u %s are wrong:\n%s", v->wrong, what,
		      buf_text(&v->complaints));
	ck_assert_uint_gt(v->equal, 0);
	printf("%s: %u as recorded, %u known differences\n", what, v->equal, v->different);
	buf_free(&v->complaints);
}

/* What the file reads, "-" for EINVAL. */
static void read_back(uint64_t dir, const char *file, struct buf *out)
{
	int error = tree_read(tree, dir, file, out);

	if (error == -EINVAL)
		buf_adds(out, "-");
	else if (error)
		buf_addf(out, "(%s)", strerrorname_np(-error));
}

/* Every file of dir has a line, and the other way round; mode, size, links and text are equal. */
static void compare_files(uint64_t dir, const char *recording)
{
	cleanup_fclose FILE *file = open_recording(recording);
	cleanup_tree_list struct tree_list list = { 0 };
	struct verdict v = { 0 };
	struct line line = { 0 };
	size_t files = 0;

	while (next_line(file, &line, 3)) {
		const struct difference *d = find_difference(line.field[0], recording);
		cleanup_buf struct buf wanted = { 0 }, got = { 0 };
		struct stat st = { 0 };
		int error = tree->ops->stat(tree, dir, line.field[0], &st);

		if (error)
			buf_addf(&got, "(%s)", strerrorname_np(-error));
		buf_addf(&got, "%04o %lld %u ", st.st_mode & 07777, (long long)st.st_size,
			 (unsigned)st.st_nlink);
		read_back(dir, line.field[0], &got);
		buf_addf(&wanted, "%s 0 1 ", line.field[1]);
		unescape(d ? d->text : line.field[2], NULL, &wanted);
		judge(&v, &line, d, buf_text(&wanted), buf_text(&got));
	}
	ck_assert_int_eq(tree->ops->list(tree, dir, &list), 0);
	for (size_t i = 0; i < list.n; i++)
		files += !list.entries[i].dir;
	ck_assert_uint_eq(files, v.equal + v.different + v.wrong);
	conclude(&v, recording);
	free(line.text);
}

START_TEST(root_files)
{
	emul_setup();
	ck_assert_int_eq(do_write("cgroup.subtree_control", "+cpu +memory +pids"), 0);
	compare_files(TREE_ROOT, "root");
	emul_teardown();
}
END_TEST

/* A cgroup "p/c" that has, and may give, every controller. */
static uint64_t fresh_cgroup(void)
{
	ck_assert_int_eq(do_mkdir("p/c"), 0);
	return node_at("p/c");
}

static void setup_parent(void)
{
	emul_setup();
	ck_assert_int_eq(do_write("cgroup.subtree_control", "+cpu +memory +pids"), 0);
	ck_assert_int_eq(do_mkdir("p"), 0);
	ck_assert_int_eq(do_write("p/cgroup.subtree_control", "+cpu +memory +pids"), 0);
}

START_TEST(fresh_files)
{
	setup_parent();
	compare_files(fresh_cgroup(), "defaults");
	emul_teardown();
}
END_TEST

static void spawn_cast(pid_t *cast)
{
	cast[PID] = fake_spawn(fake);
	cast[SELF] = fake_spawn(fake);
	cast[LEADER] = fake_spawn(fake);
	cast[TID] = fake_thread(fake, cast[LEADER]);
	cast[ZOMBIE] = fake_spawn(fake);
	fake_exit(fake, cast[ZOMBIE]);
	cast[DEADLEADER] = fake_spawn(fake);
	fake_thread(fake, cast[DEADLEADER]);
	fake_thread_exit(fake, cast[DEADLEADER]);
	cast[REAPED] = fake_spawn(fake);
	fake_end(fake, cast[REAPED]);
	for (int i = KTHREADD; i <= KSOFTIRQD; i++) {
		cast[i] = fake_spawn(fake);
		fake_find(fake, cast[i])->kthread = true;
	}
	/* "0PID" is octal, and no process. */
	ck_assert_int_lt(cast[PID] % 10, 8);
}

/* Empties "p/c" and removes it. */
static void remove_cgroup(const pid_t *cast)
{
	for (int i = 0; i < CAST; i++)
		write_pid("cgroup.procs", cast[i]);
	ck_assert_int_eq(do_rmdir("p/c"), 0);
}

/* Plays one line: "RESULT what the file reads". */
static void play(const struct line *line, const pid_t *cast, struct buf *got)
{
	const struct caller who = { .pid = cast[SELF] };
	cleanup_buf struct buf path = { 0 }, input = { 0 };
	uint64_t dir = fresh_cgroup();
	struct tree_file *file;
	int result = 0;

	unescape(line->field[1], cast, &input);
	buf_addf(&path, "p/c/%s", line->field[0]);
	ck_assert_int_eq(open_as(&who, buf_text(&path), &file), 0);
	/* The front end answers a write of nothing. */
	if (input.len)
		result = file->ops->write(file, &who, input.data, input.len);
	file->ops->close(file);
	buf_addf(got, "%s ", result ? strerrorname_np(-result) : "0");
	read_back(dir, line->field[0], got);
	remove_cgroup(cast);
}

START_TEST(writes)
{
	cleanup_fclose FILE *file = open_recording("writes");
	struct verdict v = { 0 };
	struct line line = { 0 };
	pid_t cast[CAST];

	setup_parent();
	spawn_cast(cast);
	while (next_line(file, &line, 4)) {
		const struct difference *d = find_difference(line.field[0], line.field[1]);
		cleanup_buf struct buf wanted = { 0 }, got = { 0 };

		buf_addf(&wanted, "%s ", d && d->result ? d->result : line.field[2]);
		unescape(d ? d->text : line.field[3], cast, &wanted);
		play(&line, cast, &got);
		judge(&v, &line, d, buf_text(&wanted), buf_text(&got));
	}
	conclude(&v, "writes");
	emul_teardown();
	free(line.text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emul_golden");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, root_files);
	tcase_add_test(tc, fresh_files);
	tcase_add_test(tc, writes);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
