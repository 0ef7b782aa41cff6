/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * emul [--quick]: what the emulator costs as a library, with the real task source: memory for each
 * of many cgroups with every controller, and cycles of mkdir, write memory.max, read it back, rmdir
 * in a second of CPU time. Prints one line for each; --quick makes fewer and looks at the memory
 * only. Exit 1 if a bound is missed.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctlfs/buf.h"
#include "ctlfs/emul.h"
#include "ctlfs/tasks.h"
#include "ctlfs/tree.h"
#include "ctlfs/why.h"

#define BYTES_MAX 2048 /* for a cgroup */
#define CYCLES_MIN 200000 /* in a second */
#define PER_PARENT 1000

static int must(int r, const char *what)
{
	if (r >= 0)
		return r;
	fprintf(stderr, "emul: %s: %s %s\n", what, strerror(-r), why_take());
	exit(EXIT_FAILURE);
}

/* What cgroup.controllers of the root says, as a line for cgroup.subtree_control. */
static void enable_all(struct tree *t, const char *path)
{
	struct buf have = { 0 }, line = { 0 };
	char file[64];
	char *rest, *name;

	snprintf(file, sizeof file, "%s/cgroup.controllers", path);
	must(tree_get(t, file, &have), file);
	rest = have.data;
	while ((name = strsep(&rest, " \n"))) {
		if (*name)
			buf_addf(&line, "+%s ", name);
	}
	snprintf(file, sizeof file, "%s/cgroup.subtree_control", path);
	must(tree_set(t, file, buf_text(&line)), file);
	buf_free(&have);
	buf_free(&line);
}

/* What malloc has handed out, or what the kernel had to give us, whichever is more. */
static size_t allocated(void)
{
	struct mallinfo2 m = mallinfo2();
	size_t used = m.uordblks + m.hblkhd, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file && fscanf(file, "%*u %zu", &resident) == 1)
		resident *= (size_t)sysconf(_SC_PAGESIZE);
	if (file)
		fclose(file);
	return used > resident ? used : resident;
}

/* n cgroups below parents, all with every controller: the bytes for each. */
static double measure_bytes(struct tree *t, unsigned n)
{
	size_t before;
	char path[64];

	enable_all(t, "");
	before = allocated();
	for (unsigned i = 0; i < n; i++) {
		if (i % PER_PARENT == 0) {
			snprintf(path, sizeof path, "/parent-%u", i / PER_PARENT);
			must(tree_mkdir(t, path, 0755), path);
			enable_all(t, path);
		}
		snprintf(path, sizeof path, "/parent-%u/container-%u.scope", i / PER_PARENT, i);
		must(tree_mkdir(t, path, 0755), path);
	}
	return (double)(allocated() - before) / (n + (n + PER_PARENT - 1) / PER_PARENT);
}

/* CPU time of the process: that of one core, however busy the machine is. */
static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* In parent; the cycles of a second. */
static double measure_cycles(struct tree *t, const char *parent, unsigned n)
{
	struct buf text = { 0 };
	uint64_t dir, begun, took;

	must(tree_walk(t, parent, &dir), parent);
	begun = cpu_ns();
	for (unsigned i = 0; i < n; i++) {
		struct stat st;

		must(t->ops->mkdir(t, &TREE_SELF, dir, "cycle", 0755), "mkdir");
		must(t->ops->stat(t, dir, "cycle", &st), "stat");
		must(tree_write(t, st.st_ino, "memory.max", "268435456\n"), "write");
		buf_reset(&text);
		must(tree_read(t, st.st_ino, "memory.max", &text), "read");
		if (strcmp(buf_text(&text), "268435456\n") != 0)
			must(-EIO, "read back");
		must(t->ops->rmdir(t, &TREE_SELF, dir, "cycle"), "rmdir");
	}
	took = cpu_ns() - begun;
	buf_free(&text);
	return (double)n * 1e9 / (double)took;
}

static int report(const char *what, double got, double bound, int more_is_good)
{
	int missed = more_is_good ? got < bound : got > bound;

	printf("%s: %.0f (at %s %.0f)%s\n", what, got, more_is_good ? "least" : "most", bound,
	       missed ? ": missed" : "");
	return missed;
}

int main(int argc, char **argv)
{
	int quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
	int checks = quick ? 1 : 3, missed;
	struct tasks *tasks;
	struct tree *tree;

	must(tasks_new(&tasks), "tasks_new");
	must(emul_new(&(struct emul_config){ .tasks = tasks }, &tree), "emul_new");
	missed = report("emulator, bytes for a cgroup with every controller",
			measure_bytes(tree, quick ? 10000 : 100000), BYTES_MAX, 0);
	if (!quick) {
		must(tree_mkdir(tree, "/memory", 0755), "mkdir");
		must(tree_set(tree, "/memory/cgroup.subtree_control", "+memory"), "enable");
		missed += report("emulator, cycles a second, memory controller",
				 measure_cycles(tree, "/memory", 400000), CYCLES_MIN, 1);
		missed += report("emulator, cycles a second, every controller",
				 measure_cycles(tree, "/parent-0", 400000), CYCLES_MIN, 1);
	}
	tree_destroy(tree);
	tasks_free(tasks);
	printf("%d passed, %d failed, 0 skipped\n", checks - missed, missed);
	return missed ? EXIT_FAILURE : EXIT_SUCCESS;
}
