/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line: option tables and their parsers, mountinfo, JSON. */
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/backend.h"
#include "cmd/cmd.h"
#include "cmd/mount.h"
#include "cmd/mounttable.h"
#include "cmd/mounts.h"
#include "cmd/ocistate.h"
#include "cmd/places.h"
#include "cmd/recipe.h"
#include "cmd/run.h"
#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/json.h"
#include "ctlfs/why.h"
#include "suite.h"

#define WORDS 12

/* Parses words (NULL-terminated) after the command's name; *said is what went to standard error. */
static int parse(const struct command_line *line, const char *const words[], void *values,
		 struct operands *operands, struct buf *said)
{
	cleanup_fclose FILE *file = tmpfile();
	char *argv[WORDS + 2] = { (char *)line->command };
	int argc = 1, status, before = dup(2);

	while (words[argc - 1]) {
		argv[argc] = (char *)words[argc - 1];
		argc++;
	}
	ck_assert_ptr_nonnull(file);
	dup2(fileno(file), 2);
	status = options_parse(line, argc, argv, values, operands);
	dup2(before, 2);
	close(before);
	ck_assert_int_eq(buf_pread(said, fileno(file), 1 << 16), 0);
	return status;
}

static void check_optional(const struct optional *got, bool set, uint64_t value)
{
	ck_assert_int_eq(got->set, set);
	ck_assert_uint_eq(got->value, value);
}

START_TEST(run_options_fill_the_struct)
{
	static const char *const words[] = { "--memory", "256M", "--swap=0", "-c1.5", "--pids=max",
					     "--cpuset", "0-1,3", "--backend", "kernel", "true",
					     NULL };
	cleanup_operands struct operands operands = { 0 };
	cleanup_buf struct buf said = { 0 };
	struct run_options o = { 0 };

	ck_assert_int_eq(parse(&run_line, words, &o, &operands, &said), OPTIONS_GO_ON);
	ck_assert_str_eq(buf_text(&said), "");
	check_optional(&o.memory, true, 256 << 20);
	check_optional(&o.swap, true, 0);
	check_optional(&o.cpus, true, 150000);
	check_optional(&o.pids, true, UINT64_MAX);
	ck_assert_str_eq(o.cpuset, "0-1,3");
	ck_assert_int_eq(o.backend, BACKEND_KERNEL);
	run_options_free(&o);
}
END_TEST

START_TEST(options_not_given_stay_unset)
{
	cleanup_operands struct operands operands = { 0 };
	cleanup_buf struct buf said = { 0 };
	struct run_options o = { .backend = BACKEND_KERNEL };

	ck_assert_int_eq(parse(&run_line, (const char *const[]){ "true", NULL }, &o, &operands,
			       &said), OPTIONS_GO_ON);
	check_optional(&o.memory, false, 0);
	check_optional(&o.pids, false, 0);
	ck_assert_ptr_null(o.cpuset);
	ck_assert_int_eq(o.backend, BACKEND_AUTO); /* the preset */
}
END_TEST

START_TEST(set_parts_file_and_value)
{
	static const char *const words[] = { "--set", "memory.high=200M", "--set=cpu.max=1 2=3",
					     "--set", "memory.min=", "true", NULL };
	static const char *const want[][2] = {
		{ "memory.high", "200M" }, { "cpu.max", "1 2=3" }, { "memory.min", "" },
	};
	cleanup_operands struct operands operands = { 0 };
	cleanup_buf struct buf said = { 0 };
	struct run_options o = { 0 };

	ck_assert_int_eq(parse(&run_line, words, &o, &operands, &said), OPTIONS_GO_ON);
	ck_assert_uint_eq(o.n_sets, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		ck_assert_str_eq(o.sets[i], want[i][0]);
		ck_assert_str_eq(o.sets[i] + strlen(o.sets[i]) + 1, want[i][1]);
	}
	run_options_free(&o);
}
END_TEST

struct operand_case {
	const struct command_line *line;
	const char *words[WORDS];
	const char *operands[WORDS];
};

/* What belongs to the command that is run is left alone. */
static const struct operand_case operand_cases[] = {
	{ &run_line, { "ls", "-l", "--memory", "x" }, { "ls", "-l", "--memory", "x" } },
	{ &run_line, { "-m", "1G", "--", "ls", "--", "-l" }, { "ls", "--", "-l" } },
	{ &run_line, { "--", "-odd" }, { "-odd" } },
	{ &run_line, { "-m1", "-", "a" }, { "-", "a" } },
	{ &mount_line, { "/mnt", "-o", "ro" }, { "/mnt" } },
	{ &mount_line, { "-f", "--", "-odd" }, { "-odd" } },
};

START_TEST(operands_end_options)
{
	const struct operand_case *c = &operand_cases[_i];
	union {
		struct run_options run;
		struct mount_options mount;
	} values = { 0 };
	cleanup_operands struct operands operands = { 0 };
	cleanup_buf struct buf said = { 0 };
	int n = 0;

	ck_assert_int_eq(parse(c->line, c->words, &values, &operands, &said), OPTIONS_GO_ON);
	for (; c->operands[n]; n++) {
		ck_assert_int_lt(n, operands.n);
		ck_assert_str_eq(operands.v[n], c->operands[n]);
	}
	ck_assert_int_eq(operands.n, n);
	ck_assert_ptr_null(operands.v[n]); /* as execvp() wants it */
	if (c->line == &mount_line)
		mount_options_free(&values.mount);
}
END_TEST

struct wrong_case {
	const struct command_line *line;
	const char *words[WORDS];
	const char *named, *expected; /* both are told */
};

static const struct wrong_case wrong_cases[] = {
	{ &run_line, { NULL }, "argument is missing", "COMMAND" },
	{ &run_line, { "--memory" }, "--memory", "such as 256M" },
	{ &run_line, { "-m" }, "-m", "such as 256M" },
	{ &run_line, { "--mem" }, "--mem", "such as 256M" },
	{ &run_line, { "--memory", "12Q", "true" }, "--memory: '12Q'", "such as 256M" },
	{ &run_line, { "-m", "", "true" }, "--memory: ''", "such as 256M" },
	{ &run_line, { "--swap=99999999999999999999", "true" }, "--swap", "such as 256M" },
	{ &run_line, { "--cpus", "0.009", "true" }, "'0.009'", "from 0.01" },
	{ &run_line, { "--cpus", "1,5", "true" }, "'1,5'", "such as 1.5" },
	{ &run_line, { "--pids", "0", "true" }, "--pids: '0'", "from 1 to 4194304" },
	{ &run_line, { "--pids", "4194305", "true" }, "'4194305'", "from 1 to 4194304" },
	{ &run_line, { "--pids", "+5", "true" }, "'+5'", "from 1 to 4194304" },
	{ &run_line, { "--pids", "5\n", "true" }, "--pids", "from 1 to 4194304" },
	{ &run_line, { "--cpuset", "", "true" }, "--cpuset", "0-1,3" },
	{ &run_line, { "--cpuset", "3-1", "true" }, "'3-1'", "0-1,3" },
	{ &run_line, { "--set", "memory.max", "true" }, "'memory.max'", "memory.high=200M" },
	{ &run_line, { "--set", "=1", "true" }, "'=1'", "memory.high=200M" },
	{ &run_line, { "--set", "a/memory.max=1", "true" }, "a/memory.max", "memory.high=200M" },
	{ &run_line, { "--set", "..=1", "true" }, "..=1", "memory.high=200M" },
	{ &run_line, { "--backend", "both", "true" }, "'both'", "kernel, emulator or auto" },
	{ &run_line, { "--nonsense", "true" }, "--nonsense", "ctlfs run --help" },
	{ &run_line, { "-z", "true" }, "-z", "ctlfs run --help" },
	{ &run_line, { "--cpu", "1", "true" }, "--cpu", "expected" }, /* --cpus or --cpuset? */
	{ &mount_line, { "--foreground=yes", "/" }, "--foreground", "takes no argument" },
	{ &mount_line, { "-fx", "/" }, "-fx", "ctlfs mount --help" },
	{ &mount_line, { "/", "/tmp" }, "'/tmp'", "DIRECTORY" },
	{ &mount_line, { "-f" }, "argument is missing", "DIRECTORY" },
	{ &mount_line, { "-o", "ro,sticky", "/" }, "'sticky'", "allow_other" },
	{ &mount_line, { "-o", "spin", "/" }, "spin needs a value", "up to 10000" },
	{ &mount_line, { "-o", "spin=10001", "/" }, "spin: '10001'", "up to 10000" },
	{ &mount_line, { "-o", "threads=-1", "/" }, "threads: '-1'", "up to 64" },
	{ &mount_line, { "-o", "ro=1", "/" }, "ro", "takes no value" },
	{ &mount_line, { "-o", "backend=x", "/" }, "backend: 'x'", "kernel, emulator, v1 or auto" },
};

START_TEST(wrong_arguments_are_told_in_one_line)
{
	const struct wrong_case *c = &wrong_cases[_i];
	union {
		struct run_options run;
		struct mount_options mount;
	} values = { 0 };
	struct operands operands = { 0 };
	cleanup_buf struct buf said = { 0 };

	ck_assert_int_eq(parse(c->line, c->words, &values, &operands, &said), STATUS_USAGE);
	ck_assert_ptr_null(operands.v);
	ck_assert_ptr_nonnull(strstr(buf_text(&said), c->named));
	ck_assert_ptr_nonnull(strstr(buf_text(&said), c->expected));
	ck_assert_ptr_nonnull(strstr(buf_text(&said), c->line->command));
	ck_assert_uint_eq(said.data[said.len - 1], '\n');
	if (!strstr(c->named, "--pids") || !strchr(c->words[1], '\n'))
		ck_assert_ptr_eq(strchr(said.data, '\n'), &said.data[said.len - 1]);
	if (c->line == &mount_line)
		mount_options_free(&values.mount);
	else
		run_options_free(&values.run);
}
END_TEST

START_TEST(mount_lists_fill_the_struct)
{
	static const char *const words[] = {
		"-o", "rw,nosuid,spin=7,,x-systemd.automount,user=me", "-o",
		"threads=3,ro,_netdev,allow_other,debug,backend=emulator,root=/a", "/mnt", NULL,
	};
	__attribute__((cleanup(mount_options_free))) struct mount_options o = { .spin = 50 };
	cleanup_operands struct operands operands = { 0 };
	cleanup_buf struct buf said = { 0 };

	ck_assert_int_eq(parse(&mount_line, words, &o, &operands, &said), OPTIONS_GO_ON);
	ck_assert_str_eq(buf_text(&said), "");
	ck_assert_uint_eq(o.spin, 7);
	ck_assert_uint_eq(o.threads, 3);
	ck_assert(o.read_only && o.allow_other && o.debug && !o.foreground);
	ck_assert_int_eq(o.backend, BACKEND_EMULATOR);
	ck_assert_str_eq(o.root, "/a");
}
END_TEST

/* A row without them could neither be explained nor its wrong arguments told. */
START_TEST(rows_are_complete)
{
	static const struct command_line *const lines[] = { &run_line, &mount_line };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		for (const struct option_row *row = lines[i]->rows; row->name; row++) {
			ck_assert_ptr_nonnull(row->parse);
			ck_assert_ptr_nonnull(row->help);
			ck_assert(!row->arg || row->expected);
			ck_assert(!row->max || row->min < row->max);
		}
	}
}
END_TEST

START_TEST(mountinfo_is_understood)
{
	char text[] =
		"22 27 0:21 / /proc rw,relatime - proc proc rw\n"
		"51 27 0:50 / /mnt/a rw,nosuid shared:3 master:1 - fuse.ctlfs ctlfs rw,user_id=0\n"
		"52 27 0:50 /proc/meminfo /proc/meminfo rw - fuse.ctlfs ctlfs rw\n"
		"53 27 0:51 / /mnt/with\\040blank\\134 rw - fuse.ctlfs ctlfs rw\n"
		"54 27 0:52 / /mnt/covered rw - fuse.ctlfs ctlfs rw\n"
		"55 54 0:53 / /mnt/covered rw - tmpfs tmpfs rw\n"
		"56 51 0:54 / /mnt/a rw - fuse.ctlfs ctlfs rw\n"
		"57 27 0:55 / /mnt/other rw - fuse.lxcfs lxcfs rw\n"
		"58 27 0:56 / /mnt/cut\n"
		"\n";
	cleanup_mounttable struct mounttable m = { 0 };

	ck_assert_int_eq(mounttable_parse(text, &m), 0);
	mounts_keep(&m);
	ck_assert_uint_eq(m.n, 2);
	ck_assert_ptr_nonnull(mounts_find(&m, "/mnt/with blank\\"));
	ck_assert_ptr_null(mounts_find(&m, "/mnt/covered"));
	ck_assert_ptr_nonnull(mounts_find(&m, "/mnt/a"));
	ck_assert_str_eq(mounts_find(&m, "/mnt/a")->device, "0:54"); /* the one on top */
}
END_TEST

START_TEST(mounts_of_attach_are_told_from_others)
{
	char text[] =
		"1 0 0:50 / / rw shared:7 master:1 - ext4 x rw\n"
		"2 1 0:51 /view/7/proc/stat /proc/stat rw,nosuid - fuse.ctlfs x rw,allow_other\n"
		"3 1 0:51 /view/7/proc/stat//deleted /proc/stat rw - fuse.ctlfs x rw\n"
		"4 1 0:51 /cgroup/a\\040b /sys/fs/cgroup rw - fuse.ctlfs x rw\n"
		"5 1 0:51 / /run/ctlfs rw - fuse.ctlfs x rw\n"
		"6 1 0:51 /view/7/proc/stat /proc/meminfo rw - fuse.ctlfs x rw\n"
		"7 1 0:51 /view//proc/stat /proc/stat rw - fuse.ctlfs x rw\n"
		"8 1 0:51 /view/7x/proc/stat /proc/stat rw - fuse.ctlfs x rw\n"
		"9 1 0:51 /view/7/proc/stats /proc/stat rw - fuse.ctlfs x rw\n"
		"10 1 0:51 /proc/stat /proc/stat rw - fuse.ctlfs x rw\n"
		"11 1 0:52 /view/7/proc/stat /proc/stat rw - fuse.other x rw\n"
		"12 1 0:53 / /sys/fs/fuse/connections rw - fuse.ctlfs x rw\n"
		"13 1 0:53 /view/7/proc/stat /proc/stat rw - fuse.ctlfs x rw\n"
		"14 1 0:51 /view/7 / rw - fuse.ctlfs x rw\n"
		"15 1 0:51";
	cleanup_mounttable struct mounttable m = { 0 };

	ck_assert_int_eq(mounttable_parse(text, &m), 0);
	ck_assert_uint_eq(m.n, 14);
	for (size_t i = 0; i < m.n; i++) {
		int id = m.v[i].id;

		ck_assert_int_eq(id, (int)i + 1);
		ck_assert_int_eq(places_attached(&m, &m.v[i]), id >= 2 && id <= 4);
	}
	ck_assert_uint_eq(m.v[0].group, 7);
	ck_assert_uint_eq(m.v[1].group, 0);
	ck_assert_str_eq(m.v[3].root, "/cgroup/a b");
	ck_assert_str_eq(m.v[1].options, "rw,allow_other");
	ck_assert_ptr_null(mounttable_find(&m, 15));
}
END_TEST

START_TEST(json_escapes)
{
	static const char *const cases[][2] = {
		{"plain", "\"plain\""},
		{"a\"b\\c", "\"a\\\"b\\\\c\""},
		{"\n\t\x01", "\"\\n\\u0009\\u0001\""},
		{"\x7f\xc2\x85", "\"\\u007f\\u0085\""},
		{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		 "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
		{"\xff\xc3", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
		{"\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},		      /* overlong */
		{"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* a surrogate */
	};
	static const char *const values[][2] = {
		{ "0", "0" }, { "17", "17" }, { "-5", "-5" }, { "007", "\"007\"" },
		{ "", "\"\"" }, { "-", "\"-\"" }, { "1e5", "\"1e5\"" }, { "max", "\"max\"" },
	};
	cleanup_buf struct buf out = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		buf_reset(&out);
		json_string(&out, cases[i][0]);
		ck_assert_str_eq(buf_text(&out), cases[i][1]);
	}
	/* A character that is cut off, though the rest of it lies behind. */
	buf_reset(&out);
	json_bytes(&out, "a\0\xe2\x82\xac", 4);
	ck_assert_str_eq(buf_text(&out), "\"a\\u0000\xef\xbf\xbd\xef\xbf\xbd\"");
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		buf_reset(&out);
		json_value(&out, values[i][0]);
		ck_assert_str_eq(buf_text(&out), values[i][1]);
	}
}
END_TEST

START_TEST(json_keeps_utf8_only)
{
	ck_assert(json_can(""));
	ck_assert(json_can("/mnt/\xc3\xa4 \"\n"));
	ck_assert(!json_can("/mnt/\xff"));
	ck_assert(!json_can("\xc3"));
}
END_TEST

/* Where runc 1.1 lets a mount go inside /proc; outside it all is well. */
START_TEST(runc_allows_few_files)
{
	static const char *const refused[] = {
		"proc/pressure/cpu", "proc/vmstat", "proc/meminfo/x", "proc/net", "proc/",
	};

	ck_assert(recipe_runc_allows("proc/meminfo"));
	ck_assert(recipe_runc_allows("proc/net/dev"));
	ck_assert(recipe_runc_allows("sys/devices/system/cpu"));
	ck_assert(recipe_runc_allows("process"));
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		ck_assert(!recipe_runc_allows(refused[i]));
}
END_TEST

/* What "off" asks for needs no bundle. */
START_TEST(oci_states_are_read)
{
	cleanup_oci_state struct oci_state s = { .pid = 1 };
	int r = oci_state_parse("{\"pid\": 7, \"annotations\": {\"ctlfs\": \"off\"}}",
				&s);

#ifdef HAVE_JANSSON
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(s.pid, 7);
	ck_assert_int_eq(s.wish, OCI_WISH_NOTHING);
	ck_assert_ptr_null(s.rootfs);
	ck_assert_int_eq(oci_state_parse("{\"pid\": 7}", &s), -EINVAL);
	ck_assert_int_eq(s.pid, 7);
	ck_assert_ptr_nonnull(strstr(why_take(), "bundle"));
#else
	ck_assert_int_eq(r, -ENOTSUP);
	ck_assert_ptr_nonnull(strstr(why_take(), "jansson"));
#endif
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cmd");
	TCase *tcase = tcase_create("cmd");

	tcase_add_test(tcase, run_options_fill_the_struct);
	tcase_add_test(tcase, options_not_given_stay_unset);
	tcase_add_test(tcase, set_parts_file_and_value);
	tcase_add_loop_test(tcase, operands_end_options, 0, ARRAY_SIZE(operand_cases));
	tcase_add_loop_test(tcase, wrong_arguments_are_told_in_one_line, 0,
			    ARRAY_SIZE(wrong_cases));
	tcase_add_test(tcase, mount_lists_fill_the_struct);
	tcase_add_test(tcase, rows_are_complete);
	tcase_add_test(tcase, mountinfo_is_understood);
	tcase_add_test(tcase, mounts_of_attach_are_told_from_others);
	tcase_add_test(tcase, json_escapes);
	tcase_add_test(tcase, json_keeps_utf8_only);
	tcase_add_test(tcase, runc_allows_few_files);
	tcase_add_test(tcase, oci_states_are_read);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
