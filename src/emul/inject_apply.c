/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What each line of ctl/inject does. Usage that a line adds stands beside what members use, in its
 * cgroup and all above, until the cgroup is removed; lines can take away only what lines added, so
 * that sums stay right when members go.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/why.h"
#include "inject.h"
#include "synthetic.h"

#define RAMP_STEPS 20
#define RAMP_STEP_LEAST 1000000 /* ns */

/* Parts of the time that tasks stall, rising or falling from one value to another. */
struct ramp {
	struct timer timer;
	struct injected *owner;
	enum psi_resource resource;
	unsigned some_from, some_to, full_from, full_to; /* ppm */
	uint64_t begin, ns;
};

struct injected {
	uint32_t id;
	struct cgroup *cg;
	struct usage usage;
	struct ramp ramps[PSI_RESOURCES];
	UT_hash_handle hh;
};

/* --- cgroups -------------------------------------------------------------------------------- */

/* Enters, with members up to date, and finds; on failure not entered. */
static int enter_at(struct emul *e, const char *path, struct cgroup **ret_cg)
{
	uint64_t node;
	unsigned slot = 0;
	int r = tree_walk(&e->tree, path, &node);

	if (r < 0)
		return refuse(-r, "there is no cgroup %s", path);
	r = emul_enter(e, true);
	if (r < 0)
		return r;
	r = cgroup_find(e, node, ret_cg, &slot);
	if (r == 0 && slot)
		r = refuse(ENOTDIR, "%s is a file, not a cgroup", path);
	if (r < 0)
		emul_leave(e);
	return r;
}

static void ramp_fire(struct emul *e, struct timer *t, uint64_t now);

/* NULL without memory. */
static struct injected *injected_get(struct cgroup *cg)
{
	struct inject *in = cg->emul->inject;
	struct injected *i;

	HASH_FIND(hh, in->injected, &cg->id, sizeof cg->id, i);
	if (!i) {
		i = calloc(1, sizeof *i);
		if (!i)
			return NULL;
		i->id = cg->id;
		i->cg = cg;
		for (unsigned r = 0; r < PSI_RESOURCES; r++) {
			i->ramps[r].timer.fire = ramp_fire;
			i->ramps[r].owner = i;
			i->ramps[r].resource = (enum psi_resource)r;
		}
		HASH_ADD(hh, in->injected, id, sizeof i->id, i);
		if (!i->hh.tbl) {
			free(i);
			return NULL;
		}
	}
	return i;
}

void inject_forget(struct cgroup *cg)
{
	struct inject *in = cg->emul->inject;
	struct injected *i;
	struct usage less = { 0 };

	HASH_FIND(hh, in->injected, &cg->id, sizeof cg->id, i);
	if (!i)
		return;
	less.anon = -i->usage.anon;
	less.file = -i->usage.file;
	less.shmem = -i->usage.shmem;
	less.swap = -i->usage.swap;
	usage_add(cg, &less);
	for (unsigned r = 0; r < PSI_RESOURCES; r++)
		timer_cancel(cg->emul, &i->ramps[r].timer);
	HASH_DEL(in->injected, i);
	free(i);
}

void inject_forget_all(struct inject *in)
{
	struct injected *i, *next;

	HASH_ITER(hh, in->injected, i, next) {
		HASH_DEL(in->injected, i);
		free(i);
	}
}

/* --- usage ---------------------------------------------------------------------------------- */

static uint64_t *usage_field(struct usage *u, unsigned key)
{
	switch (key) {
	case USE_FILE:
		return &u->file;
	case USE_SHMEM:
		return &u->shmem;
	case USE_SWAP:
		return &u->swap;
	case USE_USER:
		return &u->user_ns;
	case USE_SYSTEM:
		return &u->system_ns;
	case USE_MINFLT:
		return &u->minflt;
	case USE_MAJFLT:
		return &u->majflt;
	default: /* memory is made of anonymous memory */
		return &u->anon;
	}
}

/* A change by `key` of what is there now, counted from what injected says was added before. */
static int plan_change(const struct inject_change *c, struct usage *now, struct usage *injected,
		       struct usage *more)
{
	uint64_t *have = usage_field(now, c->key);
	uint64_t *mine = usage_field(injected, c->key);
	uint64_t sum = c->key == USE_MEMORY ? now->anon + now->file + now->shmem : *have;
	uint64_t by = c->amount;

	if (c->sign == '-' || (c->sign == '=' && c->amount < sum)) {
		by = c->sign == '-' ? c->amount : sum - c->amount;
		if (c->key >= USE_USER)
			return refuse(EINVAL, "this cannot become less: it is %" PRIu64, sum);
		if (by > *mine)
			return refuse(EINVAL,
				      "only %" PRIu64 " bytes were injected; the rest is members'",
				      *mine);
		by = -by;
	} else if (c->sign == '=') {
		by = c->amount - sum;
	}
	*have += by;
	*mine += by;
	*usage_field(more, c->key) += by;
	return 0;
}

static int change_usage(struct cgroup *cg, const struct inject_line *l)
{
	struct usage now, injected, more = { 0 };
	struct injected *i = injected_get(cg);
	int r = i ? emul_usage(cg, &now) : -ENOMEM;

	if (r < 0)
		return r;
	injected = i->usage;
	for (unsigned n = 0; r == 0 && n < l->n_changes; n++)
		r = plan_change(&l->changes[n], &now, &injected, &more);
	if (r < 0)
		return r;
	i->usage = injected;
	usage_add(cg, &more);
	return emul_usage(cg, &now); /* peaks and limits see it */
}

static int apply_usage(struct inject *in, const struct inject_line *l)
{
	struct cgroup *cg;
	int r = enter_at(in->emul, l->path, &cg);

	if (r < 0)
		return r;
	r = change_usage(cg, l);
	emul_leave(in->emul);
	return r;
}

static int count_io(struct cgroup *cg, const struct inject_line *l)
{
	struct io_stats more = { 0 };
	uint64_t *const fields[] = {
		[IO_RBYTES] = &more.rbytes, [IO_WBYTES] = &more.wbytes,
		[IO_DBYTES] = &more.dbytes, [IO_RIOS] = &more.rios,
		[IO_WIOS] = &more.wios,	    [IO_DIOS] = &more.dios,
	};
	int r;

	for (unsigned i = 0; i < l->n_changes; i++)
		*fields[l->changes[i].key] = l->changes[i].amount;
	r = io_account(cg, l->major, l->minor, &more);
	return r == -ENODEV ? refuse(ENODEV, "the machine has no block device %u:%u", l->major,
				     l->minor) :
			      r;
}

static int apply_io(struct inject *in, const struct inject_line *l)
{
	struct cgroup *cg;
	int r = enter_at(in->emul, l->path, &cg);

	if (r < 0)
		return r;
	r = cgroup_css(cg, CTRL_IO) ? count_io(cg, l) :
				      refuse(EINVAL, "%s does not have the io controller", l->path);
	emul_leave(in->emul);
	return r;
}

/* --- events and pressure -------------------------------------------------------------------- */

static int raise_event(struct cgroup *cg, const struct inject_line *l)
{
	static const enum memory_event memory[] = {
		[EVENT_LOW] = MEMORY_LOW,	    [EVENT_HIGH] = MEMORY_HIGH,
		[EVENT_MAX] = MEMORY_MAX,	    [EVENT_OOM] = MEMORY_OOM,
		[EVENT_OOM_KILL] = MEMORY_OOM_KILL, [EVENT_OOM_GROUP] = MEMORY_OOM_GROUP_KILL,
	};
	static const enum swap_event swap[] = {
		[EVENT_SWAP_HIGH] = SWAP_HIGH,
		[EVENT_SWAP_MAX] = SWAP_MAX,
		[EVENT_SWAP_FAIL] = SWAP_FAIL,
	};
	enum ctrl ctrl = l->event == EVENT_PIDS_MAX   ? CTRL_PIDS :
			 l->event >= EVENT_HUGETLB_2M ? CTRL_HUGETLB :
							CTRL_MEMORY;

	if (cgroup_is_root(cg))
		return refuse(EINVAL, "the root has no limits, and so no events");
	if (!cgroup_css(cg, ctrl))
		return refuse(EINVAL, "%s does not have the %s controller", l->path,
			      emul_ctrl_names[ctrl]);
	if (l->event == EVENT_PIDS_MAX)
		pids_event(cg, l->count);
	else if (l->event >= EVENT_HUGETLB_2M)
		hugetlb_event(cg, l->event - EVENT_HUGETLB_2M, l->count);
	else if (l->event >= EVENT_SWAP_HIGH)
		swap_event(cg, swap[l->event], l->count);
	else
		memory_event(cg, memory[l->event], l->count);
	return 0;
}

static int apply_event(struct inject *in, const struct inject_line *l)
{
	struct cgroup *cg;
	int r = enter_at(in->emul, l->path, &cg);

	if (r < 0)
		return r;
	r = raise_event(cg, l);
	emul_leave(in->emul);
	return r;
}

static unsigned between(unsigned from, unsigned to, uint64_t passed, uint64_t ns)
{
	__int128 way = (__int128)((int64_t)to - from) * passed;

	return passed >= ns ? to : (unsigned)((int64_t)from + (int64_t)(way / ns));
}

static void ramp_set(const struct ramp *ramp, uint64_t now)
{
	uint64_t passed = now - ramp->begin;

	psi_stall(ramp->owner->cg, ramp->resource,
		  between(ramp->some_from, ramp->some_to, passed, ramp->ns),
		  between(ramp->full_from, ramp->full_to, passed, ramp->ns));
}

/* On the grid of its steps, also if it was late. */
static void ramp_next(struct emul *e, struct ramp *ramp, uint64_t now)
{
	uint64_t step = ramp->ns / RAMP_STEPS;
	uint64_t passed = now - ramp->begin;

	if (passed >= ramp->ns)
		return;
	if (step < RAMP_STEP_LEAST)
		step = RAMP_STEP_LEAST;
	passed = (passed / step + 1) * step;
	timer_arm(e, &ramp->timer, ramp->begin + (passed < ramp->ns ? passed : ramp->ns));
}

static void ramp_fire(struct emul *e, struct timer *t, uint64_t now)
{
	struct ramp *ramp = (struct ramp *)t; /* its first member */

	ramp_set(ramp, now);
	ramp_next(e, ramp, now);
}

static int apply_pressure(struct inject *in, const struct inject_line *l)
{
	struct emul *e = in->emul;
	struct injected *i;
	struct cgroup *cg;
	int r = enter_at(e, l->path, &cg);

	if (r < 0)
		return r;
	i = injected_get(cg);
	if (i) {
		struct ramp *ramp = &i->ramps[l->resource];
		uint64_t now = emul_now(e), passed = now - ramp->begin;

		ramp->some_from = between(ramp->some_from, ramp->some_to, passed, ramp->ns);
		ramp->full_from = between(ramp->full_from, ramp->full_to, passed, ramp->ns);
		ramp->some_to = l->some_ppm;
		ramp->full_to = l->full_ppm;
		ramp->begin = now;
		ramp->ns = l->ns;
		timer_cancel(e, &ramp->timer);
		ramp_fire(e, &ramp->timer, now);
	}
	emul_leave(e);
	return i ? 0 : -ENOMEM;
}

static int apply_fail(struct inject *in, const struct inject_line *l)
{
	struct emul *e = in->emul;

	guard_mutex(&e->lock);
	if (!l->on)
		return fault_add(e, &l->fault);
	fault_clear(e);
	return 0;
}

/* --- synthetic processes -------------------------------------------------------------------- */

static void change_spec(struct synthetic_spec *s, const struct inject_change *c)
{
	switch ((enum inject_spec)c->key) {
	case SPEC_MEMORY:
		s->anon = c->amount;
		break;
	case SPEC_FILE:
		s->file = c->amount;
		break;
	case SPEC_SHMEM:
		s->shmem = c->amount;
		break;
	case SPEC_SWAP:
		s->swap = c->amount;
		break;
	case SPEC_GROW:
		s->grow = c->sign == '-' ? -(int64_t)c->amount : (int64_t)c->amount;
		break;
	case SPEC_CPU:
		s->user = c->amount;
		break;
	case SPEC_SYSTEM:
		s->system = c->amount;
		break;
	case SPEC_THREADS:
		s->threads = (unsigned)c->amount;
		break;
	case SPEC_UID:
		s->uid = (uid_t)c->amount;
		break;
	case SPEC_NICE:
		s->nice = c->amount;
		break;
	}
}

/* A thread runs on one CPU at a time: as many as the demand needs, if the line does not say. */
static int change_specs(struct synthetic_spec *s, const struct inject_line *l)
{
	uint64_t needed;
	bool said = false;

	for (unsigned n = 0; n < l->n_changes; n++) {
		change_spec(s, &l->changes[n]);
		said |= l->changes[n].key == SPEC_THREADS;
	}
	needed = (s->user + s->system + PPM - 1) / PPM;
	if (needed > (said ? s->threads : SYNTHETIC_THREADS_MAX))
		return refuse(EINVAL, "%u threads cannot use %" PRIu64 " CPUs",
			      said ? s->threads : SYNTHETIC_THREADS_MAX, needed);
	if (needed > s->threads)
		s->threads = (unsigned)needed;
	return 0;
}

static int refuse_name(int r, const char *name)
{
	if (r == -EEXIST)
		return refuse(EEXIST, "there is a synthetic process %s already", name);
	if (r == -ESRCH)
		return refuse(ESRCH, "there is no synthetic process %s", name);
	if (r == -ENOSPC)
		return refuse(ENOSPC, "there are too many synthetic processes");
	return r;
}

/* Begun outside, and moved in as any process is. */
static int apply_add(struct inject *in, const struct inject_line *l)
{
	struct emul *e = in->emul;
	struct tasks *t = e->config.tasks;
	struct synthetic_spec spec = { .threads = 1, .uid = e->config.uid };
	char number[16];
	uint64_t dir;
	pid_t pid;
	int r = change_specs(&spec, l);

	if (r < 0)
		return r;
	r = tree_walk(&e->tree, l->path, &dir);
	if (r < 0)
		return refuse(-r, "there is no cgroup %s", l->path);
	r = synthetic_add(t, l->name, &spec, &pid);
	if (r < 0)
		return refuse_name(r, l->name);
	snprintf(number, sizeof number, "%d", (int)pid);
	r = tree_write(&e->tree, dir, "cgroup.procs", number);
	if (r < 0)
		synthetic_exit(t, pid);
	return r;
}

static int apply_set(struct inject *in, const struct inject_line *l)
{
	struct tasks *t = in->emul->config.tasks;
	struct synthetic_spec spec;
	pid_t pid;
	int r = synthetic_find(t, l->name, &pid);

	if (r == 0)
		r = synthetic_get(t, pid, &spec);
	if (r < 0)
		return refuse_name(r, l->name);
	r = change_specs(&spec, l);
	return r < 0 ? r : refuse_name(synthetic_set(t, pid, &spec), l->name);
}

static int fork_locked(struct emul *e, const struct inject_line *l, pid_t parent)
{
	struct member *m = member_find(e, parent, (uint64_t)parent);
	struct usage now;
	pid_t pid;
	int r = m ? emul_usage(m->cg, &now) : 0;

	if (r == 0 && m)
		r = pids_may_add(m->cg, m->last.threads);
	if (r < 0)
		return r;
	r = synthetic_fork(e->config.tasks, l->name, l->value, &pid);
	if (r < 0)
		return refuse_name(r, r == -EEXIST ? l->value : l->name);
	return members_refresh(e, true);
}

static int apply_fork(struct inject *in, const struct inject_line *l)
{
	struct emul *e = in->emul;
	pid_t parent;
	int r = synthetic_find(e->config.tasks, l->name, &parent);

	if (r < 0)
		return refuse_name(r, l->name);
	r = emul_enter(e, true);
	if (r < 0)
		return r;
	r = fork_locked(e, l, parent);
	emul_leave(e);
	return r;
}

static int apply_exit(struct inject *in, const struct inject_line *l)
{
	struct tasks *t = in->emul->config.tasks;
	pid_t pid;
	int r = synthetic_find(t, l->name, &pid);

	if (r == 0)
		r = synthetic_exit(t, pid);
	if (r < 0)
		return refuse_name(r, l->name);
	t->ops->settle(t);
	return 0;
}

/* --- the tree ------------------------------------------------------------------------------- */

/* The directory that path's last name is in. */
static int walk_parent(struct emul *e, const char *path, uint64_t *ret_dir, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *dir = strndup(path, (size_t)(slash - path));
	int r = dir ? tree_walk(&e->tree, dir, ret_dir) : -ENOMEM;

	if (r < 0)
		return refuse(-r, "there is no cgroup %s", dir ? dir : "");
	*ret_name = slash + 1;
	return 0;
}

/* As the tree's owner does it. */
static int apply_mkdir(struct inject *in, const struct inject_line *l)
{
	struct emul *e = in->emul;
	const struct caller owner = { .uid = e->config.uid, .gid = e->config.gid };
	const char *name;
	uint64_t dir;
	int r = walk_parent(e, l->path, &dir, &name);

	return r < 0 ? r : e->tree.ops->mkdir(&e->tree, &owner, dir, name, 0755);
}

static int apply_rmdir(struct inject *in, const struct inject_line *l)
{
	struct emul *e = in->emul;
	const char *name;
	uint64_t dir;
	int r = walk_parent(e, l->path, &dir, &name);

	if (r == 0)
		r = e->tree.ops->rmdir(&e->tree, &TREE_SELF, dir, name);
	return r == -ENOENT ? refuse(ENOENT, "there is no cgroup %s", l->path) : r;
}

static int apply_write(struct inject *in, const struct inject_line *l)
{
	struct emul *e = in->emul;
	const char *name;
	uint64_t dir;
	int r = walk_parent(e, l->path, &dir, &name);

	if (r == 0)
		r = tree_write(&e->tree, dir, name, l->value);
	return r == -ENOENT ? refuse(ENOENT, "there is no file %s", l->path) : r;
}

int inject_apply(struct inject *in, const struct inject_line *l)
{
	static int (*const apply[])(struct inject *in, const struct inject_line *l) = {
		[INJECT_USAGE] = apply_usage, [INJECT_IO] = apply_io,
		[INJECT_EVENT] = apply_event,
		[INJECT_PRESSURE] = apply_pressure, [INJECT_FAIL] = apply_fail,
		[INJECT_ADD] = apply_add, [INJECT_SET] = apply_set,
		[INJECT_FORK] = apply_fork, [INJECT_EXIT] = apply_exit,
		[INJECT_MKDIR] = apply_mkdir, [INJECT_RMDIR] = apply_rmdir,
		[INJECT_WRITE] = apply_write,
	};

	switch (l->verb) {
	case INJECT_NOTHING:
		return 0;
	case INJECT_ADVANCE:
		return inject_advance(in, l->ns);
	case INJECT_TIME:
		return inject_set_virtual(in, l->on);
	default:
		return apply[l->verb](in, l);
	}
}
