/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls that wait for their turn, over a server that is fed with the kernel's requests through a
 * socket. Writes end when the test lets them.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/server.h"
#include "fuse/session.h"
#include "suite.h"

#include <linux/fuse.h>

/* Numbers of directories; the file of each has a number that is 1 more. */
enum { A = 100, A_INNER = 110, B = 200 };
#define PID_A 1000001 /* of nobody: they are only asked where they are */
#define PID_INNER 1000002
#define PID_B 1000003

#define SHARE (2 + 24 / 2) /* of one container: what is for anybody, and half */
#define SOON_MSEC 100
#define LATE_MSEC 20000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned running, allowed; /* that have begun and not ended; that may end */
static char began[4096]; /* the first letter of each text, in their order */
static pid_t own_place[2]; /* real processes in A */

/* --- the tree --- */

static int fake_stat(struct tree *t, uint64_t node, const char *name, struct stat *ret_stat)
{
	(void)t;
	if (name && !strcmp(name, ".."))
		node = node == A_INNER ? A : TREE_ROOT;
	else if (name && *name)
		node = B;
	*ret_stat = (struct stat){ .st_ino = node, .st_mode = node % 2 ? 0100644 : 040755 };
	return 0;
}

static int fake_locate(struct tree *t, pid_t pid, uint64_t *ret_dir)
{
	(void)t;
	if (pid == PID_A || pid == own_place[0] || pid == own_place[1])
		*ret_dir = A;
	else if (pid == PID_INNER)
		*ret_dir = A_INNER;
	else
		*ret_dir = B;
	return 0;
}

static void take_long(char letter)
{
	guard_mutex(&lock);
	began[strlen(began)] = letter;
	running++;
	pthread_cond_broadcast(&changed);
	while (!allowed)
		pthread_cond_wait(&changed, &lock);
	allowed--;
	running--;
}

static int fake_write(struct tree_file *f, const struct caller *writer, char *text, size_t len)
{
	(void)f, (void)writer, (void)len;
	take_long(*text);
	return 0;
}

static int fake_read(struct tree_file *f, const struct caller *reader, struct buf *out)
{
	(void)f, (void)reader;
	buf_adds(out, "text\n");
	return 0;
}

static void fake_close(struct tree_file *f)
{
	free(f);
}

static int fake_open(struct tree *t, const struct caller *who, uint64_t node, int flags,
		     struct tree_file **ret_file)
{
	static const struct tree_file_ops ops = { fake_read, fake_write, NULL, fake_close };

	(void)who, (void)flags;
	*ret_file = malloc(sizeof **ret_file);
	**ret_file = (struct tree_file){ &ops, t, node };
	return 0;
}

static int fake_mkdir(struct tree *t, const struct caller *who, uint64_t dir, const char *name,
		      mode_t mode)
{
	(void)t, (void)who, (void)dir, (void)mode;
	take_long(*name);
	return 0;
}

static const struct tree_ops ops = { .stat = fake_stat, .locate = fake_locate, .open = fake_open,
				     .mkdir = fake_mkdir };

/* --- the kernel's side --- */

static struct tree tree;
static struct view *view;
static struct server *server;
static pthread_t server_thread;
static bool ended;
static int kernel;
static uint64_t unique;

struct bytes {
	const void *data;
	size_t len;
};

#define BYTES(object) ((struct bytes){ &(object), sizeof(object) })
#define NOTHING ((struct bytes){ "", 0 })

static uint64_t send_request(uint32_t opcode, pid_t pid, uint64_t node, struct bytes args,
			     struct bytes data)
{
	static char message[1 << 17];
	struct fuse_in_header *h = (struct fuse_in_header *)message;

	unique += 2;
	*h = (struct fuse_in_header){ .len = (uint32_t)(sizeof *h + args.len + data.len),
				      .opcode = opcode, .unique = unique, .nodeid = node,
				      .pid = (uint32_t)pid };
	memcpy(message + sizeof *h, args.data, args.len);
	memcpy(message + sizeof *h + args.len, data.data, data.len);
	ck_assert_int_eq(send(kernel, message, h->len, 0), (ssize_t)h->len);
	return unique;
}

/* Whether an answer comes within msec. */
static bool get_answer(int msec, struct fuse_out_header *ret_header, void *ret_data, size_t len)
{
	struct pollfd fd = { kernel, POLLIN, 0 };
	char message[4096];
	ssize_t n;

	if (poll(&fd, 1, msec) != 1)
		return false;
	n = recv(kernel, message, sizeof message, 0);
	ck_assert_int_ge(n, (ssize_t)sizeof *ret_header);
	memcpy(ret_header, message, sizeof *ret_header);
	if (ret_data && n >= (ssize_t)(sizeof *ret_header + len))
		memcpy(ret_data, message + sizeof *ret_header, len);
	return true;
}

static void expect_answer(uint64_t to, int error)
{
	struct fuse_out_header h;

	ck_assert(get_answer(LATE_MSEC, &h, NULL, 0));
	ck_assert_uint_eq(h.unique, to);
	ck_assert_int_eq(h.error, error);
}

static void expect_no_answer(void)
{
	struct fuse_out_header h;

	ck_assert(!get_answer(SOON_MSEC, &h, NULL, 0));
}

static uint64_t open_file(pid_t pid, uint64_t dir)
{
	const struct fuse_open_in in = { .flags = O_RDWR };
	struct fuse_open_out out = { 0 };
	struct fuse_out_header h;

	send_request(FUSE_OPEN, pid, node_make(NODE_TREE, dir + 1), BYTES(in), NOTHING);
	ck_assert(get_answer(LATE_MSEC, &h, &out, sizeof out));
	ck_assert_int_eq(h.error, 0);
	return out.fh;
}

static uint64_t write_text(pid_t pid, uint64_t fh, const char *text, size_t len)
{
	const struct fuse_write_in in = { .fh = fh, .size = (uint32_t)len };

	return send_request(FUSE_WRITE, pid, 1, BYTES(in),
			    (struct bytes){ text, len });
}

static uint64_t write_new(pid_t pid, uint64_t dir, const char *letter)
{
	return write_text(pid, open_file(pid, dir), letter, 1);
}

static void interrupt(uint64_t request)
{
	const struct fuse_interrupt_in in = { request };

	send_request(FUSE_INTERRUPT, 0, 0, BYTES(in), NOTHING);
}

static void *serve(void *data)
{
	ck_assert_int_eq(server_serve(data, NULL), 0);
	return NULL;
}

static void setup(void)
{
	const struct fuse_init_in in = { 7, 38, 65536, FUSE_BIG_WRITES | FUSE_MAX_PAGES, 0, { 0 } };
	struct server_config config = { .tree = &tree, .backend = "kernel", .threads = 2 };
	struct fuse_out_header h;
	int ends[2];

	tree = (struct tree){ .ops = &ops };
	memset(began, 0, sizeof began);
	running = allowed = 0;
	ended = false;
	ck_assert_int_eq(view_new(&tree, &view), 0);
	config.view = view;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	kernel = ends[0];
	ck_assert_int_eq(server_new(&config, ends[1], &server), 0);
	ck_assert_int_eq(pthread_create(&server_thread, NULL, serve, server), 0);
	send_request(FUSE_INIT, 0, 0, BYTES(in), NOTHING);
	ck_assert(get_answer(LATE_MSEC, &h, NULL, 0));
	ck_assert_int_eq(h.error, 0);
}

static void let_end(unsigned n)
{
	guard_mutex(&lock);
	allowed += n;
	pthread_cond_broadcast(&changed);
}

/* How many calls were answered after the wish to end, and how many of them with EINTR. */
struct answers {
	unsigned n, interrupted;
};

/* Takes answers until there is no server any more: a socket holds so many, unlike the device. */
static struct answers end_server(void)
{
	struct answers got = { 0 };
	struct fuse_out_header h;
	bool joined = ended;

	ended = true;
	server_stop(server);
	while (!joined && !server->stop)
		usleep(1000);
	let_end(4096);
	do {
		joined = joined || pthread_tryjoin_np(server_thread, NULL) == 0;
		while (get_answer(joined ? 0 : 10, &h, NULL, 0)) {
			ck_assert(h.error == 0 || h.error == -EINTR);
			got.interrupted += h.error == -EINTR;
			got.n++;
		}
	} while (!joined);
	return got;
}

static void teardown(void)
{
	end_server();
	server_free(server);
	view_free(view);
	close(kernel);
}

static void wait_running(unsigned n)
{
	guard_mutex(&lock);
	while (running < n)
		pthread_cond_wait(&changed, &lock);
}

static void wait_begun(size_t n)
{
	guard_mutex(&lock);
	while (strlen(began) < n)
		pthread_cond_wait(&changed, &lock);
}

/* As many calls of A as may run at once. */
static void fill_share(void)
{
	for (unsigned i = 0; i < SHARE; i++)
		write_new(PID_A, A, "f");
	wait_running(SHARE);
}

/* Waits until n more have been answered. */
static void drain(unsigned n)
{
	struct fuse_out_header h;

	let_end(n);
	while (n--) {
		ck_assert(get_answer(LATE_MSEC, &h, NULL, 0));
		ck_assert_int_eq(h.error, 0);
	}
}

/* --- the tests --- */

START_TEST(the_rest_waits)
{
	fill_share();
	for (unsigned i = 0; i < 20; i++)
		write_new(PID_A, A, (char[]){ (char)('k' + i), 0 });
	expect_no_answer();
	ck_assert_uint_eq(running, SHARE);
	ck_assert_uint_eq(server->turns.waiting, 20);
	for (unsigned i = 1; i <= 20; i++) {
		drain(1);
		wait_begun(SHARE + i);
	}
	ck_assert_str_eq(began + SHARE, "klmnopqrstuvwxyz{|}~");
	drain(SHARE);
}
END_TEST

START_TEST(others_do_not)
{
	fill_share();
	write_new(PID_A, A, "a");
	write_new(PID_B, B, "b");
	wait_running(SHARE + 1);
	ck_assert_str_eq(began + SHARE, "b");
	drain(SHARE + 2);
}
END_TEST

START_TEST(cgroups_take_turns)
{
	fill_share();
	for (unsigned i = 0; i < 5; i++)
		write_new(PID_A, A, "a");
	for (unsigned i = 0; i < 3; i++)
		write_new(PID_INNER, A_INNER, "i");
	expect_no_answer();
	for (unsigned i = 1; i <= 8; i++) {
		drain(1);
		wait_begun(SHARE + i);
	}
	ck_assert_str_eq(began + SHARE, "aiaiaiaa");
}
END_TEST

START_TEST(other_calls_wait_too)
{
	const struct fuse_mkdir_in in = { .mode = 0755 };
	struct fuse_read_in again = { .size = 4096 };
	uint64_t fh;

	fh = open_file(PID_A, A);
	write_text(PID_A, fh, "w", 1);
	wait_running(1);
	for (unsigned i = 1; i < SHARE; i++)
		write_new(PID_A, A, "f");
	wait_running(SHARE);
	send_request(FUSE_MKDIR, PID_A, node_make(NODE_TREE, A), BYTES(in),
		     (struct bytes){ "made", 5 });
	again.fh = fh; /* behind the write to the same file */
	send_request(FUSE_READ, PID_A, node_make(NODE_TREE, A + 1), BYTES(again), NOTHING);
	expect_no_answer();
	drain(SHARE + 1 + 1);
	ck_assert_str_eq(began + SHARE, "m");
}
END_TEST

START_TEST(who_is_killed_need_not_wait)
{
	uint64_t killed, alive;

	own_place[0] = getpid();
	own_place[1] = fork();
	if (!own_place[1])
		_exit(0);
	ck_assert_int_eq(waitid(P_PID, (id_t)own_place[1], &(siginfo_t){ 0 }, WEXITED | WNOWAIT),
			 0);
	fill_share();
	killed = write_new(own_place[1], A, "k");
	alive = write_new(own_place[0], A, "l");
	interrupt(alive);
	expect_no_answer();
	interrupt(killed);
	expect_answer(killed, -EINTR);
	drain(SHARE + 1);
	ck_assert_str_eq(began + SHARE, "l");
	waitpid(own_place[1], NULL, 0);
}
END_TEST

START_TEST(too_many)
{
	static char text[65536];
	struct fuse_out_header h;
	unsigned waiting = 0;
	uint64_t fh;

	memset(text, 't', sizeof text);
	fill_share();
	fh = open_file(PID_A, A);
	/* 128 MiB of all may be kept, half of it for one; each is 17 pages. */
	while (waiting < 2000 && !get_answer(0, &h, NULL, 0)) {
		write_text(PID_A, fh, text, sizeof text);
		waiting++;
	}
	ck_assert_int_eq(h.error, -ENOMEM);
	ck_assert_uint_ge(waiting, (32768 / 2) / 17);
	ck_assert_uint_lt(waiting, 2000);
	while (get_answer(SOON_MSEC, &h, NULL, 0))
		ck_assert_int_eq(h.error, -ENOMEM);
	/* others have theirs */
	write_new(PID_B, B, "b");
	wait_running(SHARE + 1);
}
END_TEST

START_TEST(the_end_is_told)
{
	struct answers got;

	fill_share();
	for (unsigned i = 0; i < 20; i++)
		write_new(PID_A, A, "w");
	expect_no_answer();
	got = end_server();
	ck_assert_uint_eq(got.n, SHARE + 20);
	ck_assert_uint_eq(got.interrupted, 20);
}
END_TEST

int main(void)
{
	const TTest *tests[] = { the_rest_waits, others_do_not, cgroups_take_turns,
				 other_calls_wait_too, who_is_killed_need_not_wait,
				 too_many, the_end_is_told };

	Suite *suite = suite_create("turns");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
