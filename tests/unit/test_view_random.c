/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every renderer over random snapshots, the same in each run, extremes among them: each text is
 * read by a strict reader of its format, adds up, and has nothing beyond its bounds. And the same
 * readers over random interface files. CTLFS_VIEW_ROUNDS says how many snapshots (make views: a
 * million).
 */
#include "test_view.h"

#include "view_hosts.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ROUNDS 4000 /* a tenth as fast */
#else
#define ROUNDS 20000
#endif
#define ROUNDS_OF_FILES 50 /* to one of those */
#define KIB_MAX (UINT64_MAX / 1024)
#define CPUS_MOST 4096

static unsigned long rounds;
static struct buf given, text; /* the host's text, and what is made of it */

/* --- random snapshots --- */

static unsigned any_cpus(void)
{
	switch (any(500)) {
	case 0:
		return CPUS_MOST;
	case 1 ... 9:
		return 1 + any(300);
	case 10 ... 100:
		return 1;
	default:
		return 1 + any(12);
	}
}

static void make_memory(struct snapshot *s)
{
	struct host_memory *h = &s->host;

	*h = (struct host_memory){ .total = 1 + any_upto(KIB_MAX - 1),
				   .swap_total = any_upto(KIB_MAX),
				   .commit_limit = any_upto(KIB_MAX),
				   .vmalloc_total = any_upto(KIB_MAX),
				   .huge_page = any(4) ? 2048 : 0 };
	h->swap_free = any_upto(h->swap_total);
	s->huge.total = any_upto(KIB_MAX / 2048);
	s->huge.free = any_upto(s->huge.total);
	s->huge.reserved = any_upto(s->huge.free);
	buf_addf(&s->meminfo, "MemTotal:       %8" PRIu64 " kB\nMemFree:        %8" PRIu64 " kB\n",
		 h->total, any_upto(h->total));
	s->memory = (struct memory){ .accounted = any(20), .total = any_upto(h->total * 1024),
				     .usage = any_upto(UINT64_MAX), .oom_kills = any64() };
	/* Around the limit, too. */
	if (any(3) == 0)
		s->memory.usage = s->memory.total + any(5000) - 2500;
	for (int i = 0; i < STAT_COUNT; i++)
		s->memory.stat[i] = any(2) ? any_upto(UINT64_MAX) : any_upto(s->memory.usage);
	buf_addf(&s->memory.text, "anon 1\nfile 2\npgfault %" PRIu64 "\n", any64());
	s->swap = (struct swap){ .total = any_upto(h->swap_total * 1024),
				 .used = any_upto(UINT64_MAX) };
}

static void make_times(struct snapshot *s)
{
	struct times *t = &s->times;

	t->shown = s->cpus;
	t->n = s->cpus + (any(4) ? 0 : any(5));
	t->cpus = calloc(t->n, sizeof *t->cpus);
	for (unsigned i = 0; i < t->n; i++)
		t->cpus[i] = (struct cputime){ any_upto(UINT64_MAX), any_upto(UINT64_MAX),
					       any_upto(UINT64_MAX), any_upto(UINT64_MAX) };
}

static void make_disks(struct snapshot *s)
{
	struct disks *d = &s->disks;

	d->n = any(4) ? any(13) : 0;
	d->disk = calloc(d->n + 1, sizeof *d->disk);
	for (unsigned i = 0; i < d->n; i++)
		d->disk[i] = (struct disk){ .major = any(1000), .minor = i + 12 * any(80000),
					    .rbytes = any_upto(UINT64_MAX), .rios = any64(),
					    .wbytes = any_upto(UINT64_MAX), .wios = any64(),
					    .dbytes = any_upto(UINT64_MAX), .dios = any64() };
}

static void make_snapshot(struct snapshot *s)
{
	*s = (struct snapshot){ .cpus = any_cpus(), .age = any_upto(UINT64_MAX),
				.btime = any64(), .forks = any64(),
				.last_pid = (pid_t)any_upto(INT32_MAX),
				.tasks = { .running = (unsigned)any_upto(UINT32_MAX),
					   .blocked = (unsigned)any_upto(UINT32_MAX),
					   .threads = (unsigned)any_upto(UINT32_MAX) } };
	for (int i = 0; i < 3; i++)
		s->load.avg[i] = any_upto(UINT32_MAX * UINT64_C(2048));
	make_memory(s);
	make_times(s);
	make_disks(s);
}

/* --- the files --- */

/* path: of a row; one that ends with a slash stands for all below. */
struct file {
	const char *path;
	view_read_fn *read;
	void (*give)(struct buf *b, unsigned cpus); /* the host's text */
};

#define CPU "sys/devices/system/cpu/"
#define NODE "sys/devices/system/node/"

static void read_distance(struct scan *p, const struct want *w, unsigned cpu)
{
	(void)w;
	(void)cpu;
	scan_text(p, "10\n");
}

static void read_numastat(struct scan *p, const struct want *w, unsigned cpu)
{
	(void)w;
	(void)cpu;
	scan_text(p, "numa_hit 0\nnuma_miss 0\nnuma_foreign 0\ninterleave_hit 0\nlocal_node 0\n"
		     "other_node 0\n");
}

static void read_control(struct scan *p, const struct want *w, unsigned cpu)
{
	(void)w;
	(void)cpu;
	scan_text(p, "notsupported\n");
}

static void read_slabinfo(struct scan *p, const struct want *w, unsigned cpu)
{
	(void)w;
	(void)cpu;
	scan_text(p, "slabinfo - version: 2.1\n# name            <active_objs> <num_objs> "
		     "<objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> "
		     "<sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n");
}

static const struct file files[] = {
	{ "proc/buddyinfo", read_buddyinfo, NULL },
	{ "proc/cpuinfo", read_cpuinfo, give_cpuinfo },
	{ "proc/diskstats", read_diskstats, NULL },
	{ "proc/interrupts", read_columns, give_interrupts },
	{ "proc/loadavg", read_loadavg, NULL },
	{ "proc/meminfo", read_meminfo, NULL },
	{ "proc/partitions", read_partitions, NULL },
	{ "proc/schedstat", read_schedstat, give_schedstat },
	{ "proc/slabinfo", read_slabinfo, NULL },
	{ "proc/softirqs", read_columns, give_softirqs },
	{ "proc/stat", read_stat, NULL },
	{ "proc/swaps", read_swaps, NULL },
	{ "proc/uptime", read_uptime, NULL },
	{ "proc/vmstat", read_vmstat, give_vmstat },
	{ "proc/zoneinfo", read_zoneinfo, NULL },
	{ CPU "online", read_all, NULL },
	{ CPU "possible", read_all, NULL },
	{ CPU "present", read_all, NULL },
	{ CPU "offline", read_none, NULL },
	{ CPU "isolated", read_none, NULL },
	{ CPU "kernel_max", read_same, NULL },
	{ CPU "modalias", read_same, NULL },
	{ CPU "smt/active", read_zero, NULL },
	{ CPU "smt/control", read_control, NULL },
	{ CPU "vulnerabilities/", read_same, NULL },
	{ CPU "cpu#/topology/core_cpus", read_own_mask, NULL },
	{ CPU "cpu#/topology/core_cpus_list", read_number, NULL },
	{ CPU "cpu#/topology/core_id", read_number, NULL },
	{ CPU "cpu#/topology/core_siblings", read_all_mask, NULL },
	{ CPU "cpu#/topology/core_siblings_list", read_all, NULL },
	{ CPU "cpu#/topology/die_cpus", read_all_mask, NULL },
	{ CPU "cpu#/topology/die_cpus_list", read_all, NULL },
	{ CPU "cpu#/topology/die_id", read_zero, NULL },
	{ CPU "cpu#/topology/package_cpus", read_all_mask, NULL },
	{ CPU "cpu#/topology/package_cpus_list", read_all, NULL },
	{ CPU "cpu#/topology/physical_package_id", read_zero, NULL },
	{ CPU "cpu#/topology/thread_siblings", read_own_mask, NULL },
	{ CPU "cpu#/topology/thread_siblings_list", read_number, NULL },
	{ CPU "cpu#/cache/index0/id", read_cache_id, NULL },
	{ CPU "cpu#/cache/index0/shared_cpu_list", read_cache_list, NULL },
	{ CPU "cpu#/cache/index0/shared_cpu_map", read_cache_mask, NULL },
	{ CPU "cpu#/cache/index3/id", read_cache_id, NULL },
	{ CPU "cpu#/cache/index3/shared_cpu_list", read_cache_list, NULL },
	{ CPU "cpu#/cache/index3/shared_cpu_map", read_cache_mask, NULL },
	{ CPU "cpu#/cache/index0/", read_same, NULL },
	{ NODE "has_generic_initiator", read_none, NULL },
	{ NODE "node0/cpulist", read_all, NULL },
	{ NODE "node0/cpumap", read_all_mask, NULL },
	{ NODE "node0/distance", read_distance, NULL },
	{ NODE "node0/meminfo", read_node_meminfo, NULL },
	{ NODE "node0/numastat", read_numastat, NULL },
	{ NODE, read_zero, NULL },
};

/* The caches of the first level stand for those of all. */
static bool is_like_another(const char *path)
{
	return strstr(path, "/index1/") || strstr(path, "/index2/") ||
	       (strstr(path, "/index3/") && !strstr(path, "/id") && !strstr(path, "/shared_cpu"));
}

static const struct file *file_at(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		size_t len = strlen(files[i].path);

		if (strcmp(files[i].path, path) == 0 ||
		    (files[i].path[len - 1] == '/' && strncmp(path, files[i].path, len) == 0))
			return &files[i];
	}
	ck_abort_msg("no reader of %s", path);
}

/* The text that the host has of a file, of at least as many CPUs. */
static void give(const struct file *file, const struct snapshot *s, struct buf *b)
{
	buf_reset(b);
	if (file->give)
		file->give(b, s->cpus + any(3));
	else if (file->read == read_diskstats)
		give_lines(b, &s->disks, give_disk);
	else if (file->read == read_partitions)
		give_partitions(b, &s->disks);
	else
		buf_addf(b, "%u\n", 1 + any(4));
}

static void read_text(const struct file *file, const char *what, unsigned long round,
		      const struct want *w, unsigned cpu)
{
	struct scan p = { .at = buf_text(&text), .begin = buf_text(&text), .what = what,
			  .round = round };

	file->read(&p, w, cpu);
	scan_end(&p, text.len);
}

static void check_row(const struct view_row *row, const struct file *file, struct snapshot *s,
		      unsigned long round)
{
	unsigned cpu = view_row_per_cpu(row) ? any(s->cpus) : 0;
	struct want w;

	give(file, s, &given);
	s->text = given; /* borrowed */
	w = want_of(s, buf_text(&given));
	buf_reset(&text);
	row->render(s, cpu, &text);
	if (buf_error(&text))
		ck_abort_msg("%s: no memory", row->path);
	read_text(file, row->path, round, &w, cpu);
	s->text = (struct buf){ 0 };
}

/* Of the machine itself: the host's lines, its CPUs numbered from 0. */
static void check_machine(struct snapshot *s, unsigned long round)
{
	const char *line;
	struct scan p;

	buf_reset(&given);
	buf_reset(&text);
	give_stat(&given, 1 + any(9));
	s->text = given; /* borrowed */
	render_stat_of_machine(s, 0, &text);
	s->text = (struct buf){ 0 };
	p = (struct scan){ .at = buf_text(&text), .begin = buf_text(&text), .what = "machine",
			   .round = round };
	line = buf_text(&given);
	for (unsigned nr = 0; *line; line = strchr(line, '\n') + 1) {
		char whole[128];
		bool of_cpu = strncmp(line, "cpu", 3) == 0 && line[3] != ' ';

		if (of_cpu)
			snprintf(whole, sizeof whole, "cpu%u%.*s\n", nr++,
				 (int)strcspn(strchr(line, ' '), "\n"), strchr(line, ' '));
		else
			snprintf(whole, sizeof whole, "%.*s\n", (int)strcspn(line, "\n"), line);
		scan_text(&p, whole);
	}
	scan_end(&p, text.len);
}

START_TEST(snapshots)
{
	const struct file *of_row[256];

	ck_assert_uint_le(view_rows_count, ARRAY_SIZE(of_row));
	for (size_t i = 0; i < view_rows_count; i++) {
		const struct view_row *row = &view_rows[i];
		bool skip = !row->render || is_like_another(row->path);

		of_row[i] = skip ? NULL : file_at(row->path);
	}
	for (unsigned long round = 0; round < rounds; round++) {
		struct snapshot s;

		seed = round;
		make_snapshot(&s);
		for (size_t i = 0; i < view_rows_count; i++) {
			if (of_row[i])
				check_row(&view_rows[i], of_row[i], &s, round);
		}
		check_machine(&s, round);
		snapshot_free(&s);
	}
}
END_TEST

/* --- through interface files --- */

static uint64_t inner, outer;

/* "0-2,7": count CPUs with holes, the highest below CPUS_MAX. */
static void add_list(struct buf *b, unsigned count)
{
	unsigned next = any(40);

	while (count) {
		unsigned n = 1 + any(count);

		buf_addf(b, n > 1 ? "%s%u-%u" : "%s%u", b->len ? "," : "", next, next + n - 1);
		next += n + 1 + any(40);
		count -= n;
	}
	buf_adds(b, "\n");
}

static void set_limit(uint64_t dir, const char *name, uint64_t *least_of)
{
	uint64_t value = any_upto(UINT64_MAX);

	if (any(3) == 0) {
		fake_set(&tree, dir, name, "max\n");
		return;
	}
	fake_set(&tree, dir, name, "%llu\n", (unsigned long long)value);
	*least_of = least(*least_of, value);
}

static void set_quota(uint64_t dir, uint64_t *cpus)
{
	uint64_t quota = 1000 + any_upto(UINT64_MAX / 2000), period = 1000 + any(999001);

	if (any(3) == 0) {
		fake_set(&tree, dir, "cpu.max", "max %llu\n", (unsigned long long)period);
		return;
	}
	fake_set(&tree, dir, "cpu.max", "%llu %llu\n", (unsigned long long)quota,
		 (unsigned long long)period);
	*cpus = least(*cpus, quota / period + (quota % period != 0));
}

/* Random limits in a container and in its parent; without the memory controller: in neither. */
static void set_limits(struct snapshot *s, bool memory)
{
	cleanup_buf struct buf set = { 0 };
	unsigned in_set = 1 + any(60);
	uint64_t cpus = least(s->cpus, in_set);

	add_list(&set, in_set);
	fake_set(&tree, any(2) ? inner : outer, "cpuset.cpus.effective", "%s", buf_text(&set));
	set_quota(inner, &cpus);
	set_quota(outer, &cpus);
	s->cpus = (unsigned)cpus;
	s->memory.accounted = memory;
	if (!memory)
		return;
	set_limit(inner, "memory.max", &s->memory.total);
	set_limit(outer, "memory.max", &s->memory.total);
	set_limit(inner, "memory.swap.max", &s->swap.total);
	s->memory.usage = any_upto(UINT64_MAX);
	fake_set(&tree, inner, "memory.current", "%llu\n", (unsigned long long)s->memory.usage);
	s->swap.used = any_upto(UINT64_MAX);
	fake_set(&tree, inner, "memory.swap.current", "%llu\n", (unsigned long long)s->swap.used);
	fake_set(&tree, inner, "memory.stat",
		 "anon %llu\nfile %llu\nshmem %llu\nswapcached %llu\nactive_anon %llu\n",
		 (unsigned long long)any_upto(UINT64_MAX), (unsigned long long)any_upto(UINT64_MAX),
		 (unsigned long long)any_upto(UINT64_MAX), (unsigned long long)any_upto(UINT64_MAX),
		 (unsigned long long)any_upto(UINT64_MAX));
}

/* What shows memory or the number of CPUs: expected by what was written. */
static void check_through_files(unsigned long round)
{
	static const char *const paths[] = {
		"proc/meminfo", "proc/swaps", "proc/buddyinfo", "proc/zoneinfo", "proc/cpuinfo",
		"proc/interrupts", CPU "online", CPU "cpu0/topology/package_cpus",
		NODE "node0/cpulist",
	};
	cleanup_buf struct buf online = { 0 }, cpuinfo = { 0 }, irqs = { 0 };
	struct snapshot s;
	struct want w;

	seed = round;
	s = (struct snapshot){ .cpus = 1 + any(CPUS_MOST / 60) };
	make_memory(&s);
	s.huge = (struct huge_pages){ 0 }; /* nobody has any */
	s.memory.total = s.host.total * 1024;
	s.swap.total = s.host.swap_total * 1024;
	s.swap.used = (s.host.swap_total - s.host.swap_free) * 1024;
	buf_addf(&s.meminfo, "SwapTotal:      %8" PRIu64 " kB\nSwapFree:       %8" PRIu64
		 " kB\nCommitLimit:    %8" PRIu64 " kB\n", s.host.swap_total, s.host.swap_free,
		 s.host.commit_limit);
	add_list(&online, s.cpus);
	give_cpuinfo(&cpuinfo, s.cpus);
	give_interrupts(&irqs, s.cpus);
	host.texts[HOST_CPU_ONLINE] = buf_text(&online);
	host.texts[HOST_MEMINFO] = buf_text(&s.meminfo);
	host.texts[HOST_CPUINFO] = buf_text(&cpuinfo);
	host.texts[HOST_INTERRUPTS] = buf_text(&irqs);
	set_limits(&s, any(5));
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		const struct file *file = file_at(strstr(paths[i], "topology") ?
						  CPU "cpu#/topology/package_cpus" : paths[i]);

		w = want_of(&s, file->read == read_cpuinfo ? buf_text(&cpuinfo) :
				file->read == read_columns ? buf_text(&irqs) : "1\n");
		buf_reset(&text);
		ck_assert_int_eq(view_render(view, inner, slot_at(inner, paths[i]), &text), 0);
		read_text(file, paths[i], round, &w, 0);
	}
	snapshot_free(&s);
}

START_TEST(through_files)
{
	for (unsigned long round = 0; round < rounds / ROUNDS_OF_FILES; round++) {
		outer = fake_cgroup(TREE_ROOT, "outer");
		inner = fake_cgroup(outer, "inner");
		check_through_files(round);
		fake_remove(&tree, inner);
		fake_remove(&tree, outer);
	}
}
END_TEST

int main(void)
{
	const TTest *tests[] = { snapshots, through_files };
	const char *asked = getenv("CTLFS_VIEW_ROUNDS");
	int status;

	rounds = asked ? strtoul(asked, NULL, 10) : ROUNDS;
	if (asked)
		setenv("CK_DEFAULT_TIMEOUT", "0", 1);
	status = run_suite("view_random", tests, ARRAY_SIZE(tests));
	buf_free(&given);
	buf_free(&text);
	return status;
}
