/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the structure's own files share and controllers need not see: cgroups, types, members.
 * emul->lock is held in all of it unless said otherwise.
 */
#ifndef EMUL_CGROUP_H
#define EMUL_CGROUP_H

#include "emul.h"

/* --- rows.c --- */

/* A row while tables are walked: begin with zeroes. */
struct row_ref {
	const struct emul_file *row;
	unsigned slot;
	enum ctrl ctrl;
	size_t table, index; /* private: where to go on */
};

/* Finds rows by name and number from now on. -ENOMEM. */
int rows_index(struct emul *e);

/* The next row that cg could have, its controller enabled or not. */
bool rows_next(const struct cgroup *cg, struct row_ref *ref);
bool row_exists(const struct cgroup *cg, const struct row_ref *ref);
bool row_hidden(const struct cgroup *cg, const struct row_ref *ref); /* by cgroup.pressure */
/* The row of that name or number that cg has, hidden or not. */
bool rows_find_name(const struct cgroup *cg, const char *name, struct row_ref *ret_ref);
bool rows_find_slot(const struct cgroup *cg, unsigned slot, struct row_ref *ret_ref);
/* The row of a number that a removed cgroup had, or could have had. */
bool rows_find_former(const struct cgroup *cg, unsigned slot, struct row_ref *ret_ref);
/* Whether a child cgroup has the name of one of ctrl's files. */
bool rows_clash(const struct cgroup *cg, enum ctrl ctrl, const char **ret_name);

/* --- emul.c --- */

/* Takes the lock, with members brought up to date before if asked: then without the lock being held
 * while processes are looked at. Fails with the lock not held. */
int emul_enter(struct emul *e, bool members);
/* The same for reading usage: what was sampled lately will do. */
int emul_enter_usage(struct emul *e);
void emul_leave(struct emul *e);

static inline struct emul *emul_of(struct tree *t)
{
	return (struct emul *)t; /* its first member */
}

/* The cgroup of a thread by its process's tag, NULL if it is no member. */
struct cgroup *emul_locate(struct emul *e, pid_t tid);

/* --- notify.c --- */

void notices_free(struct emul *e);

/* --- dir.c --- */

struct cgroup *cgroup_child(const struct cgroup *cg, const char *name);
struct cgroup *cgroup_by_id(const struct emul *e, uint32_t id);
/* The live cgroup that node is in, and its slot there, 0 for the directory. -ENODEV. */
int cgroup_find(const struct emul *e, uint64_t node, struct cgroup **ret_cg, unsigned *ret_slot);
int cgroup_new_root(struct emul *e, struct cgroup **ret_root);
int cgroup_mkdir(struct cgroup *parent, const struct caller *who, const char *name, mode_t mode);
int cgroup_rmdir(struct cgroup *cg, const struct caller *who);
/* Likewise, or one that was removed and that the front end still knows. */
int cgroup_find_any(const struct emul *e, uint64_t node, struct cgroup **ret_cg,
		    unsigned *ret_slot);
void cgroup_forget(struct emul *e, uint64_t node);
/* What died in it is still there: once removed, it and its ancestors count as dying. */
void cgroup_pin(struct cgroup *cg);
void cgroup_unpin(struct cgroup *cg);
void cgroup_get(struct cgroup *cg);
void cgroup_put(struct cgroup *cg); /* NULL is fine */
void cgroup_free_all(struct emul *e);
bool cgroup_inside(const struct cgroup *cg, const struct cgroup *ancestor);
struct cgroup *cgroup_common(struct cgroup *a, struct cgroup *b);
/* Depth first, parents before children: the one after cg in the subtree of top, NULL at the end. */
struct cgroup *cgroup_next(struct cgroup *cg, const struct cgroup *top);

/* --- attr.c --- */

/* Fills what stat(2) tells of the directory (slot 0) or a file. */
void attr_stat(const struct cgroup *cg, unsigned slot, const struct row_ref *row,
	       struct stat *ret_stat);
int attr_set(struct cgroup *cg, unsigned slot, const struct row_ref *row, const struct stat *attr,
	     unsigned valid);
/* Forgets what was set, xattrs too, of slots [first, end). */
void node_drop(struct cgroup *cg, unsigned first, unsigned end);

/* --- xattr.c: as tree_xattr_ops --- */

int xattr_get(struct cgroup *cg, unsigned slot, const char *name, struct buf *out);
int xattr_list(const struct cgroup *cg, unsigned slot, struct buf *out);
int xattr_set(struct cgroup *cg, unsigned slot, const char *name, const struct tree_xattr *set);
void xattr_drop(struct cgroup *cg, unsigned first, unsigned end); /* of slots [first, end) */

/* --- file.c --- */

int file_open(struct emul *e, const struct caller *who, uint64_t node, int flags,
	      struct tree_file **ret_file);

/* --- opener.c --- */

/* Fills what f keeps of who opens it with flags; opener_exit() also after a failure. */
int opener_init(struct emul_open *f, const struct caller *who, int flags);
void opener_exit(struct emul_open *f);
/* By the mode of another file than f; uid 0 may do anything. */
bool opener_may_write(const struct emul_open *f, const struct stat *st);
/* What a cgroup namespace forbids: writing to its root's own limits (-EPERM), and moving across its
 * border (-ENOENT). */
int opener_check_file(const struct emul_open *f);
int opener_check_move(const struct emul_open *f, const struct cgroup *from,
		      const struct cgroup *to);
void namespaces_free(struct emul *e);

/* --- control.c --- */

/* The controllers cg has: bits of enum ctrl. */
uint16_t control_of(const struct cgroup *cg);
void control_show(uint16_t mask, struct buf *out);
void control_exit(struct cgroup *cg); /* a removed one's */
/* One that is being removed, or is now forgotten (by is 1, -1), in cgroup.stat of those above. */
void control_dying(struct cgroup *cg, int by);
/* Makes the state of cg alone agree with control_of(). -EEXIST, -ENOMEM with nothing changed. */
int control_apply(struct cgroup *cg, const struct caller *who);
int control_write(struct emul_open *f, const struct caller *who, char *text);

/* --- type.c --- */

bool type_is_threaded(const struct cgroup *cg);
bool type_is_thread_root(const struct cgroup *cg);
bool type_can_be_thread_root(const struct cgroup *cg);
bool type_is_valid_domain(const struct cgroup *cg);
struct cgroup *type_domain(const struct cgroup *cg); /* its thread root, or itself */
const char *type_name(const struct cgroup *cg);
int type_write(struct emul_open *f, const struct caller *who, char *text);

static inline bool cgroup_has_tasks(const struct cgroup *cg)
{
	return cg->first || cg->placed_first;
}

/* --- members.c --- */

/* A process that carries the tag of a live cgroup. */
struct member {
	pid_t pid;
	uint64_t start; /* task_info.start */
	struct cgroup *cg; /* whose tag it carries */
	struct member *next, *prev; /* in cg->first .. last */
	UT_hash_handle hh; /* emul->members */
	uint64_t scan; /* the last one that saw it */
	uint64_t sample; /* the last one it was part of */
	struct task_sample last; /* already in usage of cg and its ancestors */
	unsigned n_placed; /* of its threads that are in other cgroups */
	bool leader_away; /* its first thread is dead and was left in another cgroup, or outside */
	bool watched; /* the task source tells when it exits */
	bool spared; /* emul_spare() */
	bool stopped; /* kept stopped: by us, or it was found so */
	bool cont; /* by us: to be continued when nothing keeps it stopped */
	bool due; /* ... once its parent has stopped: hold.c */
	unsigned children_kept; /* stopped by us, and continued before it */
	struct member *kept_before; /* the parent that counts it among those; NULL: none does */
	uint64_t *cpus; /* affinity.c: what was asked for last, NULL: all */
	struct cgroup *held_by[HOLDS]; /* whose limit keeps it stopped; NULL: none does */
	uint64_t ran_ns; /* CPU time that was charged to quotas */
	uint64_t ran_little, ran_at; /* since it last ran for a while, and when that was */
	uint64_t grew_at; /* when a sample last saw more memory */
	pid_t parent; /* as last sampled, 0: not known */
	bool reaps; /* what it waits for are members only */
	uint64_t child_base; /* CPU time of children that it had waited for when it came */
	uint64_t seen_below; /* ... that was counted for those of its children that are gone */
	uint64_t reaped_ns; /* ... that nobody had seen, and was counted when it waited for them */
	bool oom_killed; /* for want of memory, at oom_at */
	bool oom_refused; /* it could not be killed */
	uint64_t oom_at;
	uint64_t killed; /* the round of cgroup.kill that has signalled it */
};

/* Is not (yet) stopped by a freeze. */
static inline bool member_runs(const struct member *m)
{
	return !m->stopped || m->due;
}

/* Processes found by a scan. */
struct found {
	struct found_task {
		pid_t pid;
		uint64_t start, tag;
		bool exited;
	} *tasks;
	size_t n, cap;
};

/* Whether processes may have come or gone that nobody told us of since births was that. */
bool members_stale(const struct emul *e, uint64_t births);
/* Without the lock, too: fills found. */
int members_scan(const struct emul *e, struct found *found);
void found_free(struct found *found);
/* Makes members what a scan found after births was read. False if that must wait for another scan:
 * some seem gone, but processes were born meanwhile that may be theirs; force ends the waiting. */
bool members_apply(struct emul *e, const struct found *found, uint64_t births, bool force);
/* With the lock: scans if stale. exact: until no process is born during a scan (bounded), so that
 * none that was there throughout, or took over from one that was, is missed. */
int members_refresh(struct emul *e, bool exact);

struct member *member_find(const struct emul *e, pid_t pid, uint64_t start);
struct member *member_numbered(const struct emul *e, pid_t pid); /* whenever it was started */
/* Every member of cg and of its descendants; visit may remove the one it is given. */
int members_each(struct cgroup *cg, int (*visit)(struct member *m, void *data), void *data);
/* A process that now carries cg's tag; base is what it used before, NULL: nothing. */
int member_add(struct cgroup *cg, pid_t pid, uint64_t start, const struct task_sample *base);
void member_move(struct member *m, struct cgroup *to);
void member_remove(struct member *m);
void members_free(struct emul *e);
void members_on_exit(void *data, pid_t pid, uint64_t start); /* without the lock */

/* Counts tasks in or out of cg and its ancestors, and tells of cgroup.events that changed. */
void tasks_count(struct cgroup *cg, int tasks, int running);
/* populated and frozen of cg and its ancestors, after counts or freezes changed. */
void events_update(struct cgroup *cg);

/* --- usage.c --- */

void usage_sample(
	struct member *m); /* once in an operation; a process that is gone keeps its last */
void usage_join(struct member *m, struct cgroup *cg); /* what it uses now counts in cg */
void usage_leave(struct member *m, struct cgroup *cg); /* ... no more; CPU time stays */
void usage_threads(struct cgroup *cg, int threads); /* threads placed in or out */
void usage_add(struct cgroup *cg, const struct usage *d); /* to cg and its ancestors */

/* --- reaped.c --- */

/* m comes, with base as for member_add(); m goes. */
void reaped_join(struct member *m, const struct task_sample *base);
void reaped_leave(struct member *m);
/* Adds to d what children that m waited for had used without being seen; how much that is. */
uint64_t reaped_sample(struct member *m, const struct task_sample *s, struct usage *d);

/* --- threads.c --- */

/* A thread whose cgroup is not its process's. */
struct placed {
	pid_t tid;
	struct member *process;
	struct cgroup *cg;
	uint64_t *cpus; /* as a member's */
	struct placed *next, *prev; /* in cg->placed_first .. placed_last */
	UT_hash_handle hh; /* emul->placed */
};

struct pid_list {
	pid_t *pids;
	size_t n, cap;
	int error;
};

int pid_list_add(struct pid_list *list, pid_t pid);
void pid_list_free(struct pid_list *list);
/* Live threads of a process. */
int threads_of(const struct emul *e, pid_t pid, struct pid_list *list);

struct cgroup *thread_cgroup(const struct member *m, pid_t tid);
int thread_place(struct member *m, pid_t tid, struct cgroup *cg);
void process_move(struct member *m, struct cgroup *to); /* its threads elsewhere stay there */
void threads_drop(struct member *m); /* all its threads are with the process again */
void threads_prune(struct emul *e); /* forgets threads that have ended */

/* --- dead.c --- */

/* Where a process ended, or its first thread did and was left; NULL: it is not known. */
struct cgroup *dead_cgroup(const struct emul *e, pid_t pid, uint64_t start);
void dead_prune(struct emul *e); /* those that were reaped */
void dead_free(struct emul *e);
/* m is about to move: its first thread stays if it is dead. */
void dead_leave(struct member *m);
void dead_add(struct cgroup *cg, pid_t pid, uint64_t start); /* a zombie that was found */
void dead_note(struct member *m); /* m is about to be removed: it may be a zombie */
void dead_list(const struct cgroup *cg, struct pid_list *list); /* first threads that were left */

/* --- migrate.c --- */

int migrate_write_procs(struct emul_open *f, const struct caller *who, char *text);
int migrate_write_threads(struct emul_open *f, const struct caller *who, char *text);

/* --- signal.c: freeze and kill --- */

int freeze_set(struct cgroup *cg, bool freeze);
uint64_t frozen_time(const struct cgroup *cg); /* ns: how long it was to be frozen so far */
void freeze_member(struct member *m); /* stops or continues it as its cgroup demands */
void freeze_again(struct member *m); /* somebody else has continued it */

/* --- hold.c --- */

int member_signal(const struct member *m, int sig);
/* Once, whoever asks; one found stopped is left so later. It may be due only when this returns. */
int member_stop(struct member *m);
void member_cont(struct member *m); /* if we have stopped it and nothing keeps it so */
/* Keeps m stopped for by's limit. False: it is stopped anyway, or must not be. */
bool member_hold(struct member *m, enum hold why, struct cgroup *by);
void member_release(struct member *m, enum hold why);
/* Those below by that are held stall from now until they are released, and fully so if nobody else
 * below it has run since then. */
void members_stall(struct cgroup *by, enum hold why, uint64_t since);
void member_gone(struct member *m); /* it is about to be removed */
void member_let_go(struct member *m); /* whatever keeps it: the emulator ends */
void members_release(struct cgroup *by, enum hold why); /* all that by holds */
void member_left(struct member *m); /* its cgroup's limits hold it no more */
void stops_look(struct emul *e); /* if any are due: stops those whose parents have stopped by now */

/* --- bandwidth.c --- */

/* m's CPU time so far is total: what is new is charged to the quotas above it. */
void bandwidth_ran(struct member *m, uint64_t total_ns);
void bandwidth_charge(struct member *m, uint64_t ran_ns); /* so much more */
int kill_all(struct cgroup *cg);

#endif
