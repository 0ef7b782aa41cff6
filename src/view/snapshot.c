/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gathers the parts of a snapshot that a row needs, each with as few reads as it takes. */
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/keyed.h"
#include "ctlfs/cleanup.h"
#include "limits.h"
#include "members.h"
#include "states.h"

#define KIB 1024ULL
#define NSEC_PER_USEC 1000ULL

struct gather {
	const struct source *src;
	uint64_t container;
	unsigned needs;
	struct lineage lineage;
	uint64_t start; /* of the container */
	struct snapshot *s;
};

static int read_host_memory(struct gather *g)
{
	struct host_memory *m = &g->s->host;
	struct huge_pages *huge = &g->s->huge;
	const struct keyed keys[] = {
		{ "MemTotal:", &m->total },		{ "SwapTotal:", &m->swap_total },
		{ "SwapFree:", &m->swap_free },		{ "CommitLimit:", &m->commit_limit },
		{ "VmallocTotal:", &m->vmalloc_total }, { "Hugepagesize:", &m->huge_page },
		{ "HugePages_Total:", &huge->total },	{ "HugePages_Free:", &huge->free },
		{ "HugePages_Rsvd:", &huge->reserved },
	};
	int r = g->src->host->ops->text(g->src->host, HOST_MEMINFO, &g->s->meminfo);

	if (r < 0)
		return r;
	keyed_read(buf_text(&g->s->meminfo), keys, ARRAY_SIZE(keys));
	return m->total ? 0 : -EIO;
}

static int gather_memory(struct gather *g)
{
	const struct host_memory *host = &g->s->host;
	struct memory *memory = &g->s->memory;
	struct swap *swap = &g->s->swap;
	int r = read_host_memory(g);

	if (r < 0)
		return r;
	memory->total = host->total * KIB;
	swap->total = host->swap_total * KIB;
	if (host->swap_free < host->swap_total)
		swap->used = (host->swap_total - host->swap_free) * KIB;
	if (g->needs & NEED_MEMORY)
		r = limits_memory(&g->lineage, memory);
	if (r == 0 && g->needs & NEED_MEMORY)
		r = limits_hugetlb(&g->lineage, host->huge_page * KIB, &g->s->huge);
	return r < 0 ? r : limits_swap(&g->lineage, swap);
}

static int gather_cpus(struct gather *g)
{
	struct cpulist online;
	int r = host_online(g->src->host, &online);

	if (r < 0)
		return r;
	g->s->cpus = cpulist_count(&online);
	return limits_cpus(&g->lineage, &g->s->cpus);
}

static uint64_t boot_ns(const struct source *src)
{
	struct host_clock clock;

	src->host->ops->now(src->host, &clock);
	return clock.boot;
}

/* The processes, counted now or a moment ago, and whose number the newest one has. */
static int gather_tasks(struct gather *g)
{
	struct tally *tally = &g->s->tasks;
	uint64_t begun = boot_ns(g->src);
	int r = 0;

	if (!states_tally(g->src->states, g->container, begun, tally)) {
		r = members_count(g->src, g->container, true, tally);
		if (r == 0)
			r = states_tallied(g->src->states, g->container, tally, begun,
					   boot_ns(g->src));
	}
	if (r == 0)
		r = states_forks(g->src->states, g->container, &g->s->forks);
	if (r < 0)
		return r;
	g->start = tally->start;
	return 0;
}

static int gather_last_pid(struct gather *g)
{
	const struct tally *tally = &g->s->tasks;
	struct host *h = g->src->host;
	int r;

	if (!tally->newest)
		return 0;
	r = h->ops->pidns_show(h, tally->oldest, tally->newest, &g->s->last_pid);
	/* Gone since they were counted; or of somebody whose namespace we may not look at. */
	return r == -ESRCH || r == -EACCES ? 0 : r;
}

/* The age: once it is known, nobody is looked at again for it. */
static int gather_age(struct gather *g)
{
	struct states *states = g->src->states;
	struct tally tally;
	uint64_t start;
	int r = states_start(states, g->container, g->start, &start);

	if (r == 0 && start == START_UNKNOWN && !(g->needs & (NEED_TASKS | NEED_LOAD))) {
		r = members_count(g->src, g->container, false, &tally);
		if (r == 0)
			r = states_start(states, g->container, tally.start, &start);
	}
	if (r < 0)
		return r;
	g->start = start;
	g->src->host->ops->now(g->src->host, &g->s->now);
	if (g->s->now.boot > start)
		g->s->age = g->s->now.boot - start;
	return 0;
}

static int gather_times(struct gather *g)
{
	struct usage u = {
		.cpus = g->s->cpus,
		.alive = g->start != START_UNKNOWN,
		.start = g->start / NSEC_PER_USEC,
	};
	int r = limits_usage(&g->lineage, &u.used);

	if (r < 0)
		return r;
	u.now = boot_ns(g->src) / NSEC_PER_USEC;
	return states_times(g->src->states, g->container, &u, &g->s->times);
}

/* What each part is made of comes first. */
static int gather(struct gather *g, enum host_file file)
{
	const struct host_clock *now = &g->s->now;
	int r = 0;

	if (g->needs & NEED_TEXT)
		r = g->src->host->ops->text(g->src->host, file, &g->s->text);
	if (r == 0 && g->needs & (NEED_MEMORY | NEED_SWAP))
		r = gather_memory(g);
	if (r == 0 && g->needs & NEED_OOM)
		r = limits_oom_kills(&g->lineage, &g->s->memory.oom_kills);
	if (r == 0 && g->needs & NEED_DISKS)
		r = limits_disks(&g->lineage, &g->s->disks);
	if (r == 0 && g->needs & (NEED_CPUS | NEED_TIMES))
		r = gather_cpus(g);
	if (r == 0 && g->needs & (NEED_TASKS | NEED_LOAD))
		r = gather_tasks(g);
	if (r == 0 && g->needs & NEED_LOAD)
		r = gather_last_pid(g);
	if (r == 0 && g->needs & (NEED_START | NEED_TIMES | NEED_TASKS | NEED_LOAD | NEED_BTIME))
		r = gather_age(g);
	if (r == 0 && g->needs & NEED_TIMES)
		r = gather_times(g);
	if (r == 0 && g->needs & NEED_LOAD)
		r = states_load(g->src->states, g->container, &g->s->tasks, now->boot,
				&g->s->load);
	if (r == 0 && g->needs & NEED_BTIME)
		r = states_btime(g->src->states, g->container, now->real - now->boot,
				 &g->s->btime);
	return r;
}

/* A file that is not there is no limit, unless the whole container is not there. */
static int check_alive(const struct gather *g, int r)
{
	struct tree *t = g->src->tree;
	struct stat st;

	if (r != -ENOENT && !(r == 0 && g->lineage.doubtful))
		return r;
	if (t->ops->stat(t, g->container, NULL, &st) < 0)
		return -ENODEV;
	return r == -ENOENT ? -EIO : r;
}

int snapshot_take(const struct source *src, uint64_t container, unsigned needs,
		  enum host_file file, struct snapshot *s)
{
	struct gather g = { .src = src, .container = container, .needs = needs, .s = s,
			    .start = START_UNKNOWN };
	int r;

	*s = (struct snapshot){ .machine = src->machine_root && container == TREE_ROOT };
	r = lineage_new(src, container, &g.lineage);
	if (r < 0)
		return check_alive(&g, r);
	r = check_alive(&g, gather(&g, file));
	lineage_free(&g.lineage);
	return r;
}

void snapshot_free(struct snapshot *s)
{
	buf_free(&s->text);
	buf_free(&s->meminfo);
	buf_free(&s->memory.text);
	free(s->disks.disk);
	s->disks = (struct disks){ 0 };
	free(s->times.cpus);
	s->times = (struct times){ 0 };
}
