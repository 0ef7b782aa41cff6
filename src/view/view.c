/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The views as a directory tree: names, slots and texts, all from the table of rows. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctlfs/container.h"
#include "ctlfs/cpulist.h"
#include "internal.h"
#include "rows.h"
#include "states.h"

#define BINDS_MAX 32

/* --- life --- */

/* The root of a whole hierarchy has no type; that of a part of it (a delegated cgroup) has one. */
static int find_machine(struct source *src)
{
	struct stat st;
	int r = src->tree->ops->stat(src->tree, TREE_ROOT, "cgroup.type", &st);

	if (r < 0 && r != -ENOENT)
		return r;
	src->machine_root = r == -ENOENT;
	return 0;
}

int view_new_over(struct tree *tree, struct host *host, struct view **ret_view)
{
	struct view *v = calloc(1, sizeof *v);
	int r = v ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	v->source.tree = tree;
	r = find_machine(&v->source);
	if (r == 0)
		r = states_new(STATES_MAX, &v->source.states);
	if (r == 0)
		r = containers_new(tree, host, &v->containers);
	if (r < 0) {
		view_free(v);
		return r;
	}
	v->source.host = host;
	*ret_view = v;
	return 0;
}

int view_new(struct tree *tree, struct view **ret_view)
{
	struct host *host;
	int r = host_new(&host);

	if (r < 0)
		return r;
	r = view_new_over(tree, host, ret_view);
	if (r < 0)
		host_free(host);
	return r;
}

void view_free(struct view *v)
{
	if (!v)
		return;
	containers_free(v->containers);
	states_free(v->source.states);
	host_free(v->source.host);
	free(v);
}

int view_container(struct view *v, pid_t pid, uint64_t *ret_container)
{
	int r = pid ? containers_find(v->containers, pid, ret_container) : -ENOENT;

	if (r != -ENOENT)
		return r;
	*ret_container = TREE_ROOT;
	return 0;
}

int view_container_of(struct view *v, pid_t pid, uint64_t *ret_container)
{
	struct tree *t = v->source.tree;
	uint64_t own, container;
	int r = t->ops->locate(t, pid, &own);

	if (r == 0)
		r = view_container(v, pid, &container);
	if (r == 0 && container == TREE_ROOT && v->source.machine_root)
		r = container_at(t, own, &container);
	if (r == 0)
		*ret_container = container;
	return r;
}

/* --- names and slots --- */

static const struct view_row *row_of(unsigned slot, unsigned *ret_cpu)
{
	unsigned cpu = slot >= VIEW_CPU_SLOT ? (slot - VIEW_CPU_SLOT) / VIEW_CPU_STEP : 0;

	if (cpu >= CPUS_MAX)
		return NULL;
	for (size_t i = 0; i < view_rows_count; i++) {
		if (view_rows[i].slot == slot - cpu * VIEW_CPU_STEP) {
			*ret_cpu = cpu;
			return &view_rows[i];
		}
	}
	return NULL;
}

static const char *name_of(const struct view_row *row)
{
	const char *slash = strrchr(row->path, '/');

	return slash ? slash + 1 : row->path;
}

/* dir: NULL for the top. */
static bool is_child(const struct view_row *row, const struct view_row *dir)
{
	size_t len = dir ? strlen(dir->path) + 1 : 0;
	size_t parent = (size_t)(name_of(row) - row->path);

	return parent == len && (!dir || memcmp(row->path, dir->path, len - 1) == 0);
}

/* "cpu#": stands for as many entries as the container has CPUs. */
static bool is_each_cpu(const struct view_row *row)
{
	return row->slot == VIEW_CPU_SLOT;
}

/* A file that this kernel does not have is not there. */
static bool is_there(const struct view *v, const struct view_row *row)
{
	struct tree *t = v->source.tree;
	struct host *h = v->source.host;
	const char *given = row->given ? row->given : row->relay;
	struct stat st;

	if (given)
		return t->ops->stat(t, TREE_ROOT, given, &st) == 0;
	return row->host == HOST_NONE || h->ops->has(h, row->host);
}

static void make_entry(const struct view_row *row, unsigned cpu, struct view_entry *ret_entry)
{
	*ret_entry = (struct view_entry){ .slot = row->slot, .dir = view_row_is_dir(row),
					  .writable = row->relay,
					  .varies = view_row_per_cpu(row) };
	if (view_row_per_cpu(row))
		ret_entry->slot += cpu * VIEW_CPU_STEP;
	if (is_each_cpu(row))
		snprintf(ret_entry->name, sizeof ret_entry->name, "cpu%u", cpu);
	else
		snprintf(ret_entry->name, sizeof ret_entry->name, "%s", name_of(row));
}

static int count_cpus(struct view *v, uint64_t container, unsigned *ret_cpus)
{
	cleanup_snapshot struct snapshot s = { 0 };
	int r = snapshot_take(&v->source, container, NEED_CPUS, HOST_NONE, &s);

	if (r < 0)
		return r;
	*ret_cpus = s.cpus;
	return 0;
}

/* A CPU that the container has not: -ENOENT. */
static int check_cpu(struct view *v, uint64_t container, const struct view_row *row, unsigned cpu)
{
	unsigned cpus;
	int r;

	if (!view_row_per_cpu(row))
		return 0;
	r = count_cpus(v, container, &cpus);
	if (r < 0)
		return r;
	return cpu < cpus ? 0 : -ENOENT;
}

/* The directory at slot: *ret_dir is NULL for the top. */
static int find_dir(unsigned slot, const struct view_row **ret_dir, unsigned *ret_cpu)
{
	const struct view_row *row;

	*ret_dir = NULL;
	*ret_cpu = 0;
	if (slot == VIEW_TOP)
		return 0;
	row = row_of(slot, ret_cpu);
	if (!row)
		return -ENOENT;
	*ret_dir = row;
	return view_row_is_dir(row) ? 0 : -ENOTDIR;
}

/* "cpu12", as it would be printed. */
static bool parse_cpu_name(const char *name, unsigned *ret_cpu)
{
	char canonical[32];

	if (sscanf(name, "cpu%5u", ret_cpu) != 1)
		return false;
	snprintf(canonical, sizeof canonical, "cpu%u", *ret_cpu);
	return strcmp(name, canonical) == 0;
}

int view_find(struct view *v, uint64_t container, unsigned dir, const char *name,
	      struct view_entry *ret_entry)
{
	const struct view_row *parent;
	unsigned cpu;
	int r = find_dir(dir, &parent, &cpu);

	if (r < 0)
		return r;
	for (size_t i = 0; i < view_rows_count; i++) {
		const struct view_row *row = &view_rows[i];

		if (!is_child(row, parent) || !is_there(v, row))
			continue;
		if (is_each_cpu(row) ? !parse_cpu_name(name, &cpu) : strcmp(name, name_of(row)))
			continue;
		r = check_cpu(v, container, row, cpu);
		if (r == 0)
			make_entry(row, cpu, ret_entry);
		return r;
	}
	return -ENOENT;
}

int view_list(struct view *v, uint64_t container, unsigned dir, size_t n,
	      struct view_entry *ret_entry)
{
	const struct view_row *parent;
	unsigned cpu;
	int r = find_dir(dir, &parent, &cpu);

	for (size_t i = 0; r == 0 && i < view_rows_count; i++) {
		const struct view_row *row = &view_rows[i];
		unsigned entries = 1;

		if (!is_child(row, parent) || !is_there(v, row))
			continue;
		if (is_each_cpu(row))
			r = count_cpus(v, container, &entries);
		if (r == 0 && n < entries) {
			make_entry(row, is_each_cpu(row) ? (unsigned)n : cpu, ret_entry);
			return 0;
		}
		n -= entries;
	}
	return r < 0 ? r : -ENOENT;
}

int view_stat(struct view *v, uint64_t container, unsigned slot, struct view_entry *ret_entry)
{
	const struct view_row *row;
	unsigned cpu;
	int r;

	if (slot == VIEW_TOP) {
		*ret_entry = (struct view_entry){ .slot = VIEW_TOP, .dir = true };
		return 0;
	}
	row = row_of(slot, &cpu);
	if (!row || !is_there(v, row))
		return -ENOENT;
	r = check_cpu(v, container, row, cpu);
	if (r == 0)
		make_entry(row, cpu, ret_entry);
	return r;
}

unsigned view_parent(unsigned slot)
{
	unsigned cpu;
	const struct view_row *row = slot == VIEW_TOP ? NULL : row_of(slot, &cpu);

	for (size_t i = 0; row && i < view_rows_count; i++) {
		const struct view_row *dir = &view_rows[i];

		if (view_row_is_dir(dir) && is_child(row, dir))
			return dir->slot + (view_row_per_cpu(dir) ? cpu * VIEW_CPU_STEP : 0);
	}
	return VIEW_TOP;
}

/* --- texts --- */

int view_relay(struct view *v, uint64_t container, unsigned slot, uint64_t *ret_node)
{
	struct tree *t = v->source.tree;
	const struct view_row *row;
	struct stat st;
	unsigned cpu;
	int r = find_dir(slot, &row, &cpu);

	if (r != -ENOTDIR || !row->relay)
		return -ENOENT;
	r = t->ops->stat(t, container, row->relay, &st);
	if (r == 0)
		*ret_node = st.st_ino;
	if (r == -ENOENT)
		r = t->ops->stat(t, container, NULL, &st) < 0 ? -ENODEV : -EOPNOTSUPP;
	return r;
}

bool view_opens_to_write(unsigned slot)
{
	const struct view_row *row;
	unsigned cpu;

	row = row_of(slot, &cpu);
	return row && strncmp(row->path, "proc/", 5) == 0;
}

int view_render(struct view *v, uint64_t container, unsigned slot, struct buf *out)
{
	cleanup_snapshot struct snapshot s = { 0 };
	bool machine = v->source.machine_root && container == TREE_ROOT;
	const struct view_row *row;
	unsigned cpu;
	int r = find_dir(slot, &row, &cpu);

	if (r == 0)
		return -EISDIR;
	if (r != -ENOTDIR)
		return r;
	if (row->relay)
		return -EOPNOTSUPP;
	machine = machine && row->machine;
	r = snapshot_take(&v->source, container, machine ? NEED_TEXT : row->needs, row->host, &s);
	if (r < 0)
		return r;
	if (view_row_per_cpu(row) && cpu >= s.cpus)
		return -ENOENT;
	(machine ? row->machine : row->render)(&s, cpu, out);
	return buf_error(out);
}

/* --- what to bind --- */

static const char *binds[BINDS_MAX + 1];

/* What this kernel does not have cannot be mounted over. */
static void collect_binds(void)
{
	char path[64] = "/";
	size_t n = 0;

	for (size_t i = 0; i < view_rows_count && n < BINDS_MAX; i++) {
		if (!(view_rows[i].flags & VIEW_BIND))
			continue;
		snprintf(path + 1, sizeof path - 1, "%s", view_rows[i].path);
		if (access(path, F_OK) == 0)
			binds[n++] = view_rows[i].path;
	}
}

const char *const *view_binds(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, collect_binds);
	return binds;
}
