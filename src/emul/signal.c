/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup.freeze and cgroup.kill. A frozen member is kept stopped with SIGSTOP, which other than in
 * the kernel its parent and a SIGCONT from elsewhere can see; one that was stopped already stays so
 * when thawed. It counts as frozen once it has been signalled. Processes are stopped as a whole,
 * also if only some of their threads are in the cgroup.
 */
#include <errno.h>
#include <signal.h>

#include "cgroup.h"
#include "ctlfs/why.h"

#define ROUNDS_MAX 64 /* rescans for children of those that die */

static void freeze_one(struct member *m)
{
	if (member_stop(m) < 0)
		return; /* not ours to stop: the cgroup does not become frozen */
	m->stopped = true;
	if (!member_runs(m))
		tasks_count(m->cg, 0, -1);
}

static void thaw_one(struct member *m)
{
	bool ran = member_runs(m);

	m->stopped = false;
	member_cont(m);
	if (!ran)
		tasks_count(m->cg, 0, 1);
}

void freeze_again(struct member *m)
{
	if (member_signal(m, SIGSTOP) == 0)
		m->cont = true;
}

void freeze_member(struct member *m)
{
	if (m->cg->e_freeze && !m->stopped)
		freeze_one(m);
	else if (!m->cg->e_freeze && m->stopped)
		thaw_one(m);
}

static int visit_freeze(struct member *m, void *data)
{
	(void)data;
	freeze_member(m);
	return 0;
}

/* The time counts from the order to freeze, as in the kernel, not from when all have stopped. */
static bool set_e_freeze(struct cgroup *cg, bool e_freeze)
{
	uint64_t now = emul_now(cg->emul);

	if (cg->e_freeze == e_freeze)
		return false;
	if (!e_freeze)
		cg->frozen_ns += now - cg->frozen_since;
	cg->e_freeze = e_freeze;
	cg->frozen_since = now;
	return true;
}

uint64_t frozen_time(const struct cgroup *cg)
{
	return cg->frozen_ns + (cg->e_freeze ? emul_now(cg->emul) - cg->frozen_since : 0);
}

int freeze_set(struct cgroup *cg, bool freeze)
{
	bool applied = false;

	if (cg->freeze == freeze)
		return 0;
	cg->freeze = freeze;
	for (struct cgroup *at = cg; at; at = cgroup_next(at, cg))
		applied |= set_e_freeze(at, at->freeze || (at->parent && at->parent->e_freeze));
	/* An ancestor decides: whoever waits for the change need not. */
	if (!applied)
		emul_notify(cg, SLOT_CORE_EVENTS);
	members_each(cg, visit_freeze, NULL);
	for (struct cgroup *at = cg; at; at = cgroup_next(at, cg))
		events_update(at);
	/* A child born while its parent was being stopped is stopped when it is found. */
	return freeze ? members_refresh(cg->emul, true) : 0;
}

struct kill_round {
	uint64_t number;
	unsigned signalled;
	pid_t refused; /* a process we may not signal, 0: none */
};

/* Other kernels than 6.12 send the signal to the first thread alone: nobody takes it if that is
 * dead, and nobody gets it if that was left elsewhere. */
static bool kill_reaches(const struct member *m)
{
	const struct emul *e = m->cg->emul;
	struct tasks *t = e->config.tasks;
	struct task_info info;

	if (e->config.version == EMUL_6_12)
		return true;
	return !m->leader_away &&
	       (t->ops->info(t, m->pid, &info) < 0 || info.exited || !info.leader_exited);
}

static int visit_kill(struct member *m, void *data)
{
	struct kill_round *round = data;

	if (m->killed == round->number || !kill_reaches(m))
		return 0;
	m->killed = round->number;
	round->signalled++;
	if (member_signal(m, SIGKILL) == -EPERM)
		round->refused = m->pid;
	return 0;
}

int kill_all(struct cgroup *cg)
{
	struct kill_round round = { .number = ++cg->emul->kills };

	for (int i = 0; i < ROUNDS_MAX; i++) {
		int r;

		round.signalled = 0;
		members_each(cg, visit_kill, &round);
		if (!round.signalled)
			break;
		r = members_refresh(cg->emul, true);
		if (r < 0)
			return r;
	}
	if (round.refused)
		return refuse(EPERM, "process %d may not be signalled by ctlfs",
			      (int)round.refused);
	return 0;
}
