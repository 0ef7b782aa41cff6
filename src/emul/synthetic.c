/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Synthetic processes: their clock, what they have used by now, and how they come and go. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/clock.h"
#include "synthetic_inside.h"

#define NSEC 1000000000LL
#define MEMORY_MOST (1LL << 50) /* where growth ends */

/* --- the clock ------------------------------------------------------------------------------ */

static uint64_t outer_now(const struct source *s)
{
	return s->base ? s->base->ops->now(s->base) : monotonic_ns();
}

uint64_t synthetic_now(const struct source *s)
{
	return s->frozen ? s->frozen_at : outer_now(s) + s->shift;
}

void synthetic_freeze_clock(struct tasks *t, bool freeze)
{
	struct source *s = source_of(t);

	guard_mutex(&s->lock);
	if (freeze == s->frozen)
		return;
	if (freeze)
		s->frozen_at = synthetic_now(s);
	else
		s->shift = s->frozen_at - outer_now(s); /* may wrap: it is only added again */
	s->frozen = freeze;
}

void synthetic_set_clock(struct tasks *t, uint64_t now)
{
	struct source *s = source_of(t);

	guard_mutex(&s->lock);
	if (now > s->frozen_at)
		s->frozen_at = now;
}

/* --- what a process has used ---------------------------------------------------------------- */

/* The CPUs, in millionths, that it has of those it wants: one for each thread, and no more than the
 * thread that may run on the most has. */
static uint64_t cpus_granted(const struct process *p)
{
	uint64_t wanted = p->spec.user + p->spec.system;
	uint64_t most = (uint64_t)p->spec.threads * PPM;
	unsigned cpus = 0;
	const struct thread *th;

	DL_FOREACH(p->threads, th) {
		if (!th->cpus)
			return wanted < most ? wanted : most;
		if (th->cpus > cpus)
			cpus = th->cpus;
	}
	if ((uint64_t)cpus * PPM < most)
		most = (uint64_t)cpus * PPM;
	return wanted < most ? wanted : most;
}

static uint64_t grown(uint64_t anon, int64_t rate, uint64_t ns)
{
	__int128 now = (__int128)rate * (__int128)ns / NSEC + (__int128)anon;

	if (now < 0)
		return 0;
	if (rate > 0 && now > MEMORY_MOST)
		return anon > MEMORY_MOST ? anon : MEMORY_MOST;
	return (uint64_t)now;
}

/* Computed from the last change on, so that it does not depend on how often somebody looks. */
void synthetic_used(const struct process *p, uint64_t now, struct process *ret)
{
	uint64_t wanted = p->spec.user + p->spec.system;
	uint64_t ns = p->stopped || p->exited || now < p->since ? 0 : now - p->since;
	__uint128_t cpu = (__uint128_t)ns * cpus_granted(p) / PPM;
	uint64_t user = wanted ? (uint64_t)(cpu * p->spec.user / wanted) : 0;

	*ret = *p;
	ret->since = now;
	ret->user_ns += user;
	ret->system_ns += (uint64_t)cpu - user;
	ret->spec.anon = grown(p->spec.anon, p->spec.grow, ns);
}

/* Before anything changes that decides on what it uses. */
void synthetic_settle(const struct source *s, struct process *p)
{
	struct process used;

	synthetic_used(p, synthetic_now(s), &used);
	p->since = used.since;
	p->user_ns = used.user_ns;
	p->system_ns = used.system_ns;
	p->spec.anon = used.spec.anon;
}

/* --- life ----------------------------------------------------------------------------------- */

static void thread_drop(struct source *s, struct thread *th)
{
	DL_DELETE(th->process->threads, th);
	HASH_DEL(s->threads, th);
	free(th);
}

static int thread_add(struct source *s, struct process *p)
{
	struct thread *th;

	if (s->next_tid == INT32_MAX)
		return -ENOSPC;
	th = calloc(1, sizeof *th);
	if (!th)
		return -ENOMEM;
	th->tid = s->next_tid;
	th->process = p;
	th->cpus = p->threads ? p->threads->cpus : 0;
	HASH_ADD(hh, s->threads, tid, sizeof th->tid, th);
	if (!th->hh.tbl) {
		free(th);
		return -ENOMEM;
	}
	s->next_tid++;
	DL_APPEND(p->threads, th);
	return 0;
}

/* Brings the threads to the number that the spec says: the last ones go. */
static int threads_set(struct source *s, struct process *p, unsigned n)
{
	struct thread *th;
	unsigned have;
	int r = 0;

	DL_COUNT(p->threads, th, have);
	for (; have < n && r == 0; have++)
		r = thread_add(s, p);
	for (; have > n; have--)
		thread_drop(s, p->threads->prev); /* the head's prev is the tail */
	return r;
}

void synthetic_free(struct source *s, struct process *p)
{
	struct thread *th, *next;

	DL_FOREACH_SAFE(p->threads, th, next)
		thread_drop(s, th);
	DL_DELETE(s->processes, p);
	free(p->name);
	free(p);
}

struct process *synthetic_live(const struct source *s, pid_t tid)
{
	struct thread *th;

	HASH_FIND(hh, s->threads, &tid, sizeof tid, th);
	return th ? th->process : NULL;
}

/* Zombies have no thread: they are few. */
struct process *synthetic_any(const struct source *s, pid_t tid)
{
	struct process *p = synthetic_live(s, tid);

	if (p)
		return p;
	DL_FOREACH(s->processes, p) {
		if (p->pid == tid)
			return p;
	}
	return NULL;
}

static struct process *find_name(const struct source *s, const char *name)
{
	struct process *p;

	DL_FOREACH(s->processes, p) {
		if (!p->exited && !strcmp(p->name, name))
			return p;
	}
	return NULL;
}

static int process_new(struct source *s, const char *name, const struct synthetic_spec *spec,
		       struct process **ret_process)
{
	struct process *p;
	int r;

	if (find_name(s, name))
		return -EEXIST;
	if (s->n_live >= SYNTHETIC_MAX)
		return -ENOSPC;
	p = calloc(1, sizeof *p);
	if (!p)
		return -ENOMEM;
	p->name = strdup(name);
	p->pid = s->next_tid;
	p->spec = *spec;
	p->since = synthetic_now(s);
	DL_APPEND(s->processes, p);
	r = p->name ? threads_set(s, p, spec->threads) : -ENOMEM;
	if (r < 0) {
		synthetic_free(s, p);
		return r;
	}
	s->n_live++;
	*ret_process = p;
	return 0;
}

/* Nothing is left of one whose exit nobody waits for. */
void synthetic_end(struct source *s, struct process *p)
{
	synthetic_settle(s, p);
	p->exited = true;
	p->spec.anon = p->spec.file = p->spec.shmem = p->spec.swap = 0;
	p->spec.threads = 0;
	threads_set(s, p, 0);
	s->n_live--;
	if (p->watched)
		s->n_untold++;
	else
		synthetic_free(s, p);
}

int synthetic_add(struct tasks *t, const char *name, const struct synthetic_spec *spec,
		  pid_t *ret_pid)
{
	struct source *s = source_of(t);
	struct process *p;
	int r;

	guard_mutex(&s->lock);
	r = process_new(s, name, spec, &p);
	if (r < 0)
		return r;
	*ret_pid = p->pid;
	return 0;
}

int synthetic_fork(struct tasks *t, const char *parent, const char *name, pid_t *ret_pid)
{
	struct source *s = source_of(t);
	struct process *from, *p;
	struct thread *th;
	int r;

	guard_mutex(&s->lock);
	from = find_name(s, parent);
	if (!from)
		return -ESRCH;
	synthetic_settle(s, from);
	r = process_new(s, name, &from->spec, &p);
	if (r < 0)
		return r;
	p->tag = from->tag;
	DL_FOREACH(p->threads, th)
		th->cpus = from->threads->cpus;
	s->births++;
	*ret_pid = p->pid;
	return 0;
}

int synthetic_find(struct tasks *t, const char *name, pid_t *ret_pid)
{
	struct source *s = source_of(t);
	const struct process *p;

	guard_mutex(&s->lock);
	p = find_name(s, name);
	if (!p)
		return -ESRCH;
	*ret_pid = p->pid;
	return 0;
}

int synthetic_get(struct tasks *t, pid_t pid, struct synthetic_spec *ret_spec)
{
	struct source *s = source_of(t);
	struct process *p;

	guard_mutex(&s->lock);
	p = synthetic_live(s, pid);
	if (!p)
		return -ESRCH;
	synthetic_settle(s, p);
	*ret_spec = p->spec;
	return 0;
}

int synthetic_set(struct tasks *t, pid_t pid, const struct synthetic_spec *spec)
{
	struct source *s = source_of(t);
	struct process *p;
	int r;

	guard_mutex(&s->lock);
	p = synthetic_live(s, pid);
	if (!p)
		return -ESRCH;
	synthetic_settle(s, p);
	r = threads_set(s, p, spec->threads);
	if (r < 0) {
		threads_set(s, p, p->spec.threads);
		return r;
	}
	p->spec = *spec;
	return 0;
}

int synthetic_exit(struct tasks *t, pid_t pid)
{
	struct source *s = source_of(t);
	struct process *p;

	guard_mutex(&s->lock);
	p = synthetic_live(s, pid);
	if (!p)
		return -ESRCH;
	synthetic_end(s, p);
	return 0;
}

void synthetic_each(struct tasks *t, void (*visit)(void *data, const char *name, pid_t pid),
		    void *data)
{
	struct source *s = source_of(t);
	const struct process *p;

	guard_mutex(&s->lock);
	DL_FOREACH(s->processes, p) {
		if (!p->exited)
			visit(data, p->name, p->pid);
	}
}
