/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may do what. The caller's container must be the target or its ancestor. On the container's
 * own top cgroup the policy decides, which by default is what the kernel has for the root of a
 * cgroup namespace: no more than the files that it calls delegatable. Then, unless a rule gives him
 * the file, his own rights decide, which the kernel is asked with (deputy.c).
 *
 * Who lives in our own pid namespace is on the host, and bounded by his own rights only, unless he
 * lives in another cgroup namespace than ours: its root is his container. Everybody else's is found
 * as for the views, by where the init of his pid namespace is; where the container has a cgroup
 * namespace of its own, its root is the container also when the init has moved down from there, as
 * it has to before it can enable controllers. Nothing is remembered but cgroups, which never move.
 */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/container.h"
#include "ctlfs/host.h"
#include "ctlfs/parse.h"
#include "ctlfs/pidns.h"
#include "ctlfs/userns.h"
#include "ctlfs/why.h"
#include "deputy.h"
#include "internal.h"
#include "policy.h"
#include "task.h"

#define DELEGATABLE "/sys/kernel/cgroup/delegate"

int guard_init(struct kernel *k)
{
	int r = pidns_id(getpid(), &k->pid_ns);

	if (r == 0 && !k->policy)
		r = policy_new(false, &k->policy);
	if (r == 0)
		r = host_new(&k->host);
	if (r == 0)
		r = containers_new(&k->tree, k->host, &k->containers);
	if (r < 0)
		return r;
	if (buf_readat(&k->delegatable, AT_FDCWD, DELEGATABLE, 1u << 16) < 0)
		buf_adds(&k->delegatable, "cgroup.procs\ncgroup.threads\ncgroup.subtree_control\n"
					  "memory.oom.group\nmemory.reclaim\n");
	return buf_error(&k->delegatable);
}

void guard_free(struct kernel *k)
{
	containers_free(k->containers);
	host_free(k->host);
	policy_free(k->policy);
	buf_free(&k->delegatable);
}

static bool is_delegatable(struct kernel *k, const char *name)
{
	return parse_has_word(buf_text(&k->delegatable), name, "\n");
}

/* --- parties --- */

/* Is pid's cgroup namespace that of the pid namespace around its own? If nobody can tell, it is. */
static bool shares_cgroup_ns(pid_t pid)
{
	pid_t init;
	int r = pidns_parent_init(pid, &init);

	/* Around it is ours, and the cgroup namespace another. */
	if (r == -ENOENT)
		return false;
	return r < 0 || deputy_same_cgroup_ns(pid, init) != 0;
}

/* The container of who lives in pid and cgroup namespaces that are not ours. */
static int find_by_namespaces(struct kernel *k, pid_t pid, uint64_t *ret_container)
{
	uint64_t by_init, root;
	int r = containers_find(k->containers, pid, &by_init);

	if (r < 0)
		return r;
	*ret_container = by_init;
	r = locate_ns_root(k, pid, &root);
	if (r < 0) /* he has been moved out of it */
		return r == -ENOENT ? 0 : r;
	r = node_inside(k, root, by_init);
	if (r == 0 && !shares_cgroup_ns(pid))
		r = node_inside(k, by_init, root);
	if (r > 0)
		*ret_container = root;
	return r < 0 ? r : 0;
}

static int find_container(struct kernel *k, pid_t pid, struct party *party)
{
	uint64_t ns;
	int same = deputy_same_cgroup_ns(pid, 0);
	int r = pidns_id(pid, &ns);

	if (r == 0 && same < 0)
		r = same;
	if (r < 0)
		return r;
	party->host = same && ns == k->pid_ns;
	if (party->host)
		return 0;
	if (same)
		return containers_find(k->containers, pid, &party->container);
	if (ns == k->pid_ns)
		return locate_ns_root(k, pid, &party->container);
	return find_by_namespaces(k, pid, &party->container);
}

int guard_party(struct kernel *k, const struct caller *who, struct party *ret_party)
{
	struct party party = { .pid = who->pid, .uid = who->uid, .host = who == &TREE_SELF };
	int r = 0;

	if (!party.host && who->pid <= 0)
		return refuse(EACCES, "the calling process is in a pid namespace that is not seen "
				      "from here, so its container is not known");
	if (!party.host)
		r = find_container(k, who->pid, &party);
	if (r == -ESRCH)
		return refuse(EINTR, "the calling process %d is gone", who->pid);
	if (r == -ENOENT)
		return refuse(EACCES, "the container of process %d lies outside this tree",
			      who->pid);
	if (r < 0 && r != -ENOMEM)
		return refuse(EACCES, "the container of process %d cannot be found: %s", who->pid,
			      strerrordesc_np(-r));
	if (r == 0)
		*ret_party = party;
	return r;
}

static bool is_root(struct party *p)
{
	uid_t root;

	if (p->root == ROOT_UNKNOWN)
		p->root = userns_root(p->pid, &root) == 0 && p->uid == root ? ROOT_YES : ROOT_NO;
	return p->root == ROOT_YES;
}

/* --- decisions --- */

/* The rule about file name of directory dir. */
static int find_rule(struct kernel *k, uint64_t dir, const char *name, const struct rule **ret_rule)
{
	cleanup_buf struct buf path = { 0 };
	int r = node_full_path(k, dir, &path);

	if (r == 0)
		*ret_rule = policy_find(k->policy, buf_text(&path), name);
	return r;
}

static int refuse_rule(const struct rule *rule, int errnum, const char *name, const char *what)
{
	if (rule)
		return refuse(errnum, "the container %s %s of its own top cgroup: %s", what, name,
			      rule->where);
	return refuse(errnum, "a container does not write %s of its own top cgroup: no policy "
			      "allows it", name);
}

/* About a file of his own top cgroup. */
static int decide(struct kernel *k, struct party *p, const struct target *t, enum act act,
		  const struct rule **ret_rule)
{
	const struct rule *rule = NULL;
	bool delegatable = is_delegatable(k, t->name);
	enum verb verb;
	int r = find_rule(k, t->dir, t->name, &rule);

	if (r < 0)
		return r;
	verb = policy_verb(k->policy, rule, t->name, delegatable);
	if (verb == VERB_DENY)
		return refuse_rule(rule, EACCES, t->name, "may not touch");
	if (act == ACT_READ || verb == VERB_OWN)
		return 0;
	if (act == ACT_ATTR)
		return delegatable ? 0 : refuse(EPERM, "attributes of %s of a container's top "
						       "cgroup are the host's", t->name);
	if (verb == VERB_READONLY)
		return act == ACT_OPEN ? 0 : refuse_rule(rule, EPERM, t->name, "may not write");
	if (is_root(p))
		*ret_rule = rule;
	else if (act == ACT_WRITE)
		return refuse(EPERM, "only root of the container may write %s of its top cgroup",
			      t->name);
	return 0;
}

int guard_allows(struct kernel *k, struct party *p, const struct target *t, enum act act,
		 const struct rule **ret_rule)
{
	const struct rule *rule = NULL;
	int inside = p->host ? 1 : node_inside(k, t->dir, p->container);
	int r = 0;

	if (inside < 0)
		return inside;
	if (!inside)
		return refuse(EACCES, "the cgroup lies outside the caller's container");
	if (!p->host && t->dir == p->container && t->name)
		r = decide(k, p, t, act, &rule);
	if (r == 0 && ret_rule)
		*ret_rule = rule;
	return r;
}

int guard_check(struct kernel *k, const struct caller *who, const struct target *t, enum act act)
{
	struct party party;
	int r = guard_party(k, who, &party);

	return r < 0 ? r : guard_allows(k, &party, t, act, NULL);
}

int guard_node(struct kernel *k, const struct caller *who, uint64_t node, enum act act)
{
	struct target target = { .dir = node };
	cleanup_place struct place place = { 0 };
	struct party party;
	int r = guard_party(k, who, &party);

	/* On the host also what was removed and is still open, which has no place. */
	if (r < 0 || party.host)
		return r;
	if (node != TREE_ROOT)
		r = node_place(k, node, &place);
	if (r < 0)
		return r;
	if (node != TREE_ROOT && !place.is_dir)
		target = (struct target){ place.dir, place.name };
	return guard_allows(k, &party, &target, act, NULL);
}

int guard_move(struct kernel *k, const struct party *p, const struct task *task)
{
	uint64_t from;
	int inside = 0;
	int r;

	if (p->host)
		return 0;
	r = task_cgroup(k, task, &from);
	if (r == -ESRCH) /* the kernel says so, unless others come first */
		return 0;
	if (r == 0)
		inside = node_inside(k, from, p->container);
	if (r == -ENOENT || (r == 0 && inside <= 0))
		return refuse(ENOENT, "the process is not in the container of who moves it");
	return r;
}

mode_t guard_shown(struct kernel *k, uint64_t dir, const char *name)
{
	const struct rule *rule = NULL;
	enum verb verb;

	/* A hierarchy of v1 has no policy: nobody but the daemon reads it. */
	if (!k->policy || !policy_gives(k->policy, name) || find_rule(k, dir, name, &rule) < 0)
		return 0;
	verb = policy_verb(k->policy, rule, name, true);
	return verb == VERB_ALLOW || verb == VERB_CEILING ? S_IWUSR | S_IWGRP | S_IWOTH : 0;
}
