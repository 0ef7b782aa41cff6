/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The policy for containers: its files, which rule counts, and values under ceilings. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/why.h"
#include "kernel/policy.h"
#include "suite.h"

static char path[] = "/tmp/ctlfs-policy.XXXXXX";
static struct policy *policy;

static void setup(void)
{
	int fd;

	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(policy_new(false, &policy), 0);
}

static void teardown(void)
{
	policy_free(policy);
	unlink(path);
}

static void collect(void *data, const char *text)
{
	const char *name = strstr(text, path);

	ck_assert_ptr_eq(name, text);
	buf_addf(data, "%s\n", text + strlen(path) + 1);
}

/* Reads text as a file; what was told goes to said, without the file's name. */
static int read_text(const char *text, size_t len, struct buf *said)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, len), len);
	close(fd);
	buf_reset(said);
	return policy_read(policy, path, collect, said);
}

static void must_read(const char *text)
{
	cleanup_buf struct buf said = { 0 };

	ck_assert_msg(read_text(text, strlen(text), &said) == 0, "%s", buf_text(&said));
}

static enum verb verb_of(const char *cgroup, const char *file, bool delegatable)
{
	return policy_verb(policy, policy_find(policy, cgroup, file), file, delegatable);
}

START_TEST(verbs)
{
	const struct rule *rule;

	must_read("; of LXC\n"
		  "[/lxc.payload.*]\n"
		  "memory.max <= 2G ; two\n"
		  "\tpids.max<=500\r\n"
		  "cpu.max   <=   150%\n"
		  "cgroup.freeze=readonly\n"
		  "memory.pressure = deny\n"
		  "cpuset.cpus = allow\n"
		  "\n"
		  "# the same cgroup, spelled otherwise\n"
		  "[/*/ab[cd]]\n"
		  "cpu.max <= 1.5\n"
		  "hugetlb.2MB.max <= max");
	ck_assert_uint_eq(policy_count(policy), 8);
	rule = policy_find(policy, "/lxc.payload.one", "memory.max");
	ck_assert_ptr_nonnull(rule);
	ck_assert_int_eq(rule->verb, VERB_CEILING);
	ck_assert_uint_eq(rule->ceiling, 2ULL << 30);
	ck_assert_ptr_nonnull(strstr(rule->where, ":3"));
	ck_assert_uint_eq(policy_find(policy, "/lxc.payload.one", "pids.max")->ceiling, 500);
	ck_assert_uint_eq(policy_find(policy, "/lxc.payload.one", "cpu.max")->ceiling, 150000);
	ck_assert_uint_eq(policy_find(policy, "/x/abd", "cpu.max")->ceiling, 150000);
	ck_assert_uint_eq(policy_find(policy, "/x/abd", "hugetlb.2MB.max")->ceiling, UINT64_MAX);
	ck_assert_int_eq(verb_of("/lxc.payload.one", "cgroup.freeze", false), VERB_READONLY);
	ck_assert_int_eq(verb_of("/lxc.payload.one", "memory.pressure", false), VERB_DENY);
	ck_assert_int_eq(verb_of("/lxc.payload.one", "cpuset.cpus", false), VERB_ALLOW);
	/* A star is for one name. */
	ck_assert_ptr_null(policy_find(policy, "/lxc.payload.one/x", "memory.max"));
	ck_assert_ptr_null(policy_find(policy, "/a/lxc.payload.one", "memory.max"));
	ck_assert_ptr_null(policy_find(policy, "/x/y/abd", "cpu.max"));
	ck_assert_ptr_null(policy_find(policy, "/x/abe", "cpu.max"));
	ck_assert(policy_gives(policy, "memory.max"));
	ck_assert(!policy_gives(policy, "memory.pressure"));
	ck_assert(!policy_gives(policy, "memory.high"));
}
END_TEST

START_TEST(defaults)
{
	struct policy *own;

	ck_assert_int_eq(verb_of("/a", "memory.max", false), VERB_READONLY);
	ck_assert_int_eq(verb_of("/a", "cgroup.procs", true), VERB_OWN);
	ck_assert_int_eq(policy_new(true, &own), 0);
	ck_assert_int_eq(policy_verb(own, NULL, "memory.max", false), VERB_OWN);
	policy_free(own);
	/* Who writes matters: it is not the daemon. */
	must_read("[/*]\n* = allow\n");
	ck_assert_int_eq(verb_of("/a", "memory.max", false), VERB_ALLOW);
	ck_assert_int_eq(verb_of("/a", "cgroup.procs", true), VERB_OWN);
	ck_assert_int_eq(verb_of("/a", "cpu.pressure", false), VERB_OWN);
	ck_assert_int_eq(verb_of("/a", "memory.peak", false), VERB_OWN);
}
END_TEST

/* The last rule that is about a file counts, line by line and file by file. */
START_TEST(precedence)
{
	must_read("[/*]\nmemory.max <= 1G\nmemory.high <= 1G\n"
		  "[/b*]\nmemory.max <= 2G\n"
		  "[/bad]\n* = deny\nmemory.high <= 3G\n");
	ck_assert_uint_eq(policy_find(policy, "/a", "memory.max")->ceiling, 1ULL << 30);
	ck_assert_uint_eq(policy_find(policy, "/bc", "memory.max")->ceiling, 2ULL << 30);
	ck_assert_uint_eq(policy_find(policy, "/bc", "memory.high")->ceiling, 1ULL << 30);
	ck_assert_int_eq(verb_of("/bad", "memory.max", false), VERB_DENY);
	ck_assert_int_eq(verb_of("/bad", "cgroup.procs", true), VERB_DENY);
	ck_assert_uint_eq(policy_find(policy, "/bad", "memory.high")->ceiling, 3ULL << 30);
	must_read("[/*]\nmemory.max = readonly\n");
	ck_assert_int_eq(verb_of("/a", "memory.max", false), VERB_READONLY);
	ck_assert_int_eq(verb_of("/bad", "memory.max", false), VERB_READONLY);
	ck_assert_int_eq(verb_of("/bad", "pids.max", false), VERB_DENY);
}
END_TEST

/* Each is wrong in its last line, and nothing is taken for something else. */
START_TEST(errors)
{
	static const struct {
		const char *line, *says;
	} rows[] = {
		{ "memory.max : 2G", "expected FILE <=" },
		{ "memory.max: <= 2G", "expected FILE <=" },
		{ "memory.max <: 2G", "expected FILE <=" },
		{ "memory.max < = 2G", "expected FILE <=" },
		{ "memory.max < 2G", "expected FILE <=" },
		{ "memory.max << = 2G", "expected FILE <=" },
		{ "memory.max <<= 2G", "expected FILE <=" },
		{ "memory.max 2G", "expected FILE <=" },
		{ "memory.max readonly", "expected FILE <=" },
		{ "memory.max high <= 2G", "expected FILE <=" },
		{ "<= 2G", "expected FILE <=" },
		{ "= allow", "expected FILE <=" },
		{ "memory.max >= 2G", "expected FILE <=" },
		{ "memory.max = 2G", "memory.max = 2G: expected '= allow'" },
		{ "memory.max = <= 2G", "expected '= allow'" },
		{ "memory.max == allow", "expected '= allow'" },
		{ "memory.max = Allow", "expected '= allow'" },
		{ "memory.max =", "expected '= allow'" },
		{ "memory.max <=", "expected a size" },
		{ "memory.max <== 2G", "expected a size" },
		{ "memory.max <= 2GB", "expected a size" },
		{ "memory.max <= 1.5G", "expected a size" },
		{ "memory.max <= -1", "expected a size" },
		{ "memory.max <= 99999999999999999999", "expected a size" },
		{ "memory.max <= 2G # no comment", "expected a size" },
		{ "memory.max <= 50%", "expected a size" },
		{ "cpu.max <= 0%", "expected CPUs" },
		{ "cpu.max <= %", "expected CPUs" },
		{ "cpu.max <= 99999999999999999999%", "expected CPUs" },
		{ "cpu.max <= 50 %", "expected CPUs" },
		{ "pids.max <= 5k", "expected a number" },
		{ "pids.max <= +5", "expected a number" },
		{ "cpu.weight <= max", "expected a weight" },
		{ "cpu.weight <= 0", "expected a weight" },
		{ "io.max <= 5", "io.max has no ceiling" },
		{ "* <= 5", "has no ceiling" },
		{ "memory.* = deny", "not a file that a policy is about" },
		{ "memory.mx = deny", "not a file that a policy is about" },
		{ "cpu.stat = deny", "not a file that a policy is about" },
		{ "[a]", "a section is a pattern" },
		{ "[]", "a section is a pattern" },
		{ "[/a/]", "a section is a pattern" },
		{ "[/a//b]", "a section is a pattern" },
		{ "[", "a section is [/PATTERN]" },
		{ "[/a", "a section is [/PATTERN]" },
		{ "[/a] memory.max = allow", "a section is [/PATTERN]" },
		{ "[/a] ; no comment", "a section is [/PATTERN]" },
		{ "pids.max <= 1\npids.max <= 2", "a second rule" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_buf struct buf text = { 0 }, said = { 0 }, at = { 0 };
		unsigned line = strchr(rows[i].line, '\n') ? 4 : 3;

		buf_addf(&text, "[/x]\nmemory.low <= 1G\n%s\n", rows[i].line);
		buf_addf(&at, "%u: ", line);
		ck_assert_int_eq(read_text(buf_text(&text), text.len, &said), -EINVAL);
		ck_assert_msg(strncmp(buf_text(&said), buf_text(&at), at.len) == 0 &&
				      strstr(buf_text(&said), rows[i].says),
			      "'%s' gives '%s'", rows[i].line, buf_text(&said));
		ck_assert_msg(strchr(buf_text(&said), '\n')[1] == '\0', "%s", buf_text(&said));
	}
	for (size_t i = 0; i < policy_count(policy); i++)
		ck_assert_ptr_null(policy_find(policy, "/x", "memory.max"));
}
END_TEST

/* All of them are told, and what is cut or hidden is no rule. */
START_TEST(more_errors)
{
	static const char nul[] = "[/a]\nmemory.max <= 1G\0\n";
	cleanup_buf struct buf said = { 0 }, text = { 0 };

	ck_assert_int_eq(read_text(nul, sizeof nul - 1, &said), -EINVAL);
	ck_assert_str_eq(buf_text(&said), "2: a NUL in the line\n");
	buf_adds(&text, "memory.max = allow\n[/a]\nmemory.max <= 1");
	for (int i = 0; i < 5000; i++)
		buf_adds(&text, " ");
	buf_adds(&text, "; G\nx\nmemory.high = maybe\n[b]\nmemory.low = allow\ny");
	ck_assert_int_eq(read_text(buf_text(&text), text.len, &said), -EINVAL);
	ck_assert_ptr_nonnull(strstr(buf_text(&said), "1: memory.max: before it"));
	ck_assert_ptr_nonnull(strstr(buf_text(&said), "\n3: longer than"));
	ck_assert_ptr_nonnull(strstr(buf_text(&said), "\n4: expected"));
	ck_assert_ptr_nonnull(strstr(buf_text(&said), "\n5: memory.high = maybe"));
	ck_assert_ptr_nonnull(strstr(buf_text(&said), "\n6: [b]"));
	ck_assert_ptr_nonnull(strstr(buf_text(&said), "\n8: expected"));
	ck_assert_uint_eq(policy_count(policy), 0);
}
END_TEST

START_TEST(owners)
{
	cleanup_buf struct buf said = { 0 };

	ck_assert_int_eq(chmod(path, 0666), 0);
	ck_assert_int_eq(read_text("", 0, &said), -EINVAL);
	ck_assert_ptr_nonnull(strstr(buf_text(&said), "may write it"));
	ck_assert_int_eq(chmod(path, 0600), 0);
	must_read("");
	unlink(path);
	buf_reset(&said);
	ck_assert_int_eq(policy_read(policy, path, collect, &said), -EINVAL);
	ck_assert_ptr_nonnull(strstr(buf_text(&said), "No such file"));
	ck_assert_int_eq(mkdir(path, 0755), 0);
	ck_assert_int_eq(policy_read(policy, path, collect, &said), -EINVAL);
	rmdir(path);
}
END_TEST

static int apply(const char *file, const char *text, struct buf *out)
{
	const struct rule *rule = policy_find(policy, "/a", file);
	cleanup_free char *copy = strdup(text);

	buf_reset(out);
	return ceiling_apply(rule, "max 100000\n", copy, out);
}

START_TEST(ceilings)
{
	static const struct {
		const char *file, *text;
		int r;
		const char *out;
	} rows[] = {
		{ "memory.max", "1G\n", 0, "1073741824" },
		{ "memory.max", "  4097 ", 0, "4096" },
		{ "memory.max", "5000", 0, "4096" },
		{ "memory.max", "8192", -EPERM, NULL }, /* and not because it is rounded */
		{ "memory.max", "max", -EPERM, NULL },
		{ "memory.max", "9223372036854775807", -EPERM, NULL },
		{ "memory.max", "18446744073709551616", 0, "0" },
		{ "memory.max", "", 0, "0" },
		{ "memory.max", "1GB", -EINVAL, NULL },
		{ "memory.max", "maximum", -EINVAL, NULL },
		{ "memory.high", "max\n", 0, "max" },
		{ "pids.max", "010", 0, "8" },
		{ "pids.max", "11", -EPERM, NULL },
		{ "pids.max", "-5", -EINVAL, NULL },
		{ "pids.max", "10 max", -EINVAL, NULL },
		{ "cgroup.max.depth", "-5", -ERANGE, NULL },
		{ "cpu.weight", "+5", 0, "5" },
		{ "cpu.weight", " 5", -EINVAL, NULL },
		{ "cpu.weight", "18446744073709551616", -ERANGE, NULL },
		{ "cpu.max", "50000", 0, "50000 100000" },
		{ "cpu.max", "50001", -EPERM, NULL },
		{ "cpu.max", "max 1000", -EPERM, NULL },
		{ "cpu.max", "1000 1999", -EPERM, NULL },
		{ "cpu.max", "1000 2000 3000", 0, "1000 2000" },
		{ "cpu.max", "1000, 2000", 0, "1000 2000" },
		{ "cpu.max", "1000,2000", 0, "1000 100000" },
		{ "cpu.max", "half", -EINVAL, NULL },
		{ "cpu.max", "18446744073709551615 18446744073709551615", -EINVAL, NULL },
		{ "cpu.max", "17592186044416 1000", -EINVAL, NULL },
	};

	must_read("[/a]\nmemory.max <= 1073741824\npids.max <= 10\ncpu.weight <= 5\n"
		  "cpu.max <= 50%\nmemory.high <= max\ncgroup.max.depth <= 3\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_buf struct buf out = { 0 };
		bool small = !strcmp(rows[i].text, "8192");
		int r;

		if (small)
			must_read("[/a]\nmemory.max <= 8191\n");
		r = apply(rows[i].file, rows[i].text, &out);
		ck_assert_msg(r == rows[i].r, "%s: '%s': %s", rows[i].file, rows[i].text,
			      strerrorname_np(-r));
		if (rows[i].out)
			ck_assert_str_eq(buf_text(&out), rows[i].out);
		else
			ck_assert_uint_eq(out.len, 0);
		if (r == -EPERM)
			ck_assert_ptr_nonnull(strstr(why_take(), "above the ceiling of"));
		if (small)
			must_read("[/a]\nmemory.max <= 1G\n");
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("policy");
	Suite *s = suite_create("policy");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, verbs);
	tcase_add_test(tc, defaults);
	tcase_add_test(tc, precedence);
	tcase_add_test(tc, errors);
	tcase_add_test(tc, more_errors);
	tcase_add_test(tc, owners);
	tcase_add_test(tc, ceilings);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
