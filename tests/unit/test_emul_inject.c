/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The language of ctl/inject: what each line does to an emulator, and what is refused. */
#include "emul_fixture.h"
#include "emul/inject_parse.h"
#include "suite.h"

static int inject(const char *text)
{
	return emul_inject(tree, text);
}

static void injected(const char *text)
{
	int r = inject(text);

	ck_assert_msg(r == 0, "%s: %s (%s)", text, why_take(), strerror(-r));
}

/* Refused with errnum, for a reason in which words stand. */
static void refused(const char *text, int errnum, const char *words)
{
	int r = inject(text);
	const char *why = why_take();

	ck_assert_msg(r == -errnum, "%s: %d", text, r);
	ck_assert_msg(strstr(why, words), "%s: \"%s\" does not say \"%s\"", text, why, words);
}

static void setup(void)
{
	struct emul_config config = { .devices = "8:0" };

	fake = fake_new();
	config.tasks = &fake->tasks;
	ck_assert_int_eq(emul_new(&config, &tree), 0);
	tree->changed = on_change;
	injected("write /cgroup.subtree_control +cpu +memory +pids\n"
		 "mkdir /a\n"
		 "write /a/cgroup.subtree_control +cpu +memory +pids\n"
		 "mkdir /a/b\n");
	changes_forget();
}

static bool shows(const char *line)
{
	cleanup_buf struct buf text = { 0 };

	ck_assert_int_eq(emul_inject_show(tree, &text), 0);
	return strstr(buf_text(&text), line);
}

/* --- the parser ----------------------------------------------------------------------------- */

static int parse(const char *text, struct inject_line *line)
{
	return inject_parse(text, strlen(text), line);
}

START_TEST(lines_come_apart)
{
	struct inject_line l;

	ck_assert_int_eq(parse("at 1.5s  usage //a//b/ memory=+10M user==1s", &l), -EINVAL);
	ck_assert_int_eq(parse("at 1.5s  usage //a//b/ memory=+10M user=1.25s # why", &l), 0);
	ck_assert_int_eq(l.verb, INJECT_USAGE);
	ck_assert_uint_eq(l.at_ns, 1500000000);
	ck_assert_str_eq(l.path, "/a/b");
	ck_assert_uint_eq(l.n_changes, 2);
	ck_assert_int_eq(l.changes[0].sign, '+');
	ck_assert_uint_eq(l.changes[0].amount, 10 << 20);
	ck_assert_int_eq(l.changes[1].key, USE_USER);
	ck_assert_uint_eq(l.changes[1].amount, 1250000000);
	inject_line_free(&l);
	ck_assert_int_eq(parse("fail / write:memory.max EBUSY 3 times", &l), 0);
	ck_assert_int_eq(l.fault.op, FAULT_WRITE);
	ck_assert_int_eq(l.fault.errnum, EBUSY);
	ck_assert_uint_eq(l.fault.times, 3);
	ck_assert_str_eq(l.fault.file, "memory.max");
	inject_line_free(&l);
	ck_assert_int_eq(parse("pressure /a cpu some=12.5% full=0.0001% over 200ms", &l), 0);
	ck_assert_uint_eq(l.some_ppm, 125000);
	ck_assert_uint_eq(l.full_ppm, 1);
	ck_assert_uint_eq(l.ns, 200000000);
	inject_line_free(&l);
	ck_assert_int_eq(parse("write /a/cpu.max  max # 1", &l), 0);
	ck_assert_str_eq(l.value, " max # 1");
	inject_line_free(&l);
}
END_TEST

START_TEST(comments_and_blanks_do_nothing)
{
	static const char *const lines[] = { "", "  \t", "#", " # mkdir /x", "\r" };
	struct inject_line l;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		ck_assert_int_eq(parse(lines[i], &l), 0);
		ck_assert_int_eq(l.verb, INJECT_NOTHING);
		inject_line_free(&l);
	}
}
END_TEST

START_TEST(wrong_lines_are_refused_with_a_reason)
{
	static const struct {
		const char *line, *why;
	} rows[] = {
		{ "fly /a", "\"fly\" is not usage" },
		{ "usage", "the cgroup is missing" },
		{ "usage a memory=1", "no path" },
		{ "usage /a/../b memory=1", "no . or .." },
		{ "usage /a", "nothing to change" },
		{ "usage /a memory", "KEY=VALUE" },
		{ "usage /a colour=1", "\"colour\" is none of the keys" },
		{ "usage /a memory=", "not a size" },
		{ "usage /a memory=10Q", "not a size" },
		{ "usage /a memory=1e3", "not a size" },
		{ "usage /a memory=99999999999999999999", "not a size" },
		{ "usage /a memory=2P", "not a size" },
		{ "usage /a memory=1 memory=2", "given twice" },
		{ "usage /a user=-1s", "not a time" },
		{ "usage /a user=1", "not a time" },
		{ "usage /a user=1.0000000001s", "not a time" },
		{ "usage /a user=1.s", "not a time" },
		{ "usage /a user=.5s", "not a time" },
		{ "usage /a user=1000000001s", "not a time" },
		{ "io /a", "no device" },
		{ "io /a 8:", "no device" },
		{ "io /a 8:0x rios=+1", "no device" },
		{ "io /a 8:0", "nothing to count" },
		{ "io /a 8:0 rios=1", "only counts" },
		{ "advance 86401s", "a day" },
		{ "event /a", "no event" },
		{ "event /a memory.boom", "\"memory.boom\" is no event" },
		{ "event /a memory.oom 3", "no count" },
		{ "event /a memory.oom +0", "no count" },
		{ "event /a memory.oom +1 more", "one word too many" },
		{ "pressure /a disk some=1%", "not io, memory or cpu" },
		{ "pressure /a io", "some=P% or full=P% is missing" },
		{ "pressure /a io some=101%", "neither some" },
		{ "pressure /a io some=1", "neither some" },
		{ "pressure /a io some=1% full=2%", "full cannot be more" },
		{ "pressure /a io some=1% over", "needs a time" },
		{ "fail", "the cgroup, *, or clear is missing" },
		{ "fail clear now", "one word too many" },
		{ "fail /a jump EIO", "\"jump\" is not mkdir" },
		{ "fail /a read EFOO", "\"EFOO\" is no errno" },
		{ "fail /a read 5", "no errno" },
		{ "fail /a read ENOSYS", "for good" },
		{ "fail /a read EIO twice", "once, always or N times" },
		{ "fail /a read EIO 0 times", "once, always or N times" },
		{ "fail /a rmdir:x EIO", "no file" },
		{ "fail /a read: EIO", "no name of a file" },
		{ "add /a", "name of a synthetic process is missing" },
		{ "add /a ho\"me", "a name is up to" },
		{ "add /a x grow=10M", "bytes a second" },
		{ "add /a x threads=0", "from 1 to 1024" },
		{ "add /a x threads=1025", "from 1 to 1024" },
		{ "add /a x cpu=-1", "number of CPUs" },
		{ "add /a x cpu=1.5.5", "number of CPUs" },
		{ "add /a x uid=4294967295", "number of a user" },
		{ "add /a x nice=2", "0 or 1" },
		{ "set x", "nothing to set" },
		{ "fork x", "missing" },
		{ "mkdir /", "always there" },
		{ "write /a/b", "nothing to write" },
		{ "advance", "needs a time" },
		{ "advance soon", "needs a time" },
		{ "time flies", "virtual or real" },
		{ "at", "needs a time" },
		{ "at 5s", "nothing to do" },
		{ "at 5s advance 1s", "cannot be done later" },
		{ "at 5s at 5s mkdir /x", "\"at\" is not usage" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		refused(rows[i].line, EINVAL, rows[i].why);
	ck_assert_int_eq(inject_parse("mkdir /a\0b", 10, &(struct inject_line){ 0 }), -EINVAL);
}
END_TEST

/* Every beginning of a right line, and every line with one byte changed, is taken or refused. */
START_TEST(broken_lines_break_nothing)
{
	static const char *const lines[] = {
		"at 1.5s usage /a/b memory=+10M anon=1 user=+1s",
		"pressure /a memory some=12.5% full=3% over 10s",
		"fail /a write:memory.max EBUSY 3 times",
		"add /a x memory=50M grow=-10M/s cpu=2.5 threads=4 uid=1000",
		"write /a/memory.max 100M",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		size_t len = strlen(lines[i]);

		for (size_t n = 0; n < len * 256; n++) {
			cleanup_free char *text = strdup(lines[i]);
			struct inject_line l;
			int r;

			text[n / 256] = (char)n;
			why_take();
			r = inject_parse(text, len, &l);
			if (r == 0)
				inject_line_free(&l);
			else
				assert_refused(r, EINVAL);
		}
	}
}
END_TEST

/* --- usage, events -------------------------------------------------------------------------- */

START_TEST(usage_stands_in_the_cgroup_and_above)
{
	injected("usage /a/b memory=+10M file=4M swap=8K user=+1.5s system=500ms majflt=7");
	assert_read("a/b/memory.current", "14680064\n");
	assert_read("a/memory.current", "14680064\n");
	assert_read("a/b/memory.swap.current", "8192\n");
	assert_read("a/b/memory.peak", "14680064\n");
	injected("usage /a/b memory=8M");
	assert_read("a/b/memory.current", "8388608\n");
	assert_read("a/memory.peak", "14680064\n");
	injected("usage /a memory=9M"); /* with what is below */
	assert_read("a/memory.current", "9437184\n");
	assert_read("a/b/memory.current", "8388608\n");
	injected("rmdir /a/b");
	assert_read("a/memory.current", "1048576\n");
}
END_TEST

START_TEST(cpu_time_only_rises_and_stays)
{
	cleanup_buf struct buf text = { 0 };

	injected("usage /a/b user=+2s system=1s");
	refused("usage /a/b user=1s", EINVAL, "cannot become less");
	ck_assert_int_eq(do_read("a/cpu.stat", &text), 0);
	ck_assert_ptr_nonnull(strstr(buf_text(&text), "usage_usec 3000000\nuser_usec 2000000\n"));
	injected("rmdir /a/b");
	ck_assert_int_eq(do_read("a/cpu.stat", &text), 0);
	ck_assert_ptr_nonnull(strstr(buf_text(&text), "usage_usec 3000000\n"));
}
END_TEST

START_TEST(what_members_use_cannot_be_taken_away)
{
	pid_t pid = spawn_in("a/b");

	fake_find(fake, pid)->use.anon = 1 << 20;
	injected("usage /a/b memory=+1M");
	refused("usage /a/b memory=-2M", EINVAL, "only 1048576 bytes were injected");
	refused("usage /a/b file=+1M anon=0", EINVAL, "only 1048576");
	assert_read("a/b/memory.current", "2097152\n"); /* nothing of that line */
	injected("usage /a/b memory=-1M");
	fake_end(fake, pid);
	assert_read("a/b/memory.current", "0\n");
}
END_TEST

START_TEST(events_count_and_notify)
{
	injected("event /a/b memory.oom_kill +2\nevent /a/b memory.high\nevent /a/b pids.max +3\n"
		 "event /a/b swap.fail");
	assert_read("a/b/memory.events",
		    "low 0\nhigh 1\nmax 0\noom 0\noom_kill 2\noom_group_kill 0\n");
	assert_read("a/memory.events",
		    "low 0\nhigh 1\nmax 0\noom 0\noom_kill 2\noom_group_kill 0\n");
	assert_read("a/b/pids.events", "max 3\n");
	assert_read("a/b/memory.swap.events", "high 0\nmax 0\nfail 1\n");
	ck_assert_uint_ge(changes_of("a/b/memory.events"), 1);
	ck_assert_uint_ge(changes_of("a/b/pids.events"), 1);
	injected("write /cgroup.subtree_control +io +hugetlb\n"
		 "event /a hugetlb.2MB.max +4\nio /a 8:0 rbytes=+1M rios=+3\n"
		 "io /a 8:0 rbytes=+4K wios=+1");
	assert_read("a/hugetlb.2MB.events", "max 4\n");
	assert_read("a/io.stat", "8:0 rbytes=1052672 wbytes=0 rios=3 wios=1 dbytes=0 dios=0\n");
	refused("io /a 8:16 rios=+1", ENODEV, "no block device 8:16");
	refused("io /a/b 8:0 rios=+1", EINVAL, "io controller");
	injected("write /a/cgroup.subtree_control -memory");
	refused("event /a/b memory.oom", EINVAL, "memory controller");
	refused("event / memory.oom", EINVAL, "the root");
	refused("event /a/c memory.oom", ENOENT, "no cgroup /a/c");
	refused("event /a/cpu.max memory.oom", ENOTDIR, "a file");
}
END_TEST

/* --- faults --------------------------------------------------------------------------------- */

START_TEST(a_fault_meets_one_operation)
{
	injected("fail /a/b write:memory.max EBUSY");
	ck_assert_int_eq(do_write("a/memory.max", "1M"), 0);
	ck_assert_int_eq(do_write("a/b/memory.high", "1M"), 0);
	ck_assert(shows("fail /a/b write:memory.max EBUSY once\n"));
	ck_assert_int_eq(do_write("a/b/memory.max", "1M"), -EBUSY);
	ck_assert_str_eq(why_take(), "injected: fail /a/b write:memory.max EBUSY once");
	assert_read("a/b/memory.max", "max\n");
	ck_assert_int_eq(do_write("a/b/memory.max", "1M"), 0);
	ck_assert(!shows("fail "));
}
END_TEST

START_TEST(faults_are_of_each_operation)
{
	struct tree_list list;
	const struct stat attr = { .st_mode = 0700 };
	struct tree_file *file;

	injected("fail / mkdir:x ENOSPC always\nfail /a/b rmdir EBUSY\nfail /a list EIO\n"
		 "fail /a/b setattr EPERM\nfail /a/b open:cpu.max EMFILE\n"
		 "fail * read ENODEV 2 times");
	ck_assert_int_eq(do_mkdir("x"), -ENOSPC);
	ck_assert_int_eq(do_mkdir("x"), -ENOSPC);
	ck_assert_int_eq(do_mkdir("y"), 0);
	ck_assert_int_eq(do_rmdir("a/b"), -EBUSY);
	ck_assert_int_eq(tree->ops->list(tree, node_at("a"), &list), -EIO);
	ck_assert_int_eq(tree->ops->setattr(tree, &TREE_SELF, node_at("a/b"), &attr,
					    TREE_SET_MODE), -EPERM);
	ck_assert_int_eq(open_as(&TREE_SELF, "a/b/cpu.max", &file), -EMFILE);
	for (int i = 0; i < 2; i++) {
		cleanup_buf struct buf text = { 0 };

		ck_assert_int_eq(do_read("a/cpu.max", &text), -ENODEV);
	}
	assert_read("a/cpu.max", "max 100000\n");
	injected("fail clear");
	ck_assert_int_eq(do_mkdir("x"), 0);
	ck_assert_int_eq(do_rmdir("a/b"), 0);
}
END_TEST

/* A name that is the end of another is no path; cgroups may come after the fault. */
START_TEST(faults_know_cgroups_by_path)
{
	injected("fail /b write EIO always\nfail /a/bb write EIO always\nfail /new write EIO");
	ck_assert_int_eq(do_write("a/b/cpu.max", "max"), 0);
	ck_assert_int_eq(do_mkdir("a/bb"), 0);
	ck_assert_int_eq(do_write("a/bb/cpu.max", "max"), -EIO);
	ck_assert_int_eq(do_mkdir("new"), 0);
	ck_assert_int_eq(do_write("new/cgroup.max.depth", "1"), -EIO);
	ck_assert_int_eq(do_write("cgroup.max.depth", "10"), 0);
	injected("fail / write:cgroup.max.depth EROFS");
	ck_assert_int_eq(do_write("cgroup.max.depth", "10"), -EROFS);
}
END_TEST

/* --- the tree, several lines ------------------------------------------------------------------ */

START_TEST(lines_before_a_wrong_one_stand)
{
	refused("mkdir /a/c\n# fine so far\nmkdir a/d\nmkdir /a/e\n", EINVAL, "line 3: \"a/d\"");
	ck_assert_uint_ne(node_at("a/c"), 0);
	ck_assert_uint_eq(node_at("a/e"), 0);
	ck_assert(shows("failed: EINVAL: line 3: "));
	refused("mkdir /a/c", EEXIST, "exists");
	refused("write /a/b/cpu.max 1", EINVAL, "at least 1000");
	refused("write /a/b/nothing 1", ENOENT, "no file /a/b/nothing");
	refused("rmdir /a", EBUSY, "2 children");
	refused("rmdir /x/y", ENOENT, "no cgroup /x");
}
END_TEST

START_TEST(a_wrong_scenario_does_nothing)
{
	static const char text[] = "mkdir /a/c\n\nadvance never\n";
	int r = emul_scenario(tree, "night.txt", text);

	ck_assert_int_eq(r, -EINVAL);
	ck_assert_ptr_nonnull(strstr(why_take(), "night.txt:3: advance needs a time"));
	ck_assert_uint_eq(node_at("a/c"), 0);
	r = emul_scenario(tree, "night.txt", "mkdir /a/c\nmkdir /a/b\n");
	ck_assert_int_eq(r, -EEXIST);
	ck_assert_ptr_nonnull(strstr(why_take(), "night.txt:2: "));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emul_inject");
	TCase *parser = tcase_create("parser");
	TCase *lines = tcase_create("lines");

	tcase_add_checked_fixture(parser, setup, emul_teardown);
	tcase_add_test(parser, lines_come_apart);
	tcase_add_test(parser, comments_and_blanks_do_nothing);
	tcase_add_test(parser, wrong_lines_are_refused_with_a_reason);
	tcase_add_test(parser, broken_lines_break_nothing);
	tcase_add_checked_fixture(lines, setup, emul_teardown);
	tcase_add_test(lines, usage_stands_in_the_cgroup_and_above);
	tcase_add_test(lines, cpu_time_only_rises_and_stays);
	tcase_add_test(lines, what_members_use_cannot_be_taken_away);
	tcase_add_test(lines, events_count_and_notify);
	tcase_add_test(lines, a_fault_meets_one_operation);
	tcase_add_test(lines, faults_are_of_each_operation);
	tcase_add_test(lines, faults_know_cgroups_by_path);
	tcase_add_test(lines, lines_before_a_wrong_one_stand);
	tcase_add_test(lines, a_wrong_scenario_does_nothing);
	suite_add_tcase(suite, parser);
	suite_add_tcase(suite, lines);
	return suite_run(suite);
}
