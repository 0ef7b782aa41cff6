/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The task source of the running kernel, over real processes. */
#include <sys/resource.h>

#include "children.h"
#include "suite.h"

static uint16_t instance; /* not that of a test that runs beside this one */

static struct tasks *tasks;

static uint64_t start_of(pid_t pid)
{
	struct task_info info;

	ck_assert_int_eq(tasks->ops->info(tasks, pid, &info), 0);
	return info.start;
}

static void tasks_setup(void)
{
	instance = (uint16_t)(getpid() % UINT16_MAX + 1);
	ck_assert_int_eq(tasks_new(&tasks), 0);
}

static void tasks_teardown(void)
{
	tasks_free(tasks);
}

/* --- tags --- */

START_TEST(tags)
{
	const uint64_t tag = TASK_TAG(instance, 77);
	struct child c = start("be_quiet");
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
	struct child c = start("be_quiet");

	ck_assert_int_eq(prlimit(c.pid, RLIMIT_RTTIME, &low, NULL), 0);
	ck_assert_int_eq(tasks->ops->set_tag(tasks, c.pid, TASK_TAG(instance, 1)), -EPERM);
	end(&c);
}
END_TEST

static int on_tagged(void *data, pid_t pid, uint64_t started, uint64_t tag, bool exited)
{
	struct seen *seen = data;

	(void)started;
	if (exited)
		return 0;
	if (seen->n == ARRAY_SIZE(seen->pids))
		return -ENOMEM;
	seen->pids[seen->n] = pid;
	seen->tags[seen->n++] = tag;
	return 0;
}

static int on_seen(void *data, pid_t pid, uint64_t started, uint64_t tag, bool exited)
{
	ck_assert_uint_eq(started, start_of(pid));
	return on_tagged(data, pid, started, tag, exited);
}

static bool scanned(const struct seen *seen, pid_t pid)
{
	for (size_t i = 0; i < seen->n; i++) {
		if (seen->pids[i] == pid)
			return true;
	}
	return false;
}

/* Three pids, in any order: the child, the shell, the orphan. */
START_TEST(tag_is_inherited)
{
	const uint64_t tag = TASK_TAG(instance, 99);
	struct child c = start("multiply"), other = start("be_quiet"), foreign = start("be_quiet");
	uint64_t before, after;
	struct seen seen = { 0 };

	ck_assert_int_eq(tasks->ops->set_tag(tasks, c.pid, tag), 0);
	ck_assert_int_eq(tasks->ops->set_tag(tasks, foreign.pid, TASK_TAG(instance ^ 1, 99)), 0);
	ck_assert_int_eq(tasks->ops->births(tasks, &before), 0);
	say_go(&c);
	pid_t pids[] = { reported(&c), reported(&c), reported(&c) };
	ck_assert_int_eq(tasks->ops->births(tasks, &after), 0);
	ck_assert_uint_ge(after - before, 3);
	ck_assert_int_eq(tasks->ops->scan(tasks, instance, on_seen, &seen), 0);
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

/* An ordinary user reads others' tags in a file that anybody may read. In a process of its own;
 * says which of its checks failed. */
static int be_unprivileged(pid_t pid, uint64_t started, uint64_t tag)
{
	struct seen seen = { 0 };
	uint64_t got;

	if (setgid(65534) < 0 || setuid(65534) < 0 || tasks_new(&tasks) < 0)
		return 1;
	if (tasks->ops->get_tag(tasks, pid, &got) < 0 || got != tag)
		return 2;
	if (tasks->ops->set_tag(tasks, pid, tag + 1) != -EPERM)
		return 3;
	if (tasks->ops->kill(tasks, pid, started, SIGKILL) != -EPERM)
		return 4;
	if (tasks->ops->scan(tasks, task_tag_instance(tag), on_tagged, &seen) < 0 ||
	    !scanned(&seen, pid))
		return 5;
	tasks_free(tasks);
	return 0;
}

START_TEST(tags_are_read_without_rights)
{
	struct child c = start("be_quiet");
	const uint64_t expected = TASK_TAG(instance, 55);
	char pid[16], started[32], tag[32];
	int status = 0;
	pid_t other;

	snprintf(pid, sizeof pid, "%d", (int)c.pid);
	snprintf(started, sizeof started, "%llu", (unsigned long long)start_of(c.pid));
	snprintf(tag, sizeof tag, "%llu", (unsigned long long)expected);
	ck_assert_int_eq(tasks->ops->set_tag(tasks, c.pid, expected), 0);
	other = getuid() == 0 ? fork() : -1; /* else there is nobody to be different from */
	if (other == 0) {
		execl("/proc/self/exe", "child", "unprivileged", pid, started, tag, NULL);
		_exit(9);
	}
	if (other > 0)
		ck_assert_int_eq(waitpid(other, &status, 0), other);
	ck_assert_int_eq(status, 0);
	end(&c);
}
END_TEST

/* --- single processes --- */

START_TEST(threads_and_info)
{
	struct child c = start("have_threads");
	struct seen seen = { 0 };
	struct task_info info;
	struct task_sample sample;

	ck_assert_int_eq(tasks->ops->threads(tasks, c.pid, on_thread, &seen), 0);
	ck_assert_uint_ge(seen.n, 3); /* a sanitizer may add its own */
	for (size_t i = 0; i < seen.n; i++) {
		ck_assert_int_eq(tasks->ops->info(tasks, seen.pids[i], &info), 0);
		ck_assert_int_eq(info.pid, c.pid);
		ck_assert_uint_eq(info.uid, getuid());
		ck_assert(!info.exited && !info.kthread && !info.stopped);
	}
	ck_assert_int_eq(tasks->ops->sample(tasks, c.pid, &sample), 0);
	ck_assert_uint_eq(sample.threads, seen.n);
	ck_assert_uint_eq(sample.start, info.start);
	ck_assert_uint_gt(sample.anon, 0);
	ck_assert_uint_gt(sample.minflt, 0);
	end(&c);
	ck_assert_int_eq(tasks->ops->info(tasks, c.pid, &info), -ESRCH);
	ck_assert_int_eq(tasks->ops->sample(tasks, c.pid, &sample), -ESRCH);
	ck_assert_int_eq(tasks->ops->threads(tasks, c.pid, on_thread, &seen), -ESRCH);
}
END_TEST

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
	struct child c = start("lose_leader");
	struct seen seen = { 0 };

	ck_assert_int_eq(tasks->ops->set_tag(tasks, c.pid, TASK_TAG(instance, 3)), 0);
	eventually(state_of(c.pid) == 'Z');
	ck_assert(!is_exited(c.pid));
	ck_assert_int_eq(tasks->ops->scan(tasks, instance, on_seen, &seen), 0);
	ck_assert(scanned(&seen, c.pid));
	close(c.go);
	eventually(is_exited(c.pid));
	seen.n = 0;
	ck_assert_int_eq(tasks->ops->scan(tasks, instance, on_seen, &seen), 0);
	ck_assert_uint_eq(seen.n, 0); /* a zombie */
	ck_assert_int_eq(waitpid(c.pid, NULL, 0), c.pid);
	close(c.report);
}
END_TEST

START_TEST(cpu_time)
{
	struct child c = start("burn");
	struct task_sample running, zombie;

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
	struct child c = start("be_quiet");
	uint64_t started = start_of(c.pid);
	int status;

	ck_assert_int_eq(tasks->ops->kill(tasks, c.pid, started + 1, SIGKILL), -ESRCH);
	ck_assert_int_eq(tasks->ops->kill(tasks, c.pid, started, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(c.pid, &status, WUNTRACED), c.pid);
	ck_assert(WIFSTOPPED(status)); /* the wrong start killed nobody */
	ck_assert(tasks->ops->halted(tasks, c.pid) && !tasks->ops->halted(tasks, getpid()));
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
	struct child c = start("have_threads");
	struct seen seen = { 0 };
	struct cpulist all, one = { 0 }, other;
	cpu_set_t set;
	unsigned cpus = tasks->ops->cpus(tasks);

	ck_assert_int_eq(tasks->ops->threads(tasks, c.pid, on_thread, &seen), 0);
	tasks->ops->cpu_list(tasks, &all);
	ck_assert_uint_eq(cpulist_count(&all), cpus);
	cpulist_set(&one, (unsigned)cpulist_next(&all, -1));
	ck_assert_int_eq(tasks->ops->set_cpus(tasks, c.pid, 0, &all, &one), 0);
	for (size_t i = 0; i < seen.n; i++) {
		ck_assert_int_eq(sched_getaffinity(seen.pids[i], sizeof set, &set), 0);
		ck_assert_int_eq(CPU_COUNT(&set), 1);
	}
	/* One thread alone. */
	ck_assert_int_eq(tasks->ops->set_cpus(tasks, c.pid, c.pid, &one, &all), 0);
	ck_assert_int_eq(sched_getaffinity(c.pid, sizeof set, &set), 0);
	ck_assert_uint_eq((unsigned)CPU_COUNT(&set), cpus);
	for (size_t i = 0; i < seen.n; i++) {
		ck_assert_int_eq(sched_getaffinity(seen.pids[i], sizeof set, &set), 0);
		ck_assert(seen.pids[i] == c.pid || CPU_COUNT(&set) == 1);
	}
	ck_assert_int_eq(tasks->ops->set_cpus(tasks, c.pid, 0, &one, &all), 0);
	ck_assert_int_eq(sched_getaffinity(seen.pids[seen.n - 1], sizeof set, &set), 0);
	ck_assert_uint_eq((unsigned)CPU_COUNT(&set), cpus);
	/* A choice of its own is kept while that is possible. */
	other = all;
	other.bits[0] &= ~one.bits[0];
	ck_assert_int_eq(sched_setaffinity(c.pid, sizeof one, (cpu_set_t *)&one), 0);
	ck_assert_int_eq(tasks->ops->set_cpus(tasks, c.pid, 0, &all, &all), 0);
	ck_assert_int_eq(sched_getaffinity(c.pid, sizeof set, &set), 0);
	ck_assert_int_eq(CPU_COUNT(&set), 1);
	if (cpus > 1) {
		ck_assert_int_eq(tasks->ops->set_cpus(tasks, c.pid, 0, &all, &other), 0);
		ck_assert_int_eq(sched_getaffinity(c.pid, sizeof set, &set), 0);
		ck_assert_uint_eq((unsigned)CPU_COUNT(&set), cpus - 1);
	}
	end(&c);
	ck_assert_int_eq(tasks->ops->set_cpus(tasks, c.pid, 0, &one, &all), -ESRCH);
}
END_TEST

/* --- exits --- */

START_TEST(exits_are_told)
{
	struct told told = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };
	struct child c = start("be_quiet"), unwatched = start("be_quiet"), late = start("be_quiet");
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
	ck_assert_uint_eq(count_told(&told), 2);
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
		struct child c = start("be_quiet");

		ck_assert_int_eq(tasks->ops->watch(tasks, c.pid, start_of(c.pid)), 0);
		end(&c);
		tasks->ops->settle(tasks);
		ck_assert_uint_eq(count_told(&told), i);
	}
	tasks->ops->on_exit(tasks, NULL, NULL);
}
END_TEST

/* Half of the files that may be open are left to others. */
START_TEST(watches_are_bounded)
{
	struct child c = start("litter");
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
	c = start("be_quiet");
	ck_assert_int_eq(few->ops->watch(few, c.pid, start_of(c.pid)), 0);
	end(&c);
	tasks_free(few);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite;
	TCase *tc;

	if (argc == 5 && !strcmp(argv[1], "unprivileged"))
		return be_unprivileged(atoi(argv[2]), strtoull(argv[3], NULL, 10),
				       strtoull(argv[4], NULL, 10));
	be_child(argc, argv);
	suite = suite_create("tasks");
	tc = tcase_create("all");
	tcase_add_checked_fixture(tc, tasks_setup, tasks_teardown);
	tcase_set_timeout(tc, 300);
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
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
