/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memory.stat and memory.numa_stat. All mapped memory reads as active, since what is idle cannot be
 * told; what the emulator does not know reads 0.
 */
#include <stddef.h>

#include "ctlfs/cleanup.h"
#include "emul.h"

/* The numbers of memory.stat that can be had. */
struct figures {
	uint64_t none; /* 0: of what cannot */
	uint64_t anon, file, shmem; /* file includes shmem, like the kernel's */
	uint64_t pagetables;
	uint64_t active_anon, active_file; /* shared memory is on the list of anonymous memory */
	uint64_t faults, major_faults;
};

static void figures_of(const struct usage *u, struct figures *ret_figures)
{
	*ret_figures = (struct figures){
		.anon = u->anon,
		.file = u->file + u->shmem,
		.shmem = u->shmem,
		.pagetables = u->pagetables,
		.active_anon = u->anon + u->shmem,
		.active_file = u->file,
		.faults = u->minflt + u->majflt,
		.major_faults = u->majflt,
	};
}

#define FIGURE(field) offsetof(struct figures, field)
#define SINCE_6_12 .not_in = EMUL_BIT(EMUL_6_1)
#define SINCE_6_18 .not_in = EMUL_BIT(EMUL_6_1) | EMUL_BIT(EMUL_6_12)

/* The lines of memory.stat in the kernel's order; those of a node are memory.numa_stat's too. */
static const struct {
	const char *key;
	bool node;
	unsigned figure; /* an offset, 0: none */
	unsigned not_in; /* EMUL_BIT() of versions */
} stat_lines[] = {
	{ "anon", true, FIGURE(anon) },
	{ "file", true, FIGURE(file) },
	{ "kernel", false, FIGURE(pagetables) },
	{ "kernel_stack", true },
	{ "pagetables", true, FIGURE(pagetables) },
	{ "sec_pagetables", true },
	{ "percpu", false },
	{ "sock", false },
	{ "vmalloc", false },
	{ "shmem", true, FIGURE(shmem) },
	{ "zswap", false, SINCE_6_12 },
	{ "zswapped", false, SINCE_6_12 },
	{ "file_mapped", true, FIGURE(file) },
	{ "file_dirty", true },
	{ "file_writeback", true },
	{ "swapcached", true },
	{ "anon_thp", true },
	{ "file_thp", true },
	{ "shmem_thp", true },
	{ "inactive_anon", true },
	{ "active_anon", true, FIGURE(active_anon) },
	{ "inactive_file", true },
	{ "active_file", true, FIGURE(active_file) },
	{ "unevictable", true },
	{ "slab_reclaimable", true },
	{ "slab_unreclaimable", true },
	{ "slab", false },
	{ "workingset_refault_anon", true },
	{ "workingset_refault_file", true },
	{ "workingset_activate_anon", true },
	{ "workingset_activate_file", true },
	{ "workingset_restore_anon", true },
	{ "workingset_restore_file", true },
	{ "workingset_nodereclaim", true },
	{ "pgdemote_kswapd", true, SINCE_6_12 },
	{ "pgdemote_direct", true, SINCE_6_12 },
	{ "pgdemote_khugepaged", true, SINCE_6_12 },
	{ "pgdemote_proactive", true, SINCE_6_18 },
	{ "pgpromote_success", true, SINCE_6_12 },
	{ "pgscan", false },
	{ "pgsteal", false },
	{ "pswpin", false, SINCE_6_18 },
	{ "pswpout", false, SINCE_6_18 },
	{ "pgscan_kswapd", false },
	{ "pgscan_direct", false },
	{ "pgscan_khugepaged", false, SINCE_6_12 },
	{ "pgscan_proactive", false, SINCE_6_18 },
	{ "pgsteal_kswapd", false },
	{ "pgsteal_direct", false },
	{ "pgsteal_khugepaged", false, SINCE_6_12 },
	{ "pgsteal_proactive", false, SINCE_6_18 },
	{ "pgfault", false, FIGURE(faults) },
	{ "pgmajfault", false, FIGURE(major_faults) },
	{ "pgrefill", false },
	{ "pgactivate", false },
	{ "pgdeactivate", false },
	{ "pglazyfree", false },
	{ "pglazyfreed", false },
	{ "swpin_zero", false, SINCE_6_12 },
	{ "swpout_zero", false, SINCE_6_12 },
	{ "zswpin", false, SINCE_6_12 },
	{ "zswpout", false, SINCE_6_12 },
	{ "zswpwb", false, SINCE_6_12 },
	{ "thp_fault_alloc", false },
	{ "thp_collapse_alloc", false },
	{ "thp_swpout", false, SINCE_6_12 },
	{ "thp_swpout_fallback", false, SINCE_6_12 },
	{ "numa_pages_migrated", false, SINCE_6_12 },
	{ "numa_pte_updates", false, SINCE_6_12 },
	{ "numa_hint_faults", false, SINCE_6_12 },
};

static int lines_show(struct emul_open *f, bool node, const char *between, struct buf *out)
{
	struct figures figures;
	struct usage now;
	int error = emul_usage(f->cg, &now);

	if (error)
		return error;
	figures_of(&now, &figures);
	for (size_t i = 0; i < ARRAY_SIZE(stat_lines); i++) {
		const char *value = (const char *)&figures + stat_lines[i].figure;

		if ((node && !stat_lines[i].node) ||
		    (stat_lines[i].not_in & EMUL_BIT(f->cg->emul->config.version)))
			continue;
		buf_adds(out, stat_lines[i].key);
		buf_adds(out, between);
		buf_addu(out, *(const uint64_t *)(const void *)value);
		buf_adds(out, "\n");
	}
	return 0;
}

int memory_stat_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	return lines_show(f, false, " ", out);
}

/* Which node memory is on is not known: all is shown on the first. */
int memory_numa_stat_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	return lines_show(f, true, " N0=", out);
}
