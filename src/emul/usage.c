/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What members use. A member is sampled when somebody asks, and the difference to its last sample
 * is added to its cgroup and all ancestors, so that reading a sum costs nothing more. CPU time and
 * faults stay where they were used, also after the member moved, exited, or its cgroup was removed;
 * memory goes with the member. Threads placed in other cgroups count there as threads only.
 */
#include <stdio.h>

#include "cgroup.h"

/* Differences may be negative: sums wrap around, and are right in the end. */
void usage_add(struct cgroup *cg, const struct usage *d)
{
	for (; cg; cg = cg->parent) {
		struct usage *u = &cg->usage;

		u->user_ns += d->user_ns;
		u->system_ns += d->system_ns;
		u->nice_ns += d->nice_ns;
		u->minflt += d->minflt;
		u->majflt += d->majflt;
		u->rbytes += d->rbytes;
		u->wbytes += d->wbytes;
		u->anon += d->anon;
		u->file += d->file;
		u->shmem += d->shmem;
		u->swap += d->swap;
		u->pagetables += d->pagetables;
		u->threads += d->threads;
		u->processes += d->processes;
	}
}

static uint64_t grown(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* The kernel splits CPU time into user and system by estimate: neither may fall, nor their sum. */
static void keep_rising(struct task_sample *s, const struct task_sample *last)
{
	uint64_t total = s->user_ns + s->system_ns;
	uint64_t least = last->user_ns + last->system_ns;

	if (total < least)
		total = least;
	if (s->user_ns < last->user_ns)
		s->user_ns = last->user_ns;
	if (s->user_ns > total - last->system_ns)
		s->user_ns = total - last->system_ns;
	s->system_ns = total - s->user_ns;
}

static uint64_t resident(const struct task_sample *s)
{
	return s->anon + s->file + s->shmem;
}

/* Which disk it was is not known, unless there is only one; nor how many requests it took. */
static void io_sampled(struct cgroup *cg, uint64_t rbytes, uint64_t wbytes)
{
	const struct resources *devices = &cg->emul->machine.devices;
	const struct io_stats more = { .rbytes = rbytes, .wbytes = wbytes };
	unsigned major, minor;

	if ((rbytes || wbytes) && devices->n == 1 &&
	    sscanf(devices->list[0].name, "%u:%u", &major, &minor) == 2)
		io_account(cg, major, minor, &more);
}

void usage_sample(struct member *m)
{
	struct emul *e = m->cg->emul;
	const struct task_sample *last = &m->last;
	struct task_sample s;
	struct usage d;

	if (m->sample == e->sample)
		return;
	m->sample = e->sample;
	if (e->config.tasks->ops->sample(e->config.tasks, m->pid, &s) < 0 || s.start != m->start)
		return;
	keep_rising(&s, last);
	bandwidth_ran(m, s.user_ns + s.system_ns);
	if (resident(&s) > resident(last))
		m->grew_at = emul_now(e);
	d = (struct usage){
		.user_ns = s.user_ns - last->user_ns,
		.system_ns = s.system_ns - last->system_ns,
		.nice_ns = s.nice ? s.user_ns - last->user_ns : 0,
		.minflt = grown(s.minflt, last->minflt),
		.majflt = grown(s.majflt, last->majflt),
		.rbytes = grown(s.rbytes, last->rbytes),
		.wbytes = grown(s.wbytes, last->wbytes),
		.anon = s.anon - last->anon,
		.file = s.file - last->file,
		.shmem = s.shmem - last->shmem,
		.swap = s.swap - last->swap,
		.pagetables = s.pagetables - last->pagetables,
		.threads = (uint64_t)s.threads - last->threads,
	};
	bandwidth_charge(m, reaped_sample(m, &s, &d));
	usage_add(m->cg, &d);
	io_sampled(m->cg, d.rbytes, d.wbytes);
	m->last = s;
	if (!member_runs(m) && !s.stopped && s.threads)
		freeze_again(m);
}

/* What goes with a member: all but CPU time and faults; sign is 1 or -1. */
static void carry(const struct member *m, struct cgroup *cg, uint64_t sign)
{
	const struct task_sample *s = &m->last;
	struct usage d = {
		.anon = s->anon * sign,
		.file = s->file * sign,
		.shmem = s->shmem * sign,
		.swap = s->swap * sign,
		.pagetables = s->pagetables * sign,
		.threads = s->threads * sign,
		.processes = sign,
	};

	usage_add(cg, &d);
}

void usage_join(struct member *m, struct cgroup *cg)
{
	carry(m, cg, 1);
}

void usage_leave(struct member *m, struct cgroup *cg)
{
	carry(m, cg, UINT64_MAX);
}

void usage_threads(struct cgroup *cg, int threads)
{
	struct usage d = { .threads = (uint64_t)(int64_t)threads };

	usage_add(cg, &d);
}

static int sample_one(struct member *m, void *data)
{
	(void)data;
	usage_sample(m);
	return 0;
}

static void tell_controllers(struct cgroup *cg)
{
	for (int i = 0; i < CTRL_COUNT; i++) {
		const struct controller *c = emul_controllers[i];

		if (c && c->sampled && cg->css[i])
			c->sampled(cg, cg->css[i], &cg->usage);
	}
}

int emul_usage(struct cgroup *cg, struct usage *ret_usage)
{
	struct emul *e = cg->emul;
	int r = e->fresh == e->moment ? 0 : members_refresh(e, false);

	if (r < 0)
		return r;
	members_each(cg, sample_one, NULL);
	for (struct cgroup *up = cg; up; up = up->parent)
		tell_controllers(up);
	*ret_usage = cg->usage;
	return 0;
}
