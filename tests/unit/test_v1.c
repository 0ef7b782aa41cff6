/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The v1 backend over hierarchies in memory, alone and below the views. */
#include "test_view.h"

#include <fcntl.h>

#include "ctlfs/v1.h"
#include "ctlfs/why.h"

#define GIB (UINT64_C(1) << 30)
#define NO_LIMIT "9223372036854771712\n"
#define MEMORY_STAT \
	"cache 1\nrss 2\nswap 3\ninactive_file 4\ntotal_cache 40960\ntotal_rss 20480\n" \
	"total_rss_huge 0\ntotal_shmem 4096\ntotal_mapped_file 8192\ntotal_dirty 12288\n" \
	"total_writeback 0\ntotal_swap 1048576\ntotal_pgfault 7\ntotal_inactive_anon 4096\n" \
	"total_active_anon 16384\ntotal_inactive_file 24576\ntotal_active_file 12288\n" \
	"total_unevictable 0\n"

enum { MEM, CPU, SET, PIDS, IO, NAMED, TREES };

static struct fake_tree trees[TREES];
static const unsigned roles[TREES] = {
	[MEM] = 1 << V1_MEMORY, [CPU] = 1 << V1_CPU | 1 << V1_CPUACCT, [SET] = 1 << V1_CPUSET,
	[PIDS] = 1 << V1_PIDS,	[IO] = 1 << V1_IO,		       [NAMED] = 1 << V1_SYSTEMD,
};
static struct tree_ops ops; /* the fake's, and an end */
static struct tree *v1;

static void keep(struct tree *t)
{
	(void)t; /* static */
}

static void make_v1(unsigned v2_trees)
{
	struct v1_source source = { .n = TREES };

	for (int i = 0; i < TREES; i++)
		source.hierarchies[i] = (struct v1_hierarchy){ &trees[i].tree, roles[i],
							       v2_trees >> i & 1 };
	ck_assert_int_eq(v1_new_over(&source, &v1), 0);
	view_free(view);
	ck_assert_int_eq(view_new_over(v1, &host.host, &view), 0);
}

static void remake_v1(unsigned v2_trees)
{
	tree_destroy(v1);
	make_v1(v2_trees);
}

static void v1_setup(void)
{
	fake_setup();
	ops = fake_tree_ops;
	ops.destroy = keep;
	for (int i = 0; i < TREES; i++) {
		trees[i] = (struct fake_tree){ .tree.ops = &ops };
		trees[i].nodes[0] = (struct fake_node){ .parent = TREE_ROOT, .dir = true };
		fake_set(&trees[i], TREE_ROOT, "cgroup.sane_behavior", "0\n");
		fake_set(&trees[i], TREE_ROOT, "cgroup.procs", "1\n");
		/* Numbers of one tree are nobody's in another. */
		for (int skip = 0; skip < i * 3; skip++)
			fake_set(&trees[i], TREE_ROOT, "x", "%d", skip);
	}
	make_v1(0);
}

static void v1_teardown(void)
{
	fake_teardown();
	tree_destroy(v1);
}

/* The directory at path of hierarchy i, made with the files that a new cgroup has there. */
static uint64_t dir_in(int i, const char *path)
{
	cleanup_free char *copy = strdup(path);
	struct fake_tree *t = &trees[i];
	char *rest = copy, *name;
	uint64_t dir = TREE_ROOT;

	while ((name = strsep(&rest, "/"))) {
		uint64_t child = fake_child(&t->tree, dir, name);

		dir = child ? child : fake_add(t, dir, name, true);
		if (child)
			continue;
		fake_set(t, dir, "cgroup.procs", "%s", "");
		if (i == MEM) {
			fake_set(t, dir, "memory.limit_in_bytes", NO_LIMIT);
			fake_set(t, dir, "memory.usage_in_bytes", "1048576\n");
			fake_set(t, dir, "memory.stat", MEMORY_STAT);
			fake_set(t, dir, "memory.use_hierarchy", "1\n");
			fake_set(t, dir, "memory.memsw.limit_in_bytes", NO_LIMIT);
			fake_set(t, dir, "memory.memsw.usage_in_bytes", "2097152\n");
		} else if (i == CPU) {
			fake_set(t, dir, "cpu.cfs_quota_us", "-1\n");
			fake_set(t, dir, "cpu.cfs_period_us", "100000\n");
			fake_set(t, dir, "cpuacct.usage", "0\n");
			fake_set(t, dir, "cpuacct.stat", "user 0\nsystem 0\n");
		} else if (i == SET) {
			fake_set(t, dir, "cpuset.effective_cpus", "0-7\n");
		}
	}
	return dir;
}

__attribute__((format(printf, 4, 5))) static void set(int i, const char *path, const char *file,
						       const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	fake_set(&trees[i], *path ? dir_in(i, path) : TREE_ROOT, file, "%s", text);
}

/* Makes path in every hierarchy. */
static void make(const char *path)
{
	for (int i = 0; i < TREES; i++)
		dir_in(i, path);
}

static void place(pid_t pid, int i, const char *path)
{
	trees[i].where[pid] = *path ? dir_in(i, path) : TREE_ROOT;
}

static void place_all(pid_t pid, const char *path)
{
	for (int i = 0; i < TREES; i++)
		place(pid, i, path);
}

/* A process that is alone in a pid namespace. */
static void start(pid_t pid)
{
	fake_start(&host, pid, 900 * SECOND, 1000 + (uint64_t)pid, 1);
}

static uint64_t at(const char *path)
{
	uint64_t node = 0;
	int r = tree_walk(v1, path, &node);

	ck_assert_msg(r == 0, "%s: %s", path, strerror(-r));
	return node;
}

static uint64_t located(pid_t pid)
{
	uint64_t dir = 0;
	int r = v1->ops->locate(v1, pid, &dir);

	ck_assert_msg(r == 0, "locate: %s", strerror(-r));
	return dir;
}

static const char *file(uint64_t dir, const char *name)
{
	static struct buf text;
	int r;

	buf_reset(&text);
	r = tree_read(v1, dir, name, &text);
	return r < 0 ? strerrorname_np(-r) : buf_text(&text);
}

static uint64_t meminfo(uint64_t container, const char *key)
{
	const char *line = strstr(text_at(container, "proc/meminfo"), key);

	ck_assert_ptr_nonnull(line);
	return strtoull(line + strlen(key), NULL, 10);
}

static const char *online(uint64_t container)
{
	return text_at(container, "sys/devices/system/cpu/online");
}

/* --- names and texts --- */

static const struct {
	int tree;
	const char *from, *text, *to, *want;
} texts[] = {
	{ MEM, "memory.limit_in_bytes", NO_LIMIT, "memory.max", "max\n" },
	{ MEM, "memory.limit_in_bytes", "9223372036854710272\n", "memory.max", "max\n" },
	{ MEM, "memory.limit_in_bytes", "4096\n", "memory.max", "4096\n" },
	{ MEM, "memory.limit_in_bytes", "-1\n", "memory.max", "EIO" },
	{ MEM, "memory.limit_in_bytes", "", "memory.max", "EIO" },
	{ MEM, "memory.limit_in_bytes", "4096 \n", "memory.max", "EIO" },
	{ MEM, "memory.limit_in_bytes", "99999999999999999999\n", "memory.max", "EIO" },
	{ MEM, "memory.usage_in_bytes", "12345\n", "memory.current", "12345\n" },
	{ MEM, "memory.max_usage_in_bytes", "99\n", "memory.peak", "99\n" },
	{ MEM, "memory.stat", MEMORY_STAT, "memory.stat",
	  "anon 20480\nfile 40960\nshmem 4096\nfile_mapped 8192\nfile_dirty 12288\n"
	  "file_writeback 0\nanon_thp 0\ninactive_anon 4096\nactive_anon 16384\n"
	  "inactive_file 24576\nactive_file 12288\nunevictable 0\npgfault 7\n" },
	{ MEM, "memory.stat", "nothing\n", "memory.stat", "EIO" },
	{ MEM, "memory.stat", "total_swap 5\n", "memory.swap.current", "5\n" },
	{ MEM, "memory.stat", "swap 5\n", "memory.swap.current", "EIO" },
	{ MEM, "memory.memsw.limit_in_bytes", NO_LIMIT, "memory.swap.max", "max\n" },
	{ MEM, "memory.memsw.limit_in_bytes", "8192\n", "memory.swap.max", "8192\n" },
	{ CPU, "cpu.cfs_quota_us", "-1\n", "cpu.max", "max 100000\n" },
	{ CPU, "cpu.cfs_quota_us", "150000\n", "cpu.max", "150000 100000\n" },
	{ CPU, "cpu.cfs_quota_us", "much\n", "cpu.max", "EIO" },
	{ CPU, "cpu.cfs_period_us", "0\n", "cpu.max", "EIO" },
	{ CPU, "cpu.shares", "1024\n", "cpu.weight", "100\n" },
	{ CPU, "cpu.shares", "2\n", "cpu.weight", "1\n" },
	{ CPU, "cpu.shares", "262144\n", "cpu.weight", "10000\n" },
	{ CPU, "cpu.shares", "18446744073709551615\n", "cpu.weight", "10000\n" },
	{ CPU, "cpuacct.usage", "1234567890\n", "cpu.stat",
	  "usage_usec 1234567\nuser_usec 0\nsystem_usec 0\n" },
	{ CPU, "cpuacct.stat", "user 3\nsystem 2\n", "cpu.stat",
	  "usage_usec 0\nuser_usec 30000\nsystem_usec 20000\n" },
	{ CPU, "cpuacct.stat", "user 3\n", "cpu.stat", "EIO" },
	{ CPU, "cpu.stat", "nr_periods 9\nnr_throttled 4\nthrottled_time 5000000\n", "cpu.stat",
	  "usage_usec 0\nuser_usec 0\nsystem_usec 0\nnr_periods 9\nnr_throttled 4\n"
	  "throttled_usec 5000\n" },
	{ SET, "cpuset.effective_cpus", "0-1,4\n", "cpuset.cpus.effective", "0-1,4\n" },
	{ SET, "cpuset.effective_cpus", "\n", "cpuset.cpus.effective", "ENOENT" },
	{ PIDS, "pids.max", "max\n", "pids.max", "max\n" },
	{ PIDS, "pids.current", "3\n", "pids.current", "3\n" },
	{ NAMED, "notify_on_release", "0\n", "cgroup.type", "domain\n" },
};

START_TEST(text)
{
	make("a");
	set(texts[_i].tree, "a", texts[_i].from, "%s", texts[_i].text);
	ck_assert_str_eq(file(at("a"), texts[_i].to), texts[_i].want);
}
END_TEST

START_TEST(io)
{
	make("a");
	ck_assert_str_eq(file(at("a"), "io.stat"), "ENOENT");
	set(IO, "a", "blkio.throttle.io_service_bytes", "8:0 Read 1\nTotal 1\n");
	set(IO, "a", "blkio.throttle.io_serviced", "8:0 Read 2\nTotal 2\n");
	ck_assert_str_eq(file(at("a"), "io.stat"),
			 "8:0 rbytes=1 wbytes=0 rios=2 wios=0 dbytes=0 dios=0\n");
	set(IO, "a", "blkio.throttle.io_service_bytes_recursive",
	    "8:0 Read 10\n8:0 Write 20\n8:0 Discard 30\n8:0 Total 60\n"
	    "8:16 Read 0\n8:16 Write 5\nnoise\n:: Read\n8: Read 4\nTotal 65\n");
	set(IO, "a", "blkio.throttle.io_serviced_recursive",
	    "8:16 Write 3\n8:0 Read 1\n8:0 Write 2\n8:0 Discard 4\nTotal 10\n");
	ck_assert_str_eq(file(at("a"), "io.stat"),
			 "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=30 dios=4\n"
			 "8:16 rbytes=0 wbytes=5 rios=0 wios=3 dbytes=0 dios=0\n");
}
END_TEST

START_TEST(swap_is_what_is_more_than_memory)
{
	make("a");
	set(MEM, "a", "memory.limit_in_bytes", "%llu\n", (unsigned long long)GIB);
	set(MEM, "a", "memory.memsw.limit_in_bytes", "%llu\n", (unsigned long long)(3 * GIB));
	ck_assert_str_eq(file(at("a"), "memory.swap.max"), "2147483648\n");
	set(MEM, "a", "memory.memsw.limit_in_bytes", "%llu\n", (unsigned long long)GIB / 2);
	ck_assert_str_eq(file(at("a"), "memory.swap.max"), "0\n");
}
END_TEST

START_TEST(only_read)
{
	struct tree_file *f;
	struct stat st;
	uint64_t a;

	make("a");
	a = at("a");
	ck_assert_int_eq(v1->ops->stat(v1, a, "memory.max", &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0444);
	ck_assert_uint_lt(st.st_ino, UINT64_C(1) << 56);
	ck_assert_int_eq(v1->ops->open(v1, &TREE_SELF, st.st_ino, O_WRONLY, &f), -EROFS);
	ck_assert_int_eq(v1->ops->open(v1, &TREE_SELF, st.st_ino, O_RDWR, &f), -EROFS);
	ck_assert_int_eq(v1->ops->open(v1, &TREE_SELF, a, O_RDONLY, &f), -EISDIR);
	ck_assert_int_eq(tree_write(v1, a, "memory.max", "0"), -EROFS);
	ck_assert_int_eq(tree_mkdir(v1, "b", 0755), -EROFS);
	ck_assert_int_eq(tree_rmdir(v1, "a"), -EROFS);
	ck_assert_int_eq(v1->ops->setattr(v1, &TREE_SELF, a, &st, TREE_SET_MODE), -EROFS);
	ck_assert_int_eq(v1->ops->stat(v1, a, NULL, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0222, 0);
	ck_assert_str_ne(why_take(), "");
}
END_TEST

/* --- the tree --- */

/* The root of a whole hierarchy is the machine and has no limits, also where v1 has the files. */
START_TEST(root)
{
	set(MEM, "", "memory.limit_in_bytes", "4096\n");
	set(MEM, "", "memory.usage_in_bytes", "4096\n");
	ck_assert_str_eq(file(TREE_ROOT, "memory.max"), "ENOENT");
	ck_assert_str_eq(file(TREE_ROOT, "cgroup.type"), "ENOENT");
	ck_assert(view->source.machine_root);
	/* That of a part of one has them. */
	fake_remove(&trees[MEM], fake_child(&trees[MEM].tree, TREE_ROOT, "cgroup.sane_behavior"));
	set(MEM, "", "memory.stat", MEMORY_STAT);
	remake_v1(0);
	ck_assert(!view->source.machine_root);
	ck_assert_str_eq(file(TREE_ROOT, "memory.max"), "4096\n");
	ck_assert_uint_eq(meminfo(TREE_ROOT, "MemTotal:"), 4);
}
END_TEST

START_TEST(numbers)
{
	struct stat st;
	uint64_t parent;

	make("a/b");
	dir_in(CPU, "c");
	ck_assert_uint_eq(at("a/b"), dir_in(MEM, "a/b"));
	ck_assert_uint_eq(at("c"), (uint64_t)V1_CPU << 36 | dir_in(CPU, "c"));
	/* By its number in another hierarchy it is the same. */
	ck_assert_int_eq(v1->ops->stat(v1, (uint64_t)V1_CPU << 36 | dir_in(CPU, "a/b"), NULL, &st),
			 0);
	ck_assert_uint_eq(st.st_ino, at("a/b"));
	ck_assert_int_eq(tree_parent(v1, at("a/b"), &parent), 0);
	ck_assert_uint_eq(parent, at("a"));
	ck_assert_int_eq(v1->ops->stat(v1, 9999, NULL, &st), -ENODEV);
	ck_assert_int_eq(v1->ops->stat(v1, UINT64_C(14) << 36 | 1, NULL, &st), -ENODEV);
	ck_assert_int_eq(v1->ops->stat(v1, UINT64_C(15) << 36 | 1, NULL, &st), -ENODEV);
	ck_assert_int_eq(v1->ops->stat(v1, UINT64_C(200) << 40 | 1, NULL, &st), -ENODEV);
	ck_assert_int_eq(v1->ops->stat(v1, TREE_ROOT, "..", &st), 0);
	ck_assert_uint_eq(st.st_ino, TREE_ROOT);
	/* A file's number of one hierarchy is no directory's. */
	ck_assert_int_eq(v1->ops->stat(v1, fake_child(&trees[MEM].tree, dir_in(MEM, "a"),
						      "memory.stat"), NULL, &st), -ENODEV);
}
END_TEST

static void check_list(uint64_t dir, const char *want)
{
	cleanup_tree_list struct tree_list list = { 0 };
	cleanup_buf struct buf names = { 0 };

	ck_assert_int_eq(v1->ops->list(v1, dir, &list), 0);
	for (size_t i = 0; i < list.n; i++) {
		struct stat st;

		ck_assert_int_eq(v1->ops->stat(v1, dir, list.entries[i].name, &st), 0);
		ck_assert_uint_eq(st.st_ino, list.entries[i].node);
		ck_assert_int_eq(S_ISDIR(st.st_mode), list.entries[i].dir);
		if (list.entries[i].dir)
			buf_addf(&names, "%s ", list.entries[i].name);
	}
	ck_assert_str_eq(buf_text(&names), want);
}

/* A directory in any hierarchy is one of the tree. */
START_TEST(lists)
{
	cleanup_buf struct buf path = { 0 };

	dir_in(MEM, "both");
	dir_in(CPU, "both");
	dir_in(MEM, "memory");
	dir_in(NAMED, "named/below");
	check_list(TREE_ROOT, "both memory named ");
	check_list(at("named"), "below ");
	check_list(at("memory"), "");
	ck_assert_int_eq(tree_path(v1, at("named/below"), &path), 0);
	ck_assert_str_eq(buf_text(&path), "/named/below");
}
END_TEST

START_TEST(gone)
{
	cleanup_buf struct buf out = { 0 };
	struct stat st;
	uint64_t a;

	make("a");
	a = at("a");
	fake_remove(&trees[MEM], a);
	ck_assert_int_eq(v1->ops->stat(v1, a, NULL, &st), -ENODEV);
	ck_assert_str_eq(file(a, "memory.max"), "ENOENT");
	ck_assert_int_eq(view_render(view, a, slot_at(a, "proc/meminfo"), &out), -ENODEV);
	/* It goes on in the others, under another number. */
	ck_assert_uint_ne(at("a"), a);
	ck_assert_str_eq(file(at("a"), "cpu.max"), "max 100000\n");
}
END_TEST

/* --- where processes are --- */

START_TEST(paths_that_agree)
{
	make("lxc/one");
	set(MEM, "lxc", "memory.limit_in_bytes", "1048576000\n");
	set(CPU, "lxc/one", "cpu.cfs_quota_us", "250000\n");
	place_all(5, "lxc/one");
	start(5);
	ck_assert_uint_eq(located(5), at("lxc/one"));
	ck_assert_uint_eq(meminfo(located(5), "MemTotal:"), 1024000);
	ck_assert_str_eq(online(located(5)), "0-2\n");
	set(SET, "lxc/one", "cpuset.effective_cpus", "3\n");
	ck_assert_str_eq(online(located(5)), "0\n");
}
END_TEST

/* A hierarchy that does not have the path: its nearest ancestor counts. */
START_TEST(paths_that_end)
{
	dir_in(MEM, "a/b/c");
	dir_in(CPU, "a");
	set(CPU, "a", "cpu.cfs_quota_us", "100000\n");
	set(CPU, "a", "cpuacct.stat", "user 700\nsystem 300\n");
	for (int i = 0; i < TREES; i++)
		place(5, i, "");
	place(5, MEM, "a/b/c");
	place(5, CPU, "a");
	ck_assert_uint_eq(located(5), at("a/b/c"));
	ck_assert_str_eq(file(at("a/b/c"), "cpu.max"), "ENOENT");
	ck_assert_str_eq(online(at("a/b/c")), "0\n");
	ck_assert_ptr_nonnull(strstr(text_at(at("a/b/c"), "proc/stat"), "cpu  700 0 300 "));
	/* Made later, it counts at once. */
	set(CPU, "a/b/c", "cpu.cfs_quota_us", "50000\n");
	ck_assert_str_eq(file(at("a/b/c"), "cpu.max"), "50000 100000\n");
	place(5, CPU, "a/b/c");
	ck_assert_uint_eq(located(5), at("a/b/c"));
}
END_TEST

/* Removed and made again in one hierarchy while the others keep it. */
START_TEST(remade)
{
	make("a");
	place_all(5, "a");
	set(CPU, "a", "cpu.cfs_quota_us", "100000\n");
	ck_assert_str_eq(online(located(5)), "0\n");
	fake_remove(&trees[CPU], dir_in(CPU, "a"));
	ck_assert_str_eq(file(at("a"), "cpu.max"), "ENOENT");
	fake_add(&trees[CPU], TREE_ROOT, "takes the number", false);
	set(CPU, "a", "cpu.cfs_quota_us", "200000\n");
	place(5, CPU, "a");
	ck_assert_uint_eq(located(5), at("a"));
	ck_assert_str_eq(online(at("a")), "0-1\n");
	/* Without anybody having looked in between. */
	fake_remove(&trees[CPU], dir_in(CPU, "a"));
	fake_add(&trees[CPU], TREE_ROOT, "takes it, too", false);
	set(CPU, "a", "cpu.cfs_quota_us", "300000\n");
	ck_assert_str_eq(online(at("a")), "0-2\n");
}
END_TEST

/* v1 can rename a cgroup. Who takes its old path is another. */
START_TEST(renamed)
{
	uint64_t a = dir_in(MEM, "a");

	set(MEM, "a", "memory.limit_in_bytes", "104857600\n");
	for (int i = 0; i < TREES; i++)
		place(5, i, "");
	place(5, MEM, "a");
	ck_assert_uint_eq(meminfo(at("a"), "MemTotal:"), 102400);
	strcpy(trees[MEM].nodes[a - 1].name, "z");
	set(MEM, "a", "memory.limit_in_bytes", "4096\n");
	set(CPU, "a", "cpu.cfs_quota_us", "100000\n");
	ck_assert_str_eq(online(a), "0-7\n");
	ck_assert_uint_eq(meminfo(a, "MemTotal:"), 102400);
	ck_assert_uint_eq(located(5), a);
	ck_assert_uint_eq(at("z"), a);
	ck_assert_str_eq(online(at("a")), "0\n");
	set(CPU, "z", "cpu.cfs_quota_us", "200000\n");
	place(5, CPU, "z");
	ck_assert_uint_eq(located(5), a);
	ck_assert_str_eq(online(a), "0-1\n");
}
END_TEST

/* No path gives both: the container has one of each, and all that is above them counts. */
START_TEST(paths_that_differ)
{
	struct stat st;
	uint64_t c;

	dir_in(MEM, "m/one");
	dir_in(MEM, "c/d"); /* others live there */
	set(MEM, "m", "memory.limit_in_bytes", "104857600\n");
	set(MEM, "c", "memory.limit_in_bytes", "4096\n");
	dir_in(CPU, "c/d/e");
	set(CPU, "c/d", "cpu.cfs_quota_us", "200000\n");
	for (int i = 0; i < TREES; i++)
		place(5, i, "");
	place(5, MEM, "m/one");
	place(5, CPU, "c/d/e");
	start(5);
	c = located(5);
	ck_assert_uint_lt(c, UINT64_C(1) << 40);
	ck_assert_uint_eq(meminfo(c, "MemTotal:"), 102400);
	ck_assert_uint_eq(meminfo(c, "MemFree:"), 102400 - 1024);
	ck_assert_str_eq(online(c), "0-1\n");
	ck_assert_uint_eq(located(5), c);
	ck_assert(tree_inside(v1, c, TREE_ROOT));
	ck_assert_int_eq(v1->ops->stat(v1, c, NULL, &st), 0);
	check_list(c, "");
	/* The same number when everything was forgotten. */
	remake_v1(0);
	ck_assert_int_eq(v1->ops->stat(v1, c, NULL, &st), -ENODEV);
	ck_assert_uint_eq(located(5), c);
	/* It goes with any of its directories. */
	fake_remove(&trees[CPU], dir_in(CPU, "c/d/e"));
	ck_assert_int_eq(v1->ops->stat(v1, c, NULL, &st), -ENODEV);
}
END_TEST

START_TEST(processes_of_paths_that_differ)
{
	for (int i = 0; i < TREES; i++)
		place(5, i, "");
	place(5, MEM, "m");
	place(5, CPU, "c");
	set(MEM, "m", "cgroup.procs", "7\n5\n6\n");
	set(MEM, "m/below", "cgroup.procs", "9\n8\n");
	set(CPU, "c", "cgroup.procs", "5\n9\n11\n");
	ck_assert_str_eq(file(located(5), "cgroup.procs"), "5\n9\n");
	ck_assert_str_eq(file(at("m"), "cgroup.procs"), "7\n5\n6\n");
	ck_assert_str_eq(file(at("c"), "cgroup.procs"), "5\n9\n11\n");
	set(CPU, "c", "cgroup.procs", "5\nsix\n");
	ck_assert_str_eq(file(located(5), "cgroup.procs"), "EIO");
}
END_TEST

/* Who can be nowhere is gone; only of a part of a hierarchy somebody is outside. */
START_TEST(outside)
{
	uint64_t dir;

	make("a");
	place_all(5, "a");
	trees[CPU].where[5] = 0;
	ck_assert_int_eq(v1->ops->locate(v1, 5, &dir), -ESRCH);
	fake_remove(&trees[CPU], fake_child(&trees[CPU].tree, TREE_ROOT, "cgroup.sane_behavior"));
	remake_v1(0);
	ck_assert_int_eq(v1->ops->locate(v1, 5, &dir), -ENOENT);
}
END_TEST

START_TEST(init_scope)
{
	uint64_t container;

	make("lxc/one");
	place_all(5, "lxc/one");
	place(5, NAMED, "lxc/one/init.scope");
	start(5);
	ck_assert_uint_ne(located(5), at("lxc/one"));
	ck_assert_int_eq(view_container(view, 5, &container), 0);
	ck_assert_uint_eq(container, at("lxc/one"));
}
END_TEST

/* Before 5.11 a cgroup could leave what is below it to itself. */
START_TEST(no_hierarchy)
{
	make("a/b");
	set(MEM, "a", "memory.limit_in_bytes", "104857600\n");
	set(CPU, "a", "cpu.cfs_quota_us", "200000\n");
	ck_assert_uint_eq(meminfo(at("a/b"), "MemTotal:"), 102400);
	set(MEM, "a", "memory.use_hierarchy", "0\n");
	ck_assert_uint_eq(meminfo(at("a/b"), "MemTotal:"), 16000000);
	ck_assert_uint_eq(meminfo(at("a/b"), "MemFree:"), 16000000 - 1024);
	ck_assert_str_eq(online(at("a/b")), "0-1\n");
	ck_assert_uint_eq(meminfo(at("a"), "MemTotal:"), 102400);
}
END_TEST

/* --- below the views --- */

START_TEST(views)
{
	uint64_t a;

	make("a");
	set(MEM, "a", "memory.limit_in_bytes", "%llu\n", (unsigned long long)GIB);
	set(MEM, "a", "memory.memsw.limit_in_bytes", "%llu\n", (unsigned long long)(2 * GIB));
	set(CPU, "a", "cpuacct.stat", "user 100\nsystem 50\n");
	set(CPU, "a", "cpu.cfs_quota_us", "100000\n");
	set(MEM, "a", "cgroup.procs", "5\n");
	start(5);
	a = at("a");
	ck_assert_uint_eq(meminfo(a, "MemTotal:"), GIB / 1024);
	ck_assert_uint_eq(meminfo(a, "MemFree:"), GIB / 1024 - 1024);
	ck_assert_uint_eq(meminfo(a, "Cached:"), 40);
	ck_assert_uint_eq(meminfo(a, "AnonPages:"), 20);
	ck_assert_uint_eq(meminfo(a, "SwapTotal:"), GIB / 1024);
	ck_assert_uint_eq(meminfo(a, "SwapFree:"), GIB / 1024 - 1024);
	ck_assert_ptr_nonnull(strstr(text_at(a, "proc/swaps"), "\t1048576\t"));
	ck_assert_ptr_nonnull(strstr(text_at(a, "proc/stat"), "cpu  100 0 50 "));
	ck_assert_ptr_nonnull(strstr(text_at(a, "proc/uptime"), "100.00 "));
}
END_TEST

/* What v1 does not write is an error, not the machine's number. */
START_TEST(views_of_nonsense)
{
	cleanup_buf struct buf out = { 0 };
	uint64_t a;

	make("a");
	a = at("a");
	set(MEM, "a", "memory.limit_in_bytes", "lots\n");
	ck_assert_int_eq(view_render(view, a, slot_at(a, "proc/meminfo"), &out), -EIO);
	set(CPU, "a", "cpuacct.usage", "-5\n");
	ck_assert_int_eq(view_render(view, a, slot_at(a, "proc/stat"), &out), -EIO);
	set(CPU, "a", "cpu.cfs_quota_us", "\n");
	ck_assert_int_eq(view_render(view, a, slot_at(a, "proc/cpuinfo"), &out), -EIO);
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

/* Nobody counts its CPU time: 0, where the machine has used some. */
START_TEST(uncounted)
{
	dir_in(MEM, "a");
	ck_assert_ptr_nonnull(strstr(text_at(at("a"), "proc/stat"), "cpu  0 0 0 "));
}
END_TEST

/* A controller of cgroup v2, beside v1's, has v2's own files. */
START_TEST(hybrid)
{
	fake_remove(&trees[MEM], fake_child(&trees[MEM].tree, TREE_ROOT, "cgroup.sane_behavior"));
	make("a");
	set(MEM, "a", "memory.max", "104857600\n");
	set(MEM, "a", "memory.current", "1048576\n");
	set(MEM, "a", "memory.stat", "anon 4096\n");
	set(CPU, "a", "cpu.cfs_quota_us", "100000\n");
	remake_v1(1u << MEM);
	ck_assert(view->source.machine_root);
	ck_assert_str_eq(file(at("a"), "memory.stat"), "anon 4096\n");
	ck_assert_uint_eq(meminfo(at("a"), "MemTotal:"), 102400);
	ck_assert_str_eq(online(at("a")), "0\n");
	ck_assert_str_eq(file(TREE_ROOT, "memory.max"), "ENOENT");
}
END_TEST

/* More than is remembered: everything is found again, and mixed ones by who asks. */
START_TEST(forgotten)
{
	make("a");
	place_all(5, "a");
	for (uint64_t n = 0; n < 3000; n++) {
		uint64_t dir;

		/* Each time another place, which is gone right after. */
		trees[CPU].nodes[NODES_MAX - 1] = (struct fake_node){ .parent = TREE_ROOT,
								      .dir = true };
		snprintf(trees[CPU].nodes[NODES_MAX - 1].name, 32, "n%llu", (unsigned long long)n);
		trees[CPU].where[5] = NODES_MAX;
		ck_assert_int_eq(v1->ops->locate(v1, 5, &dir), 0);
		trees[CPU].nodes[NODES_MAX - 1].parent = 0;
	}
	place(5, CPU, "a");
	ck_assert_uint_eq(located(5), at("a"));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		io, swap_is_what_is_more_than_memory, only_read, root, numbers, lists, gone,
		paths_that_agree, paths_that_end, remade, renamed, paths_that_differ,
		processes_of_paths_that_differ, outside, init_scope, no_hierarchy, views,
		views_of_nonsense, uncounted, hybrid, forgotten,
	};
	Suite *suite = suite_create("v1");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, v1_setup, v1_teardown);
	tcase_add_loop_test(tc, text, 0, ARRAY_SIZE(texts));
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
