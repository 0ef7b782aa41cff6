/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tree of texts in memory and a host whose facts, clock and processes the test sets. */
#ifndef TEST_VIEW_H
#define TEST_VIEW_H

#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/host.h"
#include "ctlfs/tree.h"
#include "ctlfs/view.h"
#include "view/internal.h"
#include "suite.h"

#define NODES_MAX 128
#define PIDS_MAX 64
#define SECOND 1000000000ULL
#define BOOT 1700000000ULL /* when the fake host was booted, seconds since 1970 */

/* --- the tree --- */

struct fake_node {
	uint64_t parent; /* 0: no such node, its number is its place + 1 */
	char name[48];
	bool dir;
	int error; /* of reading it */
	char text[1024];
};

struct fake_tree {
	struct tree tree;
	struct fake_node nodes[NODES_MAX];
	uint64_t where[PIDS_MAX]; /* the cgroup of each pid, 0: outside */
	_Atomic unsigned reads;
};

static struct fake_tree *fake_tree_of(struct tree *t)
{
	return (struct fake_tree *)t;
}

static struct fake_node *fake_node(struct tree *t, uint64_t nr)
{
	struct fake_node *node = nr && nr <= NODES_MAX ? &fake_tree_of(t)->nodes[nr - 1] : NULL;

	return node && node->parent ? node : NULL;
}

static uint64_t fake_child(struct tree *t, uint64_t dir, const char *name)
{
	for (uint64_t nr = 2; nr <= NODES_MAX; nr++) {
		const struct fake_node *node = fake_node(t, nr);

		if (node && node->parent == dir && strcmp(node->name, name) == 0)
			return nr;
	}
	return 0;
}

static int fake_stat(struct tree *t, uint64_t nr, const char *name, struct stat *ret_stat)
{
	const struct fake_node *node = fake_node(t, nr);

	if (!node)
		return name ? -ENOENT : -ENODEV;
	if (name)
		nr = strcmp(name, "..") == 0 ? node->parent : fake_child(t, nr, name);
	node = fake_node(t, nr);
	if (!node)
		return -ENOENT;
	*ret_stat = (struct stat){ .st_ino = nr, .st_mode = node->dir ? S_IFDIR : S_IFREG,
				   .st_nlink = 2 };
	for (uint64_t i = 2; node->dir && i <= NODES_MAX; i++) {
		const struct fake_node *child = fake_node(t, i);

		ret_stat->st_nlink += child && child->dir && child->parent == nr;
	}
	return 0;
}

static int fake_list(struct tree *t, uint64_t dir, struct tree_list *ret_list)
{
	for (uint64_t nr = 2; nr <= NODES_MAX; nr++) {
		const struct fake_node *node = fake_node(t, nr);

		if (node && node->parent == dir)
			ck_assert_int_eq(tree_list_add(ret_list, node->name, nr, node->dir), 0);
	}
	return 0;
}

static int fake_read(struct tree_file *f, const struct caller *reader, struct buf *out)
{
	const struct fake_node *node = fake_node(f->tree, f->node);

	(void)reader;
	if (!node)
		return -ENODEV;
	fake_tree_of(f->tree)->reads++;
	if (!node->error)
		buf_adds(out, node->text);
	return node->error;
}

static void fake_close(struct tree_file *f)
{
	free(f);
}

static const struct tree_file_ops fake_file_ops = { .read = fake_read, .close = fake_close };

static int fake_open(struct tree *t, const struct caller *who, uint64_t nr, int flags,
		     struct tree_file **ret_file)
{
	(void)who;
	(void)flags;
	*ret_file = malloc(sizeof **ret_file);
	ck_assert_ptr_nonnull(*ret_file);
	**ret_file = (struct tree_file){ .ops = &fake_file_ops, .tree = t, .node = nr };
	return 0;
}

static int fake_locate(struct tree *t, pid_t pid, uint64_t *ret_dir)
{
	uint64_t dir = pid < PIDS_MAX ? fake_tree_of(t)->where[pid] : 0;

	if (!dir)
		return -ENOENT;
	*ret_dir = dir;
	return 0;
}

static const struct tree_ops fake_tree_ops = {
	.stat = fake_stat, .list = fake_list, .open = fake_open, .locate = fake_locate,
};

static inline uint64_t fake_add(struct fake_tree *t, uint64_t dir, const char *name, bool is_dir)
{
	for (uint64_t nr = 2; nr <= NODES_MAX; nr++) {
		struct fake_node *node = &t->nodes[nr - 1];

		if (node->parent)
			continue;
		*node = (struct fake_node){ .parent = dir, .dir = is_dir };
		snprintf(node->name, sizeof node->name, "%s", name);
		return nr;
	}
	ck_abort_msg("the fake tree is full");
}

/* The text of an interface file, made if it is not there. */
__attribute__((format(printf, 4, 5))) static inline void
fake_set(struct fake_tree *t, uint64_t dir, const char *name, const char *fmt, ...)
{
	uint64_t nr = fake_child(&t->tree, dir, name);
	struct fake_node *node = &t->nodes[(nr ? nr : fake_add(t, dir, name, false)) - 1];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(node->text, sizeof node->text, fmt, ap);
	va_end(ap);
	ck_assert_int_lt(len, (int)sizeof node->text);
}

static inline void fake_remove(struct fake_tree *t, uint64_t nr)
{
	for (uint64_t i = 2; i <= NODES_MAX; i++) {
		if (t->nodes[i - 1].parent == nr)
			t->nodes[i - 1].parent = 0;
	}
	t->nodes[nr - 1].parent = 0;
}

/* --- the host --- */

struct fake_process {
	bool alive;
	struct host_task task;
	uint64_t ns; /* inode number of its pid namespace */
	int nr; /* its number there */
};

struct fake_host {
	struct host host;
	const char *texts[HOST_FILES];
	_Atomic uint64_t boot; /* ns since boot */
	struct fake_process processes[PIDS_MAX];
	int ns_error; /* of looking for the init of a namespace */
	unsigned init_searches;
};

static struct fake_host *fake_host_of(struct host *h)
{
	return (struct fake_host *)h;
}

static int fake_text(struct host *h, enum host_file file, struct buf *out)
{
	const char *text = fake_host_of(h)->texts[file];

	if (!text)
		return -ENOENT;
	buf_adds(out, text);
	return 0;
}

static bool fake_has(struct host *h, enum host_file file)
{
	return fake_host_of(h)->texts[file];
}

static void fake_now(struct host *h, struct host_clock *ret_clock)
{
	uint64_t boot = fake_host_of(h)->boot;

	*ret_clock = (struct host_clock){ .boot = boot, .real = BOOT * SECOND + boot };
}

static struct fake_process *fake_process(struct host *h, pid_t pid)
{
	struct fake_process *p = pid > 0 && pid < PIDS_MAX ? &fake_host_of(h)->processes[pid]
							    : NULL;

	return p && p->alive ? p : NULL;
}

static int fake_task(struct host *h, pid_t pid, bool threads, struct host_task *ret_task)
{
	const struct fake_process *p = fake_process(h, pid);

	if (!p)
		return -ESRCH;
	*ret_task = p->task;
	if (!threads)
		ret_task->running = ret_task->blocked = 0;
	return 0;
}

static int fake_pidns_id(struct host *h, pid_t pid, uint64_t *ret_ino)
{
	const struct fake_process *p = fake_process(h, pid);

	if (!p)
		return -ESRCH;
	*ret_ino = p->ns;
	return 0;
}

static int fake_pidns_init(struct host *h, pid_t pid, pid_t *ret_init)
{
	struct fake_host *f = fake_host_of(h);

	f->init_searches++;
	if (f->ns_error)
		return f->ns_error;
	for (pid_t init = 1; init < PIDS_MAX; init++) {
		const struct fake_process *p = fake_process(h, init);

		if (p && p->nr == 1 && p->ns == f->processes[pid].ns) {
			*ret_init = init;
			return 0;
		}
	}
	return -ESRCH;
}

static int fake_pidns_show(struct host *h, pid_t reader, pid_t pid, pid_t *ret_nr)
{
	const struct fake_process *p = fake_process(h, pid);

	if (!fake_process(h, reader))
		return -ESRCH;
	*ret_nr = p ? p->nr : 0;
	return 0;
}

static void fake_destroy(struct host *h)
{
	(void)h; /* static */
}

static const struct host_ops fake_host_ops = {
	.text = fake_text, .has = fake_has, .now = fake_now, .task = fake_task,
	.pidns_id = fake_pidns_id,
	.pidns_init = fake_pidns_init, .pidns_show = fake_pidns_show, .destroy = fake_destroy,
};

static inline void fake_start(struct fake_host *h, pid_t pid, uint64_t start, uint64_t ns, int nr)
{
	h->processes[pid] = (struct fake_process){
		.alive = true, .task = { .start = start, .threads = 1 }, .ns = ns, .nr = nr,
	};
}

/* --- both, and the view over them --- */

static struct fake_tree tree;
static struct fake_host host;
static struct view *view;

#define MEMINFO \
	"MemTotal:       16000000 kB\nMemFree:         9000000 kB\nSwapTotal:       4000000 kB\n" \
	"SwapFree:        3000000 kB\nCommitLimit:    12000000 kB\n" \
	"VmallocTotal:   34359738367 kB\nHugepagesize:       2048 kB\n"

static inline void fake_setup(void)
{
	tree = (struct fake_tree){ .tree.ops = &fake_tree_ops };
	tree.nodes[TREE_ROOT - 1] = (struct fake_node){ .parent = TREE_ROOT, .dir = true };
	host = (struct fake_host){ .host.ops = &fake_host_ops, .boot = 1000 * SECOND };
	host.texts[HOST_MEMINFO] = MEMINFO;
	host.texts[HOST_CPU_ONLINE] = "0-7\n";
	host.texts[HOST_CPU_KERNEL_MAX] = "255\n";
	host.texts[HOST_CPUINFO] = "processor\t: 0\n\n";
	host.texts[HOST_STAT] = "cpu  7 0 0 9 0 0 0 0 0 0\ncpu0 7 0 0 9 0 0 0 0 0 0\nintr 5\n";
	host.texts[HOST_UPTIME] = "1000.00 8000.00\n";
	host.texts[HOST_LOADAVG] = "1.00 2.00 3.00 4/5 6\n";
	host.texts[HOST_SWAPS] = "Filename\n/dev/sda1\n";
	host.texts[HOST_DISKSTATS] = "   8       0 sda 1\n";
	for (int i = 0; i < HOST_FILES; i++) {
		if (!host.texts[i])
			host.texts[i] = "1\n";
	}
	ck_assert_int_eq(view_new_over(&tree.tree, &host.host, &view), 0);
}

static inline void fake_teardown(void)
{
	view_free(view);
}

/* A cgroup below dir that accounts CPU time. */
static inline uint64_t fake_cgroup(uint64_t dir, const char *name)
{
	uint64_t nr = fake_add(&tree, dir, name, true);

	fake_set(&tree, nr, "cgroup.procs", "%s", "");
	fake_set(&tree, nr, "cpu.stat", "usage_usec 0\nuser_usec 0\nsystem_usec 0\n");
	return nr;
}

/* The slot of a path of the view. */
static inline unsigned slot_at(uint64_t container, const char *path)
{
	cleanup_free char *copy = strdup(path);
	struct view_entry e = { .slot = VIEW_TOP };
	char *rest = copy, *name;

	while ((name = strsep(&rest, "/")))
		ck_assert_int_eq(view_find(view, container, e.slot, name, &e), 0);
	return e.slot;
}

/* The text at path: valid until the next call. */
static inline const char *text_at(uint64_t container, const char *path)
{
	static struct buf text;

	buf_reset(&text);
	ck_assert_int_eq(view_render(view, container, slot_at(container, path), &text), 0);
	return buf_text(&text);
}

static inline int run_suite(const char *name, const TTest *const *tests, size_t n)
{
	Suite *suite = suite_create(name);
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, fake_setup, fake_teardown);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}

static inline uint64_t number_after(const char *content, const char *key)
{
	const char *at = strstr(content, key);

	ck_assert_msg(at, "no %s in: %s", key, content);
	return strtoull(at + strlen(key), NULL, 10);
}

static inline uint64_t meminfo_of(uint64_t container, const char *key)
{
	return number_after(text_at(container, "proc/meminfo"), key);
}

#endif
