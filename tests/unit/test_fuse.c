/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parts of the FUSE layer that need no mount: node numbers, the log of refusals. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "fuse/errlog.h"
#include "fuse/nodes.h"
#include "make_record.h"
#include "suite.h"

START_TEST(node_numbers_come_apart_again)
{
	static const uint64_t containers[] = { 0, 1, 257, (1ULL << 40) - 1 };
	static const unsigned slots[] = { 0, 1, 4095, (1U << 20) - 1 };

	for (size_t c = 0; c < ARRAY_SIZE(containers); c++) {
		for (size_t i = 0; i < ARRAY_SIZE(slots); i++) {
			uint64_t node = node_view(containers[c], slots[i]);

			ck_assert_int_eq(node_kind(node), NODE_VIEW);
			ck_assert_uint_eq(node_container(node), containers[c]);
			ck_assert_uint_eq(node_slot(node), slots[i]);
		}
	}
}
END_TEST

START_TEST(kinds_do_not_overlap)
{
	uint64_t rest = (1ULL << 56) - 1;

	ck_assert_uint_ne(node_make(NODE_TREE, 1), node_make(NODE_LINK, 1));
	ck_assert_uint_ne(node_make(NODE_TREE, 1), TOP_ROOT);
	ck_assert_int_eq(node_kind(node_make(NODE_TREE, rest)), NODE_TREE);
	ck_assert_uint_eq(node_rest(node_make(NODE_TREE, rest)), rest);
	ck_assert_int_eq(node_kind(TOP_CTL_FILE + 2), NODE_TOP);
}
END_TEST

static struct errlog errlog;
static unsigned woken;

static void wake(void *data)
{
	(void)data;
	woken++;
}

static void setup(void)
{
	errlog_init(&errlog);
	woken = 0;
}

static void teardown(void)
{
	errlog_free(&errlog);
}

static void add(const uint64_t *ids, const char *file)
{
	errlog_add(&errlog, make_record(ids, file));
}

static struct errlog_reader *reader_of(uint64_t container, bool json)
{
	struct errlog_want want = { .container = container, .json = json, .wake = wake };
	struct errlog_reader *reader;

	ck_assert_int_eq(errlog_open(&errlog, &want, &reader), 0);
	return reader;
}

/* Reads on to where nothing comes; how many lines, and the text in out. */
static size_t read_on(struct errlog_reader *reader, struct buf *out)
{
	size_t before, lines = 0;

	buf_reset(out);
	do {
		before = out->len;
		ck_assert_int_eq(errlog_read(reader, errlog.pidns, out), 0);
	} while (out->len > before);
	for (const char *p = buf_text(out); (p = strchr(p, '\n')); p++)
		lines++;
	return lines;
}

static void assert_read(uint64_t container, const char *want, bool there)
{
	struct errlog_reader *reader = reader_of(container, false);
	cleanup_buf struct buf out = { 0 };

	read_on(reader, &out);
	ck_assert_msg((strstr(buf_text(&out), want) != NULL) == there, "%s: %s", want,
		      buf_text(&out));
	errlog_close(reader);
}

START_TEST(a_container_sees_its_own_refusals_only)
{
	add(IDS(1), "/host");
	add(IDS(1, 2), "/two");
	add(IDS(1, 2, 3), "/inside-two");
	add(IDS(1, 23), "/other");
	assert_read(2, "/two: EINVAL", true);
	assert_read(2, "/inside-two: EINVAL", true);
	assert_read(2, "/host", false);
	assert_read(2, "/other", false);
	assert_read(3, "/two", false);
	assert_read(1, "/host: EINVAL", true);
	assert_read(1, "/inside-two: EINVAL", true);
	assert_read(99, "EINVAL", false);
}
END_TEST

/* A cgroup below the container is no container: its number opens nothing. */
START_TEST(the_callers_cgroup_is_not_his_container)
{
	struct record *r = make_record(IDS(1, 2, 3), "/x");

	r->level = 1;
	errlog_add(&errlog, r);
	assert_read(2, "/x: EINVAL", true);
	assert_read(3, "/x", false);
}
END_TEST

START_TEST(nothing_is_shown_twice)
{
	struct errlog_reader *reader = reader_of(2, true);
	cleanup_buf struct buf out = { 0 };

	ck_assert(!errlog_unread(reader));
	add(IDS(1, 2), "/a");
	add(IDS(1, 3), "/others");
	ck_assert_uint_eq(woken, 1);
	ck_assert(errlog_unread(reader));
	ck_assert_uint_eq(read_on(reader, &out), 1);
	ck_assert_ptr_nonnull(strstr(buf_text(&out), "{\"seq\": 1, "));
	ck_assert(!errlog_unread(reader));
	ck_assert_uint_eq(read_on(reader, &out), 0);
	add(IDS(1, 2), "/b");
	ck_assert_uint_eq(read_on(reader, &out), 1);
	ck_assert_ptr_nonnull(strstr(buf_text(&out), "{\"seq\": 3, "));
	errlog_rewind(reader);
	ck_assert_uint_eq(read_on(reader, &out), 2);
	errlog_close(reader);
}
END_TEST

START_TEST(what_is_lost_is_told)
{
	struct errlog_reader *reader = reader_of(2, true);
	struct errlog_reader *other = reader_of(5, true);
	cleanup_buf struct buf out = { 0 };

	for (int i = 0; i < 3; i++)
		add(IDS(1, 2), "/a");
	ck_assert_uint_eq(read_on(reader, &out), 3);
	/* The three that were shown go, too, but are not lost to him. */
	for (int i = 0; i < ERRLOG_KEPT + 10; i++)
		add(IDS(1, 2), "/a");
	ck_assert_uint_eq(read_on(reader, &out), ERRLOG_KEPT + 1);
	ck_assert_ptr_nonnull(strstr(buf_text(&out), "\"lost\": 10}\n{"));
	ck_assert_uint_eq(read_on(reader, &out), 0);
	/* Nobody else has lost anything. */
	ck_assert_uint_eq(read_on(other, &out), 0);
	errlog_close(reader);
	errlog_close(other);
}
END_TEST

START_TEST(a_flood_leaves_others_their_refusals)
{
	cleanup_buf struct buf out = { 0 };
	struct errlog_reader *reader;

	for (int i = 0; i < 20; i++)
		add(IDS(1, 2), "/victim");
	for (uint64_t i = 0; i < 20 * ERRLOG_KEPT; i++)
		add(IDS(1, 3, 100 + i), "/flood");
	reader = reader_of(2, false);
	ck_assert_uint_eq(read_on(reader, &out), 20);
	errlog_close(reader);
}
END_TEST

/* A reader that is slower than what comes finds an end all the same. */
START_TEST(a_read_ends_while_more_comes)
{
	struct errlog_reader *reader = reader_of(1, false);
	cleanup_buf struct buf out = { 0 };
	int reads = 0;

	for (int i = 0; i < ERRLOG_KEPT; i++)
		add(IDS(1, 2), "/a");
	do {
		buf_reset(&out);
		ck_assert_int_eq(errlog_read(reader, errlog.pidns, &out), 0);
		ck_assert_uint_lt(out.len, ERRLOG_CHUNK + 4096);
		for (int i = 0; i < ERRLOG_KEPT; i++)
			add(IDS(1, 2), "/b");
	} while (out.len && ++reads < 1000);
	ck_assert_int_lt(reads, 10);
	errlog_close(reader);
}
END_TEST

START_TEST(readers_are_bounded_by_container)
{
	struct errlog_reader *readers[ERRLOG_READERS], *more;
	struct errlog_want want = { .container = 2, .wake = wake };

	for (size_t i = 0; i < ERRLOG_READERS; i++)
		readers[i] = reader_of(2, false);
	ck_assert_int_eq(errlog_open(&errlog, &want, &more), -EMFILE);
	errlog_close(reader_of(3, false));
	errlog_close(readers[0]);
	readers[0] = reader_of(2, false);
	for (size_t i = 0; i < ERRLOG_READERS; i++)
		errlog_close(readers[i]);
	ck_assert_ptr_null(errlog.audiences);
}
END_TEST

START_TEST(a_line_for_people_has_one_line)
{
	struct record *r = make_record(IDS(1, 2), "/a\x1b[2J\nb");
	cleanup_buf struct buf out = { 0 };

	record_write(r, "1\n\"]\0\xff\xc2\x9b\xc3\xa4", 10);
	r->size = 300;
	snprintf(r->comm, sizeof r->comm, "x\", pid 1");
	free(r->why);
	r->why = strdup("bad\tvalue");
	record_text(r, 7, &out);
	ck_assert_ptr_nonnull(strstr(buf_text(&out), "/a\\x1b[2J\\x0ab: EINVAL: bad\\x09value ["));
	ck_assert_ptr_nonnull(strstr(buf_text(&out),
				     "[write \"1\\n\\\"]\\x00\\xff\\xc2\\x9b\xc3\xa4\" and 290 "
				     "bytes more by \"x\\\", pid 1\", pid 7, uid 0, gid 0, "
				     "container /c]"));
	ck_assert_ptr_null(strchr(buf_text(&out), '\n'));
	record_free(r);
}
END_TEST

START_TEST(a_line_for_programs_is_json)
{
	struct record *r = make_record(IDS(1, 2), "/a\xff");
	cleanup_buf struct buf out = { 0 };

	record_write(r, "1\n\"\\\0\xff\xc2\x9b", 8);
	r->when = (struct timespec){ .tv_sec = 86400, .tv_nsec = 1234567 };
	r->seq = 5;
	record_json(r, 7, &out);
	ck_assert_str_eq(buf_text(&out),
			 "{\"seq\": 5, \"time\": \"1970-01-02T00:00:00.001234Z\", "
			 "\"op\": \"write\", \"file\": \"/a\xef\xbf\xbd\", "
			 "\"text\": \"1\\n\\\"\\\\\\u0000\xef\xbf\xbd\\u009b\", \"text_size\": 8, "
			 "\"errno\": \"EINVAL\", \"reason\": \"\", \"pid\": 7, \"uid\": 0, "
			 "\"gid\": 0, \"comm\": \"test\", \"container\": \"/c\"}");
	record_free(r);
}
END_TEST

START_TEST(pids_are_those_of_the_readers_namespace)
{
	struct record r = { .pid = 500, .own_pid = 3, .pidns = 77 };

	ck_assert_int_eq(record_pid(&r, 11, 11), 500);
	ck_assert_int_eq(record_pid(&r, 77, 11), 3);
	ck_assert_int_eq(record_pid(&r, 78, 11), 0);
	ck_assert_int_eq(record_pid(&r, 0, 0), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fuse");
	TCase *nodes = tcase_create("nodes");
	TCase *errors = tcase_create("errlog");

	tcase_add_test(nodes, node_numbers_come_apart_again);
	tcase_add_test(nodes, kinds_do_not_overlap);
	tcase_add_checked_fixture(errors, setup, teardown);
	tcase_add_test(errors, a_container_sees_its_own_refusals_only);
	tcase_add_test(errors, the_callers_cgroup_is_not_his_container);
	tcase_add_test(errors, nothing_is_shown_twice);
	tcase_add_test(errors, what_is_lost_is_told);
	tcase_add_test(errors, a_flood_leaves_others_their_refusals);
	tcase_add_test(errors, a_read_ends_while_more_comes);
	tcase_add_test(errors, readers_are_bounded_by_container);
	tcase_add_test(errors, a_line_for_people_has_one_line);
	tcase_add_test(errors, a_line_for_programs_is_json);
	tcase_add_test(errors, pids_are_those_of_the_readers_namespace);
	suite_add_tcase(suite, nodes);
	suite_add_tcase(suite, errors);
	return suite_run(suite);
}
