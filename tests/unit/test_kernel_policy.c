/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attacks on what a policy gives: who gets it, and values above its ceilings. */
#include "test_guard.h"

#include "ctlfs/userns.h"

#define MEMORY "a/memory.max"
#define CPU "a/cpu.max"
#define PIDS "a/pids.max"

START_TEST(changed_uid)
{
	static const char *const rules[][2] = { { "memory.max", "<= 2G" } };
	struct member a = start_member(BASE "/a", CONTAINER);
	struct tree_file *file;

	use_policy("/ctlfs-unit/*", rules, 1);
	ck_assert_int_eq(open_as(&a.who, "a/memory.max", O_WRONLY, &file), 0);
	ck_assert_int_eq(write_file(file, &a.who, "1G"), 0);
	must_contain(BASE "/a/memory.max", "1073741824\n");
	tell(&a, ORDER_USER);
	a.who.uid = a.who.gid = USER;
	ck_assert_int_eq(write_file(file, &a.who, "2G"), -EPERM);
	ck_assert_ptr_nonnull(strstr(why_take(), "only root of the container"));
	ck_assert_int_eq(open_close(&a.who, "a/memory.max", O_WRONLY), -EACCES);
	must_contain(BASE "/a/memory.max", "1073741824\n");
	file->ops->close(file);
	end_member(&a);
}
END_TEST

START_TEST(rules)
{
	static const char *const lines[][2] = {
		{ "*", "allow" }, { "cgroup.procs", "readonly" },
		{ "memory.oom.group", "readonly" }, { "pids.max", "deny" },
	};
	struct member a = start_member(BASE "/a", CONTAINER);
	struct member b = start_member(BASE "/b", CONTAINER);

	use_policy("/ctlfs-unit/a", lines, ARRAY_SIZE(lines));
	ck_assert_int_eq(write_as(&a.who, "a/memory.max", "1G"), 0);
	ck_assert_int_eq(chmod_as(&a.who, "a/memory.max", 0666), -EPERM);
	ck_assert_int_eq(write_as(&a.who, "a/cgroup.procs", "0"), -EPERM);
	ck_assert_int_eq(write_as(&a.who, "a/memory.oom.group", "1"), -EPERM);
	ck_assert_int_eq(open_close(&a.who, "a/pids.max", O_RDONLY), -EACCES);
	ck_assert_int_eq(open_close(&a.who, "a/pids.max", O_WRONLY), -EACCES);
	ck_assert_int_eq(write_as(&b.who, "b/memory.max", "1G"), -EPERM);
	ck_assert_int_eq(open_close(&b.who, "b/pids.max", O_RDONLY), 0);
	end_member(&a);
	end_member(&b);
}
END_TEST

START_TEST(ceilings)
{
	static const char *const lines[][2] = {
		{ "memory.max", "<= 2G" }, { "cpu.max", "<= 150%" }, { "pids.max", "<= 500" },
		{ "cpu.weight", "<= 200" },
	};
	static const struct {
		const char *file, *text;
		int r;
		const char *after;
	} rows[] = {
		{ MEMORY, "1G", 0, "1073741824\n" },
		{ MEMORY, "2G", 0, "2147483648\n" },
		{ MEMORY, "2147483649", 0, "2147483648\n" }, /* what the kernel makes of it */
		{ MEMORY, "2147487744", -EPERM, NULL },
		{ MEMORY, "3G", -EPERM, NULL },
		{ MEMORY, "max", -EPERM, NULL },
		{ MEMORY, " max\n", -EPERM, NULL },
		{ MEMORY, "0x80000000\n", 0, "2147483648\n" },
		{ MEMORY, "0x100000000", -EPERM, NULL },
		{ MEMORY, "1G max", -EINVAL, NULL },
		{ MEMORY, "1G\nmax", -EINVAL, NULL },
		{ MEMORY, "-1", -EINVAL, NULL },
		{ MEMORY, "17592186044416M", 0, "0\n" }, /* it wraps to 0 there, too */
		{ PIDS, "500", 0, "500\n" }, { PIDS, "501", -EPERM, NULL },
		{ PIDS, "max", -EPERM, NULL }, { PIDS, "0x1f5", -EPERM, NULL },
		{ PIDS, "-1", -EINVAL, NULL },
		{ CPU, "150000 100000", 0, "150000 100000\n" },
		{ CPU, "150001 100000", -EPERM, NULL },
		{ CPU, "max 100000", -EPERM, NULL }, { CPU, "max", -EPERM, NULL },
		{ CPU, "1500000 1000000", 0, "1500000 1000000\n" },
		{ CPU, "1500000 100000", -EPERM, NULL },
		{ CPU, "30000 20000\n", 0, "30000 20000\n" },
		{ CPU, "150000", -EPERM, NULL }, /* with the period that is set now */
		{ CPU, "20000", 0, "20000 20000\n" },
		{ CPU, "20000abc 20000junk", 0, "20000 20000\n" },
		{ CPU, "18446744073709552 100000", -EINVAL, NULL }, /* 384 us if it wrapped */
		{ CPU, "20000 18446744073709651", -EINVAL, NULL },
		{ "a/cpu.weight", "200\n", 0, "200\n" }, { "a/cpu.weight", "201", -EPERM, NULL },
		{ "a/cpu.weight.nice", "-20", -EPERM, "0\n" },
		{ "a/memory.high", "1G", -EPERM, "max\n" },
	};
	struct member a = start_member(BASE "/a", CONTAINER);
	char path[PATH_MAX];

	use_policy("/ctlfs-unit/a", lines, ARRAY_SIZE(lines));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free char *before = NULL, *after = NULL;
		const char *want = rows[i].after;
		int r;

		snprintf(path, sizeof path, BASE "/%s", rows[i].file);
		before = direct_read(path);
		r = write_as(&a.who, rows[i].file, rows[i].text);
		ck_assert_msg(r == rows[i].r, "%s: '%s': %s", rows[i].file, rows[i].text,
			      strerrorname_np(-r));
		after = direct_read(path);
		if (strcmp(rows[i].file, "a/cpu.weight.nice"))
			ck_assert_str_eq(after, want ? want : before);
	}
	/* The host is not bound. */
	ck_assert_int_eq(write_as(&(struct caller){ .pid = getpid() }, MEMORY, "3G"), 0);
	end_member(&a);
}
END_TEST

/* A file of which the ceiling counts, however it came to who writes. */
START_TEST(ceiling_by_passed_fd)
{
	static const char *const lines[][2] = { { "memory.max", "<= 2G" } };
	struct member a = start_member(BASE "/a", CONTAINER);
	struct caller host = { .pid = getpid(), .umask = 022 };
	struct tree_file *file;

	use_policy("/ctlfs-unit/a", lines, 1);
	ck_assert_int_eq(open_as(&host, MEMORY, O_WRONLY, &file), 0);
	ck_assert_int_eq(write_file(file, &a.who, "3G"), -EPERM);
	ck_assert_int_eq(write_file(file, &a.who, "1G"), 0);
	file->ops->close(file);
	ck_assert_int_eq(open_as(&a.who, MEMORY, O_WRONLY, &file), 0);
	ck_assert_int_eq(write_file(file, &host, "3G"), -EPERM);
	file->ops->close(file);
	must_contain(BASE "/a/memory.max", "1073741824\n");
	end_member(&a);
}
END_TEST

/* Only root of the container is given anything, and he cannot be made in it. */
START_TEST(container_root)
{
	static const char *const lines[][2] = { { "memory.max", "<= 2G" } };
	struct member mapped = start_member(BASE "/a", CONTAINER | CLONE_NEWUSER);
	struct caller user = mapped.who;
	struct stat st;
	uid_t root;

	use_policy("/ctlfs-unit/a", lines, 1);
	ck_assert_int_eq(userns_root(mapped.who.pid, &root), 0);
	ck_assert_uint_eq(root, MAPPED);
	ck_assert_int_eq(userns_root(getpid(), &root), -EPERM);
	ck_assert_int_eq(write_as(&mapped.who, MEMORY, "1G"), 0);
	ck_assert_int_eq(write_as(&mapped.who, MEMORY, "3G"), -EPERM);
	ck_assert_int_eq(write_as(&mapped.who, "a/memory.high", "1G"), -EACCES);
	user.uid = MAPPED + 1000;
	ck_assert_int_eq(write_as(&user, MEMORY, "1G"), -EACCES);
	/* The front end goes by the mode, and it is the same for all. */
	ck_assert_int_eq(tree->ops->stat(tree, node_at("a"), "memory.max", &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0666);
	ck_assert_int_eq(tree->ops->stat(tree, node_at("b"), "memory.max", &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0644);
	ck_assert_int_eq(stat(BASE "/a/memory.max", &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0644);
	/* What was shown does not become true by being set. */
	ck_assert_int_eq(chmod_as(&(struct caller){ .pid = getpid() }, MEMORY, 0666), 0);
	ck_assert_int_eq(stat(BASE "/a/memory.max", &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0644);
	must_contain(BASE "/a/memory.max", "1073741824\n");
	end_member(&mapped);
}
END_TEST

/* A user in a container makes a user namespace, and is root of that. */
START_TEST(made_root_of_user_namespace)
{
	static const char *const lines[][2] = { { "memory.max", "<= 2G" } };
	struct member m = start_member(BASE "/a", CONTAINER | CLONE_NEWUSER);
	struct tree_file *file;
	uid_t root;

	tell(&m, ORDER_USER);
	tell(&m, ORDER_USER_NS);
	m.who.uid = m.who.gid = MAPPED + USER;
	use_policy("/ctlfs-unit/a", lines, 1);
	ck_assert_int_eq(userns_root(m.who.pid, &root), -EPERM);
	ck_assert_int_eq(open_close(&m.who, MEMORY, O_WRONLY), -EACCES);
	ck_assert_int_eq(open_as(&(struct caller){ .pid = getpid() }, MEMORY, O_WRONLY, &file), 0);
	ck_assert_int_eq(write_file(file, &m.who, "1G"), -EPERM);
	file->ops->close(file);
	end_member(&m);
}
END_TEST

/* A user in a container makes a user and a pid namespace, and is root of both. */
static pid_t nest(int *ret_done)
{
	int ends[2], ids[2];
	pid_t outer, inner = 0;

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(pipe(ids), 0);
	outer = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	if (outer == 0) {
		char c;

		/* Once the parent has put us into the container. */
		if (read(ends[0], &c, 1) != 1 || setresgid(USER, USER, USER) < 0 ||
		    setresuid(USER, USER, USER) < 0)
			_exit(1);
		inner = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWPID | SIGCHLD, 0, 0, 0,
				       0);
		if (inner == 0) {
			pause();
			_exit(0);
		}
		if (inner < 0 || write(ids[1], &inner, sizeof inner) != sizeof inner)
			_exit(1);
		pause();
		_exit(0);
	}
	put(outer, BASE "/a");
	ck_assert_int_eq(write(ends[1], "", 1), 1);
	ck_assert_int_eq(read(ids[0], &inner, sizeof inner), sizeof inner);
	ck_assert_int_eq(pidns_find(outer, inner, ret_done), 0);
	return outer;
}

START_TEST(made_root)
{
	static const char *const lines[][2] = { { "memory.max", "<= 2G" } };
	pid_t inner, outer = nest(&inner);
	struct caller who = { .pid = inner, .uid = USER, .gid = USER };
	struct tree_file *file;
	uid_t root;

	map_ids(inner, "0 1000 1");
	use_policy("/ctlfs-unit/a", lines, 1);
	ck_assert_int_eq(userns_root(inner, &root), -EPERM);
	ck_assert_int_eq(open_close(&who, MEMORY, O_WRONLY), -EACCES);
	/* The same with a file that somebody may write. */
	ck_assert_int_eq(open_as(&(struct caller){ .pid = getpid() }, MEMORY, O_WRONLY, &file), 0);
	ck_assert_int_eq(write_file(file, &who, "1G"), -EPERM);
	file->ops->close(file);
	must_contain(BASE "/a/memory.max", "max\n");
	stop(outer);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_add_test(tc, changed_uid);
	tcase_add_test(tc, rules);
	tcase_add_test(tc, ceilings);
	tcase_add_test(tc, ceiling_by_passed_fd);
	tcase_add_test(tc, container_root);
	tcase_add_test(tc, made_root_of_user_namespace);
	tcase_add_test(tc, made_root);
}

int main(void)
{
	return run_suite("kernel_policy", fill);
}
