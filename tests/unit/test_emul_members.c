/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members of the emulator's cgroups: migration, events, exits, kill, freeze. */
#include "emul_fixture.h"
#include "suite.h"

/* --- who is where --- */

START_TEST(children_are_found_where_their_parent_was)
{
	pid_t parent, child, later;

	make_dirs("a", "b");
	parent = spawn_in("a");
	child = fake_fork(fake, parent);
	move("b", parent);
	later = fake_fork(fake, parent);
	PROCS("a", child);
	PROCS("b", parent, later);
	move("a", parent); /* last moved, last listed */
	PROCS("a", child, parent);
	fake_spawn(fake); /* not ours */
	NONE("");
}
END_TEST

/* Reading costs a scan only if something was born. */
START_TEST(scans_only_after_births)
{
	unsigned scans;
	pid_t pid;

	make_dirs("a");
	pid = spawn_in("a");
	PROCS("a", pid);
	scans = fake->n_scans;
	PROCS("a", pid);
	assert_read("a/cgroup.events", "populated 1\nfrozen 0\n");
	fake_end(fake, pid);
	NONE("a");
	ck_assert_uint_eq(fake->n_scans, scans);
}
END_TEST

START_TEST(exits)
{
	pid_t pid, zombie;

	make_dirs("a", "a/b");
	pid = spawn_in("a/b");
	zombie = spawn_in("a/b");
	changes_forget();
	fake_exit(fake, zombie);
	PROCS("a/b", pid);
	ck_assert_uint_eq(n_changes, 0); /* one is left */
	ck_assert_int_eq(do_rmdir("a/b"), -EBUSY);
	fake_exit(fake, pid);
	fake_settle(&fake->tasks);
	ck_assert_uint_eq(changes_of("a/b/cgroup.events"), 1);
	ck_assert_uint_eq(changes_of("a/cgroup.events"), 1);
	assert_read("a/cgroup.events", "populated 0\nfrozen 0\n");
	ck_assert_int_eq(do_rmdir("a/b"), 0); /* zombies do not count */
}
END_TEST

/* A daemon's double fork: the cgroup never seems empty. */
START_TEST(last_known_exits_after_forking)
{
	pid_t parent, child, grandchild;

	make_dirs("a");
	parent = spawn_in("a");
	changes_forget();
	child = fake_fork(fake, parent);
	grandchild = fake_fork(fake, child);
	fake_end(fake, child);
	fake_end(fake, parent);
	fake_settle(&fake->tasks);
	ck_assert_uint_eq(n_changes, 0);
	PROCS("a", grandchild);
	ck_assert_int_eq(do_rmdir("a"), -EBUSY);
}
END_TEST

/* While a scan runs, the known process forks behind its back and exits: the scan sees neither. */
static pid_t relay;
static unsigned relays_left;

static void hand_on(struct fake *f)
{
	pid_t next;

	if (!relays_left)
		return;
	relays_left--;
	next = fake_fork(f, relay);
	fake_end(f, relay);
	relay = next;
}

START_TEST(forks_during_scan)
{
	make_dirs("a");
	relay = spawn_in("a");
	fake_fork(fake, relay);
	PROCS("a", relay, relay + 1);
	fake_end(fake, relay + 1);
	NONE("");
	changes_forget();
	relays_left = 3;
	fake->during_scan = hand_on;
	fake_spawn(fake);
	while (relays_left)
		assert_read("a/cgroup.events", "populated 1\nfrozen 0\n");
	PROCS("a", relay);
	ck_assert_uint_eq(n_changes, 0);
	ck_assert_int_eq(do_rmdir("a"), -EBUSY);
}
END_TEST

/* More members than can be watched: each read looks for itself. */
START_TEST(unwatched_members)
{
	pid_t one, two;

	fake->watch_max = 1;
	make_dirs("a");
	one = spawn_in("a");
	two = spawn_in("a");
	PROCS("a", one, two);
	fake_end(fake, two);
	PROCS("a", one);
	fake_end(fake, one);
	assert_read("a/cgroup.events", "populated 0\nfrozen 0\n");
	ck_assert_int_eq(do_rmdir("a"), 0);
}
END_TEST

START_TEST(reused_pid)
{
	struct fake_task *task;
	pid_t pid;

	make_dirs("a", "b");
	pid = spawn_in("a");
	PROCS("a", pid);
	task = fake_find(fake, pid);
	task->start = task->use.start = 99999; /* another process, same number, same user's tag */
	task->tag = TASK_TAG(task_tag_instance(task->tag), node_at("b") / 256);
	fake->births++;
	NONE("a");
	PROCS("b", pid);
}
END_TEST

START_TEST(locating)
{
	uint64_t node = 0;
	pid_t pid, foreign;
	unsigned scans;

	make_dirs("a");
	pid = spawn_in("a");
	foreign = fake_spawn(fake);
	scans = fake->n_scans;
	ck_assert_int_eq(tree->ops->locate(tree, pid, &node), 0);
	ck_assert_uint_eq(node, node_at("a"));
	ck_assert_int_eq(tree->ops->locate(tree, foreign, &node), -ENOENT);
	fake_find(fake, foreign)->tag = TASK_TAG(
		task_tag_instance(fake_find(fake, pid)->tag) ^ 1, node_at("a") / 256);
	ck_assert_int_eq(tree->ops->locate(tree, foreign, &node), -ENOENT);
	ck_assert_int_eq(tree->ops->locate(tree, 999999, &node), -ESRCH);
	ck_assert_uint_eq(fake->n_scans, scans);
}
END_TEST

/* --- migration --- */

static const struct caller user7 = { .pid = 1, .uid = 7, .gid = 7 };

struct parse_case {
	const char *text;
	int error;
};

static const struct parse_case bad_pids[] = {
	{ "\n", EINVAL },	{ "-1", EINVAL },	      { "abc", EINVAL },
	{ "99999999", ESRCH },	{ "2147483648", EINVAL },     { "1 2", EINVAL },
	{ "2147483647", ESRCH }, { "99999999999999", EINVAL }, { "max", EINVAL },
	{ "0", ESRCH }, /* the daemon itself is nobody */
};

START_TEST(migration_errnos)
{
	struct caller writer = { 0 };
	pid_t pid, kthread, gone;

	make_dirs("a");
	for (size_t i = 0; i < ARRAY_SIZE(bad_pids); i++)
		assert_refused(do_write("a/cgroup.procs", bad_pids[i].text), bad_pids[i].error);
	kthread = fake_spawn(fake);
	fake_find(fake, kthread)->kthread = true;
	assert_refused(write_pid("a/cgroup.procs", kthread), EINVAL);
	gone = fake_spawn(fake);
	fake_end(fake, gone);
	assert_refused(write_pid("a/cgroup.procs", gone), ESRCH);
	pid = fake_spawn(fake);
	assert_refused(write_pid("a/cgroup.threads", pid), EOPNOTSUPP);
	fake_find(fake, pid)->fixed = true;
	assert_refused(write_pid("a/cgroup.procs", pid), EACCES);
	fake_find(fake, pid)->fixed = false;
	fake_exit(fake, pid);
	ck_assert_int_eq(write_pid("a/cgroup.procs", pid), 0); /* a zombie: nothing moves */
	NONE("a");
	writer.pid = fake_spawn(fake);
	ck_assert_int_eq(write_as(&TREE_SELF, &writer, "a/cgroup.procs", "0\n"), 0);
	PROCS("a", writer.pid);
}
END_TEST

/* Delegated: top belongs to root, top/d and all below to user 7. */
START_TEST(delegation)
{
	pid_t inside, own, other;

	make_dirs("top");
	ck_assert_int_eq(do_mkdir_as(&user7, "top/d", 0755), 0);
	ck_assert_int_eq(do_mkdir_as(&user7, "top/d/x", 0755), 0);
	ck_assert_int_eq(do_mkdir_as(&user7, "top/d/y", 0755), 0);
	inside = spawn_in("top/d/x");
	own = fake_spawn_uid(fake, 7);
	other = spawn_in("top");

	cleanup_buf struct buf text = { 0 };
	buf_addf(&text, "%d", (int)inside);
	/* A delegatee moves even root's processes, inside. */
	ck_assert_int_eq(write_as(&user7, &TREE_SELF, "top/d/y/cgroup.procs", buf_text(&text)), 0);
	PROCS("top/d/y", inside);
	/* The opener counts, not the writer. */
	ck_assert_int_eq(write_as(&TREE_SELF, &user7, "top/d/x/cgroup.procs", buf_text(&text)), 0);
	buf_reset(&text);
	buf_addf(&text, "%d", (int)other);
	assert_refused(write_as(&user7, &TREE_SELF, "top/d/x/cgroup.procs", buf_text(&text)),
		       EACCES);
	buf_reset(&text);
	buf_addf(&text, "%d", (int)own); /* from outside: the root is the common ancestor */
	assert_refused(write_as(&user7, &TREE_SELF, "top/d/x/cgroup.procs", buf_text(&text)),
		       EACCES);

	struct stat anybody = { .st_mode = 0666 };
	ck_assert_int_eq(tree->ops->setattr(tree, &TREE_SELF, node_at("cgroup.procs"), &anybody,
					    TREE_SET_MODE), 0);
	ck_assert_int_eq(write_as(&user7, &TREE_SELF, "top/d/x/cgroup.procs", buf_text(&text)), 0);
	buf_reset(&text);
	buf_addf(&text, "%d", (int)fake_spawn_uid(fake, 8)); /* somebody else's */
	assert_refused(write_as(&user7, &TREE_SELF, "top/d/x/cgroup.procs", buf_text(&text)),
		       EACCES);
}
END_TEST

START_TEST(pid_namespaces)
{
	struct caller inner = { 0 };
	struct tree_file *file;
	cleanup_buf struct buf out = { 0 };
	pid_t pid, outside;

	make_dirs("a");
	inner.pid = fake_spawn(fake);
	fake_find(fake, inner.pid)->inner = 1;
	pid = fake_spawn(fake);
	fake_find(fake, pid)->inner = 2;
	outside = spawn_in("a");
	ck_assert_int_eq(write_as(&TREE_SELF, &inner, "a/cgroup.procs", "2"), 0);
	assert_refused(write_as(&TREE_SELF, &inner, "a/cgroup.procs", "3"), ESRCH);
	PROCS("a", outside, pid);
	file = open_file("a/cgroup.procs");
	ck_assert_int_eq(read_file_as(file, &inner, &out), 0);
	ck_assert_str_eq(buf_text(&out), "0\n2\n");
	file->ops->close(file);
}
END_TEST

/* populated of a common ancestor does not flicker, of the others it changes once. */
START_TEST(events_of_a_move)
{
	pid_t pid;

	make_dirs("a", "a/x", "a/y", "a/x/z");
	pid = spawn_in("a/x");
	ck_assert_uint_eq(changes_of("a/cgroup.events"), 1);
	changes_forget();
	move("a/y", pid);
	ck_assert_uint_eq(n_changes, 2);
	ck_assert_uint_eq(changes_of("a/x/cgroup.events"), 1);
	ck_assert_uint_eq(changes_of("a/y/cgroup.events"), 1);
	move("a/x", pid);
	changes_forget();
	move("a/x/z", pid);
	ck_assert_uint_eq(n_changes, 1); /* x stays populated */
	fake_fork(fake, pid);
	assert_read("a/x/z/cgroup.events", "populated 1\nfrozen 0\n");
	ck_assert_uint_eq(n_changes, 1);
}
END_TEST

/* --- kill and freeze --- */

START_TEST(kill_is_recursive)
{
	pid_t own, below, unknown, beside;

	make_dirs("a", "a/b", "c");
	own = spawn_in("a");
	below = spawn_in("a/b");
	unknown = fake_fork(fake, below);
	beside = spawn_in("c");
	ck_assert_int_eq(do_write("a/cgroup.kill", "1"), 0);
	ck_assert(fake_find(fake, own)->exited && fake_find(fake, below)->exited);
	ck_assert(fake_find(fake, unknown)->exited);
	ck_assert(!fake_find(fake, beside)->exited);
	ck_assert_uint_eq(fake_find(fake, own)->signals[SIGKILL], 1);
	assert_read("a/cgroup.events", "populated 0\nfrozen 0\n");
	ck_assert_int_eq(do_write("a/cgroup.kill", "1\n"), 0);
	ck_assert_int_eq(do_rmdir("a/b"), 0);
}
END_TEST

/* Children born while their parents are being killed are found and killed, too. */
static void breed(struct fake *f)
{
	if (relays_left && relays_left--)
		relay = fake_fork(f, relay);
}

START_TEST(kill_catches_up)
{
	pid_t first;

	make_dirs("a");
	first = relay = spawn_in("a");
	relays_left = 3;
	fake->during_scan = breed;
	fake_fork(fake, relay);
	ck_assert_int_eq(do_write("a/cgroup.kill", "1"), 0);
	fake->during_scan = NULL;
	NONE("a");
	for (pid_t pid = first; pid <= relay; pid++)
		ck_assert(fake_find(fake, pid)->exited);
	ck_assert_int_gt(relay, first);
}
END_TEST

/* Whether cgroup.kill reaches a process whose first thread is dead. */
static const struct {
	enum emul_version version;
	bool reaches;
} kills_of_dead_leaders[] = {
	{ EMUL_6_1, false },
	{ EMUL_6_12, true },
	{ EMUL_6_18, false },
};

START_TEST(kill_of_dead_leaders)
{
	bool reaches = kills_of_dead_leaders[_i].reaches;
	pid_t here, moved, whole;

	emul_teardown();
	emul_setup_config(
		(struct emul_config){ .version = kills_of_dead_leaders[_i].version });
	make_dirs("a", "b");
	here = spawn_in("a");
	moved = spawn_in("a");
	whole = spawn_in("b");
	fake_thread(fake, here);
	fake_thread(fake, moved);
	fake_thread_exit(fake, here);
	fake_thread_exit(fake, moved);
	ck_assert_int_eq(write_pid("b/cgroup.procs", fake_find(fake, moved)->tids[0]), 0);
	ck_assert_int_eq(do_write("a/cgroup.kill", "1"), 0);
	ck_assert_int_eq(do_write("b/cgroup.kill", "1"), 0);
	ck_assert(fake_find(fake, here)->exited == reaches);
	ck_assert(fake_find(fake, moved)->exited == reaches);
	ck_assert(fake_find(fake, whole)->exited);
	assert_read("a/cgroup.events",
		    reaches ? "populated 0\nfrozen 0\n" : "populated 1\nfrozen 0\n");
}
END_TEST

START_TEST(freezing)
{
	pid_t own, below, child, stopped;

	make_dirs("a", "a/b", "a/c", "out");
	own = spawn_in("a");
	below = spawn_in("a/b");
	stopped = spawn_in("a");
	fake_find(fake, stopped)->stopped = true;
	changes_forget();
	ck_assert_int_eq(do_write("a/cgroup.freeze", "1"), 0);
	ck_assert_uint_eq(changes_of("a/cgroup.events"), 1);
	ck_assert_uint_eq(changes_of("a/b/cgroup.events"), 1);
	ck_assert_uint_eq(changes_of("a/c/cgroup.events"), 1);
	assert_read("a/cgroup.events", "populated 1\nfrozen 1\n");
	assert_read("a/b/cgroup.events", "populated 1\nfrozen 1\n");
	assert_read("a/c/cgroup.events", "populated 0\nfrozen 1\n");
	assert_read("a/b/cgroup.freeze", "0\n");
	ck_assert(fake_find(fake, own)->stopped && fake_find(fake, below)->stopped);
	changes_forget();
	ck_assert_int_eq(do_write("a/cgroup.freeze", "1"), 0);
	ck_assert_int_eq(do_write("a/b/cgroup.freeze", "0"), 0);
	ck_assert_uint_eq(n_changes, 0); /* the same values */
	make_dirs("a/new");
	assert_read("a/new/cgroup.events", "populated 0\nfrozen 1\n");
	assert_read("a/new/cgroup.freeze", "0\n");
	/* what is born or moves in is stopped; what moves out goes on */
	child = fake_fork(fake, own);
	assert_read("a/cgroup.events", "populated 1\nfrozen 1\n");
	ck_assert(fake_find(fake, child)->stopped);
	move("out", child);
	ck_assert(!fake_find(fake, child)->stopped);
	move("a/c", child);
	ck_assert(fake_find(fake, child)->stopped);
	/* an inner freeze outlives the outer one */
	ck_assert_int_eq(do_write("a/b/cgroup.freeze", "1"), 0);
	ck_assert_int_eq(do_write("a/cgroup.freeze", "0"), 0);
	assert_read("a/cgroup.events", "populated 1\nfrozen 0\n");
	assert_read("a/b/cgroup.events", "populated 1\nfrozen 1\n");
	ck_assert(!fake_find(fake, own)->stopped && fake_find(fake, below)->stopped);
	ck_assert(fake_find(fake, stopped)->stopped); /* it was before */
	ck_assert_uint_eq(fake_find(fake, stopped)->signals[SIGCONT], 0);
	ck_assert_int_eq(do_write("a/b/cgroup.kill", "1"), 0);
	assert_read("a/b/cgroup.events", "populated 0\nfrozen 1\n");
}
END_TEST

START_TEST(freeze_what_cannot_be_stopped)
{
	pid_t pid;

	make_dirs("a");
	pid = spawn_in("a");
	fake_find(fake, pid)->fixed = true;
	ck_assert_int_eq(do_write("a/cgroup.freeze", "1"), 0);
	assert_read("a/cgroup.events", "populated 1\nfrozen 0\n");
	fake_end(fake, pid);
	assert_read("a/cgroup.events", "populated 0\nfrozen 1\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emul_members");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, emul_setup, emul_teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, children_are_found_where_their_parent_was);
	tcase_add_test(tc, scans_only_after_births);
	tcase_add_test(tc, exits);
	tcase_add_test(tc, last_known_exits_after_forking);
	tcase_add_test(tc, forks_during_scan);
	tcase_add_test(tc, unwatched_members);
	tcase_add_test(tc, reused_pid);
	tcase_add_test(tc, locating);
	tcase_add_test(tc, migration_errnos);
	tcase_add_test(tc, delegation);
	tcase_add_test(tc, pid_namespaces);
	tcase_add_test(tc, events_of_a_move);
	tcase_add_test(tc, kill_is_recursive);
	tcase_add_test(tc, kill_catches_up);
	tcase_add_loop_test(tc, kill_of_dead_leaders, 0, ARRAY_SIZE(kills_of_dead_leaders));
	tcase_add_test(tc, freezing);
	tcase_add_test(tc, freeze_what_cannot_be_stopped);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
