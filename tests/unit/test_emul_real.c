/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The emulator over real processes: forks, exits, kill, freeze, threads. */
#include <dirent.h>
#include <poll.h>

#include "children.h"
#include "ctlfs/emul.h"
#include "emul/cgroup.h"
#include "suite.h"

static struct tasks *tasks;
static struct tree *tree;

static void emul_setup(void)
{
	struct emul_config config = { .clock = true };

	ck_assert_int_eq(tasks_new(&tasks), 0);
	config.tasks = tasks;
	ck_assert_int_eq(emul_new(&config, &tree), 0);
}

static void emul_teardown(void)
{
	tree_destroy(tree);
	tasks_free(tasks);
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
	struct child c = start("multiply");
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
	struct child c = start("be_quiet");
	struct stat st;

	tree->changed_data = &told;
	tree->changed = on_changed;
	put(dir, c.pid);
	assert_events(dir, "populated 1\nfrozen 0\n");
	ck_assert_uint_eq(count_told(&told), 1);
	ck_assert_int_eq(tree->ops->stat(tree, dir, "cgroup.events", &st), 0);
	close(c.go);
	wait_told(&told, 2);
	ck_assert_int_eq(told.pid, (pid_t)st.st_ino);
	assert_events(dir, "populated 0\nfrozen 0\n");
	ck_assert_int_eq(waitpid(c.pid, NULL, 0), c.pid);
	ck_assert_uint_eq(count_told(&told), 2);
	close(c.report);
}
END_TEST

/* On the emulator's own clock, with nobody calling. */
START_TEST(emulator_fires_a_trigger)
{
	struct told told = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };
	struct cgroup *cg = cgroup_by_id((struct emul *)tree, (uint32_t)(dir_new("a") / 256));
	char trigger[] = "some 100000 500000";
	struct tree_file *f;
	uint64_t node;

	ck_assert_int_eq(tree_walk(tree, "a/memory.pressure", &node), 0);
	ck_assert_int_eq(tree->ops->open(tree, &TREE_SELF, node, O_RDWR, &f), 0);
	ck_assert_int_eq(f->ops->write(f, &TREE_SELF, trigger, strlen(trigger)), 0);
	tree->changed_data = &told;
	tree->changed = on_changed;
	pthread_mutex_lock(&cg->emul->lock);
	psi_stall(cg, PSI_MEMORY, 1000000, 500000);
	pthread_mutex_unlock(&cg->emul->lock);
	for (unsigned i = 1; i < 4; i++) {
		wait_told(&told, i);
		ck_assert_int_eq(told.pid, (pid_t)node);
		ck_assert_uint_eq(f->ops->poll(f) & (POLLPRI | POLLERR), POLLPRI);
	}
	f->ops->close(f);
}
END_TEST

/* Who links the emulator wants his own signals, on his own threads. */
START_TEST(emulator_takes_no_signals)
{
	DIR *threads = opendir("/proc/self/task");
	unsigned n = 0;
	struct dirent *de;

	ck_assert_ptr_nonnull(threads);
	while ((de = readdir(threads))) {
		cleanup_buf struct buf path = { 0 }, status = { 0 };
		unsigned long long blocked;
		const char *line;

		if (*de->d_name == '.' || atoi(de->d_name) == gettid())
			continue;
		buf_addf(&path, "/proc/self/task/%s/status", de->d_name);
		ck_assert_int_ge(buf_readat(&status, AT_FDCWD, buf_text(&path), 1 << 16), 0);
		line = strstr(buf_text(&status), "SigBlk:");
		ck_assert_ptr_nonnull(line);
		blocked = strtoull(line + strlen("SigBlk:"), NULL, 16);
		ck_assert_msg(blocked & 1ULL << (SIGALRM - 1), "a thread takes SIGALRM");
		n++;
	}
	closedir(threads);
	ck_assert_uint_ge(n, 2); /* the clock and who waits for exits */
}
END_TEST

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
	struct child c = start("swarm");
	int status;

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
	struct child c = start("be_quiet");
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
	struct child c = start("have_threads");
	struct seen seen = { 0 };
	cleanup_buf struct buf text = { 0 };
	char line[16];

	ck_assert_int_eq(tree->ops->mkdir(tree, &TREE_SELF, dir, "t", 0755), 0);
	ck_assert_int_eq(tree_walk(tree, "a/t", &inner), 0);
	ck_assert_int_eq(tree_write(tree, inner, "cgroup.type", "threaded"), 0);
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

enum { USERS = 3, ROUNDS = 40 };

struct user {
	pthread_t thread;
	struct child child;
	char name[16];
	int failed; /* at which call, 0: none */
};

static int use_once(struct user *u)
{
	cleanup_buf struct buf text = { 0 };
	uint64_t dir;
	char pid[16];

	snprintf(pid, sizeof pid, "%d", (int)u->child.pid);
	if (tree->ops->mkdir(tree, &TREE_SELF, TREE_ROOT, u->name, 0755) < 0)
		return 1;
	if (tree_walk(tree, u->name, &dir) < 0 || tree_write(tree, dir, "cgroup.procs", pid) < 0)
		return 2;
	if (tree_read(tree, dir, "cgroup.procs", &text) < 0 || !strstr(buf_text(&text), pid))
		return 3;
	if (tree_read(tree, TREE_ROOT, "cpu.stat", &text) < 0)
		return 4;
	if (tree->ops->rmdir(tree, &TREE_SELF, TREE_ROOT, u->name) != -EBUSY)
		return 5;
	if (tree_write(tree, TREE_ROOT, "cgroup.procs", pid) < 0)
		return 6;
	return tree->ops->rmdir(tree, &TREE_SELF, TREE_ROOT, u->name) < 0 ? 7 : 0;
}

static void *use(void *data)
{
	struct user *u = data;

	for (int i = 0; i < ROUNDS && !u->failed; i++)
		u->failed = use_once(u);
	return NULL;
}

/* Several users at once, one of whose members has children all the time. */
START_TEST(emulator_serves_many)
{
	struct user users[USERS] = { 0 };

	for (int i = 0; i < USERS; i++) {
		users[i].child = start(i ? "be_quiet" : "breed");
		snprintf(users[i].name, sizeof users[i].name, "u%d", i);
	}
	/* The children of the first may linger in its cgroup for a moment: it stays in one. */
	put(dir_new("nursery"), users[0].child.pid);
	for (int i = 1; i < USERS; i++)
		ck_assert_int_eq(pthread_create(&users[i].thread, NULL, use, &users[i]), 0);
	for (int i = 1; i < USERS; i++) {
		pthread_join(users[i].thread, NULL);
		ck_assert_msg(!users[i].failed, "call %d of user %d", users[i].failed, i);
	}
	for (int i = 0; i < USERS; i++)
		end(&users[i].child);
	eventually(tree->ops->rmdir(tree, &TREE_SELF, TREE_ROOT, "nursery") == 0);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite;
	TCase *tc;

	be_child(argc, argv);
	suite = suite_create("emul_real");
	tc = tcase_create("all");
	tcase_add_checked_fixture(tc, emul_setup, emul_teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, emulator_follows_forks);
	tcase_add_test(tc, emulator_tells_of_emptiness);
	tcase_add_test(tc, emulator_fires_a_trigger);
	tcase_add_test(tc, emulator_takes_no_signals);
	tcase_add_test(tc, emulator_kills_a_swarm);
	tcase_add_test(tc, emulator_freezes);
	tcase_add_test(tc, emulator_moves_threads);
	tcase_add_test(tc, emulator_serves_many);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
