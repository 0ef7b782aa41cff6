/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The real task source over real processes, alone and under the emulator. Nothing here depends on
 * how long anything takes: children wait on pipes, and conditions are waited for. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/clock.h"
#include "ctlfs/emul.h"
#include "ctlfs/tasks.h"

#define DEADLINE_NS (120 * 1000000000ULL)
#define TEST_INSTANCE 4242

static struct tasks *tasks;

/* --- children --- */

/* A child that lives until stdin of it, go, is closed; with what it was told to do first. */
struct child {
	pid_t pid;
	int go; /* write end: closing it ends the child and what it left behind */
	int report; /* read end: pids, in ASCII lines */
};

static void wait_for_end(void)
{
	char c;

	while (read(STDIN_FILENO, &c, 1) > 0)
		;
}

static void report_self(void)
{
	char line[16];
	int n = snprintf(line, sizeof line, "%d\n", (int)getpid());

	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		_exit(1);
}

static void be_quiet(void)
{
	wait_for_end();
}

static struct child start(void (*behave)(void))
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
		close_range(3, ~0u, 0); /* other children's pipes, too */
		behave();
		_exit(0);
	}
	close(go[0]);
	close(report[1]);
	c.go = go[1];
	c.report = report[0];
	return c;
}

/* The next pid that the child or its offspring reports. */
static pid_t reported(const struct child *c)
{
	char line[16];
	size_t n = 0;

	while (n < sizeof line - 1 && read(c->report, &line[n], 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	ck_assert_msg(n > 0, "a child ended without a report");
	return (pid_t)atoi(line);
}

static void say_go(const struct child *c)
{
	ck_assert_int_eq(write(c->go, "g", 1), 1);
}

static void wait_go(void)
{
	char c;

	if (read(STDIN_FILENO, &c, 1) != 1)
		_exit(0);
}

static void end(struct child *c)
{
	close(c->go);
	close(c->report);
	ck_assert_int_eq(waitpid(c->pid, NULL, 0), c->pid);
}

static uint64_t start_of(pid_t pid)
{
	struct task_info info;

	ck_assert_int_eq(tasks->ops->info(tasks, pid, &info), 0);
	return info.start;
}

static void tasks_setup(void)
{
	ck_assert_int_eq(tasks_new(&tasks), 0);
}

static void tasks_teardown(void)
{
	tasks_free(tasks);
}

/* --- tags --- */

START_TEST(tags)
{
	const uint64_t tag = TASK_TAG(TEST_INSTANCE, 77);
	struct child c = start(be_quiet);
	uint64_t got = 5;

	ck_assert_int_eq(tasks->ops->get_tag(tasks, c.pid, &got), -ENOENT);
	ck_assert_uint_eq(got, 5);
	ck_assert_int_eq(tasks->ops->set_tag(tasks, c.pid, tag), 0);
	ck_assert_int_eq(tasks->ops->get_tag(tasks, c.pid, &got), 0);
	ck_assert_uint_eq(got, tag);
	end(&c);
	ck_assert_int_eq(tasks->ops->get_tag(tasks, c.pid, &got), -ESRCH);
	ck_assert_int_eq(tasks->ops->set_tag(tasks, c.pid, tag), -ESRCH);
}
END_TEST

START_TEST(hard_limit_forbids_tag)
{
	const struct rlimit low = { 1000000, 1000000 };
	struct child c = start(be_quiet);

	ck_assert_int_eq(prlimit(c.pid, RLIMIT_RTTIME, &low, NULL), 0);
	ck_assert_int_eq(tasks->ops->set_tag(tasks, c.pid, TASK_TAG(TEST_INSTANCE, 1)), -EPERM);
	end(&c);
}
END_TEST

struct seen {
	pid_t pids[16];
	uint64_t tags[16];
	size_t n;
};

static int on_seen(void *data, pid_t pid, uint64_t started, uint64_t tag)
{
	struct seen *seen = data;

	ck_assert_uint_eq(started, start_of(pid));
	ck_assert_uint_lt(seen->n, ARRAY_SIZE(seen->pids));
	seen->pids[seen->n] = pid;
	seen->tags[seen->n++] = tag;
	return 0;
}

static bool scanned(const struct seen *seen, pid_t pid)
{
	for (size_t i = 0; i < seen->n; i++) {
		if (seen->pids[i] == pid)
			return true;
	}
	return false;
}

/* Forks, execs a shell in the child, and leaves an orphan behind by forking twice. */
static void multiply(void)
{
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

/* Three pids, in any order: the child, the shell, the orphan. */
START_TEST(tag_is_inherited)
{
	const uint64_t tag = TASK_TAG(TEST_INSTANCE, 99);
	struct child c = start(multiply), other = start(be_quiet), foreign = start(be_quiet);
	uint64_t before, after;
	struct seen seen = { 0 };

	ck_assert_int_eq(tasks->ops->set_tag(tasks, c.pid, tag), 0);
	ck_assert_int_eq(tasks->ops->set_tag(tasks, foreign.pid, TASK_TAG(TEST_INSTANCE + 1, 99)), 0);
	ck_assert_int_eq(tasks->ops->births(tasks, &before), 0);
	say_go(&c);
	pid_t pids[] = { reported(&c), reported(&c), reported(&c) };
	ck_assert_int_eq(tasks->ops->births(tasks, &after), 0);
	ck_assert_uint_ge(after - before, 3);
	ck_assert_int_eq(tasks->ops->scan(tasks, TEST_INSTANCE, on_seen, &seen), 0);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		ck_assert_msg(scanned(&seen, pids[i]), "%d was not found", (int)pids[i]);
	for (size_t i = 0; i < seen.n; i++)
		ck_assert_uint_eq(seen.tags[i], tag);
	ck_assert(!scanned(&seen, other.pid) && !scanned(&seen, foreign.pid));
	end(&c);
	end(&other);
	end(&foreign);
}
END_TEST

/* An ordinary user reads others' tags in a file that anybody may read. */
START_TEST(tags_are_read_without_rights)
{
	const uint64_t tag = TASK_TAG(TEST_INSTANCE, 55);
	struct child c = start(be_quiet);
	int status;
	pid_t pid;

	if (getuid() != 0) { /* nobody to be different from */
		end(&c);
		return;
	}
	ck_assert_int_eq(tasks->ops->set_tag(tasks, c.pid, tag), 0);
	pid = fork();
	if (pid == 0) {
		struct tasks *own;
		struct seen seen = { 0 };
		uint64_t got = 0;

		if (setgid(65534) < 0 || setuid(65534) < 0 || tasks_new(&own) < 0)
			_exit(2);
		if (own->ops->get_tag(own, c.pid, &got) < 0 || got != tag)
			_exit(3);
		if (own->ops->set_tag(own, c.pid, tag + 1) != -EPERM)
			_exit(4);
		if (own->ops->kill(own, c.pid, start_of(c.pid), SIGKILL) != -EPERM)
			_exit(5);
		if (own->ops->scan(own, TEST_INSTANCE, on_seen, &seen) < 0 || !scanned(&seen, c.pid))
			_exit(6);
		tasks_free(own);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	end(&c);
}
END_TEST

/* --- single processes --- */

static void *sit(void *data)
{
	(void)data;
	wait_for_end();
	return NULL;
}

static pthread_t threads_made[2];

static void have_threads(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(threads_made); i++)
		pthread_create(&threads_made[i], NULL, sit, NULL);
	report_self();
	for (size_t i = 0; i < ARRAY_SIZE(threads_made); i++)
		pthread_join(threads_made[i], NULL);
}

/* The first thread ends, another lives on. */
static void lose_leader(void)
{
	pthread_create(&threads_made[0], NULL, sit, NULL);
	report_self();
	pthread_exit(NULL);
}

static int on_thread(void *data, pid_t tid)
{
	struct seen *seen = data;

	seen->pids[seen->n++] = tid;
	return 0;
}

START_TEST(threads_and_info)
{
	struct child c = start(have_threads);
	struct seen seen = { 0 };
	struct task_info info;
	struct task_sample sample;

	reported(&c);
	ck_assert_int_eq(tasks->ops->threads(tasks, c.pid, on_thread, &seen), 0);
	ck_assert_uint_eq(seen.n, 3);
	for (size_t i = 0; i < seen.n; i++) {
		ck_assert_int_eq(tasks->ops->info(tasks, seen.pids[i], &info), 0);
		ck_assert_int_eq(info.pid, c.pid);
		ck_assert_uint_eq(info.uid, getuid());
		ck_assert(!info.exited && !info.kthread && !info.stopped);
	}
	ck_assert_int_eq(tasks->ops->sample(tasks, c.pid, &sample), 0);
	ck_assert_uint_eq(sample.threads, 3);
	ck_assert_uint_eq(sample.start, info.start);
	ck_assert_uint_gt(sample.anon, 0);
	ck_assert_uint_gt(sample.minflt, 0);
	end(&c);
	ck_assert_int_eq(tasks->ops->info(tasks, c.pid, &info), -ESRCH);
	ck_assert_int_eq(tasks->ops->sample(tasks, c.pid, &sample), -ESRCH);
	ck_assert_int_eq(tasks->ops->threads(tasks, c.pid, on_thread, &seen), -ESRCH);
}
END_TEST

/* What is true at some time, however long that takes; false after the deadline. */
#define eventually(condition)                                                         \
	do {                                                                          \
		uint64_t until_ = monotonic_ns() + DEADLINE_NS;                       \
		while (!(condition)) {                                                \
			ck_assert_msg(monotonic_ns() < until_, "never: " #condition); \
			sched_yield();                                                \
		}                                                                     \
	} while (0)

static char state_of(pid_t pid)
{
	cleanup_buf struct buf text = { 0 };
	char path[32];

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	ck_assert_int_eq(buf_readat(&text, AT_FDCWD, path, 4096), 0);
	return strrchr(text.data, ')')[2];
}

static bool is_exited(pid_t pid)
{
	struct task_info info;

	return tasks->ops->info(tasks, pid, &info) == 0 && info.exited;
}

START_TEST(dead_leader_lives)
{
	struct child c = start(lose_leader);
	struct seen seen = { 0 };

	reported(&c);
	ck_assert_int_eq(tasks->ops->set_tag(tasks, c.pid, TASK_TAG(TEST_INSTANCE, 3)), 0);
	eventually(state_of(c.pid) == 'Z');
	ck_assert(!is_exited(c.pid));
	ck_assert_int_eq(tasks->ops->scan(tasks, TEST_INSTANCE, on_seen, &seen), 0);
	ck_assert(scanned(&seen, c.pid));
	close(c.go);
	eventually(is_exited(c.pid));
	seen.n = 0;
	ck_assert_int_eq(tasks->ops->scan(tasks, TEST_INSTANCE, on_seen, &seen), 0);
	ck_assert_uint_eq(seen.n, 0); /* a zombie */
	ck_assert_int_eq(waitpid(c.pid, NULL, 0), c.pid);
	close(c.report);
}
END_TEST

static void burn(void)
{
	struct timespec ts;

	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	while (ts.tv_sec == 0 && ts.tv_nsec < 50000000);
	report_self();
	wait_for_end();
}

START_TEST(cpu_time)
{
	struct child c = start(burn);
	struct task_sample running, zombie;

	reported(&c);
	ck_assert_int_eq(tasks->ops->sample(tasks, c.pid, &running), 0);
	ck_assert_uint_ge(running.user_ns + running.system_ns, 50000000);
	close(c.go);
	eventually(is_exited(c.pid));
	ck_assert_int_eq(tasks->ops->sample(tasks, c.pid, &zombie), 0);
	ck_assert_uint_ge(zombie.user_ns + zombie.system_ns, 50000000);
	ck_assert_uint_eq(zombie.threads, 0);
	ck_assert_uint_eq(zombie.anon, 0);
	ck_assert_int_eq(waitpid(c.pid, NULL, 0), c.pid);
	close(c.report);
}
END_TEST

START_TEST(signals)
{
	struct child c = start(be_quiet);
	uint64_t started = start_of(c.pid);
	int status;

	ck_assert_int_eq(tasks->ops->kill(tasks, c.pid, started + 1, SIGKILL), -ESRCH);
	ck_assert_int_eq(tasks->ops->kill(tasks, c.pid, started, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(c.pid, &status, WUNTRACED), c.pid);
	ck_assert(WIFSTOPPED(status)); /* the wrong start killed nobody */
	ck_assert_int_eq(tasks->ops->kill(tasks, c.pid, started, SIGKILL), 0);
	ck_assert_int_eq(waitpid(c.pid, &status, 0), c.pid);
	ck_assert_int_eq(tasks->ops->kill(tasks, c.pid, started, SIGKILL), -ESRCH);
	ck_assert_int_eq(tasks->ops->kill(tasks, getpid(), start_of(getpid()), SIGSTOP), -EPERM);
	close(c.go);
	close(c.report);
}
END_TEST

START_TEST(spreading)
{
	struct child c = start(have_threads);
	struct seen seen = { 0 };
	cpu_set_t set;
	unsigned cpus = tasks->ops->cpus(tasks);

	reported(&c);
	ck_assert_int_eq(tasks->ops->threads(tasks, c.pid, on_thread, &seen), 0);
	ck_assert_int_eq(tasks->ops->spread(tasks, c.pid, 1), 0);
	for (size_t i = 0; i < seen.n; i++) {
		ck_assert_int_eq(sched_getaffinity(seen.pids[i], sizeof set, &set), 0);
		ck_assert_int_eq(CPU_COUNT(&set), 1);
	}
	ck_assert_int_eq(tasks->ops->spread(tasks, c.pid, cpus + 1), 0);
	ck_assert_int_eq(sched_getaffinity(c.pid, sizeof set, &set), 0);
	ck_assert_uint_eq((unsigned)CPU_COUNT(&set), cpus);
	end(&c);
	ck_assert_int_eq(tasks->ops->spread(tasks, c.pid, 0), -ESRCH);
}
END_TEST

/* --- exits --- */

struct told {
	pthread_mutex_t lock;
	pthread_cond_t more;
	pid_t pid;
	uint64_t start;
	unsigned n;
};

static void on_exited(void *data, pid_t pid, uint64_t started)
{
	struct told *told = data;

	guard_mutex(&told->lock);
	told->pid = pid;
	told->start = started;
	told->n++;
	pthread_cond_broadcast(&told->more);
}

static void wait_told(struct told *told, unsigned n)
{
	guard_mutex(&told->lock);
	while (told->n < n) /* check's own time limit ends it */
		pthread_cond_wait(&told->more, &told->lock);
}

START_TEST(exits_are_told)
{
	struct told told = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };
	struct child c = start(be_quiet), unwatched = start(be_quiet), late = start(be_quiet);
	uint64_t started = start_of(c.pid), late_start = start_of(late.pid);

	tasks->ops->on_exit(tasks, on_exited, &told);
	ck_assert_int_eq(tasks->ops->watch(tasks, c.pid, started + 1), -ESRCH);
	ck_assert_int_eq(tasks->ops->watch(tasks, c.pid, started), 0);
	ck_assert_int_eq(tasks->ops->watch(tasks, unwatched.pid, start_of(unwatched.pid)), 0);
	tasks->ops->unwatch(tasks, unwatched.pid, start_of(unwatched.pid));
	end(&unwatched);
	close(c.go); /* not waited for: a zombie has exited */
	wait_told(&told, 1);
	ck_assert_int_eq(told.pid, c.pid);
	ck_assert_uint_eq(told.start, started);
	ck_assert_int_eq(waitpid(c.pid, NULL, 0), c.pid);
	/* it had exited before it was watched */
	close(late.go);
	eventually(is_exited(late.pid));
	ck_assert_int_eq(tasks->ops->watch(tasks, late.pid, late_start), 0);
	wait_told(&told, 2);
	ck_assert_int_eq(waitpid(late.pid, NULL, 0), late.pid);
	ck_assert_int_eq(tasks->ops->watch(tasks, late.pid, late_start), -ESRCH);
	tasks->ops->settle(tasks);
	ck_assert_uint_eq(told.n, 2);
	tasks->ops->on_exit(tasks, NULL, NULL);
	close(c.report);
	close(late.report);
}
END_TEST

/* What was reaped before settle() has been told after it, without waiting. */
START_TEST(settling_tells_all)
{
	struct told told = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };

	tasks->ops->on_exit(tasks, on_exited, &told);
	for (unsigned i = 1; i <= 50; i++) {
		struct child c = start(be_quiet);

		ck_assert_int_eq(tasks->ops->watch(tasks, c.pid, start_of(c.pid)), 0);
		end(&c);
		tasks->ops->settle(tasks);
		guard_mutex(&told.lock);
		ck_assert_uint_eq(told.n, i);
	}
	tasks->ops->on_exit(tasks, NULL, NULL);
}
END_TEST

enum { LITTER = 40 };

static void litter(void)
{
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

/* Half of the files that may be open are left to others. */
START_TEST(watches_are_bounded)
{
	struct child c = start(litter);
	struct rlimit limit;
	struct tasks *few;
	pid_t pids[LITTER];

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(tasks_new(&few), 0);
	for (int i = 0; i < LITTER; i++) {
		pids[i] = reported(&c);
		ck_assert_int_eq(few->ops->watch(few, pids[i], start_of(pids[i])),
				 i < 32 ? 0 : -EMFILE);
	}
	few->ops->unwatch(few, pids[0], start_of(pids[0]));
	ck_assert_int_eq(few->ops->watch(few, pids[32], start_of(pids[32])), 0);
	ck_assert_int_eq(few->ops->watch(few, pids[33], start_of(pids[33])), -EMFILE);
	end(&c);
	few->ops->settle(few); /* those that ended make room */
	c = start(be_quiet);
	ck_assert_int_eq(few->ops->watch(few, c.pid, start_of(c.pid)), 0);
	end(&c);
	tasks_free(few);
}
END_TEST

/* --- under the emulator --- */

static struct tree *tree;

static void emul_setup(void)
{
	struct emul_config config = { 0 };

	tasks_setup();
	config.tasks = tasks;
	ck_assert_int_eq(emul_new(&config, &tree), 0);
}

static void emul_teardown(void)
{
	tree_destroy(tree);
	tasks_teardown();
}

static uint64_t dir_new(const char *name)
{
	uint64_t node;

	ck_assert_int_eq(tree->ops->mkdir(tree, &TREE_SELF, TREE_ROOT, name, 0755), 0);
	ck_assert_int_eq(tree_walk(tree, name, &node), 0);
	return node;
}

static void put(uint64_t dir, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof text, "%d", (int)pid);
	ck_assert_int_eq(tree_write(tree, dir, "cgroup.procs", text), 0);
}

static bool lists(uint64_t dir, pid_t pid)
{
	cleanup_buf struct buf text = { 0 };
	char line[16];

	snprintf(line, sizeof line, "%d\n", (int)pid);
	ck_assert_int_eq(tree_read(tree, dir, "cgroup.procs", &text), 0);
	for (const char *at = buf_text(&text); (at = strstr(at, line)); at++) {
		if (at == text.data || at[-1] == '\n')
			return true;
	}
	return false;
}

static void assert_events(uint64_t dir, const char *expected)
{
	cleanup_buf struct buf text = { 0 };

	ck_assert_int_eq(tree_read(tree, dir, "cgroup.events", &text), 0);
	ck_assert_str_eq(buf_text(&text), expected);
}

START_TEST(emulator_follows_forks)
{
	uint64_t dir = dir_new("a"), other = dir_new("b"), node;
	struct child c = start(multiply);
	pid_t pids[3];

	put(dir, c.pid);
	say_go(&c);
	for (int i = 0; i < 3; i++) {
		pids[i] = reported(&c);
		ck_assert(lists(dir, pids[i]));
		ck_assert_int_eq(tree->ops->locate(tree, pids[i], &node), 0);
		ck_assert_uint_eq(node, dir);
	}
	put(other, c.pid); /* alone: its children stay */
	ck_assert(!lists(dir, c.pid) && lists(other, c.pid));
	ck_assert(lists(dir, pids[0]) || pids[0] == c.pid);
	ck_assert_int_eq(tree->ops->rmdir(tree, &TREE_SELF, TREE_ROOT, "a"), -EBUSY);
	end(&c);
	assert_events(other, "populated 0\nfrozen 0\n"); /* at once: it was waited for */
	ck_assert_int_eq(tree->ops->rmdir(tree, &TREE_SELF, TREE_ROOT, "b"), 0);
	eventually(tree->ops->rmdir(tree, &TREE_SELF, TREE_ROOT, "a") == 0);
}
END_TEST

static void on_changed(void *data, uint64_t node)
{
	on_exited(data, (pid_t)(node & INT32_MAX), 0);
}

/* Nobody reads or asks: the exit itself tells. */
START_TEST(emulator_tells_of_emptiness)
{
	struct told told = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };
	uint64_t dir = dir_new("a");
	struct child c = start(be_quiet);
	struct stat st;

	put(dir, c.pid);
	assert_events(dir, "populated 1\nfrozen 0\n");
	ck_assert_int_eq(tree->ops->stat(tree, dir, "cgroup.events", &st), 0);
	tree->changed_data = &told;
	tree->changed = on_changed;
	close(c.go);
	wait_told(&told, 1);
	ck_assert_int_eq(told.pid, (pid_t)st.st_ino);
	assert_events(dir, "populated 0\nfrozen 0\n");
	ck_assert_int_eq(waitpid(c.pid, NULL, 0), c.pid);
	ck_assert_uint_eq(told.n, 1);
	close(c.report);
}
END_TEST

/* Forks as fast as it can until it is killed; every child stays. */
static void swarm(void)
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

static size_t count_tagged(uint64_t dir)
{
	cleanup_buf struct buf text = { 0 };
	size_t n = 0;

	ck_assert_int_eq(tree_read(tree, dir, "cgroup.procs", &text), 0);
	for (const char *at = buf_text(&text); *at; at++)
		n += *at == '\n';
	return n;
}

START_TEST(emulator_kills_a_swarm)
{
	uint64_t dir = dir_new("a");
	struct child c = start(swarm);
	int status;

	reported(&c);
	put(dir, c.pid);
	say_go(&c);
	reported(&c); /* in the middle of it */
	ck_assert_int_eq(tree_write(tree, dir, "cgroup.kill", "1"), 0);
	ck_assert_int_eq(waitpid(c.pid, &status, 0), c.pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	eventually(count_tagged(dir) == 0);
	ck_assert_int_eq(tree->ops->rmdir(tree, &TREE_SELF, TREE_ROOT, "a"), 0);
	close(c.go);
	close(c.report);
}
END_TEST

START_TEST(emulator_freezes)
{
	uint64_t dir = dir_new("a");
	struct child c = start(be_quiet);
	int status;

	put(dir, c.pid);
	ck_assert_int_eq(tree_write(tree, dir, "cgroup.freeze", "1"), 0);
	assert_events(dir, "populated 1\nfrozen 1\n");
	ck_assert_int_eq(waitpid(c.pid, &status, WUNTRACED), c.pid);
	ck_assert(WIFSTOPPED(status));
	ck_assert_int_eq(tree_write(tree, dir, "cgroup.freeze", "0"), 0);
	ck_assert_int_eq(waitpid(c.pid, &status, WCONTINUED), c.pid);
	ck_assert(WIFCONTINUED(status));
	end(&c);
}
END_TEST

START_TEST(emulator_moves_threads)
{
	uint64_t dir = dir_new("a"), inner;
	struct child c = start(have_threads);
	struct seen seen = { 0 };
	cleanup_buf struct buf text = { 0 };
	char line[16];

	ck_assert_int_eq(tree->ops->mkdir(tree, &TREE_SELF, dir, "t", 0755), 0);
	ck_assert_int_eq(tree_walk(tree, "a/t", &inner), 0);
	ck_assert_int_eq(tree_write(tree, inner, "cgroup.type", "threaded"), 0);
	reported(&c);
	put(dir, c.pid);
	ck_assert_int_eq(tasks->ops->threads(tasks, c.pid, on_thread, &seen), 0);
	snprintf(line, sizeof line, "%d\n", (int)seen.pids[2]);
	ck_assert_int_eq(tree_write(tree, inner, "cgroup.threads", line), 0);
	ck_assert_int_eq(tree_read(tree, inner, "cgroup.threads", &text), 0);
	ck_assert_str_eq(buf_text(&text), line);
	end(&c);
	assert_events(dir, "populated 0\nfrozen 0\n");
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, tags);
	tcase_add_test(tc, hard_limit_forbids_tag);
	tcase_add_test(tc, tag_is_inherited);
	tcase_add_test(tc, tags_are_read_without_rights);
	tcase_add_test(tc, threads_and_info);
	tcase_add_test(tc, dead_leader_lives);
	tcase_add_test(tc, cpu_time);
	tcase_add_test(tc, signals);
	tcase_add_test(tc, spreading);
	tcase_add_test(tc, exits_are_told);
	tcase_add_test(tc, settling_tells_all);
	tcase_add_test(tc, watches_are_bounded);
}

static void add_emulator_tests(TCase *tc)
{
	tcase_add_test(tc, emulator_follows_forks);
	tcase_add_test(tc, emulator_tells_of_emptiness);
	tcase_add_test(tc, emulator_kills_a_swarm);
	tcase_add_test(tc, emulator_freezes);
	tcase_add_test(tc, emulator_moves_threads);
}

int main(void)
{
	Suite *suite = suite_create("tasks");
	TCase *tc = tcase_create("source");
	TCase *emulator = tcase_create("emulator");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, tasks_setup, tasks_teardown);
	tcase_add_checked_fixture(emulator, emul_setup, emul_teardown);
	tcase_set_timeout(tc, 300);
	tcase_set_timeout(emulator, 300);
	add_tests(tc);
	add_emulator_tests(emulator);
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, emulator);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
