/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel backend shows exactly what the kernel has, and nothing outside its root. Most tests
 * run twice: with nodes found by number, and as without privilege. */
#include "test_kernel.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* Every entry of the real directory, with the same number and attributes. */
static void compare_directory(const char *real, uint64_t dir)
{
	cleanup_tree_list struct tree_list list = { 0 };
	cleanup_closedir DIR *d = opendir(real);
	const struct dirent *e;
	size_t n = 0;

	ck_assert_ptr_nonnull(d);
	ck_assert_int_eq(tree->ops->list(tree, dir, &list), 0);
	while ((e = readdir(d))) {
		struct stat st, ours;
		size_t i = 0;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		n++;
		while (i < list.n && strcmp(list.entries[i].name, e->d_name))
			i++;
		ck_assert_msg(i < list.n, "%s is not listed", e->d_name);
		ck_assert_uint_eq(list.entries[i].node, e->d_ino);
		ck_assert_int_eq(list.entries[i].dir, e->d_type == DT_DIR);
		ck_assert_int_eq(fstatat(dirfd(d), e->d_name, &st, 0), 0);
		ck_assert_int_eq(tree->ops->stat(tree, dir, e->d_name, &ours), 0);
		ck_assert_uint_eq(ours.st_ino, st.st_ino);
		ck_assert_uint_eq(ours.st_mode, st.st_mode);
		ck_assert_uint_eq(ours.st_nlink, st.st_nlink);
		ck_assert_uint_eq(ours.st_uid, st.st_uid);
		ck_assert_uint_eq(ours.st_gid, st.st_gid);
		ck_assert_int_eq(ours.st_size, st.st_size);
		ck_assert_int_eq(ours.st_mtim.tv_sec, st.st_mtim.tv_sec);
		ck_assert_int_eq(tree->ops->stat(tree, st.st_ino, NULL, &ours), 0);
		ck_assert_uint_eq(ours.st_ino, st.st_ino);
	}
	ck_assert_uint_eq(n, list.n);
	ck_assert_uint_gt(n, 20);
}

START_TEST(listing)
{
	cleanup_tree_list struct tree_list list = { 0 };
	struct stat st;

	forbid_handles(_i);
	ck_assert_int_eq(chown(BASE "/a/memory.max", 11, 22), 0);
	compare_directory(BASE, TREE_ROOT);
	compare_directory(BASE "/a", node_at("a"));
	ck_assert_int_eq(tree->ops->stat(tree, TREE_ROOT, NULL, &st), 0);
	ck_assert_uint_eq(st.st_ino, TREE_ROOT);
	ck_assert_int_eq(tree->ops->stat(tree, TREE_ROOT, "..", &st), 0);
	ck_assert_uint_eq(st.st_ino, TREE_ROOT);
	ck_assert_int_eq(tree->ops->stat(tree, node_at("a/memory.max"), "..", &st), 0);
	ck_assert_uint_eq(st.st_ino, node_at("a"));
	ck_assert_int_eq(tree->ops->stat(tree, node_at("a"), "..", &st), 0);
	ck_assert_uint_eq(st.st_ino, TREE_ROOT);
	ck_assert_int_eq(tree->ops->stat(tree, node_at("a"), "none", &st), -ENOENT);
	ck_assert_int_eq(tree->ops->stat(tree, node_at("a/memory.max"), "x", &st), -ENOTDIR);
	ck_assert_int_eq(tree->ops->list(tree, node_at("a/memory.max"), &list), -ENOTDIR);
}
END_TEST

/* An empty cgroup's files do not change by themselves. */
START_TEST(reading)
{
	cleanup_tree_list struct tree_list list = { 0 };
	uint64_t dir = node_at("a");
	unsigned compared = 0;

	forbid_handles(_i);
	ck_assert_int_eq(tree->ops->list(tree, dir, &list), 0);
	for (size_t i = 0; i < list.n; i++) {
		cleanup_buf struct buf text = { 0 };
		cleanup_free char *expected = NULL;
		char path[PATH_MAX];
		int r;

		snprintf(path, sizeof path, BASE "/a/%s", list.entries[i].name);
		expected = direct_read(path);
		/* Twice: the second time by the fd that was kept. */
		for (int n = 0; n < 2; n++) {
			buf_reset(&text);
			r = tree_read(tree, dir, list.entries[i].name, &text);
			ck_assert_msg((r == 0) == (expected != NULL), "%s: %d", path, r);
			if (r == 0)
				ck_assert_str_eq(buf_text(&text), expected);
		}
		compared += expected != NULL;
	}
	ck_assert_uint_gt(compared, 20);
	ck_assert_int_eq(tree_write(tree, dir, "memory.max", "64M"), 0);
	must_contain(BASE "/a/memory.max", "67108864\n");
	must_write(BASE "/a/memory.max", "1M");
	{
		cleanup_buf struct buf text = { 0 };

		ck_assert_int_eq(tree_read(tree, dir, "memory.max", &text), 0);
		ck_assert_str_eq(buf_text(&text), "1048576\n");
	}
}
END_TEST

static bool takes_pids(const char *name)
{
	return !strcmp(name, "cgroup.procs") || !strcmp(name, "cgroup.threads");
}

/* Writes to a/NAME directly and to b/NAME through the tree; both must answer the same. */
static void compare_write(const struct caller *who, const char *name, const char *text)
{
	cleanup_free char *one = NULL, *other = NULL;
	char a[PATH_MAX], b[PATH_MAX];
	int expected, r;

	snprintf(a, sizeof a, BASE "/a/%s", name);
	snprintf(b, sizeof b, BASE "/b/%s", name);
	expected = direct_write(a, text, strlen(text));
	r = write_as(who, b + strlen(BASE), text);
	ck_assert_msg(r == expected, "%s: \"%.40s\": %s, not %s", name, text,
		      strerrorname_np(-r), strerrorname_np(-expected));
	one = direct_read(a);
	other = direct_read(b);
	ck_assert_msg(!one == !other, "%s", name);
	if (one)
		ck_assert_str_eq(one, other);
}

START_TEST(errnos)
{
	static const char *const inputs[] = {
		"\n", "abc", "-1", "1", " 1 ", "1\n", "1 2", "0", "0x10", "010", "+1", "1K", "1KB",
		"max", "max 100000", "50000", "50000 abc", "999", "10001", "18446744073709551616",
		"99999999999999999999999", "+memory", "+memory -memory", "+nothing", "-memory",
		"+memory\t+cpu", "threaded", "domain", "member", "0-1", "0-", "7777777", "some 1 2",
		"some 500000 2000000", "\x0b\x0c", "-",
	};
	struct caller self = { .pid = getpid() };
	cleanup_tree_list struct tree_list list = { 0 };
	char large[4098];

	memset(large, '1', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	ck_assert_int_eq(tree->ops->list(tree, node_at("a"), &list), 0);
	for (size_t i = 0; i < list.n; i++) {
		const char *name = list.entries[i].name;

		/* Siblings take each other's. */
		if (!strcmp(name, "cpuset.cpus.exclusive"))
			continue;
		compare_write(&self, name, large);
		for (size_t n = 0; n < ARRAY_SIZE(inputs); n++) {
			/* Numbers there are processes, and not the test's to move. */
			if (takes_pids(name) && strpbrk(inputs[n], "0123456789") &&
			    strcmp(inputs[n], "-1") && strlen(inputs[n]) < 12)
				continue;
			compare_write(n % 2 ? &self : &TREE_SELF, name, inputs[n]);
		}
	}
}
END_TEST

START_TEST(gone)
{
	cleanup_tree_list struct tree_list list = { 0 };
	cleanup_buf struct buf text = { 0 };
	struct caller self = { .pid = getpid() };
	uint64_t dir = node_at("a"), max = node_at("a/memory.max");
	struct tree_file *file, *none = NULL;
	char one[] = "1";
	struct stat st;

	forbid_handles(_i);
	ck_assert_int_eq(tree_read(tree, dir, "memory.max", &text), 0);
	ck_assert_int_eq(tree->ops->open(tree, &self, max, O_RDWR, &file), 0);
	ck_assert_int_eq(rmdir(BASE "/a"), 0);
	ck_assert_int_eq(mkdir(BASE "/a", 0755), 0);
	buf_reset(&text);
	ck_assert_int_eq(file->ops->read(file, &self, &text), -ENODEV);
	ck_assert_int_eq(file->ops->write(file, &self, one, 1), -ENODEV);
	file->ops->close(file);
	ck_assert_int_eq(tree->ops->stat(tree, dir, NULL, &st), -ENODEV);
	ck_assert_int_eq(tree->ops->stat(tree, max, NULL, &st), -ENODEV);
	ck_assert_int_eq(tree->ops->stat(tree, dir, "..", &st), -ENODEV);
	ck_assert_int_eq(tree->ops->list(tree, dir, &list), -ENODEV);
	ck_assert_int_eq(tree->ops->open(tree, &self, max, O_WRONLY, &none), -ENODEV);
	ck_assert_ptr_null(none);
	ck_assert_int_lt(tree_read(tree, dir, "memory.max", &text), 0);
	ck_assert_int_lt(tree->ops->mkdir(tree, &self, dir, "x", 0755), 0);
	/* The new one of that name is another. */
	ck_assert_uint_ne(node_at("a"), dir);
	ck_assert_int_eq(tree_read(tree, node_at("a"), "memory.max", &text), 0);
	ck_assert_str_eq(buf_text(&text), "max\n");
	/* Files come and go with their controller. */
	max = node_at("a/memory.max");
	must_write(BASE "/cgroup.subtree_control", "-memory");
	ck_assert_int_eq(tree_read(tree, node_at("a"), "memory.max", &text), -ENOENT);
	must_write(BASE "/cgroup.subtree_control", "+memory");
	ck_assert_int_eq(tree->ops->open(tree, &self, max, O_RDONLY, &none), -ENODEV);
	buf_reset(&text);
	ck_assert_int_eq(tree_read(tree, node_at("a"), "memory.max", &text), 0);
	ck_assert_str_eq(buf_text(&text), "max\n");
}
END_TEST

/* Everything one can try on a node must fail like this. */
static void must_not_reach(uint64_t node, const char *what)
{
	cleanup_tree_list struct tree_list list = { 0 };
	struct caller self = { .pid = getpid() };
	struct tree_file *file;
	struct stat st = { .st_mode = 0777 };

	ck_assert_msg(tree->ops->stat(tree, node, NULL, &st) == -ENODEV, "stat of %s", what);
	ck_assert_int_eq(tree->ops->stat(tree, node, "cgroup.procs", &st), -ENODEV);
	ck_assert_int_eq(tree->ops->stat(tree, node, "..", &st), -ENODEV);
	ck_assert_int_eq(tree->ops->list(tree, node, &list), -ENODEV);
	ck_assert_int_eq(tree->ops->mkdir(tree, &self, node, "x", 0755), -ENODEV);
	ck_assert_int_eq(tree->ops->rmdir(tree, &self, node, "x"), -ENODEV);
	ck_assert_int_eq(tree->ops->open(tree, &self, node, O_RDONLY, &file), -ENODEV);
	ck_assert_int_eq(tree->ops->setattr(tree, &self, node, &st, TREE_SET_MODE), -ENODEV);
}

START_TEST(confinement)
{
	static const char *const names[] = { "../ctlfs-other", "a/../../ctlfs-other", "/", "a/",
					     "/sys", "a/b", "./a", "" };
	struct caller self = { .pid = getpid() };
	struct stat st;

	forbid_handles(_i);
	ck_assert_int_eq(mkdir(OTHER "/x", 0755), 0);
	must_not_reach(direct_ino(OTHER), "a directory beside the root");
	must_not_reach(direct_ino(OTHER "/x"), "a directory below that");
	must_not_reach(direct_ino(OTHER "/memory.max"), "a file outside");
	must_not_reach(direct_ino(MOUNT "/cgroup.procs"), "a file of the real root");
	must_not_reach(1ULL << 39, "a number nobody has");
	/* The real root has number 1 too. */
	ck_assert_uint_eq(direct_ino(MOUNT), TREE_ROOT);
	ck_assert_int_eq(tree->ops->stat(tree, TREE_ROOT, "ctlfs-unit", &st), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		/* "" is the node itself. */
		ck_assert_int_eq(tree->ops->stat(tree, TREE_ROOT, names[i], &st),
				 *names[i] ? -ENOENT : 0);
		ck_assert_int_lt(tree->ops->mkdir(tree, &self, TREE_ROOT, names[i], 0755), 0);
		ck_assert_int_lt(tree->ops->rmdir(tree, &self, TREE_ROOT, names[i]), 0);
	}
	ck_assert_int_eq(access(OTHER "/x", F_OK), 0);
	ck_assert_int_lt(tree->ops->rmdir(tree, &self, TREE_ROOT, ".."), 0);
	/* A mount inside leads outside. */
	ck_assert_int_eq(mount(OTHER, BASE "/a", NULL, MS_BIND, NULL), 0);
	ck_assert_int_eq(tree->ops->stat(tree, TREE_ROOT, "a", &st), -ENOENT);
	ck_assert_int_eq(umount(BASE "/a"), 0);
	ck_assert_int_eq(tree->ops->stat(tree, TREE_ROOT, "a", &st), 0);
}
END_TEST

START_TEST(directories)
{
	struct caller self = { .pid = getpid(), .umask = 027 };
	struct stat st, attr = { .st_mode = 0640, .st_uid = 5, .st_gid = 6,
				 .st_mtim = { .tv_sec = 1000 } };
	pid_t pid;

	umask(077);
	ck_assert_int_eq(tree->ops->mkdir(tree, &self, node_at("a"), "new", 0777), 0);
	ck_assert_int_eq(stat(BASE "/a/new", &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0750);
	ck_assert_int_eq(tree->ops->mkdir(tree, &TREE_SELF, node_at("a"), "self", 0777), 0);
	ck_assert_int_eq(stat(BASE "/a/self", &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0777);
	ck_assert_int_eq(umask(0), 077);
	ck_assert_int_eq(tree->ops->mkdir(tree, &self, node_at("a"), "new", 0777), -EEXIST);
	ck_assert_int_eq(tree->ops->mkdir(tree, &self, node_at("a"), "memory.max", 0777), -EEXIST);
	ck_assert_int_eq(tree->ops->mkdir(tree, &self, node_at("a"), "n\nl", 0777), -EINVAL);
	must_write(BASE "/a/cgroup.max.descendants", "2");
	ck_assert_int_eq(tree->ops->mkdir(tree, &self, node_at("a"), "third", 0777), -EAGAIN);
	ck_assert_ptr_nonnull(strstr(why_take(), "cgroup.max.descendants"));
	ck_assert_int_eq(tree->ops->rmdir(tree, &self, node_at("a"), "memory.max"), -ENOTDIR);
	ck_assert_int_eq(tree->ops->rmdir(tree, &self, node_at("a"), "none"), -ENOENT);
	pid = start_in(BASE "/a/new");
	ck_assert_int_eq(tree->ops->rmdir(tree, &self, node_at("a"), "new"), -EBUSY);
	ck_assert_str_eq(why_take(), "the cgroup has 1 processes");
	ck_assert_int_eq(tree->ops->rmdir(tree, &self, TREE_ROOT, "a"), -EBUSY);
	ck_assert_str_eq(why_take(), "the cgroup has 2 child cgroups");
	ck_assert_int_eq(write_as(&self, "a/cgroup.subtree_control", "+nothing"), -EINVAL);
	stop(pid);
	ck_assert_int_eq(tree->ops->rmdir(tree, &self, node_at("a"), "new"), 0);
	ck_assert_int_lt(access(BASE "/a/new", F_OK), 0);
	ck_assert_int_eq(tree->ops->setattr(tree, &self, node_at("a/memory.max"), &attr,
					    TREE_SET_MODE | TREE_SET_UID | TREE_SET_MTIME), 0);
	ck_assert_int_eq(stat(BASE "/a/memory.max", &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	ck_assert_uint_eq(st.st_uid, 5);
	ck_assert_uint_eq(st.st_gid, 0);
	ck_assert_int_eq(st.st_mtim.tv_sec, 1000);
	ck_assert_int_ne(st.st_atim.tv_sec, 0);
	ck_assert_int_eq(tree->ops->setattr(tree, &self, node_at("a"), &attr, TREE_SET_GID), 0);
	ck_assert_int_eq(stat(BASE "/a", &st), 0);
	ck_assert_uint_eq(st.st_gid, 6);
}
END_TEST

START_TEST(locating)
{
	pid_t inner = start_in(BASE "/a"), top = start_in(NULL), outside = start_in(OTHER);
	uint64_t dir = 0;
	siginfo_t info;

	forbid_handles(_i);
	ck_assert_int_eq(tree->ops->locate(tree, inner, &dir), 0);
	ck_assert_uint_eq(dir, direct_ino(BASE "/a"));
	ck_assert_uint_eq(dir, node_at("a"));
	dir = 7;
	ck_assert_int_eq(tree->ops->locate(tree, outside, &dir), -ENOENT);
	ck_assert_int_eq(tree->ops->locate(tree, top, &dir), -ENOENT);
	ck_assert_int_eq(tree->ops->locate(tree, 0, &dir), -ESRCH);
	/* A zombie's cgroup can be removed. */
	kill(inner, SIGKILL);
	ck_assert_int_eq(waitid(P_PID, (id_t)inner, &info, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(rmdir(BASE "/a"), 0);
	ck_assert_int_eq(tree->ops->locate(tree, inner, &dir), -ENOENT);
	waitpid(inner, NULL, 0);
	ck_assert_int_eq(tree->ops->locate(tree, inner, &dir), -ESRCH);
	ck_assert_uint_eq(dir, 7);
	stop(top);
	stop(outside);
}
END_TEST

/* As a seccomp filter that does not know openat2(2), or an old kernel, answers. */
static void forbid_openat2(int errnum)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)errnum),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_SIZE(filter), filter };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* It is said at the start, before anything is mounted. */
START_TEST(without_openat2)
{
	static const int errnums[] = { EPERM, ENOSYS };
	struct tree *none = NULL;

	forbid_openat2(errnums[_i]);
	ck_assert_int_eq(kernel_new(BASE, NULL, &none), -errnums[_i]);
	ck_assert_ptr_nonnull(strstr(why_take(), "openat2"));
	ck_assert_ptr_null(none);
}
END_TEST

/* The daemon in a cgroup namespace of its own, with a mount of its own. */
START_TEST(namespaced)
{
	cleanup_buf struct buf point = { 0 };
	char self[16];
	struct tree *inner;
	uint64_t dir;
	pid_t pid;

	ck_assert_int_eq(kernel_mountpoint(&point), 0);
	ck_assert_str_eq(buf_text(&point), MOUNT);
	ck_assert_int_eq(mkdir(BASE "/a/sub", 0755), 0);
	pid = start_in(BASE "/a/sub");
	snprintf(self, sizeof self, "%d", getpid());
	must_write(BASE "/a/cgroup.procs", self);
	ck_assert_int_eq(unshare(CLONE_NEWCGROUP), 0);
	must_write(MOUNT "/cgroup.procs", self);
	ck_assert_int_eq(mount("none", "/mnt", "cgroup2", 0, NULL), 0);
	ck_assert_int_eq(kernel_new("/mnt", NULL, &inner), 0);
	ck_assert_int_eq(inner->ops->locate(inner, pid, &dir), 0);
	ck_assert_uint_eq(dir, direct_ino(BASE "/a/sub"));
	ck_assert_int_eq(inner->ops->locate(inner, getpid(), &dir), -ENOENT);
	tree_destroy(inner);
	ck_assert_int_eq(kernel_new("/mnt/sub", NULL, &inner), 0);
	ck_assert_int_eq(inner->ops->locate(inner, pid, &dir), 0);
	ck_assert_uint_eq(dir, TREE_ROOT);
	tree_destroy(inner);
	ck_assert_int_eq(kernel_new("/proc", NULL, &inner), -EMEDIUMTYPE);
	ck_assert_int_eq(kernel_new("/mnt/none", NULL, &inner), -ENOENT);
	ck_assert_int_eq(kernel_new("/mnt/cgroup.procs", NULL, &inner), -ENOTDIR);
	ck_assert_int_eq(umount("/mnt"), 0);
	stop(pid);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_add_loop_test(tc, listing, 0, 2);
	tcase_add_loop_test(tc, reading, 0, 2);
	tcase_add_test(tc, errnos);
	tcase_add_loop_test(tc, gone, 0, 2);
	tcase_add_loop_test(tc, confinement, 0, 2);
	tcase_add_test(tc, directories);
	tcase_add_loop_test(tc, locating, 0, 2);
	tcase_add_loop_test(tc, without_openat2, 0, 2);
	tcase_add_test(tc, namespaced);
}

int main(void)
{
	return run_suite("kernel_tree", fill);
}
