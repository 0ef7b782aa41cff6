/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cgroup.* files. */
#include <errno.h>
#include <string.h>

#include "cgroup.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"

static int show_type(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	buf_addf(out, "%s\n", type_name(f->cg));
	return 0;
}

/* Lines of numbers as reader sees them. */
static int show_pids(struct emul_open *f, const struct caller *reader, struct pid_list *list,
		     struct buf *out)
{
	struct tasks *t = f->cg->emul->config.tasks;

	if (list->error)
		return list->error;
	if (reader->pid) {
		int r = t->ops->show(t, reader->pid, list->pids, list->n);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < list->n; i++) {
		buf_addu(out, (uint64_t)list->pids[i]);
		buf_adds(out, "\n");
	}
	return 0;
}

static void add_pid(struct pid_list *list, pid_t pid)
{
	if (list->error == 0)
		list->error = pid_list_add(list, pid);
}

/* A process is where its first thread is, which in a threaded subtree may be moved by itself. */
static void list_procs(struct cgroup *cg, struct pid_list *list)
{
	for (const struct member *m = cg->first; m; m = m->next) {
		if (!m->leader_away && thread_cgroup(m, m->pid) == cg)
			add_pid(list, m->pid);
	}
	for (const struct placed *p = cg->placed_first; p; p = p->next) {
		if (p->tid == p->process->pid && !p->process->leader_away)
			add_pid(list, p->tid);
	}
}

/* A thread root lists the processes of its whole threaded subtree. */
static int show_procs(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	struct pid_list list __attribute__((cleanup(pid_list_free))) = { 0 };
	struct cgroup *cg = f->cg;

	if (cg->threaded)
		return refuse(EOPNOTSUPP,
			      "the processes of a threaded cgroup are listed in its thread "
			      "root; see cgroup.threads");
	for (struct cgroup *at = cg; at; at = cgroup_next(at, cg)) {
		if (at != cg && (!cg->nr_threaded_children || type_domain(at) != cg))
			continue;
		list_procs(at, &list);
		dead_list(at, &list);
		if (!cg->nr_threaded_children)
			break;
	}
	return show_pids(f, reader, &list, out);
}

static int show_threads(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	struct pid_list list __attribute__((cleanup(pid_list_free))) = { 0 };
	struct emul *e = f->cg->emul;

	for (const struct member *m = f->cg->first; m; m = m->next) {
		struct pid_list tids __attribute__((cleanup(pid_list_free))) = { 0 };

		if (threads_of(e, m->pid, &tids) < 0)
			continue; /* it has just exited */
		for (size_t i = 0; i < tids.n; i++) {
			if (thread_cgroup(m, tids.pids[i]) == f->cg)
				add_pid(&list, tids.pids[i]);
		}
	}
	for (const struct placed *p = f->cg->placed_first; p; p = p->next)
		add_pid(&list, p->tid);
	return show_pids(f, reader, &list, out);
}

static int show_controllers(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	control_show(control_of(f->cg), out);
	return 0;
}

static int show_subtree(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	control_show(f->cg->subtree_control, out);
	return 0;
}

static int show_events(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	buf_addf(out, "populated %d\nfrozen %d\n", f->cg->populated, f->cg->frozen);
	return 0;
}

static void show_limit(int limit, struct buf *out)
{
	if (limit == LIMIT_MAX)
		buf_adds(out, "max\n");
	else
		buf_addf(out, "%d\n", limit);
}

static int parse_limit(char *text, int *ret_limit)
{
	int limit = LIMIT_MAX;
	int r;

	text = parse_strip(text);
	if (strcmp(text, "max")) {
		r = parse_int(text, 0, &limit);
		if (r < 0)
			return refuse(-r, "neither \"max\" nor a number of cgroups");
		if (limit < 0)
			return refuse(ERANGE, "a limit cannot be negative");
	}
	*ret_limit = limit;
	return 0;
}

static int show_max_descendants(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	show_limit(f->cg->max_descendants, out);
	return 0;
}

static int write_max_descendants(struct emul_open *f, const struct caller *who, char *text)
{
	(void)who;
	return parse_limit(text, &f->cg->max_descendants);
}

static int show_max_depth(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	show_limit(f->cg->max_depth, out);
	return 0;
}

static int write_max_depth(struct emul_open *f, const struct caller *who, char *text)
{
	(void)who;
	return parse_limit(text, &f->cg->max_depth);
}

static int show_stat(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	const struct cgroup *cg = f->cg;
	bool subsys = !emul_is(cg->emul, EMUL_6_1);

	(void)reader;
	dead_prune(cg->emul);
	buf_addf(out, "nr_descendants %u\n", cg->nr_descendants);
	for (int i = 0; subsys && i < CTRL_COUNT; i++) {
		if (emul_has(cg->emul, i))
			buf_addf(out, "nr_subsys_%s %u\n", emul_ctrl_names[i],
				 emul_controllers[i]->implicit ? cg->nr_descendants + 1 :
								 cg->nr_css[i]);
	}
	buf_addf(out, "nr_dying_descendants %u\n", cg->nr_dying);
	for (int i = 0; subsys && i < CTRL_COUNT; i++) {
		if (emul_has(cg->emul, i))
			buf_addf(out, "nr_dying_subsys_%s %u\n", emul_ctrl_names[i],
				 cg->nr_dying_css[i]);
	}
	return 0;
}

static int show_stat_local(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	buf_addf(out, "frozen_usec %llu\n", (unsigned long long)(frozen_time(f->cg) / 1000));
	return 0;
}

/* kstrtoint() of a switch: anything but 0 and 1 is out of range. */
static int parse_switch(char *text, bool *ret_on)
{
	int value;
	int r = parse_int(parse_strip(text), 0, &value);

	if (r < 0)
		return refuse(-r, "not a number");
	if (value != 0 && value != 1)
		return refuse(ERANGE, "%d is neither 0 nor 1", value);
	*ret_on = value;
	return 0;
}

static uint64_t read_freeze(struct cgroup *cg)
{
	return cg->freeze;
}

static int write_freeze(struct emul_open *f, const struct caller *who, char *text)
{
	bool on;
	int r = parse_switch(text, &on);

	(void)who;
	return r < 0 ? r : freeze_set(f->cg, on);
}

static int write_kill(struct emul_open *f, const struct caller *who, char *text)
{
	bool on;
	int r = parse_switch(text, &on);

	(void)who;
	if (r < 0)
		return r;
	if (!on)
		return refuse(ERANGE, "only 1 can be written");
	if (f->cg->threaded)
		return refuse(EOPNOTSUPP,
			      "processes are killed in a domain, not in a threaded cgroup");
	return kill_all(f->cg);
}

static uint64_t read_pressure(struct cgroup *cg)
{
	return cg->pressure;
}

static int write_pressure(struct emul_open *f, const struct caller *who, char *text)
{
	bool on;
	int r = parse_switch(text, &on);

	(void)who;
	if (r == 0)
		psi_enable(f->cg, on);
	return r;
}

/* Only ever appended to: an index is a number. */
const struct emul_file core_files[] = {
	{ "cgroup.type", 0644, ROW_NOT_ON_ROOT | EMUL_MEMBERS, show_type, type_write },
	{ "cgroup.procs", 0644, ROW_DELEGATABLE | ROW_PIDS | EMUL_MEMBERS, show_procs,
	  migrate_write_procs },
	{ "cgroup.threads", 0644, ROW_DELEGATABLE | ROW_PIDS | EMUL_MEMBERS, show_threads,
	  migrate_write_threads },
	{ "cgroup.controllers", 0444, 0, show_controllers, NULL },
	{ "cgroup.subtree_control", 0644, ROW_DELEGATABLE | EMUL_MEMBERS, show_subtree,
	  control_write },
	{ "cgroup.events", 0444, ROW_NOT_ON_ROOT | ROW_NOTIFIES | EMUL_MEMBERS, show_events, NULL },
	{ "cgroup.max.descendants", 0644, 0, show_max_descendants, write_max_descendants },
	{ "cgroup.max.depth", 0644, 0, show_max_depth, write_max_depth },
	{ "cgroup.stat", 0444, 0, show_stat, NULL },
	{ "cgroup.freeze", 0644, ROW_NOT_ON_ROOT | EMUL_MEMBERS, NULL, write_freeze,
	  .read_u64 = read_freeze },
	{ "cgroup.kill", 0200, ROW_NOT_ON_ROOT | EMUL_MEMBERS, NULL, write_kill },
	{ "cgroup.pressure", 0644, 0, NULL, write_pressure, .read_u64 = read_pressure },
	{ "cgroup.stat.local", 0444, ROW_NOT_ON_ROOT, show_stat_local, NULL,
	  .not_in = EMUL_BIT(EMUL_6_1) | EMUL_BIT(EMUL_6_12) },
	{ 0 },
};
