/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The base library: numbers as the kernel takes them, CPU lists, keyed text, buffers, reasons. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/cpulist.h"
#include "ctlfs/keyed.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "suite.h"

/* What ret_ variables hold before a call, to see that a failure leaves them alone. */
#define UNTOUCHED 0x5a5a5a5a5a5a5a5aULL

struct number_case {
	const char *text;
	int base;
	int error;
	uint64_t value;
};

static const struct number_case u64_cases[] = {
	{ "0", 0, 0, 0 },
	{ "1\n", 0, 0, 1 },
	{ "+1", 0, 0, 1 },
	{ "01", 0, 0, 1 },
	{ "010", 0, 0, 8 },
	{ "010", 10, 0, 10 },
	{ "0x10", 0, 0, 16 },
	{ "0X1f", 0, 0, 31 },
	{ "0x10", 10, -EINVAL },
	{ "ff", 16, 0, 255 },
	{ "0xff", 16, 0, 255 },
	{ "18446744073709551615", 0, 0, UINT64_MAX },
	{ "0xffffffffffffffff", 0, 0, UINT64_MAX },
	{ "18446744073709551616", 0, -ERANGE },
	{ "99999999999999999999999 x", 0, -ERANGE },
	{ "", 0, -EINVAL },
	{ "\n", 0, -EINVAL },
	{ "+", 0, -EINVAL },
	{ "++1", 0, -EINVAL },
	{ "-1", 0, -EINVAL },
	{ "-0", 0, -EINVAL },
	{ " 1", 0, -EINVAL },
	{ "1 ", 0, -EINVAL },
	{ "1\n\n", 0, -EINVAL },
	{ "1\n2", 0, -EINVAL },
	{ "08", 0, -EINVAL },
	{ "0x", 0, -EINVAL },
	{ "0xg", 0, -EINVAL },
	{ "1.5", 0, -EINVAL },
	{ "1k", 0, -EINVAL },
	{ "max", 0, -EINVAL },
};

static const struct number_case s64_cases[] = {
	{ "-1", 0, 0, (uint64_t)-1 },
	{ "-0", 0, 0, 0 },
	{ "-010\n", 0, 0, (uint64_t)-8 },
	{ "-0x10", 0, 0, (uint64_t)-16 },
	{ "+7", 0, 0, 7 },
	{ "9223372036854775807", 0, 0, INT64_MAX },
	{ "9223372036854775808", 0, -ERANGE },
	{ "-9223372036854775808", 0, 0, (uint64_t)INT64_MIN },
	{ "-9223372036854775809", 0, -ERANGE },
	{ "-18446744073709551615", 0, -ERANGE },
	{ "-18446744073709551616", 0, -ERANGE },
	{ "-+1", 0, -EINVAL },
	{ "+-1", 0, -EINVAL },
	{ "- 1", 0, -EINVAL },
	{ "-", 0, -EINVAL },
	{ "-1 ", 0, -EINVAL },
};

static const struct number_case int_cases[] = {
	{ "2147483647", 0, 0, INT_MAX },
	{ "2147483648", 0, -ERANGE },
	{ "-2147483648", 0, 0, (uint64_t)INT_MIN },
	{ "-2147483649", 0, -ERANGE },
	{ "99999999999999999999999", 0, -ERANGE },
	{ "1 2", 0, -EINVAL },
};

static const struct number_case memory_cases[] = {
	{ "max", 0, 0, UINT64_MAX },
	{ "", 0, 0, 0 },
	{ "0", 0, 0, 0 },
	{ "1", 0, 0, 0 },
	{ "4095", 0, 0, 0 },
	{ "4096", 0, 0, 4096 },
	{ "8191", 0, 0, 4096 },
	{ "0x2000", 0, 0, 8192 },
	{ "020000", 0, 0, 8192 },
	{ "0x1E", 0, 0, 0 }, /* a digit, not a suffix */
	{ "4k", 0, 0, 4096 },
	{ "4K", 0, 0, 4096 },
	{ "1m", 0, 0, 1 << 20 },
	{ "1M", 0, 0, 1 << 20 },
	{ "1g", 0, 0, 1 << 30 },
	{ "1T", 0, 0, 1ULL << 40 },
	{ "1p", 0, 0, 1ULL << 50 },
	{ "1E", 0, 0, 1ULL << 60 },
	{ "7E", 0, 0, 7ULL << 60 },
	{ "8E", 0, 0, UINT64_MAX },
	{ "16E", 0, 0, 0 },
	{ "k", 0, 0, 0 },
	{ "9223372036854767616", 0, 0, 9223372036854767616ULL },
	{ "9223372036854771711", 0, 0, 9223372036854767616ULL },
	{ "9223372036854771712", 0, 0, UINT64_MAX },
	{ "18446744073709551615", 0, 0, UINT64_MAX },
	{ "18446744073709551616", 0, 0, 0 },
	{ "99999999999999999999999", 0, 0, 200376420520685568ULL },
	{ "-1", 0, -EINVAL },
	{ "+1", 0, -EINVAL },
	{ "1KB", 0, -EINVAL },
	{ "1 K", 0, -EINVAL },
	{ "1 2", 0, -EINVAL },
	{ "08", 0, -EINVAL },
	{ "0x", 0, -EINVAL },
	{ "MAX", 0, -EINVAL },
	{ "maxx", 0, -EINVAL },
	{ "max max", 0, -EINVAL },
};

static const struct number_case size_cases[] = {
	{ "0", 0, 0, 0 },
	{ "1000", 0, 0, 1000 },
	{ "010", 0, 0, 10 },
	{ "256M", 0, 0, 256 << 20 },
	{ "2g", 0, 0, 2ULL << 30 },
	{ "15E", 0, 0, 15ULL << 60 },
	{ "18446744073709551615", 0, 0, UINT64_MAX },
	{ "16E", 0, -ERANGE },
	{ "17179869184G", 0, -ERANGE },
	{ "18446744073709551616", 0, -ERANGE },
	{ "", 0, -EINVAL },
	{ "M", 0, -EINVAL },
	{ "1MB", 0, -EINVAL },
	{ "1 M", 0, -EINVAL },
	{ " 1", 0, -EINVAL },
	{ "-1", 0, -EINVAL },
	{ "max", 0, -EINVAL },
};

static const struct number_case cpus_cases[] = {
	{ "1", 0, 0, 100000 },
	{ "1.5", 0, 0, 150000 },
	{ "0.01", 0, 0, 1000 },
	{ "2.00001", 0, 0, 200001 },
	{ "0.333333333333", 0, 0, 33333 },
	{ "16.0", 0, 0, 1600000 },
	{ "175921860.44415", 0, 0, 17592186044415 },
	{ "175921860.44416", 0, -ERANGE },
	{ "0", 0, -ERANGE },
	{ "0.00999", 0, -ERANGE },
	{ "18446744073709551616", 0, -ERANGE },
	{ "", 0, -EINVAL },
	{ ".5", 0, -EINVAL },
	{ "1.", 0, -EINVAL },
	{ "1.5.5", 0, -EINVAL },
	{ "1,5", 0, -EINVAL },
	{ "-1", 0, -EINVAL },
	{ "two", 0, -EINVAL },
};

static int as_u64(const char *text, int base, uint64_t *ret_value)
{
	return parse_u64(text, base, ret_value);
}

static int as_s64(const char *text, int base, uint64_t *ret_value)
{
	return parse_s64(text, base, (int64_t *)ret_value);
}

static int as_int(const char *text, int base, uint64_t *ret_value)
{
	int value = (int)UNTOUCHED;
	int error = parse_int(text, base, &value);

	if (error)
		ck_assert_int_eq(value, (int)UNTOUCHED);
	else
		*ret_value = (uint64_t)value;
	return error;
}

static int as_memory(const char *text, int base, uint64_t *ret_value)
{
	(void)base;
	return parse_memory(text, ret_value);
}

static int as_size(const char *text, int base, uint64_t *ret_value)
{
	(void)base;
	return parse_size(text, ret_value);
}

static int as_cpus(const char *text, int base, uint64_t *ret_value)
{
	(void)base;
	return parse_cpus(text, ret_value);
}

static const struct {
	const char *name;
	int (*parse)(const char *text, int base, uint64_t *ret_value);
	const struct number_case *cases;
	size_t n;
} number_tables[] = {
	{ "parse_u64", as_u64, u64_cases, ARRAY_SIZE(u64_cases) },
	{ "parse_s64", as_s64, s64_cases, ARRAY_SIZE(s64_cases) },
	{ "parse_int", as_int, int_cases, ARRAY_SIZE(int_cases) },
	{ "parse_memory", as_memory, memory_cases, ARRAY_SIZE(memory_cases) },
	{ "parse_size", as_size, size_cases, ARRAY_SIZE(size_cases) },
	{ "parse_cpus", as_cpus, cpus_cases, ARRAY_SIZE(cpus_cases) },
};

START_TEST(numbers)
{
	for (size_t i = 0; i < number_tables[_i].n; i++) {
		const struct number_case *c = &number_tables[_i].cases[i];
		uint64_t value = UNTOUCHED, wanted = c->error ? UNTOUCHED : c->value;
		int error = number_tables[_i].parse(c->text, c->base, &value);

		ck_assert_msg(error == c->error && value == wanted,
			      "%s(\"%s\", %d) gives %d and %" PRIu64 ", not %d and %" PRIu64,
			      number_tables[_i].name, c->text, c->base, error, value, c->error,
			      wanted);
	}
}
END_TEST

START_TEST(pieces)
{
	const char *text = "  50000abc 0x10K 1";
	uint64_t value = UNTOUCHED;

	ck_assert_int_eq(parse_scan(&text, &value), 0);
	ck_assert_uint_eq(value, 50000);
	ck_assert_str_eq(text, "abc 0x10K 1");
	ck_assert_int_eq(parse_scan(&text, &value), -EINVAL);
	ck_assert_uint_eq(value, 50000);
	ck_assert_str_eq(text, "abc 0x10K 1");
	text += strlen("abc ");
	ck_assert_uint_eq(parse_memparse(&text), 16384);
	ck_assert_str_eq(text, " 1");
	ck_assert_uint_eq(parse_memparse(&text), 0);
	ck_assert_str_eq(text, " 1");
	text = "18446744073709551617";
	ck_assert_int_eq(parse_scan(&text, &value), 0);
	ck_assert_uint_eq(value, 1);
}
END_TEST

START_TEST(strip)
{
	static const char *const cases[][2] = {
		{ "", "" },	  { " \t\r\n\v\f", "" }, { "a", "a" },
		{ " a b\n\n", "a b" }, { "a\n", "a" },	 { "\xa0" "1\xa0", "1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[32];

		strcpy(text, cases[i][0]);
		ck_assert_str_eq(parse_strip(text), cases[i][1]);
	}
}
END_TEST

START_TEST(words)
{
	static const struct {
		const char *list, *word, *separators;
		bool has;
	} cases[] = {
		{ "cpuset cpu memory\n", "cpu", " \n", true },
		{ "cpuset cpu memory\n", "memory", " \n", true },
		{ "cpuset cpu memory\n", "cpuset", " \n", true },
		{ "cpuset memory\n", "cpu", " \n", false },
		{ "xcpu cpux", "cpu", " \n", false },
		{ "", "cpu", " \n", false },
		{ " \n", "", " \n", false },
		{ "rw,allow_other", "allow_other", ",", true },
		{ "rw,allow_other", "rw", ",", true },
		{ "rw,allow_other", "allow", ",", false },
		{ ",,cpuacct,,cpu,", "cpu", ",", true },
		{ "name=a b", "b", ",", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool has = parse_has_word(cases[i].list, cases[i].word, cases[i].separators);

		ck_assert_msg(has == cases[i].has, "%s in '%s'", cases[i].word, cases[i].list);
	}
}
END_TEST

static const struct {
	const char *text;
	int error;
	const char *shown;
} cpulist_cases[] = {
	{ "", 0, "" },
	{ "\n", 0, "" },
	{ ",", 0, "" },
	{ " \t", 0, "" },
	{ "0", 0, "0" },
	{ "0-2,7\n", 0, "0-2,7" },
	{ "0 1", 0, "0-1" },
	{ "1,0", 0, "0-1" },
	{ ",5,", 0, "5" },
	{ "010", 0, "10" },
	{ "0-0", 0, "0" },
	{ "62-65,127,128", 0, "62-65,127-128" },
	{ "1\n2", 0, "1" },
	{ "0-7:2/4", 0, "0-1,4-5" },
	{ "0-7:0/4", 0, "" },
	{ "3-9:1/3,1", 0, "1,3,6,9" },
	{ "all", 0, "0-8191" },
	{ "ALL:1/4096", 0, "0,4096" },
	{ "N", 0, "8191" },
	{ "8190-N", 0, "8190-8191" },
	{ "8192", -ERANGE, NULL },
	{ "0-8192", -ERANGE, NULL },
	{ "4294967294", -ERANGE, NULL },
	{ "4294967296", -EOVERFLOW, NULL },
	{ "99999999999999999999999", -EOVERFLOW, NULL },
	{ "1-0", -EINVAL, NULL },
	{ "0-", -EINVAL, NULL },
	{ "-", -EINVAL, NULL },
	{ "-1", -EINVAL, NULL },
	{ "+1", -EINVAL, NULL },
	{ "0x1", -EINVAL, NULL },
	{ "1.5", -EINVAL, NULL },
	{ "a", -EINVAL, NULL },
	{ "0-1:2/1", -EINVAL, NULL },
	{ "0-1:0/0", -EINVAL, NULL },
	{ "0-1:1", -EINVAL, NULL },
	{ "0-1:1/", -EINVAL, NULL },
	{ "1,x", -EINVAL, NULL },
};

START_TEST(cpulists)
{
	for (size_t i = 0; i < ARRAY_SIZE(cpulist_cases); i++) {
		const char *text = cpulist_cases[i].text, *shown = cpulist_cases[i].shown;
		cleanup_buf struct buf out = { 0 };
		struct cpulist list = { { 1ULL << 42 } }, again;
		int error = cpulist_parse(text, &list);

		ck_assert_msg(error == cpulist_cases[i].error, "\"%s\": %d", text, error);
		cpulist_show(&list, &out);
		ck_assert_str_eq(buf_text(&out), error ? "42" : shown);
		if (error)
			continue;
		ck_assert_int_eq(cpulist_parse(buf_text(&out), &again), 0);
		ck_assert_mem_eq(&list, &again, sizeof(list));
	}
}
END_TEST

START_TEST(cpulist_members)
{
	struct cpulist list;

	cpulist_first(&list, 66);
	ck_assert_uint_eq(cpulist_count(&list), 66);
	ck_assert(cpulist_has(&list, 65));
	ck_assert(!cpulist_has(&list, 66));
	ck_assert(!cpulist_has(&list, CPUS_MAX));
	cpulist_set(&list, CPUS_MAX - 1);
	cpulist_set(&list, CPUS_MAX); /* no such CPU */
	ck_assert_uint_eq(cpulist_count(&list), 67);
	ck_assert_int_eq(cpulist_next(&list, -1), 0);
	ck_assert_int_eq(cpulist_next(&list, 63), 64);
	ck_assert_int_eq(cpulist_next(&list, 65), CPUS_MAX - 1);
	ck_assert_int_eq(cpulist_next(&list, CPUS_MAX - 1), -1);
	cpulist_first(&list, 0);
	ck_assert_int_eq(cpulist_next(&list, -1), -1);
}
END_TEST

START_TEST(keyed)
{
	uint64_t anon = 1, file_mapped = 2, file = 3, absent = 4, word = 5, total = 6;
	const struct keyed keys[] = {
		{ "absent", &absent }, { "file_mapped", &file_mapped }, { "anon", &anon },
		{ "file", &file },     { "word", &word },
	};
	const struct keyed meminfo[] = { { "MemTotal:", &total } };

	ck_assert_uint_eq(keyed_read("anon 10\nfile 20\nfile_mapped 30\nword none\nanon_thp 40",
				     keys, ARRAY_SIZE(keys)),
			  3);
	ck_assert_uint_eq(anon, 10);
	ck_assert_uint_eq(file, 20);
	ck_assert_uint_eq(file_mapped, 30);
	ck_assert_uint_eq(absent, 4);
	ck_assert_uint_eq(word, 5);
	ck_assert_uint_eq(keyed_read("MemFree: 1 kB\nMemTotal:       4022340 kB\n", meminfo, 1), 1);
	ck_assert_uint_eq(total, 4022340);
	ck_assert_uint_eq(keyed_read("", meminfo, 1), 0);
	ck_assert_uint_eq(keyed_read("anon 18446744073709551615", keys, ARRAY_SIZE(keys)), 1);
	ck_assert_uint_eq(anon, UINT64_MAX);
}
END_TEST

START_TEST(buffer)
{
	cleanup_buf struct buf b = { 0 };
	char *big = malloc(100001);

	ck_assert_str_eq(buf_text(&b), "");
	buf_cut(&b, 0);
	buf_adds(&b, "a");
	buf_add(&b, "bc\0d", 4);
	ck_assert_uint_eq(b.len, 5);
	buf_cut(&b, 3);
	ck_assert_str_eq(buf_text(&b), "abc");
	buf_addu(&b, 0);
	buf_addu(&b, UINT64_MAX);
	ck_assert_str_eq(buf_text(&b), "abc018446744073709551615");
	buf_reset(&b);
	ck_assert_str_eq(buf_text(&b), "");
	memset(big, 'x', 100000);
	big[100000] = '\0';
	buf_addf(&b, "%d%s%d", 1, big, 2);
	ck_assert_uint_eq(b.len, 100002);
	ck_assert_int_eq(buf_text(&b)[100000], 'x');
	ck_assert_str_eq(buf_text(&b) + 100001, "2");
	ck_assert_int_eq(buf_error(&b), 0);
	/* Fills it to the last byte, whatever the sizes inside. */
	for (size_t i = 0; i < 100000; i++)
		buf_add(&b, "y", 1);
	ck_assert_uint_eq(b.len, strlen(buf_text(&b)));
	free(big);
}
END_TEST

START_TEST(whole_files)
{
	cleanup_buf struct buf b = { 0 };
	char path[] = "/tmp/test_base.XXXXXX";
	cleanup_close int fd = mkstemp(path);
	int dir = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char block[5000];

	ck_assert_int_ge(fd, 0);
	buf_adds(&b, "before");
	ck_assert_int_eq(buf_pread(&b, fd, 0), 0); /* an empty file */
	memset(block, 'z', sizeof(block));
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(write(fd, block, sizeof(block)), sizeof(block));
	ck_assert_int_eq(buf_pread(&b, fd, 19999), -EFBIG);
	ck_assert_str_eq(buf_text(&b), "before");
	ck_assert_int_eq(buf_readat(&b, dir, path + strlen("/tmp/"), 20000), 0);
	ck_assert_uint_eq(b.len, 20006);
	unlink(path);
	ck_assert_int_eq(buf_readat(&b, dir, path + strlen("/tmp/"), 20000), -ENOENT);
	ck_assert_int_eq(buf_pread(&b, dir, 20000), -EBADF);
	ck_assert_uint_eq(b.len, strlen(buf_text(&b)));
	close(dir);
}
END_TEST

START_TEST(reasons)
{
	ck_assert_str_eq(why_take(), "");
	ck_assert_int_eq(refuse(EBUSY, "first"), -EBUSY);
	ck_assert_int_eq(refuse(EINVAL, "second %d", 2), -EINVAL);
	ck_assert_str_eq(why_take(), "second 2");
	ck_assert_str_eq(why_take(), "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base");
	TCase *tc = tcase_create("all");

	tcase_add_loop_test(tc, numbers, 0, (int)ARRAY_SIZE(number_tables));
	tcase_add_test(tc, pieces);
	tcase_add_test(tc, strip);
	tcase_add_test(tc, words);
	tcase_add_test(tc, cpulists);
	tcase_add_test(tc, cpulist_members);
	tcase_add_test(tc, keyed);
	tcase_add_test(tc, buffer);
	tcase_add_test(tc, whole_files);
	tcase_add_test(tc, reasons);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
