/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The texts of cgroup v1, said in those of v2. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/keyed.h"
#include "ctlfs/parse.h"
#include "internal.h"

#define NSEC_PER_USEC 1000
#define USEC_PER_SEC UINT64_C(1000000)
/* No limit is the greatest multiple of a page below 2^63; pages have up to 64 KiB. */
#define NO_LIMIT ((UINT64_C(1) << 63) - (64 << 10))
#define UNLIMITED UINT64_MAX
#define ABSENT UINT64_MAX

#define SHARES_DEFAULT 1024
#define WEIGHT_DEFAULT 100
#define WEIGHT_MAX 10000

int text_number(const char *text, uint64_t *ret_value)
{
	return parse_u64(text, 10, ret_value) < 0 ? -EIO : 0;
}

int text_limit(const char *text, uint64_t *ret_value)
{
	uint64_t value;
	int r = text_number(text, &value);

	if (r == 0)
		*ret_value = value >= NO_LIMIT ? UNLIMITED : value;
	return r;
}

void text_add_limit(uint64_t value, struct buf *out)
{
	if (value == UNLIMITED)
		buf_adds(out, "max");
	else
		buf_addu(out, value);
	buf_adds(out, "\n");
}

int text_cpu_max(const char *quota, const char *period, struct buf *out)
{
	uint64_t period_usec;
	int64_t quota_usec;

	if (parse_s64(quota, 10, &quota_usec) < 0 || text_number(period, &period_usec) < 0 ||
	    !period_usec)
		return -EIO;
	if (quota_usec < 0)
		buf_adds(out, "max");
	else
		buf_addu(out, (uint64_t)quota_usec);
	buf_addf(out, " %" PRIu64 "\n", period_usec);
	return 0;
}

int text_weight(const char *shares, struct buf *out)
{
	uint64_t value, weight;
	int r = text_number(shares, &value);

	if (r < 0)
		return r;
	weight = value > (uint64_t)WEIGHT_MAX * SHARES_DEFAULT ?
			 WEIGHT_MAX :
			 (value * WEIGHT_DEFAULT + SHARES_DEFAULT / 2) / SHARES_DEFAULT;
	if (weight > WEIGHT_MAX)
		weight = WEIGHT_MAX;
	buf_addf(out, "%" PRIu64 "\n", weight ? weight : 1);
	return 0;
}

/* usage is in nanoseconds, stat in clock ticks. */
int text_cpu_usage(const char *usage, const char *stat, struct buf *out)
{
	uint64_t ticks_per_sec = (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t nsec, user, system;
	const struct keyed keys[] = { { "user", &user }, { "system", &system } };

	if (text_number(usage, &nsec) < 0 ||
	    keyed_read(stat, keys, ARRAY_SIZE(keys)) != ARRAY_SIZE(keys))
		return -EIO;
	buf_addf(out, "usage_usec %" PRIu64 "\nuser_usec %" PRIu64 "\nsystem_usec %" PRIu64 "\n",
		 nsec / NSEC_PER_USEC, user * (USEC_PER_SEC / ticks_per_sec),
		 system * (USEC_PER_SEC / ticks_per_sec));
	return 0;
}

int text_throttling(const char *stat, struct buf *out)
{
	static const struct {
		const char *from, *to;
		unsigned divisor;
	} rows[] = {
		{ "nr_periods", "nr_periods", 1 },
		{ "nr_throttled", "nr_throttled", 1 },
		{ "throttled_time", "throttled_usec", NSEC_PER_USEC },
		{ "nr_bursts", "nr_bursts", 1 },
		{ "burst_time", "burst_usec", NSEC_PER_USEC },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t value;
		const struct keyed key = { rows[i].from, &value };

		if (keyed_read(stat, &key, 1))
			buf_addf(out, "%s %" PRIu64 "\n", rows[i].to, value / rows[i].divisor);
	}
	return 0;
}

/* In the order of v2. Each is there as "total_NAME", with that of the descendants. */
static const struct {
	const char *from, *to;
} memory_rows[] = {
	{ "total_rss", "anon" },
	{ "total_cache", "file" },
	{ "total_shmem", "shmem" },
	{ "total_mapped_file", "file_mapped" },
	{ "total_dirty", "file_dirty" },
	{ "total_writeback", "file_writeback" },
	{ "total_swapcached", "swapcached" },
	{ "total_rss_huge", "anon_thp" },
	{ "total_inactive_anon", "inactive_anon" },
	{ "total_active_anon", "active_anon" },
	{ "total_inactive_file", "inactive_file" },
	{ "total_active_file", "active_file" },
	{ "total_unevictable", "unevictable" },
	{ "total_pgfault", "pgfault" },
	{ "total_pgmajfault", "pgmajfault" },
};

int text_memory_stat(const char *stat, struct buf *out)
{
	uint64_t values[ARRAY_SIZE(memory_rows)];
	struct keyed keys[ARRAY_SIZE(memory_rows)];

	for (size_t i = 0; i < ARRAY_SIZE(memory_rows); i++) {
		values[i] = ABSENT;
		keys[i] = (struct keyed){ memory_rows[i].from, &values[i] };
	}
	if (!keyed_read(stat, keys, ARRAY_SIZE(keys)))
		return -EIO;
	for (size_t i = 0; i < ARRAY_SIZE(memory_rows); i++) {
		if (values[i] != ABSENT)
			buf_addf(out, "%s %" PRIu64 "\n", memory_rows[i].to, values[i]);
	}
	return 0;
}

/* What a device read, wrote and discarded, by lines "MAJ:MIN Read NUMBER". */
static void device_numbers(const char *text, const char *device, uint64_t ret_numbers[3])
{
	static const char *const kinds[] = { "Read", "Write", "Discard" };
	char names[ARRAY_SIZE(kinds)][40];
	struct keyed keys[ARRAY_SIZE(kinds)];

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		snprintf(names[i], sizeof names[i], "%s %s", device, kinds[i]);
		ret_numbers[i] = 0;
		keys[i] = (struct keyed){ names[i], &ret_numbers[i] };
	}
	keyed_read(text, keys, ARRAY_SIZE(keys));
}

int text_io_stat(const char *bytes, const char *ios, struct buf *out)
{
	for (const char *line = bytes; line; line = strchr(line, '\n')) {
		unsigned major, minor;
		int end = 0;
		uint64_t b[3], n[3];
		char device[24];

		line += *line == '\n';
		if (sscanf(line, "%u:%u Read %n", &major, &minor, &end) != 2 || !end)
			continue;
		snprintf(device, sizeof device, "%u:%u", major, minor);
		device_numbers(bytes, device, b);
		device_numbers(ios, device, n);
		buf_addf(out,
			 "%s rbytes=%" PRIu64 " wbytes=%" PRIu64 " rios=%" PRIu64 " wios=%" PRIu64
			 " dbytes=%" PRIu64 " dios=%" PRIu64 "\n",
			 device, b[0], b[1], n[0], n[1], b[2], n[2]);
	}
	return 0;
}
