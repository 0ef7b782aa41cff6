/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pid namespaces made by the test: what we say of their members is compared with what the kernel
 * says when they send us a message (SCM_CREDENTIALS). Each test runs twice, with the ioctls and,
 * as on kernels before 6.12, without.
 */
#include "host/pidns.c"
#include "suite.h"

#include <check.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* A process: its number as we see it, in its own namespace and in that above. */
struct member {
	pid_t pid, nr, nr_above;
	pid_t thread; /* a thread's number in its own namespace */
};

static int to_test[2];
static pid_t started[8];
static size_t n_started;

/* What a member says of itself; who sent it comes with the message. */
struct hello {
	char who;
	pid_t nr, nr_above, thread;
};

static void say(char who, pid_t nr_above, pid_t thread)
{
	struct hello hello = { who, getpid(), nr_above, thread };

	if (send(to_test[1], &hello, sizeof hello, 0) != sizeof hello)
		_exit(1);
}

static void hear(struct member *members)
{
	char control[CMSG_SPACE(sizeof(struct ucred))] __attribute__((aligned(8)));
	struct hello hello;
	struct iovec iov = { &hello, sizeof hello };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof control };
	struct ucred cred;

	ck_assert_int_eq(recvmsg(to_test[0], &msg, 0), sizeof hello);
	ck_assert_ptr_nonnull(CMSG_FIRSTHDR(&msg));
	memcpy(&cred, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof cred);
	members[hello.who - 'a'] =
		(struct member){ cred.pid, hello.nr, hello.nr_above, hello.thread };
}

static pid_t fork_into(int flags)
{
	pid_t pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static int new_pidns(void)
{
	return geteuid() == 0 ? CLONE_NEWPID : CLONE_NEWPID | CLONE_NEWUSER;
}

static void *thread_main(void *tid)
{
	say('t', 0, gettid());
	pause();
	return tid;
}

/* 'b' is a second process of the namespace, with a thread 't'; 'c' the first of one within. */
static void member_a(void)
{
	pthread_t thread;
	pid_t pid;

	say('a', 0, 0);
	pid = fork_into(0);
	if (pid == 0) {
		say('b', 0, 0);
		pthread_create(&thread, NULL, thread_main, NULL);
		pause();
	}
	pid = fork_into(CLONE_NEWPID);
	if (pid == 0) {
		say('c', 0, 0);
		pause();
	}
	say('d', pid, 0); /* d stands for: what a calls c */
	pause();
}

/* 'e' is alone in a namespace beside that of 'a' and started first: same level, same number. */
static void start_members(struct member *members)
{
	int on = 1;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, to_test), 0);
	ck_assert_int_eq(setsockopt(to_test[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork_into(new_pidns());

		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			if (i == 1)
				member_a();
			say('e', 0, 0);
			pause();
		}
		started[n_started++] = pid;
		hear(members);
	}
	for (int i = 0; i < 4; i++)
		hear(members);
	members['c' - 'a'].nr_above = members['d' - 'a'].nr_above;
}

static void stop_members(void)
{
	while (n_started > 0) {
		kill(started[--n_started], SIGKILL);
		waitpid(started[n_started], NULL, 0);
	}
	close(to_test[0]);
	close(to_test[1]);
}

static pid_t shown(pid_t reader, pid_t pid)
{
	pid_t nr = -1;

	ck_assert_int_eq(pidns_show(reader, pid, &nr), 0);
	return nr;
}

static pid_t found(pid_t caller, pid_t nr)
{
	pid_t pid = -1;
	int r = pidns_find(caller, nr, &pid);

	return r < 0 ? r : pid;
}

#define M(who) (members[(who) - 'a'])

START_TEST(show)
{
	struct member members[26] = { 0 };

	atomic_store(&no_ioctl, _i == 1);
	start_members(members);
	ck_assert_int_eq(M('a').nr, 1);
	ck_assert_int_eq(shown(M('a').pid, M('a').pid), 1);
	ck_assert_int_eq(shown(M('a').pid, M('b').pid), M('b').nr);
	ck_assert_int_eq(shown(M('b').pid, M('c').pid), M('c').nr_above);
	ck_assert_int_eq(shown(M('c').pid, M('c').pid), 1);
	ck_assert_int_eq(shown(getpid(), M('b').pid), M('b').pid);
	/* Outside, above and beside. */
	ck_assert_int_eq(shown(M('a').pid, getpid()), 0);
	ck_assert_int_eq(shown(M('c').pid, M('b').pid), 0);
	ck_assert_int_eq(shown(M('a').pid, M('e').pid), 0);
	ck_assert_int_eq(pidns_show(0, M('a').pid, &M('z').pid), -ESRCH);
	stop_members();
	ck_assert_int_eq(pidns_show(M('a').pid, getpid(), &M('z').pid), -ESRCH);
	ck_assert_int_eq(M('z').pid, 0);
}
END_TEST

START_TEST(find)
{
	struct member members[26] = { 0 };
	char path[64];

	atomic_store(&no_ioctl, _i == 1);
	start_members(members);
	ck_assert_int_eq(found(M('b').pid, 1), M('a').pid);
	ck_assert_int_eq(found(M('a').pid, M('b').nr), M('b').pid);
	ck_assert_int_eq(found(M('a').pid, M('c').nr_above), M('c').pid);
	ck_assert_int_eq(found(M('e').pid, 1), M('e').pid);
	ck_assert_int_eq(found(getpid(), M('b').pid), M('b').pid);
	ck_assert_int_eq(found(M('e').pid, M('b').nr), -ESRCH);
	ck_assert_int_eq(found(M('a').pid, 4000000), -ESRCH);
	ck_assert_int_eq(found(M('a').pid, 0), -ESRCH);
	ck_assert_int_eq(found(M('a').pid, -1), -ESRCH);
	ck_assert_int_eq(found(0, 1), -ESRCH);
	/* A thread's number names the thread. */
	ck_assert_int_ne(M('t').thread, M('b').nr);
	snprintf(path, sizeof path, "/proc/%d/task/%d", M('b').pid,
		 found(M('a').pid, M('t').thread));
	ck_assert_int_eq(access(path, F_OK), 0);
	stop_members();
}
END_TEST

START_TEST(identity)
{
	struct member members[26] = { 0 };
	uint64_t self, a, b, c, e;
	pid_t init;

	atomic_store(&no_ioctl, _i == 1);
	start_members(members);
	ck_assert_int_eq(pidns_id(getpid(), &self), 0);
	ck_assert_int_eq(pidns_id(M('a').pid, &a), 0);
	ck_assert_int_eq(pidns_id(M('b').pid, &b), 0);
	ck_assert_int_eq(pidns_id(M('c').pid, &c), 0);
	ck_assert_int_eq(pidns_id(M('e').pid, &e), 0);
	ck_assert_uint_eq(a, b);
	ck_assert(a != self && a != c && a != e && c != self && e != self && e != c);
	ck_assert_int_eq(pidns_init(M('b').pid, &init), 0);
	ck_assert_int_eq(init, M('a').pid);
	ck_assert_int_eq(pidns_init(M('c').pid, &init), 0);
	ck_assert_int_eq(init, M('c').pid);
	ck_assert_int_eq(pidns_init(getpid(), &init), 0);
	ck_assert_int_eq(init, 1);
	stop_members();
	/* What was learnt of those must not be told of others. */
	start_members(members);
	ck_assert_int_eq(pidns_init(M('b').pid, &init), 0);
	ck_assert_int_eq(init, M('a').pid);
	stop_members();
}
END_TEST

START_TEST(start_time)
{
	uint64_t own, before, after, gone_ticks = 7;
	pid_t pid;

	ck_assert_int_eq(host_start_time(getpid(), &own), 0);
	ck_assert_int_eq(host_start_time(getpid(), &before), 0);
	ck_assert_int_eq(prctl(PR_SET_NAME, "a) b 1 (2) 3 4"), 0);
	ck_assert_int_eq(host_start_time(getpid(), &after), 0);
	ck_assert_uint_eq(before, after);
	ck_assert_uint_gt(own, 0);
	pid = fork_into(0);
	if (pid == 0)
		_exit(0);
	/* A zombie still has one; it is not older than its parent. */
	ck_assert_int_eq(host_start_time(pid, &after), 0);
	ck_assert_uint_ge(after, own);
	waitpid(pid, NULL, 0);
	ck_assert_int_eq(host_start_time(pid, &gone_ticks), -ESRCH);
	ck_assert_int_eq(host_start_time(0, &gone_ticks), -ESRCH);
	ck_assert_uint_eq(gone_ticks, 7);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("pidns");
	Suite *s = suite_create("pidns");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, show, 0, 2);
	tcase_add_loop_test(tc, find, 0, 2);
	tcase_add_loop_test(tc, identity, 0, 2);
	tcase_add_test(tc, start_time);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
