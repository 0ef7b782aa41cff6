/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a C test does with libctlfs-emul: a cgroup tree of its own, without root, mount or daemon.
 * Built against the installed library, shared and static, by tests/library/library.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctlfs/buf.h>
#include <ctlfs/emul.h>
#include <ctlfs/tasks.h>
#include <ctlfs/tree.h>
#include <ctlfs/why.h>

static void check(int ok, const char *what, int r)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %d (%s) %s\n", what, r, strerror(r < 0 ? -r : 0), why_take());
	exit(EXIT_FAILURE);
}

static void expect(struct tree *t, const char *path, const char *text)
{
	struct buf got = { 0 };
	int r = tree_get(t, path, &got);

	check(r == 0, path, r);
	if (strcmp(buf_text(&got), text) != 0) {
		fprintf(stderr, "%s: \"%s\", not \"%s\"\n", path, buf_text(&got), text);
		exit(EXIT_FAILURE);
	}
	buf_free(&got);
}

/* Limits are kept as the kernel keeps them, and refusals have the kernel's errno and a reason. */
static void limits(struct tree *t)
{
	int r = tree_set(t, "/cgroup.subtree_control", "+memory +pids");

	check(r == 0, "subtree_control", r);
	r = tree_mkdir(t, "/job", 0755);
	check(r == 0, "mkdir", r);
	r = tree_set(t, "/job/memory.max", "64M\n");
	check(r == 0, "memory.max", r);
	expect(t, "/job/memory.max", "67108864\n");
	expect(t, "/job/memory.high", "max\n");
	r = tree_set(t, "/job/memory.max", "lots");
	check(r == -EINVAL, "a bad memory.max", r);
	check(strstr(why_take(), "memory.max") != NULL, "its reason", r);
	check(tree_mkdir(t, "/job", 0755) == -EEXIST, "mkdir again", 0);
	check(tree_get(t, "/job/none", &(struct buf){ 0 }) == -ENOENT, "no such file", 0);
}

/* A real process is a member, and cgroup.kill ends it. */
static void member(struct tree *t)
{
	char pid_text[16], procs[32];
	int status, r;
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	check(pid > 0, "fork", -errno);
	snprintf(pid_text, sizeof pid_text, "%d", (int)pid);
	snprintf(procs, sizeof procs, "%d\n", (int)pid);
	r = tree_set(t, "/job/cgroup.procs", pid_text);
	check(r == 0, "cgroup.procs", r);
	expect(t, "/job/cgroup.procs", procs);
	expect(t, "/job/pids.current", "1\n");
	check(tree_rmdir(t, "/job") == -EBUSY, "rmdir of one with a member", 0);
	r = tree_set(t, "/job/cgroup.kill", "1");
	check(r == 0, "cgroup.kill", r);
	check(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), "the end of it", 0);
	expect(t, "/job/cgroup.events", "populated 0\nfrozen 0\n");
	r = tree_rmdir(t, "/job");
	check(r == 0, "rmdir", r);
}

int main(void)
{
	struct tasks *tasks;
	struct tree *tree;
	int r = tasks_new(&tasks);

	check(r == 0, "tasks_new", r);
	r = emul_new(&(struct emul_config){ .tasks = tasks }, &tree);
	check(r == 0, "emul_new", r);
	limits(tree);
	member(tree);
	tree_destroy(tree);
	tasks_free(tasks);
	return EXIT_SUCCESS;
}
