/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Real processes that a test controls. A child is this test program run anew, so that it is free of
 * the test's threads, with the name of what to do. It lives until its standard input ends, and
 * reports pids on its standard output. Nothing depends on how long anything takes.
 */
#ifndef TESTS_CHILDREN_H
#define TESTS_CHILDREN_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/clock.h"
#include "ctlfs/tasks.h"

#define DEADLINE_NS (120 * 1000000000ULL)

/* What is true at some time, however long that takes; false after the deadline. */
#define eventually(condition)                                                         \
	do {                                                                          \
		uint64_t until_ = monotonic_ns() + DEADLINE_NS;                       \
		while (!(condition)) {                                                \
			ck_assert_msg(monotonic_ns() < until_, "never: " #condition); \
			sched_yield();                                                \
		}                                                                     \
	} while (0)

/* Tasks that were visited. */
struct seen {
	pid_t pids[64];
	uint64_t tags[64];
	size_t n;
};

struct child {
	pid_t pid;
	int go; /* closing it ends the child and what it left behind */
	int report;
};

/* --- what children do --- */

static inline void wait_for_end(void)
{
	char c;

	while (read(STDIN_FILENO, &c, 1) > 0)
		;
}

static inline void wait_go(void)
{
	char c;

	if (read(STDIN_FILENO, &c, 1) != 1)
		_exit(0);
}

static inline void report_self(void)
{
	char line[16];
	int n = snprintf(line, sizeof line, "%d\n", (int)getpid());

	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		_exit(1);
}

static inline void *sit(void *data)
{
	(void)data;
	wait_for_end();
	return NULL;
}

static inline void be_quiet(void)
{
	report_self();
	wait_for_end();
}

/* Forks, execs a shell in the child, and leaves an orphan behind by forking twice. */
static inline void multiply(void)
{
	report_self();
	wait_go();
	if (fork() == 0) {
		execl("/bin/sh", "sh", "-c", "echo $$; read -r x", NULL);
		_exit(1);
	}
	if (fork() == 0) {
		if (fork() == 0) {
			report_self();
			wait_for_end();
			_exit(0);
		}
		_exit(0);
	}
	report_self();
	wait_for_end();
	while (wait(NULL) > 0)
		;
}

static inline void have_threads(void)
{
	pthread_t threads[2];

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_create(&threads[i], NULL, sit, NULL);
	report_self();
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
}

static inline void *sit_and_exit(void *data)
{
	sit(data);
	_exit(0); /* other threads may be there, a sanitizer's */
}

/* The first thread ends, another lives on. */
static inline void lose_leader(void)
{
	pthread_t other;

	pthread_create(&other, NULL, sit_and_exit, NULL);
	report_self();
	pthread_exit(NULL);
}

static inline void burn(void)
{
	struct timespec ts;

	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	while (ts.tv_sec == 0 && ts.tv_nsec < 50000000);
	report_self();
	wait_for_end();
}

enum { LITTER = 40 };

static inline void litter(void)
{
	report_self();
	for (int i = 0; i < LITTER; i++) {
		if (fork() == 0) {
			report_self();
			wait_for_end();
			_exit(0);
		}
	}
	wait_for_end();
	while (wait(NULL) > 0)
		;
}

/* Forks as fast as it can until it is killed; every child stays. */
static inline void swarm(void)
{
	report_self();
	wait_go();
	for (int i = 0; i < 200; i++) {
		if (fork() == 0) {
			for (;;)
				pause();
		}
		if (i == 20)
			report_self();
	}
	for (;;)
		pause();
}

/* Processes are born and end all the time. */
static inline void breed(void)
{
	char c;

	report_self();
	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	while (read(STDIN_FILENO, &c, 1) < 0) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
}

struct behaviour {
	const char *name;
	void (*behave)(void);
};

static const struct behaviour behaviours[] = {
	{ "be_quiet", be_quiet }, { "multiply", multiply }, { "have_threads", have_threads },
	{ "lose_leader", lose_leader }, { "burn", burn },	  { "litter", litter },
	{ "swarm", swarm },	  { "breed", breed },
};

/* First thing in main(): does not return in a child. */
static inline void be_child(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < ARRAY_SIZE(behaviours); i++) {
		if (strcmp(argv[1], behaviours[i].name))
			continue;
		behaviours[i].behave();
		exit(0);
	}
}

/* --- what the test does with them --- */

/* The next pid that the child or its offspring reports. */
static inline pid_t reported(const struct child *c)
{
	char line[16];
	size_t n = 0;

	while (n < sizeof line - 1 && read(c->report, &line[n], 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	ck_assert_msg(n > 0, "a child ended without a report");
	return (pid_t)atoi(line);
}

/* Returns when the child has reported for the first time. */
static inline struct child start(const char *behaviour)
{
	struct child c;
	int go[2], report[2];

	ck_assert_int_eq(pipe2(go, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(report, O_CLOEXEC), 0);
	c.pid = fork();
	ck_assert_int_ge(c.pid, 0);
	if (c.pid == 0) {
		dup2(go[0], STDIN_FILENO);
		dup2(report[1], STDOUT_FILENO);
		execl("/proc/self/exe", "child", behaviour, NULL);
		_exit(1);
	}
	close(go[0]);
	close(report[1]);
	c.go = go[1];
	c.report = report[0];
	ck_assert_int_gt(reported(&c), 0);
	return c;
}

static inline void say_go(const struct child *c)
{
	ck_assert_int_eq(write(c->go, "g", 1), 1);
}

static inline void end(struct child *c)
{
	close(c->go);
	close(c->report);
	ck_assert_int_eq(waitpid(c->pid, NULL, 0), c->pid);
}

/* --- what is told from other threads --- */

struct told {
	pthread_mutex_t lock;
	pthread_cond_t more;
	pid_t pid;
	uint64_t start;
	unsigned n;
};

static inline void on_exited(void *data, pid_t pid, uint64_t started)
{
	struct told *told = data;

	guard_mutex(&told->lock);
	told->pid = pid;
	told->start = started;
	told->n++;
	pthread_cond_broadcast(&told->more);
}

static inline void wait_told(struct told *told, unsigned n)
{
	guard_mutex(&told->lock);
	while (told->n < n) /* check's own time limit ends it */
		pthread_cond_wait(&told->more, &told->lock);
}

static inline unsigned count_told(struct told *told)
{
	guard_mutex(&told->lock);
	return told->n;
}

static inline int on_thread(void *data, pid_t tid)
{
	struct seen *seen = data;

	seen->pids[seen->n++] = tid;
	return 0;
}

#endif
