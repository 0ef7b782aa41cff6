/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All interface files there are: which tables, which controller's, at which numbers. */
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

bool rows_find_name(const struct cgroup *cg, const char *name, struct row_ref *ret_ref)
{
	struct row_ref ref = { 0 };

	while (rows_next(cg, &ref)) {
		if (row_exists(cg, &ref) && !strcmp(ref.row->name, name)) {
			*ret_ref = ref;
			return true;
		}
	}
	return false;
}

bool rows_find_slot(const struct cgroup *cg, unsigned slot, struct row_ref *ret_ref)
{
	struct row_ref ref = { 0 };

	while (rows_next(cg, &ref)) {
		if (row_exists(cg, &ref) && ref.slot == slot) {
			*ret_ref = ref;
			return true;
		}
	}
	return false;
}

bool rows_clash(const struct cgroup *cg, enum ctrl ctrl, const char **ret_name)
{
	struct row_ref ref = { 0 };

	while (rows_next(cg, &ref)) {
		if (ref.ctrl == ctrl && cgroup_child(cg, ref.row->name)) {
			*ret_name = ref.row->name;
			return true;
		}
	}
	return false;
}
