/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All interface files there are: which tables, which controller's, at which numbers. */
#include <errno.h>
#include <string.h>

#include "cgroup.h"
#include "ctlfs/cleanup.h"

const struct controller *const emul_controllers[CTRL_COUNT] = {
	[CTRL_CPUSET] = &cpuset_controller,
	[CTRL_CPU] = &cpu_controller,
	[CTRL_IO] = &io_controller,
	[CTRL_MEMORY] = &memory_controller,
	[CTRL_PERF_EVENT] = &perf_event_controller,
	[CTRL_HUGETLB] = &hugetlb_controller,
	[CTRL_PIDS] = &pids_controller,
	[CTRL_RDMA] = &rdma_controller,
	[CTRL_MISC] = &misc_controller,
	[CTRL_DMEM] = &dmem_controller,
};

/* Always on, for perf(1): it is in cgroup.stat and nowhere else. */
const struct controller perf_event_controller = {
	.name = "perf_event",
	.id = CTRL_PERF_EVENT,
	.threaded = true,
	.implicit = true,
};

/* All that cgroup v2 knows by name, available or not. */
const char *const emul_ctrl_names[CTRL_COUNT] = {
	[CTRL_CPUSET] = "cpuset",
	[CTRL_CPU] = "cpu",
	[CTRL_IO] = "io",
	[CTRL_MEMORY] = "memory",
	[CTRL_PERF_EVENT] = "perf_event",
	[CTRL_HUGETLB] = "hugetlb",
	[CTRL_PIDS] = "pids",
	[CTRL_RDMA] = "rdma",
	[CTRL_MISC] = "misc",
	[CTRL_DMEM] = "dmem",
};

const struct emul_table emul_tables[] = {
	{ core_files, SLOT_CORE, CTRL_NONE },
	{ cpu_base_files, SLOT_CPU_BASE, CTRL_NONE },
	{ cpu_files, SLOT_CPU, CTRL_CPU },
	{ cpuset_files, SLOT_CPUSET, CTRL_CPUSET },
	{ io_files, SLOT_IO, CTRL_IO },
	{ memory_files, SLOT_MEMORY, CTRL_MEMORY },
	{ hugetlb_files, SLOT_HUGETLB, CTRL_HUGETLB },
	{ pids_files, SLOT_PIDS, CTRL_PIDS },
	{ rdma_files, SLOT_RDMA, CTRL_RDMA },
	{ misc_files, SLOT_MISC, CTRL_MISC },
	{ dmem_files, SLOT_DMEM, CTRL_DMEM },
	{ pressure_files, SLOT_PRESSURE, CTRL_NONE },
};
const size_t emul_n_tables = ARRAY_SIZE(emul_tables);

/* Whether cg has the file, if only its controller were enabled. */
static bool fits(const struct cgroup *cg, const struct emul_file *row)
{
	if (row->not_in & EMUL_BIT(cg->emul->config.version))
		return false;
	if (cgroup_is_root(cg))
		return !(row->flags & ROW_NOT_ON_ROOT);
	return !(row->flags & ROW_ONLY_ON_ROOT);
}

bool rows_next(const struct cgroup *cg, struct row_ref *ref)
{
	while (ref->table < emul_n_tables) {
		const struct emul_table *table = &emul_tables[ref->table];
		const struct emul_file *row = &table->rows[ref->index];

		if (!row->name) {
			ref->table++;
			ref->index = 0;
			continue;
		}
		ref->row = row;
		ref->slot = table->first + ref->index++;
		ref->ctrl = table->ctrl;
		if (fits(cg, row))
			return true;
	}
	return false;
}

bool row_exists(const struct cgroup *cg, const struct row_ref *ref)
{
	return ref->ctrl == CTRL_NONE || cg->css[ref->ctrl];
}

bool row_hidden(const struct cgroup *cg, const struct row_ref *ref)
{
	return (ref->row->flags & ROW_PRESSURE) && !cg->pressure;
}

/* --- the index --- */

/* Places of the hash table: more than twice the slots there can be. A name that several rows have
 * (one for the root, say) has as many places. */
#define PLACES 512

struct row_index {
	struct row_ref by_slot[SLOT_END + 1]; /* without a row: no such slot */
	uint8_t by_name[PLACES]; /* a slot, 0: free; collisions go to the next place */
};

/* FNV-1a */
static unsigned place_of(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return (hash ^ hash >> 16) % PLACES;
}

static void index_table(struct row_index *index, const struct emul_table *table)
{
	for (unsigned i = 0; table->rows[i].name; i++) {
		unsigned slot = table->first + i;
		unsigned place = place_of(table->rows[i].name);

		index->by_slot[slot] = (struct row_ref){
			.row = &table->rows[i], .slot = slot, .ctrl = table->ctrl,
		};
		while (index->by_name[place])
			place = (place + 1) % PLACES;
		index->by_name[place] = (uint8_t)slot;
	}
}

int rows_index(struct emul *e)
{
	e->rows = calloc(1, sizeof *e->rows);
	if (!e->rows)
		return -ENOMEM;
	for (size_t i = 0; i < emul_n_tables; i++)
		index_table(e->rows, &emul_tables[i]);
	return 0;
}

bool rows_find_slot(const struct cgroup *cg, unsigned slot, struct row_ref *ret_ref)
{
	const struct row_ref *ref = &cg->emul->rows->by_slot[slot];

	if (!ref->row || !fits(cg, ref->row) || !row_exists(cg, ref))
		return false;
	*ret_ref = *ref;
	return true;
}

bool rows_find_name(const struct cgroup *cg, const char *name, struct row_ref *ret_ref)
{
	const struct row_index *index = cg->emul->rows;
	unsigned place = place_of(name);

	for (; index->by_name[place]; place = (place + 1) % PLACES) {
		unsigned slot = index->by_name[place];

		if (!strcmp(index->by_slot[slot].row->name, name) &&
		    rows_find_slot(cg, slot, ret_ref))
			return true;
	}
	return false;
}

bool rows_find_former(const struct cgroup *cg, unsigned slot, struct row_ref *ret_ref)
{
	struct row_ref ref = { 0 };

	while (rows_next(cg, &ref)) {
		if (ref.slot == slot) {
			*ret_ref = ref;
			return true;
		}
	}
	return false;
}

bool rows_clash(const struct cgroup *cg, enum ctrl ctrl, const char **ret_name)
{
	struct row_ref ref = { 0 };

	while (cg->children && rows_next(cg, &ref)) {
		if (ref.ctrl == ctrl && cgroup_child(cg, ref.row->name)) {
			*ret_name = ref.row->name;
			return true;
		}
	}
	return false;
}
