/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel backend acts with the rights and the pids of whoever asks, and relays events. */
#include "test_kernel.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define USER 1000
#define GROUP 2000

/* A process with other rights, which waits: what its callers send us. become() runs in it. */
static struct caller start_caller(uid_t uid, void (*become)(void))
{
	struct caller who = { .uid = uid, .gid = uid };
	int ready[2];
	char c;

	ck_assert_int_eq(pipe(ready), 0);
	who.pid = fork();
	if (who.pid == 0) {
		bool failed = false;

		if (become)
			become();
		else
			failed = setgroups(0, NULL) < 0;
		failed |= setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0;
		/* As after execve(): those of the same user may look at it. */
		prctl(PR_SET_DUMPABLE, 1);
		if (failed || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return who;
}

static void join_group(void)
{
	gid_t group = GROUP;

	if (setgroups(1, &group) < 0)
		_exit(1);
}

static void drop_caps(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capset, &head, data) < 0)
		_exit(1);
}

/* Full capabilities there are none here. */
static void enter_userns(void)
{
	if (unshare(CLONE_NEWUSER) < 0)
		_exit(1);
	must_write("/proc/self/setgroups", "deny");
	must_write("/proc/self/uid_map", "0 0 1");
	must_write("/proc/self/gid_map", "0 0 1");
}

static void enter_cgroupns(void)
{
	char self[16];

	snprintf(self, sizeof self, "%d", getpid());
	must_write(BASE "/a/cgroup.procs", self);
	if (unshare(CLONE_NEWCGROUP) < 0)
		_exit(1);
}

static int mkdir_as(const struct caller *who, const char *dir, const char *name)
{
	return tree->ops->mkdir(tree, who, node_at(dir), name, 0755);
}

START_TEST(delegation)
{
	struct caller user = start_caller(USER, NULL);
	struct stat st;

	ck_assert_int_eq(chown(BASE "/a", USER, USER), 0);
	ck_assert_int_eq(mkdir_as(&user, "b", "x"), -EACCES);
	ck_assert_int_eq(mkdir_as(&user, "a", "x"), 0);
	ck_assert_int_eq(stat(BASE "/a/x/cgroup.max.depth", &st), 0);
	ck_assert_uint_eq(st.st_uid, USER);
	ck_assert_uint_eq(st.st_gid, USER);
	ck_assert_int_eq(write_as(&user, "a/memory.max", "1M"), -EACCES);
	must_contain(BASE "/a/memory.max", "max\n");
	ck_assert_int_eq(write_as(&user, "a/cgroup.max.depth", "1"), -EACCES);
	ck_assert_int_eq(write_as(&user, "a/x/cgroup.max.depth", "1"), 0);
	must_contain(BASE "/a/x/cgroup.max.depth", "1\n");
	ck_assert_int_eq(chown(BASE "/a/memory.max", USER, 0), 0);
	ck_assert_int_eq(write_as(&user, "a/memory.max", "1M"), 0);
	must_contain(BASE "/a/memory.max", "1048576\n");
	st.st_mode = 0600;
	ck_assert_int_eq(tree->ops->setattr(tree, &user, node_at("b"), &st, TREE_SET_MODE), -EPERM);
	ck_assert_int_eq(tree->ops->setattr(tree, &user, node_at("a/x"), &st, TREE_SET_MODE), 0);
	ck_assert_int_eq(tree->ops->rmdir(tree, &user, TREE_ROOT, "b"), -EACCES);
	ck_assert_int_eq(tree->ops->rmdir(tree, &user, node_at("a"), "x"), 0);
	/* The daemon itself is what it was. */
	ck_assert_int_eq(mkdir(BASE "/b/still-root", 0755), 0);
	ck_assert_int_eq(stat(BASE "/b/still-root", &st), 0);
	ck_assert_uint_eq(st.st_uid, 0);
	stop(user.pid);
}
END_TEST

START_TEST(groups_and_capabilities)
{
	struct caller member = start_caller(USER, join_group), user = start_caller(USER, NULL);
	struct caller root = start_caller(0, NULL), bare = start_caller(0, drop_caps);
	struct caller mapped = start_caller(0, enter_userns);

	ck_assert_int_eq(chown(BASE "/a/memory.max", 0, GROUP), 0);
	ck_assert_int_eq(chmod(BASE "/a/memory.max", 0664), 0);
	ck_assert_int_eq(write_as(&user, "a/memory.max", "1M"), -EACCES);
	ck_assert_int_eq(write_as(&member, "a/memory.max", "2M"), 0);
	must_contain(BASE "/a/memory.max", "2097152\n");
	/* Root without capabilities owns what is root's, no more. */
	ck_assert_int_eq(chown(BASE "/b/memory.max", USER, USER), 0);
	ck_assert_int_eq(write_as(&bare, "b/memory.max", "1M"), -EACCES);
	ck_assert_int_eq(write_as(&bare, "b/memory.high", "1M"), 0);
	ck_assert_int_eq(write_as(&mapped, "b/memory.max", "1M"), -EACCES);
	must_contain(BASE "/b/memory.max", "max\n");
	ck_assert_int_eq(write_as(&root, "b/memory.max", "1M"), 0);
	must_contain(BASE "/b/memory.max", "1048576\n");
	/* Rights that cannot be known are none. */
	ck_assert_int_eq(write_as(&(struct caller){ 0 }, "b/memory.max", "3M"), -EACCES);
	stop(root.pid);
	ck_assert_int_eq(write_as(&root, "b/memory.max", "3M"), -EINTR);
	ck_assert_ptr_nonnull(strstr(why_take(), "is gone"));
	must_contain(BASE "/b/memory.max", "1048576\n");
	stop(member.pid);
	stop(user.pid);
	stop(bare.pid);
	stop(mapped.pid);
}
END_TEST

/* A daemon without privilege acts for its own user and for nobody else. */
START_TEST(unprivileged)
{
	struct caller user = start_caller(USER, NULL), other = start_caller(USER + 1, NULL);
	struct caller root = start_caller(0, NULL);

	ck_assert_int_eq(chown(BASE "/a", USER, USER), 0);
	ck_assert_int_eq(chown(BASE "/a/memory.max", USER, USER), 0);
	tree_destroy(tree);
	ck_assert_int_eq(setresgid(USER, USER, 0), 0);
	ck_assert_int_eq(setresuid(USER, USER, 0), 0);
	ck_assert_int_eq(kernel_new(BASE, NULL, &tree), 0);
	ck_assert(!kernel_of(tree)->privileged);
	ck_assert(!kernel_of(tree)->handles);
	ck_assert_int_eq(write_as(&user, "a/memory.max", "1M"), 0);
	ck_assert_int_eq(mkdir_as(&user, "a", "x"), 0);
	ck_assert_int_eq(mkdir_as(&user, "b", "x"), -EACCES);
	ck_assert_int_eq(write_as(&other, "a/memory.max", "2M"), -EACCES);
	ck_assert_int_eq(write_as(&root, "a/memory.max", "2M"), -EACCES);
	must_contain(BASE "/a/memory.max", "1048576\n");
	ck_assert_int_eq(setresuid(0, 0, 0), 0);
	ck_assert_int_eq(setresgid(0, 0, 0), 0);
	stop(user.pid);
	stop(other.pid);
	stop(root.pid);
}
END_TEST

/* At the top of a cgroup namespace the kernel refuses what is not delegatable. */
START_TEST(cgroup_namespace)
{
	struct caller inner, outer = { .pid = getpid() };
	int refused;

	ck_assert_int_eq(mount(NULL, MOUNT, NULL, MS_REMOUNT, "nsdelegate"), 0);
	inner = start_caller(0, enter_cgroupns);
	refused = write_as(&inner, "a/memory.max", "1M");
	ck_assert_int_eq(write_as(&inner, "a/memory.oom.group", "1"), 0);
	ck_assert_int_eq(write_as(&inner, "b/cgroup.procs", "0"), -EACCES);
	ck_assert_int_eq(write_as(&outer, "a/memory.max", "2M"), 0);
	ck_assert_int_eq(mount(NULL, MOUNT, NULL, MS_REMOUNT, NULL), 0);
	ck_assert_int_eq(refused, -EPERM);
	stop(inner.pid);
}
END_TEST

START_TEST(migration)
{
	struct caller user = start_caller(USER, NULL);
	cleanup_free char *own = direct_read("/proc/self/cgroup"), *after = NULL;
	char pid[16], line[16];

	ck_assert_int_eq(mkdir(BASE "/a/x", 0755), 0);
	ck_assert_int_eq(mkdir(BASE "/a/y", 0755), 0);
	ck_assert_int_eq(chown(BASE "/a/cgroup.procs", USER, USER), 0);
	ck_assert_int_eq(chown(BASE "/a/x/cgroup.procs", USER, USER), 0);
	ck_assert_int_eq(chown(BASE "/a/y/cgroup.procs", USER, USER), 0);
	/* From outside: the common ancestor is not his. */
	ck_assert_int_eq(write_as(&user, "a/x/cgroup.procs", "0"), -EACCES);
	ck_assert_ptr_nonnull(strstr(why_take(), "common ancestor"));
	snprintf(pid, sizeof pid, "%d", user.pid);
	snprintf(line, sizeof line, "%d\n", user.pid);
	must_write(BASE "/a/x/cgroup.procs", pid);
	ck_assert_int_eq(write_as(&user, "a/y/cgroup.procs", " 0x0\n"), 0);
	must_contain(BASE "/a/y/cgroup.procs", line);
	must_contain(BASE "/a/x/cgroup.procs", "");
	ck_assert_int_eq(write_as(&user, "a/x/cgroup.procs", pid), 0);
	must_contain(BASE "/a/x/cgroup.procs", line);
	ck_assert_int_eq(write_as(&user, "a/cgroup.procs", "4000000"), -ESRCH);
	/* The kernel takes a no-break space for white space, and the zero for the writer. */
	ck_assert_int_eq(chmod(BASE "/a/y/cgroup.procs", 0666), 0);
	write_as(&user, "a/y/cgroup.procs", "\xa0" "0");
	write_as(&user, "a/y/cgroup.procs", "0\xa0");
	ck_assert_int_eq(write_as(&user, "a/y/cgroup.procs", "zero"), -EINVAL);
	after = direct_read("/proc/self/cgroup");
	ck_assert_str_eq(after, own);
	stop(user.pid);
}
END_TEST

/* A pid namespace: its init, and a process it forked, which says its number there. */
static struct caller start_pidns(pid_t *ret_second)
{
	struct caller who = { 0 };
	int tell[2];
	char c;

	ck_assert_int_eq(pipe(tell), 0);
	who.pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	if (who.pid == 0) {
		pid_t second = fork();

		if (second == 0)
			pause();
		if (second != 2 || write(tell[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	ck_assert_int_gt(who.pid, 0);
	close(tell[1]);
	ck_assert_int_eq(read(tell[0], &c, 1), 1);
	close(tell[0]);
	ck_assert_int_eq(pidns_find(who.pid, 2, ret_second), 0);
	return who;
}

static bool has_line(const char *text, pid_t pid)
{
	char line[16];
	const char *at;

	snprintf(line, sizeof line, "%d\n", pid);
	at = strstr(text, line);
	return at && (at == text || at[-1] == '\n');
}

static void read_as(const struct caller *who, const char *path, struct buf *text)
{
	struct tree_file *file;

	buf_reset(text);
	ck_assert_int_eq(tree->ops->open(tree, who, node_at(path), O_RDONLY, &file), 0);
	ck_assert_int_eq(file->ops->read(file, who, text), 0);
	file->ops->close(file);
}

START_TEST(pid_namespaces)
{
	cleanup_buf struct buf text = { 0 };
	struct caller self = { .pid = getpid() };
	pid_t outside = start_in(BASE "/a"), second;
	struct caller init = start_pidns(&second);
	char pid[16];

	ck_assert_int_eq(mkdir(BASE "/a/x", 0755), 0);
	ck_assert_int_eq(mkdir(BASE "/a/y", 0755), 0);
	snprintf(pid, sizeof pid, "%d", init.pid);
	must_write(BASE "/a/cgroup.procs", pid);
	snprintf(pid, sizeof pid, "%d", second);
	must_write(BASE "/a/cgroup.procs", pid);
	snprintf(pid, sizeof pid, "%d", outside);
	must_write(BASE "/a/x/cgroup.procs", pid);
	ck_assert_int_eq(write_as(&init, "a/x/cgroup.procs", "2"), 0);
	read_as(&self, "a/x/cgroup.procs", &text);
	ck_assert(has_line(buf_text(&text), second));
	ck_assert(has_line(buf_text(&text), outside));
	read_as(&init, "a/x/cgroup.procs", &text);
	ck_assert_str_eq(buf_text(&text), "0\n2\n");
	read_as(&init, "a/x/cgroup.threads", &text);
	ck_assert_str_eq(buf_text(&text), "0\n2\n");
	/* What he cannot see he cannot move. */
	ck_assert_int_eq(write_as(&init, "a/y/cgroup.procs", "3"), -ESRCH);
	ck_assert_int_eq(write_as(&init, "a/y/cgroup.procs", "-1"), -EINVAL);
	/* 0 is the writer, who is not the daemon. */
	ck_assert_int_eq(write_as(&init, "a/cgroup.procs", "0"), 0);
	read_as(&init, "a/cgroup.procs", &text);
	ck_assert_str_eq(buf_text(&text), "1\n");
	read_as(&TREE_SELF, "a/cgroup.procs", &text);
	ck_assert(has_line(buf_text(&text), init.pid));
	stop(init.pid);
	stop(outside);
}
END_TEST

static void tell_pipe(void *data, uint64_t node)
{
	if (write(*(int *)data, &node, sizeof node) != sizeof node)
		abort();
}

/* Reads events until one is about node; the test's own deadline ends it otherwise. */
static void wait_for(int fd, uint64_t node)
{
	uint64_t told;

	do
		ck_assert_int_eq(read(fd, &told, sizeof told), sizeof told);
	while (told != node);
}

START_TEST(events)
{
	cleanup_buf struct buf text = { 0 };
	uint64_t dir, file;
	struct stat st;
	int pipes[2];
	pid_t pid;

	forbid_handles(_i);
	ck_assert_int_eq(pipe(pipes), 0);
	tree->changed = tell_pipe;
	tree->changed_data = &pipes[1];
	dir = node_at("a");
	ck_assert_int_eq(tree->ops->stat(tree, dir, "cgroup.events", &st), 0);
	file = st.st_ino;
	pid = start_in(BASE "/a");
	wait_for(pipes[0], file);
	ck_assert_int_eq(tree_read(tree, dir, "cgroup.events", &text), 0);
	ck_assert_ptr_nonnull(strstr(buf_text(&text), "populated 1"));
	stop(pid);
	wait_for(pipes[0], file);
	ck_assert_int_eq(rmdir(BASE "/a"), 0);
	wait_for(pipes[0], dir);
	tree_destroy(tree);
	ck_assert_int_eq(kernel_new(BASE, NULL, &tree), 0);
}
END_TEST

/* More files than are watched, open files kept and nodes remembered: all is found all the same. */
START_TEST(many)
{
	cleanup_buf struct buf text = { 0 };
	enum { N = 1100 };
	static uint64_t nodes[N];
	char path[64];
	int pipes[2];
	pid_t pid;

	ck_assert_int_eq(pipe(pipes), 0);
	tree->changed = tell_pipe;
	tree->changed_data = &pipes[1];
	for (int i = 0; i < N; i++) {
		snprintf(path, sizeof path, BASE "/a/%d", i);
		ck_assert_int_eq(mkdir(path, 0755), 0);
		snprintf(path, sizeof path, "a/%d/cgroup.events", i);
		nodes[i] = node_at(path);
		buf_reset(&text);
		snprintf(path, sizeof path, "a/%d", i);
		ck_assert_int_eq(tree_read(tree, node_at(path), "cgroup.events", &text), 0);
	}
	lru_free(&kernel_of(tree)->nodes);
	ck_assert_int_eq(lru_init(&kernel_of(tree)->nodes, 3000), 0);
	for (int i = 0; i < N; i += 100) {
		struct tree_file *file;

		ck_assert_int_eq(tree->ops->open(tree, &TREE_SELF, nodes[i], O_RDONLY, &file), 0);
		buf_reset(&text);
		ck_assert_int_eq(file->ops->read(file, &TREE_SELF, &text), 0);
		ck_assert_str_eq(buf_text(&text), "populated 0\nfrozen 0\n");
		file->ops->close(file);
	}
	pid = start_in(BASE "/a/1000");
	wait_for(pipes[0], nodes[1000]);
	stop(pid);
	tree_destroy(tree);
	ck_assert_int_eq(kernel_new(BASE, NULL, &tree), 0);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_add_test(tc, delegation);
	tcase_add_test(tc, groups_and_capabilities);
	tcase_add_test(tc, unprivileged);
	tcase_add_test(tc, cgroup_namespace);
	tcase_add_test(tc, migration);
	tcase_add_test(tc, pid_namespaces);
	tcase_add_loop_test(tc, events, 0, 2);
	tcase_add_test(tc, many);
}

int main(void)
{
	return run_suite("kernel_rights", fill);
}
