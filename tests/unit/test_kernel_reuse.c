/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers that become another task's while the first is being moved. The write to the kernel is
 * this program's own write(), which stops there until the number has been reused: a process that
 * may choose its children's numbers makes one that has it.
 */
#include "test_guard.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <sys/syscall.h>

/* What happens before the kernel is given a number, by another thread, which has all rights. */
static struct {
	atomic_bool armed;
	sem_t reached, done;
	pid_t victim;
	const struct member *maker; /* NULL: the number stays free */
} race;

static bool is_members_file(int fd)
{
	char path[PATH_MAX], link[64];
	ssize_t len;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof path - 1);
	path[len > 0 ? len : 0] = '\0';
	return strstr(path, "/x/cgroup.");
}

/* Instead of the C library's. */
ssize_t write(int fd, const void *data, size_t len)
{
	if (race.armed && is_members_file(fd)) {
		race.armed = false;
		sem_post(&race.reached);
		sem_wait(&race.done);
	}
	return syscall(SYS_write, fd, data, len);
}

/* A child with that number. */
static void make_numbered(pid_t number)
{
	struct clone_args args = { .exit_signal = SIGCHLD, .set_tid_size = 1 };

	args.set_tid = (uint64_t)(uintptr_t)&number;
	if (syscall(SYS_clone3, &args, sizeof args) == 0) {
		pause();
		_exit(0);
	}
}

/* A process in dir that makes children with the numbers that it is told. */
static struct member start_maker(const char *dir)
{
	int orders[2], done[2];
	struct member m = { 0 };
	pid_t number;

	ck_assert_int_eq(pipe(orders), 0);
	ck_assert_int_eq(pipe(done), 0);
	m.who.pid = fork();
	if (m.who.pid == 0) {
		close(orders[1]);
		while (read(orders[0], &number, sizeof number) == sizeof number) {
			make_numbered(number);
			if (write(done[1], "", 1) != 1)
				break;
		}
		_exit(0);
	}
	close(orders[0]);
	close(done[1]);
	m.orders = orders[1];
	m.done = done[0];
	put(m.who.pid, dir);
	return m;
}

static void *reuse(void *arg)
{
	char c;

	sem_wait(&race.reached);
	stop(race.victim);
	if (race.maker) {
		ck_assert_int_gt(write(race.maker->orders, &race.victim, sizeof(pid_t)), 0);
		ck_assert_int_eq(read(race.maker->done, &c, 1), 1);
	}
	sem_post(&race.done);
	return arg;
}

/* Who moves a process of cgroup dir by the open file, and its number is reused on the way: the
 * result, and the number. */
static int move_by(struct tree_file *file, const struct caller *who, const char *dir,
		   const struct member *maker, pid_t *ret_pid)
{
	pthread_t thread;
	char text[16];
	int r;

	*ret_pid = race.victim = start_in(dir);
	race.maker = maker;
	sem_init(&race.reached, 0, 0);
	sem_init(&race.done, 0, 0);
	race.armed = true;
	ck_assert_int_eq(pthread_create(&thread, NULL, reuse, NULL), 0);
	snprintf(text, sizeof text, "%d", race.victim);
	r = write_file(file, who, text);
	ck_assert_msg(!race.armed, "the kernel was not asked: %d", r);
	pthread_join(thread, NULL);
	return r;
}

static int move_reused(const struct member *writer, const char *dir, const char *path,
		       const struct member *maker, pid_t *ret_pid)
{
	struct tree_file *file;
	int r;

	ck_assert_int_eq(open_as(&writer->who, path, O_WRONLY, &file), 0);
	r = move_by(file, &writer->who, dir, maker, ret_pid);
	file->ops->close(file);
	return r;
}

static void must_be_in(pid_t pid, const char *dir)
{
	cleanup_free char *text = NULL;
	char path[64], line[PATH_MAX];

	snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
	snprintf(line, sizeof line, "0::%s\n", dir);
	text = direct_read(path);
	ck_assert_msg(text != NULL, "process %d is gone", pid);
	ck_assert_str_eq(text, line);
}

/* Sees the host's pids and is kept in dir by a cgroup namespace. */
static struct member start_pod(const char *dir)
{
	struct member m = start_member(dir, 0);

	tell(&m, ORDER_CGROUP_NS);
	return m;
}

static void expect_put_back(const char *maker_dir, const char *want)
{
	struct member pod = start_pod(BASE "/a"), maker = start_maker(maker_dir);
	pid_t pid;
	int r;

	ck_assert_int_eq(mkdir(BASE "/a/x", 0755), 0);
	r = move_reused(&pod, BASE "/a", "a/x/cgroup.procs", &maker, &pid);
	must_be_in(pid, want);
	ck_assert_int_eq(r, -ESRCH);
	ck_assert_ptr_nonnull(strstr(why_take(), "put back"));
	must_contain(BASE "/a/x/cgroup.procs", "");
	kill(pid, SIGKILL);
	end_member(&maker);
	end_member(&pod);
}

START_TEST(by_other_container)
{
	expect_put_back(BASE "/b", "/ctlfs-unit/b");
}
END_TEST

/* Beside the tree's root, and in that of the whole hierarchy. */
START_TEST(by_outside)
{
	expect_put_back(OTHER, "/ctlfs-other");
}
END_TEST

START_TEST(by_host)
{
	expect_put_back(MOUNT, "/");
}
END_TEST

/* A container's file to which somebody on the host is made to write. */
START_TEST(by_passed_file)
{
	struct member pod = start_pod(BASE "/a"), maker = start_maker(BASE "/b");
	struct caller host = { .pid = getpid(), .umask = 022 };
	struct tree_file *file;
	pid_t pid;

	ck_assert_int_eq(mkdir(BASE "/a/x", 0755), 0);
	ck_assert_int_eq(open_as(&pod.who, "a/x/cgroup.procs", O_WRONLY, &file), 0);
	ck_assert_int_eq(move_by(file, &host, BASE "/a", &maker, &pid), -ESRCH);
	must_be_in(pid, "/ctlfs-unit/b");
	kill(pid, SIGKILL);
	file->ops->close(file);
	end_member(&maker);
	end_member(&pod);
}
END_TEST

/* Whom he may move as well, and nobody. */
START_TEST(by_his_own)
{
	struct member pod = start_pod(BASE "/a"), maker = start_maker(BASE "/a");
	pid_t pid;

	ck_assert_int_eq(mkdir(BASE "/a/x", 0755), 0);
	ck_assert_int_eq(move_reused(&pod, BASE "/a", "a/x/cgroup.procs", &maker, &pid), 0);
	must_be_in(pid, "/ctlfs-unit/a/x");
	kill(pid, SIGKILL);
	ck_assert_int_eq(move_reused(&pod, BASE "/a", "a/x/cgroup.procs", NULL, &pid), -ESRCH);
	end_member(&maker);
	end_member(&pod);
}
END_TEST

/* Threads stay within their domain, which may be larger than a container. */
START_TEST(of_thread)
{
	static const char *const dirs[] = { "/t", "/t/u", "/t/h", "/t/u/x" };
	struct member pod, maker;
	char path[PATH_MAX];
	pid_t pid;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof path, BASE "%s", dirs[i]);
		ck_assert_int_eq(mkdir(path, 0755), 0);
		snprintf(path, sizeof path, BASE "%s/cgroup.type", dirs[i]);
		if (i > 0)
			must_write(path, "threaded");
	}
	pod = start_pod(BASE "/t/u");
	maker = start_maker(BASE "/t/h");
	ck_assert_int_eq(move_reused(&pod, BASE "/t/u", "t/u/x/cgroup.threads", &maker, &pid),
			 -ESRCH);
	must_be_in(pid, "/ctlfs-unit/t/h");
	kill(pid, SIGKILL);
	end_member(&maker);
	end_member(&pod);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_add_test(tc, by_other_container);
	tcase_add_test(tc, by_outside);
	tcase_add_test(tc, by_host);
	tcase_add_test(tc, by_passed_file);
	tcase_add_test(tc, by_his_own);
	tcase_add_test(tc, of_thread);
}

int main(void)
{
	return run_suite("kernel_reuse", fill);
}
