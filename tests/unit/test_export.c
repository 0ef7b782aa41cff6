/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Snapshots: written, read back, equal; and directories that mean harm. */
#include "emul_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctlfs/export.h"
#include "suite.h"

/* What both emulators have. */
#define MACHINE .devices = "8:0 253:0/mq", .misc = "res_a=10", .rdma = "mlx5_0"

static char work[] = "/tmp/ctlfs-export-XXXXXX";
static struct buf notices;

static void setup(void)
{
	strcpy(work + sizeof work - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(work));
	emul_setup_config((struct emul_config){ MACHINE });
}

static void remove_all(int dirfd, const char *name)
{
	cleanup_closedir DIR *d = NULL;
	const struct dirent *e;
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

	if (fd < 0) {
		unlinkat(dirfd, name, 0);
		return;
	}
	d = fdopendir(fd);
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			remove_all(fd, e->d_name);
	}
	unlinkat(dirfd, name, AT_REMOVEDIR);
}

static void teardown(void)
{
	emul_teardown();
	buf_free(&notices);
	remove_all(AT_FDCWD, work);
}

static const char *in_work(const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, 256, "%s/%s", work, name);
	return path;
}

static void put(const char *name, const char *text)
{
	cleanup_fclose FILE *file = fopen(in_work(name), "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
}

static void on_notice(void *data, const char *text)
{
	(void)data;
	buf_addf(&notices, "%s\n", text);
}

/* Another emulator, filled from a directory. */
struct second {
	struct fake *fake;
	struct tree *tree;
};

static int import_second(const char *dir, struct second *s)
{
	struct tree *from;
	int r = plain_new(dir, &from);

	*s = (struct second){ 0 };
	buf_reset(&notices);
	if (r < 0)
		return r;
	s->fake = fake_new();
	ck_assert_int_eq(emul_new(&(struct emul_config){ .tasks = &s->fake->tasks, MACHINE },
				  &s->tree), 0);
	r = tree_import(s->tree, from, on_notice, NULL);
	tree_destroy(from);
	return r;
}

static void second_free(struct second *s)
{
	tree_destroy(s->tree);
	if (s->fake)
		tasks_free(&s->fake->tasks);
}

static void expect(struct tree *t, const char *path, const char *text)
{
	cleanup_buf struct buf got = { 0 };

	ck_assert_int_eq(tree_get(t, path, &got), 0);
	ck_assert_str_eq(buf_text(&got), text);
}

static void assert_same_file(const char *path)
{
	cleanup_buf struct buf a = { 0 }, b = { 0 }, name = { 0 };

	buf_addf(&name, "%s/one/%s", work, path);
	ck_assert_int_eq(buf_readat(&a, AT_FDCWD, buf_text(&name), 1 << 20), 0);
	buf_reset(&name);
	buf_addf(&name, "%s/two/%s", work, path);
	ck_assert_msg(buf_readat(&b, AT_FDCWD, buf_text(&name), 1 << 20) == 0, "no %s", path);
	ck_assert_msg(!strcmp(buf_text(&a), buf_text(&b)), "%s: \"%s\", then \"%s\"", path,
		      buf_text(&a), buf_text(&b));
}

/* Every file of one/ is in two/ with the same text; counts them. */
static unsigned assert_same(const char *path)
{
	cleanup_closedir DIR *d = NULL;
	cleanup_buf struct buf name = { 0 };
	const struct dirent *e;
	unsigned n = 0;

	buf_addf(&name, "%s/one/%s", work, path);
	d = opendir(buf_text(&name));
	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		buf_reset(&name);
		buf_addf(&name, "%s%s%s", path, *path ? "/" : "", e->d_name);
		if (e->d_type == DT_DIR)
			n += assert_same(buf_text(&name));
		else
			assert_same_file(buf_text(&name));
		n++;
	}
	return n;
}

static const char *const settings[][2] = {
	{ "cgroup.subtree_control", "+cpu +memory +pids +io +hugetlb +rdma +misc" },
	{ "a/io.max", "8:0 rbps=1048576 wiops=120" },
	{ "a/io.max", "253:0 riops=max wbps=5" },
	{ "a/io.weight", "200" },
	{ "io.cost.qos", "253:0 enable=1 ctrl=user rpct=90.00 rlat=5000" },
	{ "a/io.weight", "253:0 300" },
	{ "a/hugetlb.2MB.max", "4M" },
	{ "a/hugetlb.1GB.rsvd.max", "1G" },
	{ "a/rdma.max", "mlx5_0 hca_handle=2" },
	{ "a/misc.max", "res_a 3" },
	{ "a/cgroup.subtree_control", "+cpu +memory +pids" },
	{ "a/memory.max", "1G" },
	{ "a/memory.high", "900M" },
	{ "a/memory.low", "1M" },
	{ "a/memory.oom.group", "1" },
	{ "a/memory.swap.max", "0" },
	{ "a/cpu.max", "150000 100000" },
	{ "a/cpu.max.burst", "5000" },
	{ "a/cpu.weight", "250" },
	{ "a/b/cpu.weight", "33" },
	{ "a/b/cpu.idle", "1" },
	{ "a/b/pids.max", "17" },
	{ "a/b/memory.zswap.writeback", "0" },
	{ "a/b/cgroup.freeze", "1" },
	{ "a/c/cgroup.pressure", "0" },
	{ "a/cgroup.max.descendants", "1" }, /* fewer than there are */
	{ "a/cgroup.max.depth", "0" },
	{ "t/cgroup.subtree_control", "+cpu +pids" },
	{ "t/x/cgroup.type", "threaded" },
	{ "t/y/cgroup.type", "threaded" },
	{ "t/x/cgroup.subtree_control", "+pids" },
	{ "t/x/z/cgroup.type", "threaded" },
	{ "t/x/z/pids.max", "3" },
};

static void fill(void)
{
	make_dirs("a", "a/b", "a/c", "t", "t/x", "t/y", "t/x/z", "u");
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		ck_assert_msg(do_write(settings[i][0], settings[i][1]) == 0, "%s: %s",
			      settings[i][0], why_take());
}

START_TEST(what_was_exported_imports_the_same)
{
	struct stat to = { .st_uid = 1000, .st_gid = 100, .st_mode = 0700 };
	struct second s;

	fill();
	ck_assert_int_eq(tree->ops->setattr(tree, &TREE_SELF, node_at("a/b"), &to,
					    TREE_SET_UID | TREE_SET_GID | TREE_SET_MODE), 0);
	ck_assert_int_eq(tree->ops->setattr(tree, &TREE_SELF, node_at("a/b/cgroup.procs"), &to,
					    TREE_SET_UID), 0);
	ck_assert_int_eq(tree_export(tree, in_work("one")), 0);
	ck_assert_msg(import_second(in_work("one"), &s) == 0, "%s", why_take());
	ck_assert_str_eq(buf_text(&notices), "9 cgroups; left out: the processes of 0, and all "
					     "usage and counters\n");
	ck_assert_int_eq(tree_export(s.tree, in_work("two")), 0);
	ck_assert_uint_gt(assert_same(""), 200);
	expect(s.tree, "a/cpu.max", "150000 100000\n");
	expect(s.tree, "t/x/cgroup.type", "threaded\n");
	second_free(&s);
}
END_TEST

START_TEST(members_are_left_out_and_told)
{
	struct second s;

	make_dirs("a");
	spawn_in("a");
	ck_assert_int_eq(tree_export(tree, in_work("one")), 0);
	ck_assert_int_eq(import_second(in_work("one"), &s), 0);
	ck_assert_ptr_nonnull(strstr(buf_text(&notices), "left out: the processes of 1,"));
	expect(s.tree, "a/cgroup.procs", "");
	second_free(&s);
}
END_TEST

/* By hand: no list, few files. What is missing stays as it is made. */
START_TEST(a_directory_made_by_hand)
{
	struct second s;

	ck_assert_int_eq(mkdir(in_work("in"), 0755), 0);
	ck_assert_int_eq(mkdir(in_work("in/job"), 0755), 0);
	put("in/cgroup.subtree_control", "memory nothing\n");
	put("in/job/memory.max", "64M");
	put("in/job/memory.gone", "1");
	put("in/job/hugetlb.3MB.max", "1");
	ck_assert_msg(import_second(in_work("in"), &s) == 0, "%s", why_take());
	expect(s.tree, "job/memory.max", "67108864\n");
	ck_assert_ptr_nonnull(strstr(buf_text(&notices), "/cgroup.subtree_control: "));
	ck_assert_ptr_nonnull(strstr(buf_text(&notices), "/job/hugetlb.3MB.max: "));
	second_free(&s);
}
END_TEST

static void assert_import_refused(int errnum, const char *named)
{
	struct second s;
	int r = import_second(in_work("in"), &s);
	const char *why = why_take();

	ck_assert_msg(r == -errnum, "%d: %s", r, why);
	ck_assert_msg(strstr(why, named) != NULL, "\"%s\" does not name %s", why, named);
	second_free(&s);
}

START_TEST(what_means_harm_is_refused)
{
	ck_assert_int_eq(mkdir(in_work("in"), 0755), 0);
	ck_assert_int_eq(mkdir(in_work("in/job"), 0755), 0);
	put("secret", "64M\n");
	ck_assert_int_eq(symlink("../../secret", in_work("in/job/memory.max")), 0);
	assert_import_refused(ELOOP, "job/memory.max");
	unlink(in_work("in/job/memory.max"));

	ck_assert_int_eq(symlink("../../../", in_work("in/job/up")), 0);
	assert_import_refused(ELOOP, "job/up");
	unlink(in_work("in/job/up"));

	ck_assert_int_eq(mkfifo(in_work("in/job/cgroup.type"), 0600), 0);
	assert_import_refused(ELOOP, "job/cgroup.type");
	unlink(in_work("in/job/cgroup.type"));

	put("in/job/pids.max", "");
	ck_assert_int_eq(truncate(in_work("in/job/pids.max"), 2 << 20), 0);
	put("in/cgroup.subtree_control", "pids");
	assert_import_refused(EFBIG, "job/pids.max");
	ck_assert_int_eq(truncate(in_work("in/job/pids.max"), 5), 0);
	assert_import_refused(EINVAL, "job/pids.max");
	put("in/job/pids.max", "many");
	assert_import_refused(EINVAL, "job/pids.max");
	unlink(in_work("in/job/pids.max"));

	put("in/job/cgroup.type", "threaded\n");
	ck_assert_int_eq(symlink("/etc/passwd", in_work("in/.ctlfs-export")), 0);
	assert_import_refused(ELOOP, ".ctlfs-export");
}
END_TEST

struct list_case {
	const char *text;
	const char *why; /* NULL: taken */
};

#define HEAD "ctlfs export 1\n"

static const struct list_case lists[] = {
	{ HEAD, NULL },
	{ HEAD "0755 0 0 .\n", NULL },
	{ HEAD "0755 0 0 .\n0700 5 6 job\n0644 5 6 job/cgroup.procs\n", NULL },
	{ "", "empty" },
	{ "ctlfs export 2\n", "line 1" },
	{ HEAD "0755 0 0 .", "does not end" },
	{ HEAD "0755 0 0\n", "line 2" },
	{ HEAD "0755 0 0 .\n-1 0 0 job\n", "line 3" },
	{ HEAD "0755 4294967295 0 job\n", "line 2" },
	{ HEAD "0755 0 99999999999999999999 job\n", "line 2" },
	{ HEAD "10000 0 0 job\n", "line 2" },
	{ HEAD "0755  0 0 job\n", "line 2" },
	{ HEAD "\n", "line 2" },
};

START_TEST(lists_of_owners_and_modes)
{
	const struct list_case *c = &lists[_i];
	struct second s;

	ck_assert_int_eq(mkdir(in_work("in"), 0755), 0);
	ck_assert_int_eq(mkdir(in_work("in/job"), 0755), 0);
	put("in/.ctlfs-export", c->text);
	if (c->why) {
		assert_import_refused(EINVAL, c->why);
		return;
	}
	ck_assert_msg(import_second(in_work("in"), &s) == 0, "%s", why_take());
	second_free(&s);
}
END_TEST

START_TEST(owners_and_modes_are_taken_over)
{
	struct second s;
	struct stat st;
	uint64_t job;

	ck_assert_int_eq(mkdir(in_work("in"), 0755), 0);
	ck_assert_int_eq(mkdir(in_work("in/job"), 0755), 0);
	put("in/job/cgroup.procs", "");
	put("in/.ctlfs-export", HEAD "0700 5 6 job\n0640 7 8 job/cgroup.procs\n");
	ck_assert_msg(import_second(in_work("in"), &s) == 0, "%s", why_take());
	ck_assert_int_eq(tree_walk(s.tree, "job", &job), 0);
	ck_assert_int_eq(s.tree->ops->stat(s.tree, job, NULL, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0700);
	ck_assert_uint_eq(st.st_uid, 5);
	ck_assert_uint_eq(st.st_gid, 6);
	ck_assert_int_eq(s.tree->ops->stat(s.tree, job, "cgroup.procs", &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0640);
	ck_assert_uint_eq(st.st_uid, 7);
	second_free(&s);
}
END_TEST

START_TEST(export_wants_an_empty_directory)
{
	ck_assert_int_eq(mkdir(in_work("one"), 0755), 0);
	ck_assert_int_eq(tree_export(tree, in_work("one")), 0);
	assert_refused(tree_export(tree, in_work("one")), ENOTEMPTY);
	assert_refused(tree_export(tree, in_work("no/such")), ENOENT);
}
END_TEST

/* As a tree: numbers stay, and it is only read. */
START_TEST(plain_files_as_a_tree)
{
	struct tree *plain;
	struct stat a, b;
	cleanup_buf struct buf text = { 0 };

	make_dirs("a");
	ck_assert_int_eq(tree_export(tree, in_work("one")), 0);
	ck_assert_int_eq(plain_new(in_work("one"), &plain), 0);
	ck_assert_int_eq(plain->ops->stat(plain, TREE_ROOT, "a", &a), 0);
	ck_assert_int_eq(tree_path(plain, a.st_ino, &text), 0);
	ck_assert_str_eq(buf_text(&text), "/a");
	ck_assert_int_eq(plain->ops->stat(plain, a.st_ino, ".", &b), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ck_assert_int_eq(plain->ops->stat(plain, a.st_ino, "..", &b), 0);
	ck_assert_uint_eq(b.st_ino, TREE_ROOT);
	ck_assert_int_eq(plain->ops->stat(plain, TREE_ROOT, "a/cgroup.procs", &b), -ENOENT);
	ck_assert_int_eq(plain->ops->stat(plain, 12345678, NULL, &b), -ENODEV);
	expect(plain, "a/cgroup.type", "domain\n");
	ck_assert_int_eq(tree_set(plain, "a/cgroup.freeze", "1"), -EROFS);
	ck_assert_int_eq(tree_mkdir(plain, "b", 0755), -EROFS);
	ck_assert_int_eq(tree_rmdir(plain, "a"), -EROFS);
	tree_destroy(plain);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("export");
	TCase *tc = tcase_create("export");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_was_exported_imports_the_same);
	tcase_add_test(tc, members_are_left_out_and_told);
	tcase_add_test(tc, a_directory_made_by_hand);
	tcase_add_test(tc, what_means_harm_is_refused);
	tcase_add_loop_test(tc, lists_of_owners_and_modes, 0, (int)ARRAY_SIZE(lists));
	tcase_add_test(tc, owners_and_modes_are_taken_over);
	tcase_add_test(tc, export_wants_an_empty_directory);
	tcase_add_test(tc, plain_files_as_a_tree);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
