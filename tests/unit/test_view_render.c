/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Renderers: from fixed snapshots to exact texts, and from random ones to texts that add up. */
#include "test_view.h"

#include <inttypes.h>

#include "view/rows.h"
#include "suite.h"

static struct buf text;

static const char *rendered(view_render_fn *render, const struct snapshot *s, unsigned cpu)
{
	buf_reset(&text);
	render(s, cpu, &text);
	ck_assert_int_eq(buf_error(&text), 0);
	return buf_text(&text);
}

static void give_text(struct snapshot *s, const char *content)
{
	buf_reset(&s->text);
	buf_adds(&s->text, content);
}

#define KIB(n) ((n) * UINT64_C(1024))

static const char meminfo[] =
	"MemTotal:         262144 kB\n"
	"MemFree:          162144 kB\n"
	"MemAvailable:     192145 kB\n"
	"Buffers:               0 kB\n"
	"Cached:            29998 kB\n"
	"SwapCached:            2 kB\n"
	"Active:            30000 kB\n"
	"Inactive:          46000 kB\n"
	"Active(anon):      10000 kB\n"
	"Inactive(anon):    36000 kB\n"
	"Active(file):      20000 kB\n"
	"Inactive(file):    10000 kB\n"
	"Unevictable:          11 kB\n"
	"Mlocked:               0 kB\n"
	"SwapTotal:          8192 kB\n"
	"SwapFree:           8092 kB\n"
	"Zswap:                 3 kB\n"
	"Zswapped:              9 kB\n"
	"Dirty:                12 kB\n"
	"Writeback:            13 kB\n"
	"AnonPages:         46000 kB\n"
	"Mapped:               14 kB\n"
	"Shmem:                15 kB\n"
	"KReclaimable:          1 kB\n"
	"Slab:                  5 kB\n"
	"SReclaimable:          1 kB\n"
	"SUnreclaim:            4 kB\n"
	"KernelStack:          16 kB\n"
	"PageTables:           17 kB\n"
	"SecPageTables:        18 kB\n"
	"NFS_Unstable:          0 kB\n"
	"Bounce:                0 kB\n"
	"WritebackTmp:          0 kB\n"
	"CommitLimit:      139264 kB\n"
	"Committed_AS:      46115 kB\n"
	"VmallocTotal:   34359738367 kB\n"
	"VmallocUsed:          19 kB\n"
	"VmallocChunk:          0 kB\n"
	"Percpu:               20 kB\n"
	"AnonHugePages:        21 kB\n"
	"ShmemHugePages:       22 kB\n"
	"ShmemPmdMapped:        0 kB\n"
	"FileHugePages:        23 kB\n"
	"FilePmdMapped:         0 kB\n"
	"HugePages_Total:       0\n"
	"HugePages_Free:        0\n"
	"HugePages_Rsvd:        0\n"
	"HugePages_Surp:        0\n"
	"Hugepagesize:       2048 kB\n"
	"Hugetlb:               0 kB\n";

START_TEST(memory)
{
	struct snapshot s = {
		.memory = { .accounted = true, .total = KIB(262144), .usage = KIB(100000) },
		.swap = { .total = KIB(8192), .used = KIB(100) },
		.host = { .total = 16000000, .swap_total = 4000000, .commit_limit = 12000000,
			  .vmalloc_total = 34359738367, .huge_page = 2048 },
	};
	static const uint64_t stat[STAT_COUNT] = {
		[STAT_ANON] = 46000, [STAT_FILE] = 30000, [STAT_KERNEL_STACK] = 16,
		[STAT_PAGETABLES] = 17, [STAT_SEC_PAGETABLES] = 18, [STAT_PERCPU] = 20,
		[STAT_VMALLOC] = 19, [STAT_SHMEM] = 15, [STAT_ZSWAP] = 3, [STAT_ZSWAPPED] = 9,
		[STAT_FILE_MAPPED] = 14, [STAT_FILE_DIRTY] = 12, [STAT_FILE_WRITEBACK] = 13,
		[STAT_SWAPCACHED] = 2, [STAT_ANON_THP] = 21, [STAT_FILE_THP] = 23,
		[STAT_SHMEM_THP] = 22, [STAT_INACTIVE_ANON] = 36000,
		[STAT_ACTIVE_ANON] = 10000, [STAT_INACTIVE_FILE] = 10000,
		[STAT_ACTIVE_FILE] = 20000, [STAT_UNEVICTABLE] = 11,
		[STAT_SLAB_RECLAIMABLE] = 1, [STAT_SLAB_UNRECLAIMABLE] = 4,
	};

	for (int i = 0; i < STAT_COUNT; i++)
		s.memory.stat[i] = KIB(stat[i]);
	ck_assert_str_eq(rendered(render_meminfo, &s, 0), meminfo);

	/* What nobody accounts is the machine's. */
	s.memory.accounted = false;
	buf_adds(&s.meminfo, MEMINFO);
	ck_assert_str_eq(rendered(render_meminfo, &s, 0), MEMINFO);
	snapshot_free(&s);
}
END_TEST

/* Numbers of all sizes, mostly of the same few. */
static uint64_t random_bytes(void)
{
	return ((uint64_t)random() << 20 ^ (uint64_t)random()) >> (random() % 52);
}

static uint64_t value_of(const char *content, const char *key)
{
	const char *line = strstr(content, key);
	uint64_t value;

	ck_assert_msg(line && (line == content || line[-1] == '\n'), "no %s", key);
	ck_assert_int_eq(sscanf(line + strlen(key), " %" SCNu64, &value), 1);
	return value;
}

static bool is_of(const char *line, const char *const *keys)
{
	for (; *keys; keys++) {
		if (strncmp(line, *keys, strlen(*keys)) == 0)
			return true;
	}
	return false;
}

/* Nothing of memory is more than all of it, whatever the numbers are. */
START_TEST(memory_bounds)
{
	static const char *const others[] = { "CommitLimit:", "Committed_AS:", "VmallocTotal:",
					      "Hugepagesize:", NULL };
	static const char *const swaps[] = { "SwapTotal:", "SwapFree:", "Zswapped:", NULL };

	srandom(1);
	for (int round = 0; round < 20000; round++) {
		struct snapshot s = {
			.memory = { .accounted = true, .total = random_bytes(),
				    .usage = random_bytes() },
			.swap = { .total = random_bytes(), .used = random_bytes() },
			.host = { .total = random_bytes(), .swap_total = random_bytes(),
				  .commit_limit = random_bytes() },
		};
		const char *content, *line;
		uint64_t total, swap_total;

		for (int i = 0; i < STAT_COUNT; i++)
			s.memory.stat[i] = random_bytes();
		content = rendered(render_meminfo, &s, 0);
		total = value_of(content, "MemTotal:");
		swap_total = value_of(content, "SwapTotal:");
		ck_assert_uint_eq(total, s.memory.total / 1024);
		for (line = content; *line; line = strchr(line, '\n') + 1) {
			uint64_t value = strtoull(strchr(line, ':') + 1, NULL, 10);

			if (!is_of(line, others))
				ck_assert_msg(value <= (is_of(line, swaps) ? swap_total : total),
					      "%s", content);
		}
		ck_assert_uint_le(value_of(content, "MemFree:") + value_of(content, "Cached:"),
				  total);
		ck_assert_uint_ge(value_of(content, "MemAvailable:"),
				  value_of(content, "MemFree:"));
	}
}
END_TEST

START_TEST(swaps)
{
	static const char header[] = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
	struct snapshot s = { 0 };
	const char *content;

	ck_assert_str_eq(rendered(render_swaps, &s, 0), header);
	s.swap = (struct swap){ .total = KIB(8192), .used = KIB(100) + 1 };
	content = rendered(render_swaps, &s, 0);
	ck_assert_int_eq(strncmp(content, header, strlen(header)), 0);
	ck_assert_str_eq(content + strlen(header),
			 "none                                    virtual\t\t8192\t\t101\t\t0\n");
	s.swap = (struct swap){ .total = KIB(10000000), .used = KIB(20000000) };
	content = rendered(render_swaps, &s, 0);
	content += strlen(header);
	ck_assert_str_eq(content, "none                                    virtual\t\t"
				  "10000000\t10000000\t0\n");
}
END_TEST

START_TEST(times)
{
	struct cputime cpus[] = { { 10000, 20000, 30000, 45678900 }, { 19999, 0, 0, 40000 },
				  { 50000, 0, 0, 60000 } };
	struct snapshot s = { .times = { .cpus = cpus, .n = 3, .shown = 2 }, .btime = 1700000000,
			      .forks = 9, .tasks = { .running = 2, .blocked = 1, .threads = 7 },
			      .age = 12345678901, .last_pid = 42,
			      .load.avg = { 1024, 2048 * 3, 0 } };

	/* CPU 2 is one that the container no longer has: its time is in the sum. */
	ck_assert_str_eq(rendered(render_stat, &s, 0),
			 "cpu  7 2 3 4577 0 0 0 0 0 0\n"
			 "cpu0 1 2 3 4567 0 0 0 0 0 0\n"
			 "cpu1 1 0 0 4 0 0 0 0 0 0\n"
			 "intr 0\nctxt 0\nbtime 1700000000\nprocesses 9\nprocs_running 2\n"
			 "procs_blocked 1\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n");
	ck_assert_str_eq(rendered(render_uptime, &s, 0), "12.34 45.77\n");
	ck_assert_str_eq(rendered(render_loadavg, &s, 0), "0.50 3.00 0.00 2/7 42\n");
}
END_TEST

START_TEST(stat_of_machine)
{
	struct snapshot s = { 0 };

	/* CPU 1 is offline. */
	give_text(&s, "cpu  5 1\ncpu0 2 1\ncpu2 3 0\nintr 1 2\nctxt 7\n");
	ck_assert_str_eq(rendered(render_stat_of_machine, &s, 0),
			 "cpu  5 1\ncpu0 2 1\ncpu1 3 0\nintr 1 2\nctxt 7\n");
	snapshot_free(&s);
}
END_TEST

struct cpuinfo_case {
	unsigned cpus;
	const char *host, *want;
};

static const struct cpuinfo_case cpuinfos[] = {
	/* x86: two CPUs of a package with more of them */
	{ 2,
	  "processor\t: 4\nmodel name\t: A: B\nphysical id\t: 1\nsiblings\t: 8\ncore id\t\t: 6\n"
	  "cpu cores\t: 4\napicid\t\t: 12\ninitial apicid\t: 12\npower management:\n\n"
	  "processor\t: 5\ncore id\t\t: 6\nsiblings\t: 8\n\n"
	  "processor\t: 6\ncore id\t\t: 7\n\n",
	  "processor\t: 0\nmodel name\t: A: B\nphysical id\t: 0\nsiblings\t: 2\ncore id\t\t: 0\n"
	  "cpu cores\t: 2\napicid\t\t: 0\ninitial apicid\t: 0\npower management:\n\n"
	  "processor\t: 1\ncore id\t\t: 1\nsiblings\t: 2\n\n" },
	/* ARM: a last block about the machine */
	{ 1,
	  "processor\t: 0\nBogoMIPS\t: 48.00\n\nprocessor\t: 1\nBogoMIPS\t: 48.00\n\n"
	  "Hardware\t: BCM2835\nRevision\t: a02082\n",
	  "processor\t: 0\nBogoMIPS\t: 48.00\n\nHardware\t: BCM2835\nRevision\t: a02082\n" },
	/* s390: CPUs in the first block and in blocks of their own */
	{ 1,
	  "vendor_id       : IBM/S390\n# processors    : 2\nprocessor 0: version = FF\n"
	  "processor 1: version = FF\n\ncpu number      : 0\nversion : FF\n\n"
	  "cpu number      : 1\nversion : FF\n\n",
	  "vendor_id       : IBM/S390\n# processors    : 1\nprocessor 0: version = FF\n\n"
	  "cpu number      : 0\nversion : FF\n\n" },
	/* fewer in the text than the container has, no newline at the end, nothing at all */
	{ 4, "processor : 0", "processor : 0\n" },
	{ 4, "cpu model : x\n", "cpu model : x\n" },
	{ 4, "", "" },
};

START_TEST(cpuinfo)
{
	struct snapshot s = { .cpus = cpuinfos[_i].cpus };

	give_text(&s, cpuinfos[_i].host);
	ck_assert_str_eq(rendered(render_cpuinfo, &s, 0), cpuinfos[_i].want);
	snapshot_free(&s);
}
END_TEST

START_TEST(cpu_files)
{
	struct snapshot s = { .cpus = 1 };

	ck_assert_str_eq(rendered(render_cpu_all, &s, 0), "0\n");
	ck_assert_str_eq(rendered(render_own_mask, &s, 0), "1\n");
	s.cpus = 40;
	ck_assert_str_eq(rendered(render_cpu_all, &s, 0), "0-39\n");
	ck_assert_str_eq(rendered(render_cpu_none, &s, 0), "\n");
	ck_assert_str_eq(rendered(render_all_mask, &s, 0), "ff,ffffffff\n");
	ck_assert_str_eq(rendered(render_own_mask, &s, 33), "02,00000000\n");
	ck_assert_str_eq(rendered(render_own_list, &s, 33), "33\n");
	ck_assert_str_eq(rendered(render_number, &s, 33), "33\n");
	ck_assert_str_eq(rendered(render_zero, &s, 33), "0\n");
	s.cpus = 96;
	ck_assert_str_eq(rendered(render_own_mask, &s, 64), "00000001,00000000,00000000\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("view_render");
	TCase *tc = tcase_create("all");
	int status;

	tcase_add_test(tc, memory);
	tcase_add_test(tc, memory_bounds);
	tcase_add_test(tc, swaps);
	tcase_add_test(tc, times);
	tcase_add_test(tc, stat_of_machine);
	tcase_add_loop_test(tc, cpuinfo, 0, (int)ARRAY_SIZE(cpuinfos));
	tcase_add_test(tc, cpu_files);
	suite_add_tcase(suite, tc);
	status = suite_run(suite);
	buf_free(&text);
	return status;
}
