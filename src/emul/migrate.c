/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes to cgroup.procs and cgroup.threads: __cgroup_procs_write() and what it checks, in its
 * order. A process outside the emulator counts as one of the root; only its owner or uid 0 may
 * bring it in, since there is no cgroup above both whose owner could decide.
 */
#include <errno.h>

#include "affinity.h"
#include "cgroup.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"

/* One migration. */
struct move {
	struct emul *emul;
	struct cgroup *to;
	pid_t tid;
	struct task_info info;
	struct member *member; /* NULL: outside */
	struct cgroup *from; /* where the thread, or the process, is */
	bool whole;
};

static int find_task(struct move *mv, const struct caller *who, char *text)
{
	struct tasks *t = mv->emul->config.tasks;
	int nr, r;

	if (parse_int(parse_strip(text), 0, &nr) < 0 || nr < 0)
		return refuse(EINVAL, "not the number of a process");
	if (nr == 0)
		mv->tid = who->pid;
	else if (who == &TREE_SELF)
		mv->tid = nr;
	else if (who->pid == 0)
		return refuse(ESRCH, "the writer cannot be seen by ctlfs");
	else if (t->ops->find(t, who->pid, nr, &mv->tid) < 0)
		return refuse(ESRCH, "no process %d in the writer's pid namespace", nr);
	if (mv->tid == 0)
		return refuse(ESRCH, "the writer cannot be seen by ctlfs");
	r = t->ops->info(t, mv->tid, &mv->info);
	if (r < 0)
		return refuse(-r, "there is no process %d", nr);
	if (mv->info.kthread)
		return refuse(EINVAL, "%d is a thread of the kernel", nr);
	return 0;
}

static void find_source(struct move *mv)
{
	const struct member *m = member_find(mv->emul, mv->info.pid, mv->info.start);
	bool of_leader = mv->whole || mv->tid == mv->info.pid;

	mv->member = (struct member *)m;
	mv->from = NULL;
	if (of_leader && (!m || m->leader_away))
		mv->from = dead_cgroup(mv->emul, mv->info.pid, mv->info.start);
	else if (m)
		mv->from = mv->whole ? m->cg : thread_cgroup(m, mv->tid);
	if (!mv->from)
		mv->from = mv->emul->root;
}

/* cgroup_procs_write_permission(): as whoever opened the file. */
static int may_move(const struct move *mv, const struct emul_open *f)
{
	const struct caller *opener = &f->opener;
	struct cgroup *common = cgroup_common(mv->from, mv->to);
	struct row_ref row;
	struct stat st;

	if (!rows_find_name(common, "cgroup.procs", &row))
		return -ENOENT;
	attr_stat(common, row.slot, &row, &st);
	if (!opener_may_write(f, &st))
		return refuse(EACCES,
			      "cgroup.procs of the common ancestor \"%s\" is not writable for "
			      "uid %u",
			      common->parent ? common->name : "/", (unsigned)opener->uid);
	if (!mv->member && opener->uid && opener->uid != mv->info.uid)
		return refuse(EACCES, "process %d belongs to uid %u", (int)mv->info.pid,
			      (unsigned)mv->info.uid);
	return opener_check_move(f, mv->from, mv->to);
}

/* cgroup_migrate_vet_dst() */
static int vet_destination(const struct cgroup *to)
{
	if (!type_is_valid_domain(type_domain(to)))
		return refuse(EOPNOTSUPP, "the cgroup's type is \"%s\": it can hold no processes",
			      type_name(to));
	if (to->threaded || type_can_be_thread_root(to))
		return 0;
	if (to->subtree_control)
		return refuse(EBUSY,
			      "the cgroup's subtree_control is not empty (no internal processes "
			      "rule)");
	return 0;
}

/* Also if the number was given to another process since it was looked at: that one's tag is put
 * back. -ESRCH then. */
static int tag_process(const struct move *mv, uint64_t tag)
{
	struct tasks *t = mv->emul->config.tasks;
	struct task_info now;
	uint64_t before;
	int r;

	if (t->ops->get_tag(t, mv->info.pid, &before) < 0)
		before = UINT64_MAX; /* no limit */
	r = t->ops->set_tag(t, mv->info.pid, tag);
	if (r < 0 || (t->ops->info(t, mv->info.pid, &now) == 0 && now.start == mv->info.start))
		return r;
	t->ops->set_tag(t, mv->info.pid, before);
	return refuse(ESRCH, "process %d has exited", (int)mv->info.pid);
}

static int set_tag(const struct move *mv)
{
	struct emul *e = mv->emul;
	int r;

	e->alone = false; /* even if it fails: the process may have forked with the tag */
	r = tag_process(mv, TASK_TAG(e->instance, mv->to->id));
	if (r == -EPERM || r == -EACCES)
		return refuse(EACCES,
			      "ctlfs may not change the limits of process %d (another user's, "
			      "or a hard limit on RLIMIT_RTTIME)",
			      (int)mv->info.pid);
	if (r < 0)
		return r;
	e->moves++;
	return 0;
}

/* What it has used so far was used elsewhere. */
static int adopt(struct move *mv)
{
	struct tasks *t = mv->emul->config.tasks;
	struct task_sample base;
	int r = t->ops->sample(t, mv->info.pid, &base);

	if (r == 0)
		r = set_tag(mv);
	if (r == 0)
		r = member_add(mv->to, mv->info.pid, mv->info.start, &base);
	if (r < 0)
		return r;
	mv->member = member_find(mv->emul, mv->info.pid, mv->info.start);
	if (mv->info.leader_exited) { /* it stays outside, also as a zombie that has the tag */
		mv->member->leader_away = true;
		usage_threads(mv->to, -1);
		dead_add(mv->emul->root, mv->info.pid, mv->info.start);
	}
	return 0;
}

static int move_process(struct move *mv)
{
	struct member *m = mv->member;
	int r;

	if (m && m->cg == mv->to && !m->n_placed)
		return 0;
	if (m) {
		usage_sample(m);
		r = set_tag(mv);
		if (r < 0)
			return r;
		process_move(m, mv->to);
		threads_drop(m);
	} else {
		r = adopt(mv);
		if (r < 0)
			return r;
	}
	member_affinity(mv->member);
	return 0;
}

static int move_thread(struct move *mv)
{
	if (mv->info.leader_exited && mv->tid == mv->info.pid)
		return 0; /* what is dead stays */
	if (!mv->member) {
		struct cgroup *to = mv->to;
		int r;

		mv->to = mv->emul->root;
		r = move_process(mv);
		mv->to = to;
		if (r < 0)
			return r;
	}
	return thread_place(mv->member, mv->tid, mv->to);
}

static int migrate(struct emul_open *f, const struct caller *who, char *text, bool whole)
{
	struct move mv = { .emul = f->cg->emul, .to = f->cg, .whole = whole };
	int r = find_task(&mv, who, text);

	if (r < 0)
		return r;
	find_source(&mv);
	r = may_move(&mv, f);
	if (r == 0)
		r = vet_destination(mv.to);
	if (r < 0)
		return r;
	if (!whole && type_domain(mv.from) != type_domain(mv.to))
		return refuse(EOPNOTSUPP,
			      "a single thread cannot leave its process's resource domain");
	if (mv.info.exited)
		return 0; /* a zombie: nothing is left to move */
	r = cpuset_can_attach(mv.from, mv.to, who, mv.info.uid);
	if (r < 0)
		return r;
	return whole ? move_process(&mv) : move_thread(&mv);
}

int migrate_write_procs(struct emul_open *f, const struct caller *who, char *text)
{
	return migrate(f, who, text, true);
}

int migrate_write_threads(struct emul_open *f, const struct caller *who, char *text)
{
	return migrate(f, who, text, false);
}
