/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The emulator's structure: directories, attributes, subtree_control, types, limits, old files. */
#include "emul_fixture.h"
#include "suite.h"

/* One step of a script. op: '+' mkdir, '-' rmdir, 'w' write, 'r' read, 'p' a new process moves in
 * (its pid is kept under the letter text), 'm' the process of that letter moves to path, 't' the
 * type of the cgroup at path. What is expected is an errno, or 0 and for r and t a text. */
struct step {
	char op;
	const char *path, *text;
	int error;
	const char *expect;
};

static pid_t cast[128]; /* pids by letter */

static int do_step(const struct step *s, struct buf *out)
{
	cleanup_buf struct buf path = { 0 };

	switch (s->op) {
	case '+':
		return do_mkdir(s->path);
	case '-':
		return do_rmdir(s->path);
	case 'w':
		return do_write(s->path, s->text);
	case 'r':
		return do_read(s->path, out);
	case 't':
		buf_addf(&path, "%s/cgroup.type", s->path);
		return do_read(buf_text(&path), out);
	case 'p':
		cast[(int)*s->text] = fake_spawn(fake);
		/* fallthrough */
	case 'm':
		buf_addf(&path, "%s/cgroup.procs", s->path);
		return write_pid(buf_text(&path), cast[(int)*s->text]);
	default:
		ck_abort_msg("no step '%c'", s->op);
	}
}

static void play(const struct step *steps)
{
	cleanup_buf struct buf out = { 0 };

	for (const struct step *s = steps; s->op; s++) {
		int r;

		buf_reset(&out);
		r = do_step(s, &out);
		ck_assert_msg(r == -s->error, "step %d: %c %s %s: %s, not %s", (int)(s - steps),
			      s->op, s->path, s->text ? s->text : "", strerror(-r),
			      strerror(s->error));
		if (s->error)
			ck_assert_msg(*why_take() || s->error == ENOENT, "step %d: no reason",
				      (int)(s - steps));
		if (!s->expect)
			continue;
		if (s->op == 't' && out.len)
			buf_cut(&out, out.len - 1);
		ck_assert_msg(!strcmp(buf_text(&out), s->expect),
			      "step %d: %c %s: \"%s\", not \"%s\"", (int)(s - steps), s->op,
			      s->path, buf_text(&out), s->expect);
	}
}

#define SC "cgroup.subtree_control"
#define R(path, expect) { 'r', path, NULL, 0, expect }
#define W(path, text, error) { 'w', path, text, error, NULL }
#define TYPE(path, name) { 't', path, NULL, 0, name }

/* The recordings of a 6.12 kernel, section "subtree". */
static const struct step subtree[] = {
	R("cgroup.controllers", "cpu memory pids\n"),
	{ '+', "a" }, { '+', "a/b" }, { '+', "a/b/c" },
	R("a/cgroup.controllers", ""),
	W("a/" SC, "+memory", ENOENT),
	W(SC, "+memory", 0),
	W(SC, "+memory", 0),
	R("a/cgroup.controllers", "memory\n"),
	W("a/" SC, "+memory", 0),
	W(SC, "-memory", EBUSY),
	W("a/" SC, "-memory", 0),
	W("a/" SC, "-memory", 0),
	W("a/b/" SC, "+memory", ENOENT),
	W("a/" SC, "+memory", 0),
	W("a/b/" SC, "+memory", 0),
	W("a/" SC, "-memory", EBUSY),
	W("a/b/" SC, "-memory", 0),
	W("a/" SC, "-memory", 0),
	{ 'p', "a", "p" },
	W("a/" SC, "+memory", EBUSY),
	R("a/" SC, ""),
	{ 'm', "a/b", "p" },
	W("a/" SC, "+memory", 0),
	{ 'm', "a", "p", EBUSY },
	{ 'm', "a/b", "p" },
	W("a/b/" SC, "+memory", EBUSY),
	W("a/" SC, "-memory", 0),
	W("a/" SC, "+memory -memory", 0),
	R("a/" SC, ""),
	W("a/" SC, "-memory +memory", 0),
	R("a/" SC, "memory\n"),
	W("a/" SC, "-memory", 0),
	W("a/" SC, "+memory +bogus", EINVAL),
	R("a/" SC, ""),
	W(SC, "+pids", 0),
	{ 'm', "a", "p" },
	W("a/" SC, "+pids", 0),
	TYPE("a", "domain threaded"),
	TYPE("a/b", "domain invalid"),
	TYPE("a/b/c", "domain invalid"),
	{ 'm', "a/b", "p", EOPNOTSUPP },
	{ 'm', "a", "p" },
	W("a/" SC, "+memory", EOPNOTSUPP),
	W("a/" SC, "-pids", 0),
	TYPE("a/b", "domain"),
	{ 'm', "a/b", "p" },
	W("a/" SC, "+pids", 0),
	TYPE("a", "domain"),
	{ 'm', "a", "p", EBUSY },
	TYPE("a", "domain"),
	TYPE("a/b", "domain"),
	W("a/" SC, "+pids +memory +cpu", ENOENT),
	W("a/" SC, "+pids +memory", 0),
	R("a/" SC, "memory pids\n"),
	{ 0 },
};

/* Section "threaded". */
static const struct step threaded[] = {
	{ '+', "a" }, { '+', "a/b" }, { '+', "a/b/c" }, { '+', "a/d" }, { '+', "z" },
	W(SC, "+memory +pids", 0),
	TYPE("a", "domain"), TYPE("a/b", "domain"),
	W("a/b/cgroup.type", "domain", EINVAL),
	W("a/b/cgroup.type", "threaded", 0),
	TYPE("a", "domain threaded"), TYPE("a/b", "threaded"),
	TYPE("a/b/c", "domain invalid"), TYPE("a/d", "domain invalid"),
	W("a/b/cgroup.type", "threaded\n", 0),
	W("a/b/cgroup.type", "domain", EINVAL),
	W("a/b/c/cgroup.type", "threaded", 0),
	TYPE("a/b/c", "threaded"), TYPE("a/d", "domain invalid"),
	W("a/cgroup.type", "threaded", 0),
	TYPE("a", "threaded"), TYPE("a/b", "threaded"), TYPE("a/d", "domain invalid"),
	R("a/cgroup.controllers", "pids\n"),
	{ '-', "a/d" }, { '-', "a/b/c" }, { '-', "a/b" }, { '-', "a" },
	/* afresh */
	{ '+', "a" }, { '+', "a/b" }, { '+', "a/b/c" }, { '+', "a/d" },
	W("a/b/cgroup.type", "threaded", 0),
	{ '+', "a/e" }, TYPE("a/e", "domain invalid"),
	{ '+', "a/b/n" }, TYPE("a/b/n", "domain invalid"),
	W("a/b/n/cgroup.type", "threaded", 0), { '-', "a/b/n" },
	{ 'p', "a/d", "p", EOPNOTSUPP },
	{ 'm', "a/b/c", "p", EOPNOTSUPP },
	{ 'm', "a", "p" },
	W("a/b/cgroup.kill", "1", EOPNOTSUPP),
	W("a/cgroup.kill", "0", ERANGE),
	{ 'r', "a/b/cgroup.procs", NULL, EOPNOTSUPP, NULL },
	{ 'm', "a/b", "p" },
	R("a/cgroup.events", "populated 1\nfrozen 0\n"),
	R("a/b/cgroup.events", "populated 1\nfrozen 0\n"),
	{ '-', "a/b", NULL, EBUSY },
	{ 'm', "z", "p" },
	{ '-', "a/b/c" }, { '-', "a/b" },
	TYPE("a", "domain"), TYPE("a/d", "domain"),
	{ '-', "a/e" }, { '-', "a/d" },
	{ '+', "a/b" },
	W("a/" SC, "+memory", 0),
	W("a/b/cgroup.type", "threaded", EOPNOTSUPP),
	W("a/" SC, "-memory", 0),
	W("a/b/cgroup.type", "threaded", 0),
	W("a/" SC, "+memory", EOPNOTSUPP),
	W("a/b/" SC, "+memory", ENOENT),
	R("a/b/cgroup.controllers", ""),
	{ '-', "a/b" }, { '+', "a/b" },
	W("a/" SC, "+pids", 0),
	W("a/b/cgroup.type", "threaded", 0),
	W("a/b/" SC, "+pids", 0),
	{ '+', "a/b/c" }, TYPE("a/b/c", "domain invalid"),
	{ 'm', "a/b", "p" }, { 'm', "a", "p" }, { 'm', "z", "p" },
	{ '-', "a/b/c" }, { '-', "a/b" }, W("a/" SC, "-pids", 0),
	/* what holds processes does not become threaded */
	{ '+', "a/b" }, { 'm', "a/b", "p" },
	W("a/b/cgroup.type", "threaded", EOPNOTSUPP),
	{ 'm', "a", "p" },
	W("a/b/cgroup.type", "threaded", 0),
	{ 'm', "z", "p" }, { '-', "a/b" }, { '+', "a/b" }, { '+', "a/c" },
	{ 'm', "a/c", "p" },
	W("a/b/cgroup.type", "threaded", EOPNOTSUPP),
	TYPE("a", "domain"), TYPE("a/b", "domain"), TYPE("a/c", "domain"),
	{ 0 },
};

/* Section "limits". */
static const struct step limits[] = {
	{'+', "a"},
	W("a/cgroup.max.depth", "0", 0),
	{'+', "a/x", NULL, EAGAIN},
	W("a/cgroup.max.depth", "1", 0),
	{'+', "a/x"},
	{'+', "a/x/y", NULL, EAGAIN},
	W("a/cgroup.max.depth", "0", 0),
	{'-', "a/x"},
	W("a/cgroup.max.depth", "max", 0),
	R("a/cgroup.max.depth", "max\n"),
	W("a/cgroup.max.descendants", "1", 0),
	{'+', "a/x"},
	{'+', "a/y", NULL, EAGAIN},
	{'+', "a/x/y", NULL, EAGAIN},
	{'-', "a/x"},
	{'+', "a/y"},
	W("a/cgroup.max.descendants", "max", 0),
	W("cgroup.max.descendants", "2", 0),
	{'+', "a/q", NULL, EAGAIN},
	{'+', "q", NULL, EAGAIN},
	W("cgroup.max.descendants", "2147483647", 0),
	R("cgroup.max.descendants", "max\n"),
	{'+', "a/q"},
	W(SC, "+memory", 0),
	R("a/cgroup.stat", "nr_descendants 2\nnr_subsys_cpu 0\nnr_subsys_memory 1\n"
			   "nr_subsys_pids 0\nnr_dying_descendants 0\nnr_dying_subsys_cpu 0\n"
			   "nr_dying_subsys_memory 0\nnr_dying_subsys_pids 0\n"),
	W(SC, "+pids", 0),
	W("a/" SC, "+pids", 0),
	R("cgroup.stat", "nr_descendants 3\nnr_subsys_cpu 1\nnr_subsys_memory 2\n"
			 "nr_subsys_pids 4\nnr_dying_descendants 0\nnr_dying_subsys_cpu 0\n"
			 "nr_dying_subsys_memory 0\nnr_dying_subsys_pids 0\n"),
	{'-', "a", NULL, EBUSY},
	{'-', "nothing", NULL, ENOENT},
	{'-', "a/cgroup.procs", NULL, ENOTDIR},
	{0},
};

static const struct step controllers_known[] = {
	W(SC, "+perf_event", ENOENT), W(SC, "+cpuset", ENOENT), W(SC, "-io", 0),
	W(SC, "+freezer", EINVAL), W(SC, "cpu", EINVAL), W(SC, "+cpu,+pids", EINVAL),
	W(SC, "\n", 0), W(SC, " +cpu  +pids \n", 0), R(SC, "cpu pids\n"),
	W(SC, "+cpu\t-pids", EINVAL), R(SC, "cpu pids\n"),
	{ 0 },
};

static const struct step *const scripts[] = { subtree, threaded, limits, controllers_known };

/* A kernel of three controllers, so that what is enabled is soon said. */
static void setup_three(void)
{
	emul_setup_config((struct emul_config){
		.controllers = "cpuset/v1 cpu io/v1 memory perf_event/v1 pids",
	});
}

START_TEST(script)
{
	play(scripts[_i]);
}
END_TEST

/* --- names, attributes --- */

struct name_case {
	const char *name;
	int error;
};

static const struct name_case names[] = {
	{ "plain", 0 },		 { "with space", 0 }, { "new\nline", EINVAL }, { "end\n", EINVAL },
	{ "tab\t", 0 },		 { "\x01", 0 },	      { "\xff\xfe", 0 },       { "back\\slash", 0 },
	{ ".hidden", 0 },	 { ".", EEXIST },     { "..", EEXIST },	       { "cgroup.foo", 0 },
	{ "cgroup.procs", EEXIST }, { "memory.max", 0 }, { "plain", EEXIST }, { "(deleted)", 0 },
};

START_TEST(directory_names)
{
	ck_assert_int_eq(do_mkdir("p"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int r = tree->ops->mkdir(tree, &TREE_SELF, node_at("p"), names[i].name, 0755);

		ck_assert_msg(r == -names[i].error, "%s: %s", names[i].name, strerror(-r));
	}
	ck_assert_int_eq(do_mkdir("none/x"), -ENOENT);
	ck_assert_int_eq(do_mkdir("p/cgroup.procs/x"), -ENOTDIR);
}
END_TEST

struct mode_case {
	mode_t mode, umask, result;
};

static const struct mode_case modes[] = {
	{ 0755, 0, 0755 },   { 0700, 0, 0700 },	  { 0777, 0, 0777 }, { 0, 0, 0 },
	{ 01777, 0, 01777 }, { 02755, 0, 0755 }, { 04755, 0, 0755 }, { 0755, 077, 0700 },
};

START_TEST(new_directory_belongs_to_caller)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		const struct caller who = { .uid = 7, .gid = 8, .umask = modes[i].umask };
		struct stat dir, file;

		ck_assert_int_eq(do_mkdir_as(&who, "a", modes[i].mode), 0);
		dir = stat_of("a");
		file = stat_of("a/cgroup.procs");
		ck_assert_uint_eq(dir.st_mode, S_IFDIR | modes[i].result);
		ck_assert_uint_eq(file.st_mode, S_IFREG | 0644);
		ck_assert_uint_eq(dir.st_uid, 7);
		ck_assert_uint_eq(file.st_gid, 8);
		ck_assert_int_eq(do_rmdir("a"), 0);
	}
}
END_TEST

START_TEST(attributes)
{
	struct stat st, attr = { .st_mode = 0600, .st_uid = 3, .st_gid = 4,
				 .st_mtim = { 12345, 0 } };
	uint64_t first;

	make_dirs("a", "a/b", "a/c");
	ck_assert_uint_eq(stat_of("").st_ino, TREE_ROOT);
	ck_assert_uint_eq(stat_of("").st_mode, S_IFDIR | 0555);
	ck_assert_uint_eq(stat_of("a").st_nlink, 4);
	ck_assert_int_eq(do_rmdir("a/c"), 0);
	st = stat_of("a");
	ck_assert_uint_eq(st.st_nlink, 3);
	ck_assert_int_eq(st.st_size, 0);
	ck_assert_int_eq(st.st_blksize, 4096);
	ck_assert_uint_eq(stat_of("a/cgroup.kill").st_mode, S_IFREG | 0200);
	ck_assert_uint_eq(stat_of("a/cgroup.stat").st_mode, S_IFREG | 0444);
	ck_assert_uint_eq(stat_of("a/cgroup.stat").st_nlink, 1);

	ck_assert_int_eq(tree->ops->setattr(tree, &TREE_SELF, node_at("a/cgroup.procs"), &attr,
					    TREE_SET_MODE | TREE_SET_UID | TREE_SET_MTIME), 0);
	st = stat_of("a/cgroup.procs");
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0600);
	ck_assert_uint_eq(st.st_uid, 3);
	ck_assert_uint_eq(st.st_gid, 0);
	ck_assert_int_eq(st.st_mtim.tv_sec, 12345);
	ck_assert_uint_eq(stat_of("a/cgroup.threads").st_mode, S_IFREG | 0644); /* only that one */

	first = node_at("a/b");
	ck_assert_int_eq(do_rmdir("a/b"), 0);
	ck_assert_int_eq(do_mkdir("a/b"), 0);
	ck_assert_uint_ne(node_at("a/b"), first);
	ck_assert_int_eq(tree->ops->stat(tree, first, NULL, &st), -ENODEV);
	ck_assert_int_eq(tree->ops->stat(tree, first, "x", &st), -ENOENT);
	ck_assert_int_eq(tree->ops->stat(tree, node_at("a/b"), "..", &st), 0);
	ck_assert_uint_eq(st.st_ino, node_at("a"));
	ck_assert_int_eq(tree->ops->stat(tree, TREE_ROOT, "..", &st), 0);
	ck_assert_uint_eq(st.st_ino, TREE_ROOT);
}
END_TEST

/* A listing and single lookups agree, and all numbers differ. */
START_TEST(listing)
{
	cleanup_tree_list struct tree_list list = { 0 };
	bool procs = false;

	make_dirs("a", "a/kid");
	ck_assert_int_eq(do_write("cgroup.subtree_control", "+cpu +memory +pids"), 0);
	ck_assert_int_eq(tree->ops->list(tree, node_at("a"), &list), 0);
	for (size_t i = 0; i < list.n; i++) {
		struct stat st;

		ck_assert_int_eq(tree->ops->stat(tree, node_at("a"), list.entries[i].name, &st), 0);
		ck_assert_uint_eq(st.st_ino, list.entries[i].node);
		ck_assert_int_eq(S_ISDIR(st.st_mode), list.entries[i].dir);
		procs |= !strcmp(list.entries[i].name, "cgroup.procs");
		for (size_t k = 0; k < i; k++)
			ck_assert_uint_ne(list.entries[k].node, list.entries[i].node);
	}
	ck_assert(procs);
	ck_assert_uint_ne(node_at("a/memory.max"), 0);
	ck_assert_uint_eq(node_at("a/kid/memory.max"), 0);
	ck_assert_uint_eq(node_at("cgroup.type"), 0); /* not on the root */
	ck_assert_int_eq(tree->ops->list(tree, node_at("a/cgroup.procs"), &list), -ENOTDIR);
}
END_TEST

/* --- controllers come and go --- */

START_TEST(enabling_again_resets)
{
	struct tree_file *old;
	cleanup_buf struct buf out = { 0 };

	ck_assert_int_eq(do_mkdir("a"), 0);
	ck_assert_int_eq(do_write(SC, "+pids"), 0);
	ck_assert_int_eq(do_write("a/pids.max", "7"), 0);
	assert_read("a/pids.max", "7\n");
	old = open_file("a/pids.max");
	ck_assert_int_eq(do_write(SC, "-pids"), 0);
	ck_assert_uint_eq(node_at("a/pids.max"), 0);
	assert_refused(read_file_as(old, &TREE_SELF, &out), ENODEV);
	ck_assert_int_eq(do_write(SC, "+pids"), 0);
	assert_read("a/pids.max", "max\n");
	assert_refused(read_file_as(old, &TREE_SELF, &out), ENODEV); /* for ever */
	assert_refused(write_file_as(old, &TREE_SELF, "3"), ENODEV);
	old->ops->close(old);
}
END_TEST

/* Who enables a controller owns its files, as they are made then. */
START_TEST(enabled_files_belong_to_writer)
{
	const struct caller user = { .uid = 7, .gid = 7 };

	ck_assert_int_eq(do_mkdir_as(&user, "a", 0755), 0);
	ck_assert_int_eq(do_write(SC, "+pids"), 0);
	ck_assert_uint_eq(stat_of("a/pids.max").st_uid, 0);
	ck_assert_uint_eq(stat_of("a/cgroup.procs").st_uid, 7);
}
END_TEST

START_TEST(child_with_name_of_a_file)
{
	make_dirs("a", "a/b", "a/b/memory.max", "a/c");
	ck_assert_int_eq(do_write(SC, "+memory +pids"), 0);
	assert_refused(do_write("a/" SC, "+pids +memory"), EEXIST);
	assert_read("a/" SC, "");
	ck_assert_uint_eq(node_at("a/b/pids.max"), 0);
	ck_assert_uint_eq(node_at("a/c/memory.max"), 0);
	ck_assert_int_eq(do_rmdir("a/b/memory.max"), 0);
	ck_assert_int_eq(do_write("a/" SC, "+pids +memory"), 0);
	ck_assert_uint_ne(node_at("a/b/memory.max"), 0);
	ck_assert_int_eq(do_mkdir("a/b/memory.max"), -EEXIST);
}
END_TEST

START_TEST(pressure_hides_files)
{
	struct tree_file *old;
	cleanup_buf struct buf out = { 0 };
	struct stat st;

	ck_assert_int_eq(do_mkdir("a"), 0);
	old = open_file("a/cpu.pressure");
	ck_assert_int_eq(do_write("a/cgroup.pressure", "0"), 0);
	ck_assert_int_eq(tree->ops->stat(tree, node_at("a"), "cpu.pressure", &st), -ENOENT);
	assert_refused(read_file_as(old, &TREE_SELF, &out), ENODEV);
	ck_assert_int_eq(do_mkdir("a/cpu.pressure"), -EEXIST);
	ck_assert_int_eq(do_write("a/cgroup.pressure", "1"), 0);
	ck_assert_uint_ne(node_at("a/cpu.pressure"), 0);
	old->ops->close(old);
}
END_TEST

START_TEST(removed_cgroup)
{
	struct tree_file *old;
	cleanup_buf struct buf out = { 0 };
	uint64_t node;

	make_dirs("a", "a/b");
	old = open_file("a/b/cgroup.procs");
	node = node_at("a/b");
	ck_assert_int_eq(do_rmdir("a/b"), 0);
	ck_assert_uint_eq(n_changes, 1);
	ck_assert_uint_eq(changes[0], node);
	assert_refused(read_file_as(old, &TREE_SELF, &out), ENODEV);
	assert_refused(write_file_as(old, &TREE_SELF, "1"), ENODEV);
	assert_refused(tree->ops->mkdir(tree, &TREE_SELF, node, "x", 0755), ENOENT);
	ck_assert_int_eq(do_read("a/cgroup.stat", &out), 0);
	ck_assert_ptr_nonnull(strstr(buf_text(&out), "nr_dying_descendants 0\n"));
	old->ops->close(old);
}
END_TEST

/* Making, finding and removing must not look at the others. */
START_TEST(many_cgroups)
{
	enum { MANY = 100000 };
	char name[32];

	tree->changed = NULL;
	ck_assert_int_eq(do_mkdir("a"), 0);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "a/%d", i);
		ck_assert_int_eq(do_mkdir(name), 0);
	}
	ck_assert_uint_eq(stat_of("a").st_nlink, MANY + 2);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "a/%d", i);
		ck_assert_int_eq(do_rmdir(name), 0);
	}
	ck_assert_uint_eq(fake->n_scans, 1); /* nothing was born */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emul_tree");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup_three, emul_teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, script, 0, (int)ARRAY_SIZE(scripts));
	tcase_add_test(tc, directory_names);
	tcase_add_test(tc, new_directory_belongs_to_caller);
	tcase_add_test(tc, attributes);
	tcase_add_test(tc, listing);
	tcase_add_test(tc, enabling_again_resets);
	tcase_add_test(tc, enabled_files_belong_to_writer);
	tcase_add_test(tc, child_with_name_of_a_file);
	tcase_add_test(tc, pressure_hides_files);
	tcase_add_test(tc, removed_cgroup);
	tcase_add_test(tc, many_cgroups);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
