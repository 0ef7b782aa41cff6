/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cpu controller.
 *
 * cpu.stat tells how much CPU time the members and their descendants have had since the cgroup was
 * made, also those that have ended, as last seen; it exists without the controller too.
 * cpu.max is kept by bandwidth.c; where the emulator was told to spread it also bounds the number
 * of CPUs that members run on. Weights and idle are kept and read back as the kernel does, but
 * nobody is slowed down by them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "cpu.h"
#include "emul.h"

/* Bounds of cpu.max, in microseconds. */
#define PERIOD_MIN 1000ULL
#define PERIOD_MAX 1000000ULL
#define PERIOD_DEFAULT 100000ULL
#define RUNTIME_MAX ((1ULL << 44) - 1)

#define USEC 1000ULL /* nanoseconds */

#define WEIGHT_MIN 1
#define WEIGHT_MAX 10000
#define WEIGHT_DEFAULT 100

#define NICE_MIN (-20)
#define NICE_MAX 19

/* Weights are kept as the scheduler's shares, whose unit is that of nice_shares. */
#define SHARES_DEFAULT 1024
#define SHARES_IDLE 3

/* The scheduler's share of a process, by nice value from -20. */
static const int nice_shares[] = {
	88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916,
	9548,  7620,  6100,  4904,  3906,  3121,  2501,	 1991,	1586,  1277,
	1024,  820,   655,   526,   423,   335,	  272,	 215,	172,   137,
	110,   87,    70,    56,    45,	   36,	  29,	 23,	18,    15,
};

static void cpu_init(struct cgroup *cg, struct css *css)
{
	struct cpu *cpu = (struct cpu *)css;

	(void)cg;
	cpu->shares = SHARES_DEFAULT;
	cpu->quota = NO_QUOTA;
	cpu->period = PERIOD_DEFAULT * USEC;
}

/* A limit may have gone with it. */
static void cpu_exit(struct cgroup *cg, struct css *css)
{
	struct cpu *cpu = (struct cpu *)css;

	bandwidth_free(cg);
	if (cpu->quota != NO_QUOTA) {
		cpu->quota = NO_QUOTA;
		emul_spread(cg);
	}
}

static void cpu_populated(struct cgroup *cg, struct css *css)
{
	(void)css;
	bandwidth_set_up(cg);
}

/* --- weight and idle ------------------------------------------------------------------------ */

static int refuse_idle(void)
{
	return refuse(EINVAL, "cpu.idle is 1: an idle cgroup has no weight to set");
}

static uint64_t weight_read(struct cgroup *cg)
{
	int weight = (cpu_of(cg)->shares * WEIGHT_DEFAULT + SHARES_DEFAULT / 2) / SHARES_DEFAULT;

	if (weight < WEIGHT_MIN && !emul_is(cg->emul, EMUL_6_1)) /* idle */
		return WEIGHT_MIN;
	return (uint64_t)(weight > WEIGHT_MAX ? WEIGHT_MAX : weight);
}

static int weight_write(struct cgroup *cg, uint64_t weight)
{
	if (weight < WEIGHT_MIN || weight > WEIGHT_MAX)
		return refuse(ERANGE, "cpu.weight is from %d to %d", WEIGHT_MIN, WEIGHT_MAX);
	if (cpu_of(cg)->idle)
		return refuse_idle();
	cpu_of(cg)->shares =
		((int)weight * SHARES_DEFAULT + WEIGHT_DEFAULT / 2) / WEIGHT_DEFAULT;
	return 0;
}

/* The nice value with the nearest share. */
static int64_t nice_read(struct cgroup *cg)
{
	int shares = cpu_of(cg)->shares, nearest = 0;

	for (int i = 1; i < (int)ARRAY_SIZE(nice_shares); i++) {
		if (abs(nice_shares[i] - shares) < abs(nice_shares[nearest] - shares))
			nearest = i;
	}
	return nearest + NICE_MIN;
}

static int nice_write(struct cgroup *cg, int64_t nice)
{
	if (nice < NICE_MIN || nice > NICE_MAX)
		return refuse(ERANGE, "cpu.weight.nice is from %d to %d", NICE_MIN, NICE_MAX);
	if (cpu_of(cg)->idle)
		return refuse_idle();
	cpu_of(cg)->shares = nice_shares[nice - NICE_MIN];
	return 0;
}

static int64_t idle_read(struct cgroup *cg)
{
	return cpu_of(cg)->idle;
}

/* Leaving idle gives the default weight, not the one before. */
static int idle_write(struct cgroup *cg, int64_t idle)
{
	struct cpu *cpu = cpu_of(cg);

	if (idle != 0 && idle != 1)
		return refuse(EINVAL, "cpu.idle is 0 or 1");
	if (cpu->idle != idle) {
		cpu->idle = idle;
		cpu->shares = idle ? SHARES_IDLE : SHARES_DEFAULT;
	}
	return 0;
}

/* --- bandwidth ------------------------------------------------------------------------------ */

static int bandwidth_set(struct cgroup *cg, uint64_t quota, uint64_t period, uint64_t burst)
{
	struct cpu *cpu = cpu_of(cg);

	if (quota < PERIOD_MIN * USEC || period < PERIOD_MIN * USEC)
		return refuse(EINVAL, "quota and period of cpu.max are at least %llu us",
			      PERIOD_MIN);
	if (period > PERIOD_MAX * USEC)
		return refuse(EINVAL, "the period of cpu.max is at most %llu us", PERIOD_MAX);
	if (quota != NO_QUOTA) {
		if (quota > RUNTIME_MAX * USEC)
			return refuse(EINVAL, "the quota of cpu.max is at most %llu us",
				      RUNTIME_MAX);
		if (burst > quota)
			return refuse(EINVAL, "cpu.max.burst would exceed the quota of cpu.max");
		if (burst + quota > RUNTIME_MAX * USEC)
			return refuse(EINVAL, "quota and burst together are at most %llu us",
				      RUNTIME_MAX);
	}
	cpu->quota = quota;
	cpu->period = period;
	cpu->burst = burst;
	bandwidth_set_up(cg);
	emul_spread(cg);
	return 0;
}

static int max_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	const struct cpu *cpu = cpu_of(f->cg);

	(void)reader;
	if (cpu->quota == NO_QUOTA)
		buf_adds(out, "max");
	else
		buf_addu(out, cpu->quota / USEC);
	buf_addf(out, " %llu\n", (unsigned long long)(cpu->period / USEC));
	return 0;
}

static int max_write(struct emul_open *f, const struct caller *writer, char *text)
{
	const struct cpu *cpu = cpu_of(f->cg);
	struct cpu_max b;

	(void)writer;
	if (parse_cpu_max(text, &b) < 0)
		return refuse(EINVAL, "cpu.max takes \"max\" or a quota, and a period, in us");
	return bandwidth_set(f->cg, b.unlimited ? NO_QUOTA : b.quota * USEC,
			     b.has_period ? b.period * USEC : cpu->period, cpu->burst);
}

static uint64_t burst_read(struct cgroup *cg)
{
	return cpu_of(cg)->burst / USEC;
}

static int burst_write(struct cgroup *cg, uint64_t usec)
{
	const struct cpu *cpu = cpu_of(cg);

	if (usec > UINT64_MAX / USEC)
		return refuse(EINVAL, "cpu.max.burst is too large");
	return bandwidth_set(cg, cpu->quota, cpu->period, usec * USEC);
}

unsigned cpu_paid(const struct cgroup *cg)
{
	uint64_t least = 0;

	for (; cg; cg = cg->parent) {
		const struct cpu *cpu = cpu_of(cg);
		uint64_t cpus;

		if (!cpu || cpu->quota == NO_QUOTA)
			continue;
		cpus = (cpu->quota + cpu->period - 1) / cpu->period;
		if (!least || cpus < least)
			least = cpus;
	}
	return least > UINT_MAX ? UINT_MAX : (unsigned)least;
}

/* --- statistics ----------------------------------------------------------------------------- */

static int stat_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	struct bandwidth_stat b;
	struct usage u;
	int error = emul_usage(f->cg, &u);

	(void)reader;
	if (error)
		return error;
	buf_addf(out, "usage_usec %llu\nuser_usec %llu\nsystem_usec %llu\n",
		 (unsigned long long)((u.user_ns + u.system_ns) / USEC),
		 (unsigned long long)(u.user_ns / USEC), (unsigned long long)(u.system_ns / USEC));
	if (!emul_is(f->cg->emul, EMUL_6_1))
		buf_addf(out, "nice_usec %llu\n", (unsigned long long)(u.nice_ns / USEC));
	if (!cpu_of(f->cg))
		return 0;
	bandwidth_read(f->cg, &b);
	buf_addf(out, "nr_periods %llu\nnr_throttled %llu\nthrottled_usec %llu\nnr_bursts %llu\n"
		      "burst_usec %llu\n",
		 (unsigned long long)b.nr_periods, (unsigned long long)b.nr_throttled,
		 (unsigned long long)(b.throttled_ns / USEC), (unsigned long long)b.nr_bursts,
		 (unsigned long long)(b.burst_ns / USEC));
	return 0;
}

static int stat_local_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	struct bandwidth_stat b;

	(void)reader;
	if (!cpu_of(f->cg))
		return 0;
	bandwidth_read(f->cg, &b);
	buf_addf(out, "throttled_usec %llu\n", (unsigned long long)(b.local_ns / USEC));
	return 0;
}

const struct emul_file cpu_base_files[] = {
	{ .name = "cpu.stat", .mode = 0444, .flags = EMUL_USAGE, .show = stat_show },
	{ .name = "cpu.stat.local",
	  .mode = 0444,
	  .not_in = EMUL_BIT(EMUL_6_1),
	  .show = stat_local_show },
	{ 0 },
};

const struct emul_file cpu_files[] = {
	{ .name = "cpu.weight",
	  .mode = 0644,
	  .flags = ROW_NOT_ON_ROOT,
	  .read_u64 = weight_read,
	  .write_u64 = weight_write },
	{ .name = "cpu.weight.nice",
	  .mode = 0644,
	  .flags = ROW_NOT_ON_ROOT,
	  .read_s64 = nice_read,
	  .write_s64 = nice_write },
	{ .name = "cpu.idle",
	  .mode = 0644,
	  .flags = ROW_NOT_ON_ROOT,
	  .read_s64 = idle_read,
	  .write_s64 = idle_write },
	{ .name = "cpu.max",
	  .mode = 0644,
	  .flags = ROW_NOT_ON_ROOT | EMUL_MEMBERS_WRITE, /* those born since are spread too */
	  .show = max_show,
	  .write = max_write },
	{ .name = "cpu.max.burst",
	  .mode = 0644,
	  .flags = ROW_NOT_ON_ROOT,
	  .read_u64 = burst_read,
	  .write_u64 = burst_write },
	{ 0 },
};

const struct controller cpu_controller = {
	.name = "cpu",
	.id = CTRL_CPU,
	.threaded = true,
	.css_size = sizeof(struct cpu),
	.css_init = cpu_init,
	.css_exit = cpu_exit,
	.populated = cpu_populated,
};
