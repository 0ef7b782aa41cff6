/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a container writes to a file that has a ceiling. The first byte says which file. What would
 * be written instead means the same to the kernel's parser and is not above the ceiling.
 */
#include "fuzz.h"

#include <errno.h>

#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "kernel/policy.h"

static const struct {
	const char *file, *ceiling;
	uint64_t value;
} rows[] = {
	{ "memory.max", "1G", 1ULL << 30 }, { "pids.max", "500", 500 },
	{ "cpu.weight", "200", 200 }, { "cpu.max", "150%", 150000 },
	{ "cgroup.max.depth", "7", 7 }, { "memory.swap.max", "4097", 4097 },
};

/* The unlimited of the kernel is above everything. */
static void check_number(size_t row, const char *text)
{
	cleanup_free char *copy = strdup(text);
	uint64_t value = 0;
	int64_t count = 0;

	if (!strncmp(rows[row].file, "memory.", 7)) {
		ck_assert_int_eq(parse_memory(parse_strip(copy), &value), 0);
	} else {
		ck_assert_int_eq(parse_s64(copy, 0, &count), 0);
		ck_assert(count >= 0);
		value = (uint64_t)count;
	}
	ck_assert(value <= rows[row].value);
}

static void check_cpus(const char *text)
{
	struct cpu_max max;

	ck_assert_int_eq(parse_cpu_max(text, &max), 0);
	ck_assert(max.has_period && !max.unlimited);
	/* Neither wraps when it becomes nanoseconds. */
	ck_assert(max.quota <= UINT64_MAX / 1000 && max.period <= UINT64_MAX / 1000);
	ck_assert((unsigned __int128)max.quota * 100000 <=
		  (unsigned __int128)max.period * 150000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t row = size ? *data % ARRAY_SIZE(rows) : 0;
	struct rule at = { .cgroup = "/a", .file = (char *)rows[row].file, .where = "x:1" };
	cleanup_free char *text = size ? fuzz_text(data + 1, size - 1) : strdup("");
	cleanup_buf struct buf out = { 0 };
	struct policy *p;
	int r;

	ck_assert_int_eq(policy_new(false, &p), 0);
	ck_assert_int_eq(policy_add(p, &at, NULL, rows[row].ceiling), 0);
	r = ceiling_apply(policy_find(p, "/a", rows[row].file), "max 100000\n", text, &out);
	ck_assert(r == 0 || r == -EPERM || r == -EINVAL || r == -ERANGE);
	if (r < 0)
		ck_assert_uint_eq(out.len, 0);
	else if (!strcmp(rows[row].file, "cpu.max"))
		check_cpus(buf_text(&out));
	else
		check_number(row, buf_text(&out));
	policy_free(p);
	why_take();
	return 0;
}
