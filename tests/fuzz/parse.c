/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parsers of src/base: numbers, sizes, lists of CPUs, keyed lines. What a list of CPUs prints
 * must parse to the same list. */
#include "fuzz.h"

#include "ctlfs/cpulist.h"
#include "ctlfs/keyed.h"
#include "ctlfs/parse.h"

static void numbers(const char *text)
{
	uint64_t u = 0;
	int64_t s = 0;
	int i = 0;

	for (int base = 0; base <= 16; base += base ? 6 : 8) {
		cleanup_buf struct buf shown = { 0 };
		uint64_t again = 0;

		parse_s64(text, base, &s);
		parse_int(text, base, &i);
		if (parse_u64(text, base, &u) < 0)
			continue;
		buf_addu(&shown, u);
		ck_assert_int_eq(parse_u64(buf_text(&shown), 10, &again), 0);
		ck_assert_uint_eq(u, again);
	}
	parse_size(text, &u);
	parse_cpus(text, &u);
}

static void pieces(const char *text)
{
	const char *at = text, *end = text + strlen(text);
	uint64_t value;

	while (parse_scan(&at, &value) == 0)
		ck_assert(at > text && at <= end);
	for (at = text; at < end; at++) {
		const char *rest = at;

		parse_memparse(&rest);
		ck_assert(rest >= at && rest <= end);
	}
}

static void memory(char *text)
{
	uint64_t bytes = 1;

	if (parse_memory(parse_strip(text), &bytes) == 0 && bytes != UINT64_MAX)
		ck_assert_uint_eq(bytes % CTLFS_PAGE_SIZE, 0);
}

static void cpus(const char *text)
{
	cleanup_buf struct buf shown = { 0 };
	struct cpulist list, again;

	if (cpulist_parse(text, &list) < 0)
		return;
	cpulist_show(&list, &shown);
	if (shown.len) {
		ck_assert_int_eq(cpulist_parse(buf_text(&shown), &again), 0);
		ck_assert_int_eq(memcmp(&list, &again, sizeof list), 0);
	}
}

static void keyed(const char *text)
{
	uint64_t a = 0, b = 0;
	const struct keyed keys[] = { { "anon", &a }, { "MemTotal:", &b } };

	ck_assert(keyed_read(text, keys, ARRAY_SIZE(keys)) <= ARRAY_SIZE(keys));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_text(data, size);

	numbers(text);
	pieces(text);
	cpus(text);
	keyed(text);
	memory(text); /* changes it */
	return 0;
}
