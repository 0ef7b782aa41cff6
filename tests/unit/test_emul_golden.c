/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The emulator against recordings of kernels (tests/golden): every file's mode and default text,
 * the files of the root, and what each of some six thousand writes answers and reads back.
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

/* Lines whose answer is another. */
static const struct difference {
	const char *recording; /* NULL: any */
	const char *file;
	const char *input; /* NULL: all lines of the file */
	const char *result; /* NULL: as recorded */
	const char *text;
} differences[] = {
	{ 0 }, /* the end */
};

/* The recording's user had no privileges, and therefore triggers with windows of whole 2 s only. */
static bool is_unprivileged(const char *recording, const char *file)
{
	return !strcmp(recording, "writes-6.18-core") && strlen(file) > 9 &&
	       !strcmp(file + strlen(file) - 9, ".pressure") && strcmp(file, "cgroup.pressure");
}

/* At least so many lines in a thousand are as recorded. */
#define LEAST_EQUAL 995

/* --- kernels -------------------------------------------------------------------------------- */

/* A kernel that was recorded, and what is to be played on the like of it. */
struct kernel {
	enum emul_version version;
	const char *controllers; /* NULL: all */
	bool enabled; /* in the cgroups that were played with */
	const char *root, *defaults, *writes; /* recordings, or NULL */
};

/* The block devices of the recorded machine. */
#define DEVICES                                                                              \
	"254:0/mq 254:16/mq 1:0 1:1 1:2 1:3 1:4 1:5 1:6 1:7 1:8 1:9 1:10 1:11 1:12 1:13 1:14 " \
	"1:15 7:0/mq 7:1/mq 7:2/mq 7:3/mq 7:4/mq 7:5/mq 7:6/mq 7:7/mq 253:0"

/* The kernel whose cgroup v1 had the most of the controllers. */
#define WITH_V1 "cpuset/v1 cpu/v1 io/v1 memory/v1 perf_event hugetlb pids/v1"

static const struct kernel kernels[] = {
	{ EMUL_6_12, NULL, true, "root-6.12", "defaults-6.12", "writes-6.12" },
	{ EMUL_6_1, NULL, true, "root-6.1", "defaults-6.1", "writes-6.1" },
	{ EMUL_6_18, WITH_V1, false, NULL, "defaults-6.18-core", "writes-6.18-core" },
	{ EMUL_6_18, WITH_V1, true, NULL, NULL, "writes-6.18-hugetlb" },
};

/* Gives the children of dir all that it has. */
static void enable_all(const char *dir)
{
	cleanup_buf struct buf path = { 0 }, have = { 0 }, text = { 0 };
	char *rest, *word;

	buf_addf(&path, "%s%s", dir, "cgroup.controllers");
	ck_assert_int_eq(do_read(buf_text(&path), &have), 0);
	rest = have.data;
	while ((word = strsep(&rest, " \n"))) {
		if (*word)
			buf_addf(&text, "+%s ", word);
	}
	buf_reset(&path);
	buf_addf(&path, "%s%s", dir, "cgroup.subtree_control");
	ck_assert_int_eq(do_write(buf_text(&path), buf_text(&text)), 0);
}

static void setup_kernel(const struct kernel *k)
{
	machine_cpus = 2;
	emul_setup_config((struct emul_config){
		.version = k->version,
		.controllers = k->controllers,
		.devices = DEVICES,
	});
	if (k->enabled)
		enable_all("");
}

static void setup_parent(const struct kernel *k)
{
	setup_kernel(k);
	ck_assert_int_eq(do_mkdir("p"), 0);
	if (k->enabled)
		enable_all("p/");
}

/* --- the tests ------------------------------------------------------------------------------ */

/* Lines that are not as recorded, all in one message. */
struct verdict {
	const char *recording;
	struct buf complaints;
	unsigned equal, different, wrong;
};

static const struct difference *find_difference(const struct verdict *v, const struct line *line,
						const char *input)
{
	for (const struct difference *d = differences; d->file; d++) {
		if (!strcmp(d->file, line->field[0]) &&
		    (!d->input || !strcmp(d->input, input)) &&
		    (!d->recording || !strcmp(d->recording, v->recording)))
			return d;
	}
	return NULL;
}

/* Compares answers, "-" being a text that cannot be read. */
static void judge(struct verdict *v, const struct line *line, const struct difference *d,
		  const char *wanted, const char *got)
{
	if (strcmp(wanted, got)) {
		if (v->wrong++ < 15)
			buf_addf(&v->complaints, "line %u, %s %.40s: %.80s instead of %.80s\n",
				 line->number, line->field[0], line->field[1], got, wanted);
	} else if (d) {
		v->different++;
	} else {
		v->equal++;
	}
}

static void conclude(struct verdict *v)
{
	ck_assert_msg(!v->wrong, "%u lines of %s are wrong:\n%s", v->wrong, v->recording,
		      buf_text(&v->complaints));
	printf("%s: %u as recorded, %u known differences\n", v->recording, v->equal,
	       v->different);
	ck_assert_uint_gt(v->equal, 0);
	ck_assert_uint_ge(v->equal * 1000, (v->equal + v->different) * LEAST_EQUAL);
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
	struct verdict v = { .recording = recording };
	struct line line = { 0 };
	size_t files = 0;

	while (next_line(file, &line, 3)) {
		const struct difference *d = find_difference(&v, &line, "");
		cleanup_buf struct buf wanted = { 0 }, got = { 0 };
		struct stat st = { 0 };
		int error = tree->ops->stat(tree, dir, line.field[0], &st);

		buf_addf(&wanted, "%s 0 1 ", line.field[1]);
		unescape(d ? d->text : line.field[2], NULL, &wanted);
		if (error)
			buf_addf(&got, "(%s)", strerrorname_np(-error));
		buf_addf(&got, "%04o %lld %u ", st.st_mode & 07777, (long long)st.st_size,
			 (unsigned)st.st_nlink);
		read_back(dir, line.field[0], &got);
		judge(&v, &line, d, buf_text(&wanted), buf_text(&got));
	}
	ck_assert_int_eq(tree->ops->list(tree, dir, &list), 0);
	for (size_t i = 0; i < list.n; i++)
		files += !list.entries[i].dir;
	ck_assert_uint_eq(files, v.equal + v.different + v.wrong);
	conclude(&v);
	free(line.text);
}

START_TEST(root_files)
{
	const struct kernel *k = &kernels[_i];

	if (!k->root)
		return;
	setup_kernel(k);
	compare_files(TREE_ROOT, k->root);
	emul_teardown();
}
END_TEST

/* A cgroup "p/c" that has, and may give, what "p" gives. */
static uint64_t fresh_cgroup(void)
{
	ck_assert_int_eq(do_mkdir("p/c"), 0);
	return node_at("p/c");
}

START_TEST(fresh_files)
{
	const struct kernel *k = &kernels[_i];

	if (!k->defaults)
		return;
	setup_parent(k);
	compare_files(fresh_cgroup(), k->defaults);
	emul_teardown();
}
END_TEST

/* The number of PID, with a 0 before it, is octal and of no process, or no number at all: as it
 * was when the kernel was recorded. */
static void spawn_cast(const struct kernel *k, pid_t *cast)
{
	bool octal = k->version != EMUL_6_1;

	do {
		cast[PID] = fake_spawn(fake);
	} while ((cast[PID] % 10 < 8) != octal);
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
}

/* Empties "p/c" and removes it. */
static void remove_cgroup(const pid_t *cast)
{
	for (int i = 0; i < CAST; i++)
		write_pid("cgroup.procs", cast[i]);
	ck_assert_int_eq(do_rmdir("p/c"), 0);
}

/* Plays one line: "RESULT what the file reads". */
static void play(const struct line *line, const struct caller *who, const pid_t *cast,
		 struct buf *got)
{
	cleanup_buf struct buf path = { 0 }, input = { 0 };
	uint64_t dir = fresh_cgroup();
	struct tree_file *file;
	int result = 0;

	unescape(line->field[1], cast, &input);
	buf_addf(&path, "p/c/%s", line->field[0]);
	ck_assert_int_eq(open_as(who, buf_text(&path), &file), 0);
	/* The front end answers a write of nothing. */
	if (input.len)
		result = file->ops->write(file, who, input.data, input.len);
	file->ops->close(file);
	buf_addf(got, "%s ", result ? strerrorname_np(-result) : "0");
	read_back(dir, line->field[0], got);
	remove_cgroup(cast);
}

START_TEST(writes)
{
	const struct kernel *k = &kernels[_i];
	cleanup_fclose FILE *file = open_recording(k->writes);
	struct verdict v = { .recording = k->writes };
	struct line line = { 0 };
	pid_t cast[CAST];

	setup_parent(k);
	spawn_cast(k, cast);
	while (next_line(file, &line, 4)) {
		const struct difference *d = find_difference(&v, &line, line.field[1]);
		cleanup_buf struct buf wanted = { 0 }, got = { 0 };
		struct caller who = { .pid = cast[SELF] };

		buf_addf(&wanted, "%s ", d && d->result ? d->result : line.field[2]);
		unescape(d ? d->text : line.field[3], cast, &wanted);
		if (is_unprivileged(k->writes, line.field[0]))
			who.uid = 1000;
		play(&line, &who, cast, &got);
		judge(&v, &line, d, buf_text(&wanted), buf_text(&got));
	}
	conclude(&v);
	emul_teardown();
	free(line.text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emul_golden");
	TCase *tc = tcase_create("all");
	int n = ARRAY_SIZE(kernels);

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, root_files, 0, n);
	tcase_add_loop_test(tc, fresh_files, 0, n);
	tcase_add_loop_test(tc, writes, 0, n);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
