/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The audit: its queue over a sink that fails when told to, its file through rotations, syslog over
 * a socket of the test's own. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/why.h"
#include "fuse/audit.h"
#include "make_record.h"
#include "suite.h"

static char dir[] = "/tmp/ctlfs-audit.XXXXXX";
static char path[64], old[64];

static void setup(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/audit", dir);
	snprintf(old, sizeof old, "%s/audit.1", dir);
}

static void teardown(void)
{
	unlink(path);
	unlink(old);
	ck_assert_int_eq(rmdir(dir), 0);
}

static int put(struct sink *s, const char *text)
{
	cleanup_buf struct buf line = { 0 };

	buf_adds(&line, text);
	return s->ops->put(s, NULL, &line);
}

static void assert_file(const char *name, const char *want)
{
	cleanup_buf struct buf text = { 0 };

	ck_assert_int_eq(buf_readat(&text, AT_FDCWD, name, 1 << 20), 0);
	ck_assert_str_eq(buf_text(&text), want);
}

START_TEST(a_file_is_followed_through_rotations)
{
	struct sink *s;

	ck_assert_int_eq(sink_file(path, &s), 0);
	ck_assert_int_eq(put(s, "one"), 0);
	ck_assert_int_eq(put(s, "two"), 0);
	/* Renamed, as logrotate does without anybody being told. */
	ck_assert_int_eq(rename(path, old), 0);
	ck_assert_int_eq(put(s, "three"), 0);
	assert_file(old, "one\ntwo\n");
	assert_file(path, "three\n");
	/* Replaced by an empty one, and emptied (copytruncate). */
	ck_assert_int_eq(rename(path, old), 0);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(put(s, "four"), 0);
	assert_file(path, "four\n");
	ck_assert_int_eq(truncate(path, 0), 0);
	ck_assert_int_eq(put(s, "five"), 0);
	assert_file(path, "five\n");
	s->ops->close(s);
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_anew_goes_on)
{
	struct sink *s;

	ck_assert_int_eq(sink_file(path, &s), 0);
	ck_assert_int_eq(rename(path, old), 0);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	ck_assert_int_eq(put(s, "one"), 0);
	assert_file(old, "one\n");
	s->ops->close(s);
}
END_TEST

START_TEST(only_regular_files_are_opened)
{
	struct sink *s;

	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_lt(sink_file(path, &s), 0);
	ck_assert_ptr_nonnull(strstr(why_take(), "not a regular file"));
	ck_assert_int_eq(symlink("nowhere", old), 0);
	ck_assert_int_lt(sink_file(old, &s), 0);
	ck_assert_ptr_nonnull(strstr(why_take(), "not a regular file"));
	ck_assert_int_lt(sink_file("relative", &s), 0);
	ck_assert_int_lt(sink_file("/", &s), 0);
	ck_assert_int_lt(sink_file("/nonexistent/x", &s), 0);
	ck_assert_ptr_nonnull(strstr(why_take(), "/nonexistent"));
}
END_TEST

START_TEST(a_torn_line_is_ended)
{
	struct rlimit limit = { 6, RLIM_INFINITY }, before;
	struct sink *s;

	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(sink_file(path, &s), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(put(s, "0123456789"), -EFBIG);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	ck_assert_int_eq(put(s, "next"), 0);
	assert_file(path, "012345\nnext\n");
	s->ops->close(s);
}
END_TEST

START_TEST(syslog_comes_as_datagrams)
{
	struct sockaddr_un where = { .sun_family = AF_UNIX };
	struct sink *s;
	char got[256];
	ssize_t n;

	ck_assert_int_eq(sink_syslog(path, &s), -ENOENT);
	ck_assert_ptr_nonnull(strstr(why_take(), path));
	strcpy(where.sun_path, path);
	for (int turn = 0; turn < 2; turn++) {
		int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

		ck_assert_int_eq(bind(fd, (struct sockaddr *)&where, sizeof where), 0);
		if (turn == 0)
			ck_assert_int_eq(sink_syslog(path, &s), 0);
		ck_assert_int_eq(put(s, "a line"), 0);
		n = recv(fd, got, sizeof got - 1, 0);
		ck_assert_int_gt(n, 0);
		got[n] = '\0';
		ck_assert_int_eq(strncmp(got, "<86>", 4), 0); /* authpriv.info */
		ck_assert_ptr_nonnull(strstr(got, " ctlfs["));
		ck_assert_ptr_nonnull(strstr(got, "]: a line"));
		/* The daemon is started again: the same line finds the new socket. */
		close(fd);
		unlink(path);
		ck_assert_int_lt(put(s, "nobody"), 0);
	}
	s->ops->close(s);
}
END_TEST

/* A sink that says error, or counts what it gets. */
struct test_sink {
	struct sink sink; /* first */
	pthread_mutex_t lock;
	pthread_cond_t put;
	int error;
	size_t tried, got;
	struct buf text;
};

static int test_put(struct sink *sink, const struct record *r, struct buf *line)
{
	struct test_sink *t = (struct test_sink *)sink;

	(void)r;
	guard_mutex(&t->lock);
	t->tried++;
	pthread_cond_signal(&t->put);
	if (t->error)
		return t->error;
	t->got++;
	buf_adds(&t->text, buf_text(line));
	buf_adds(&t->text, "\n");
	return 0;
}

static void test_close(struct sink *sink)
{
	(void)sink;
}

static const struct sink_ops test_ops = { test_put, test_close };

static struct test_sink sink_new(int error)
{
	return (struct test_sink){ .sink = { &test_ops, "test" }, .error = error,
				   .lock = PTHREAD_MUTEX_INITIALIZER,
				   .put = PTHREAD_COND_INITIALIZER };
}

static void wait_tried(struct test_sink *t)
{
	guard_mutex(&t->lock);
	while (!t->tried)
		pthread_cond_wait(&t->put, &t->lock);
}

START_TEST(what_waits_is_written_at_the_end)
{
	struct test_sink t = sink_new(0);
	struct audit *a;
	char file[32];

	ck_assert_int_eq(audit_new_over(&t.sink, &a), 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(file, sizeof file, "/n%d", i);
		audit_add(a, make_record(IDS(1, 2), file));
	}
	audit_free(a);
	ck_assert_uint_eq(t.got, 1000);
	ck_assert_ptr_nonnull(strstr(buf_text(&t.text), "\"file\": \"/n999\""));
	ck_assert_ptr_null(strstr(buf_text(&t.text), "lost"));
	buf_free(&t.text);
}
END_TEST

/* Nothing gets through for a while: one container's flood does not push out another's line, and
 * what is lost is counted and told. */
START_TEST(a_sink_that_fails_loses_the_floods_lines)
{
	struct test_sink t = sink_new(-ENOSPC);
	struct audit *a;

	ck_assert_int_eq(audit_new_over(&t.sink, &a), 0);
	audit_add(a, make_record(IDS(1, 3), "/first"));
	wait_tried(&t); /* it is held by the thread now */
	audit_add(a, make_record(IDS(1, 2), "/victim"));
	for (uint64_t i = 0; i < AUDIT_WAITING + 500; i++)
		audit_add(a, make_record(IDS(1, 3, 100 + i), "/flood"));
	ck_assert_uint_eq(audit_count(a).lost, 501);
	ck_assert_uint_eq(audit_count(a).waiting, AUDIT_WAITING);
	pthread_mutex_lock(&t.lock);
	t.error = 0;
	pthread_mutex_unlock(&t.lock);
	audit_free(a);
	/* At the end the first one may be tried no more, or once more. */
	ck_assert_ptr_nonnull(strstr(buf_text(&t.text), "\"lost\": 50"));
	ck_assert_ptr_nonnull(strstr(buf_text(&t.text), "/victim"));
	ck_assert_uint_ge(t.got, AUDIT_WAITING + 1);
	buf_free(&t.text);
}
END_TEST

START_TEST(a_line_that_never_fits_does_not_stop_others)
{
	struct test_sink t = sink_new(-EMSGSIZE);
	struct audit *a;

	ck_assert_int_eq(audit_new_over(&t.sink, &a), 0);
	audit_add(a, make_record(IDS(1), "/a"));
	audit_add(a, NULL);
	audit_add(a, make_record(IDS(1), "/b"));
	while (audit_count(a).lost < 3)
		usleep(1000);
	audit_free(a);
	buf_free(&t.text);
}
END_TEST

START_TEST(targets_have_names)
{
	struct audit *a;

	ck_assert_int_lt(audit_new("somewhere", &a), 0);
	ck_assert_ptr_nonnull(strstr(why_take(), "syslog, journal or the absolute path"));
	ck_assert_int_eq(audit_new(path, &a), 0);
	audit_free(a);
	audit_free(NULL);
	if (access("/run/systemd/journal/socket", F_OK) < 0) {
		ck_assert_int_lt(audit_new("journal", &a), 0);
		ck_assert_ptr_nonnull(strstr(why_take(), "journal"));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("audit");
	TCase *sinks = tcase_create("sinks");
	TCase *queue = tcase_create("queue");

	tcase_add_checked_fixture(sinks, setup, teardown);
	tcase_add_test(sinks, a_file_is_followed_through_rotations);
	tcase_add_test(sinks, a_file_that_cannot_be_opened_anew_goes_on);
	tcase_add_test(sinks, only_regular_files_are_opened);
	tcase_add_test(sinks, a_torn_line_is_ended);
	tcase_add_test(sinks, syslog_comes_as_datagrams);
	tcase_add_test(sinks, targets_have_names);
	tcase_add_test(queue, what_waits_is_written_at_the_end);
	tcase_add_test(queue, a_sink_that_fails_loses_the_floods_lines);
	tcase_add_test(queue, a_line_that_never_fits_does_not_stop_others);
	suite_add_tcase(suite, sinks);
	suite_add_tcase(suite, queue);
	return suite_run(suite);
}
