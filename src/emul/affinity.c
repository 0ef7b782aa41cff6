/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which CPUs members run on: those of their cgroup's cpuset and, where the configuration says so,
 * only as many as cpu.max pays for.
 *
 * What was asked for last is remembered for each process: a thread found on fewer CPUs has chosen
 * so itself (sched_setaffinity), and keeps its choice as far as the new CPUs permit, as in the
 * kernel. Unlike there, a choice is known only by what the thread is on now.
 */
#include "affinity.h"

#include "cgroup.h"
#include "cpuset.h"
#include "ctlfs/cleanup.h"

static bool acts(const struct emul *e)
{
	return !e->config.observe;
}

static void cpus_of_cpuset(const struct cgroup *cg, struct cpulist *ret_cpus)
{
	const struct emul *e = cg->emul;
	struct change c = { .words = e->cpu_words };

	for (; cg; cg = cg->parent) {
		struct cpuset *cs = cpuset_of(cg);

		if (cs && !mask_empty(&c, cpuset_mask(cs, MASK_EFFECTIVE))) {
			mask_copy(&c, ret_cpus->bits, cpuset_mask(cs, MASK_EFFECTIVE));
			return;
		}
	}
	*ret_cpus = e->cpus;
}

/* The CPUs for tasks of cg. */
static void cpus_for(const struct cgroup *cg, struct cpulist *ret_cpus)
{
	unsigned paid = cg->emul->config.spread ? cpu_paid(cg) : 0;
	struct cpulist all = { 0 };
	int cpu = -1;

	cpus_of_cpuset(cg, &all);
	if (!paid || paid >= cpulist_count(&all)) {
		*ret_cpus = all;
		return;
	}
	*ret_cpus = (struct cpulist){ 0 };
	while (paid-- && (cpu = cpulist_next(&all, cpu)) >= 0)
		cpulist_set(ret_cpus, (unsigned)cpu);
}

/* --- what was asked for last: NULL stands for all CPUs --- */

static void asked_get(const struct emul *e, const uint64_t *asked, struct cpulist *ret_cpus)
{
	*ret_cpus = e->cpus;
	if (asked)
		memcpy(ret_cpus->bits, asked, e->cpu_words * sizeof *asked);
}

/* Without memory the next change will take what threads are on for their choice. */
static void asked_set(const struct emul *e, uint64_t **asked, const struct cpulist *cpus)
{
	size_t size = e->cpu_words * sizeof **asked;

	if (!memcmp(cpus, &e->cpus, sizeof *cpus)) {
		free(steal_ptr(asked));
		return;
	}
	if (!*asked)
		*asked = malloc(size);
	if (*asked)
		memcpy(*asked, cpus->bits, size);
}

/* --- members --- */

/* All threads but those that were placed elsewhere. */
static void set_unplaced(const struct member *m, const struct cpulist *was,
			 const struct cpulist *now)
{
	struct pid_list tids __attribute__((cleanup(pid_list_free))) = { 0 };
	const struct emul *e = m->cg->emul;
	struct tasks *t = e->config.tasks;

	if (!m->n_placed) {
		t->ops->set_cpus(t, m->pid, 0, was, now);
		return;
	}
	if (threads_of(e, m->pid, &tids) < 0)
		return;
	for (size_t i = 0; i < tids.n; i++) {
		if (thread_cgroup(m, tids.pids[i]) == m->cg)
			t->ops->set_cpus(t, m->pid, tids.pids[i], was, now);
	}
}

void member_affinity(struct member *m)
{
	const struct emul *e = m->cg->emul;
	struct cpulist was, now;

	if (!acts(e))
		return;
	cpus_for(m->cg, &now);
	asked_get(e, m->cpus, &was);
	if (!memcmp(&was, &now, sizeof was))
		return;
	set_unplaced(m, &was, &now);
	asked_set(e, &m->cpus, &now);
}

/* It has its parent's CPUs, unless those changed after it was born and before it was found. */
void member_affinity_found(struct member *m)
{
	const struct emul *e = m->cg->emul;
	struct cpulist now;

	if (!acts(e))
		return;
	cpus_for(m->cg, &now);
	asked_set(e, &m->cpus, &now);
	if (m->cpus)
		set_unplaced(m, &now, &now);
}

void placed_affinity(struct placed *p)
{
	const struct emul *e = p->cg->emul;
	struct tasks *t = e->config.tasks;
	struct cpulist was, now;

	if (!acts(e))
		return;
	cpus_for(p->cg, &now);
	asked_get(e, p->cpus, &was);
	if (!memcmp(&was, &now, sizeof was))
		return;
	t->ops->set_cpus(t, p->process->pid, p->tid, &was, &now);
	asked_set(e, &p->cpus, &now);
}

void placed_affinity_new(struct placed *p)
{
	struct cpulist process;

	asked_get(p->cg->emul, p->process->cpus, &process);
	asked_set(p->cg->emul, &p->cpus, &process);
	placed_affinity(p);
}

void placed_affinity_end(struct placed *p)
{
	const struct emul *e = p->cg->emul;
	struct tasks *t = e->config.tasks;
	struct cpulist was, now;

	asked_get(e, p->cpus, &was);
	asked_get(e, p->process->cpus, &now);
	if (memcmp(&was, &now, sizeof was))
		t->ops->set_cpus(t, p->process->pid, p->tid, &was, &now);
	free(steal_ptr(&p->cpus));
}

static int visit_member(struct member *m, void *data)
{
	(void)data;
	member_affinity(m);
	return 0;
}

void emul_affinity(struct cgroup *cg)
{
	if (!acts(cg->emul))
		return;
	members_each(cg, visit_member, NULL);
	if (!cg->emul->placed)
		return;
	for (struct cgroup *at = cg; at; at = cgroup_next(at, cg)) {
		for (struct placed *p = at->placed_first; p; p = p->next)
			placed_affinity(p);
	}
}

void emul_spread(struct cgroup *cg)
{
	if (cg->emul->config.spread)
		emul_affinity(cg);
}
