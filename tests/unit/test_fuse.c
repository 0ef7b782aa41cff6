/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parts of the FUSE layer that need no mount: node numbers, the log of refusals. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "fuse/errlog.h"
#include "fuse/nodes.h"
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

static void setup(void)
{
	errlog_init(&errlog);
}

static void teardown(void)
{
	errlog_free(&errlog);
}

START_TEST(refusals_name_place_errno_and_reason)
{
	cleanup_buf struct buf out = { 0 };

	errlog_add(&errlog, "/a/cpu.max", EINVAL, "quota is below 1000 us");
	errlog_add(&errlog, "/a/b", EAGAIN, "");
	errlog_show(&errlog, "/", &out);
	ck_assert_ptr_nonnull(strstr(buf_text(&out),
				     " /a/cpu.max: EINVAL: quota is below 1000 us\n"));
	ck_assert_ptr_nonnull(strstr(buf_text(&out), " /a/b: EAGAIN\n"));
}
END_TEST

START_TEST(a_container_sees_its_own_refusals_only)
{
	cleanup_buf struct buf out = { 0 };

	errlog_add(&errlog, "/a/x", EINVAL, "");
	errlog_add(&errlog, "/ab/x", EINVAL, "");
	errlog_add(&errlog, "/a", EBUSY, "");
	errlog_show(&errlog, "/a", &out);
	ck_assert_ptr_nonnull(strstr(buf_text(&out), "/a/x: "));
	ck_assert_ptr_nonnull(strstr(buf_text(&out), "/a: EBUSY"));
	ck_assert_ptr_null(strstr(buf_text(&out), "/ab/x"));
}
END_TEST

START_TEST(the_ring_keeps_the_latest)
{
	cleanup_buf struct buf out = { 0 };
	size_t lines = 0;
	char where[32];

	for (int i = 0; i < 3 * ERRLOG_KEPT; i++) {
		snprintf(where, sizeof where, "/n%d", i);
		errlog_add(&errlog, where, EINVAL, "");
	}
	errlog_show(&errlog, "/", &out);
	for (const char *p = buf_text(&out); (p = strchr(p, '\n')); p++)
		lines++;
	ck_assert_uint_eq(lines, ERRLOG_KEPT);
	snprintf(where, sizeof where, " /n%d: ", 3 * ERRLOG_KEPT - 1);
	ck_assert_ptr_nonnull(strstr(buf_text(&out), where));
	ck_assert_ptr_nonnull(strstr(buf_text(&out), " /n256: "));
	ck_assert_ptr_null(strstr(buf_text(&out), " /n255: "));
}
END_TEST

START_TEST(a_terminal_is_sent_no_control_characters)
{
	cleanup_buf struct buf out = { 0 };

	errlog_add(&errlog, "/a\x1b[2J\nb", EINVAL, "bad\tvalue");
	errlog_show(&errlog, "/", &out);
	ck_assert_ptr_nonnull(strstr(buf_text(&out), "/a\\x1b[2J\\x0ab: EINVAL: bad\\x09value\n"));
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
	tcase_add_test(errors, refusals_name_place_errno_and_reason);
	tcase_add_test(errors, a_container_sees_its_own_refusals_only);
	tcase_add_test(errors, the_ring_keeps_the_latest);
	tcase_add_test(errors, a_terminal_is_sent_no_control_characters);
	suite_add_tcase(suite, nodes);
	suite_add_tcase(suite, errors);
	return suite_run(suite);
}
