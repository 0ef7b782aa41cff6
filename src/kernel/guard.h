/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may do what: the one place that decides, beside the kernel. */
#ifndef CTLFS_KERNEL_GUARD_H
#define CTLFS_KERNEL_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "ctlfs/tree.h"

struct kernel;
struct rule;
struct task;

enum root { ROOT_UNKNOWN, ROOT_NO, ROOT_YES };

/* Somebody who asks, with what bounds him at that moment. */
struct party {
	pid_t pid;
	uid_t uid;
	bool host; /* no container: his own rights are all that bounds him */
	uint64_t container;
	enum root root; /* of the container; found out when it matters */
};

/* What is asked for. Writing a file is asked twice, when it is opened and for each write. */
enum act { ACT_READ, ACT_OPEN, ACT_WRITE, ACT_ATTR, ACT_ENTRY };

/* A directory, or the file called name in it. */
struct target {
	uint64_t dir;
	const char *name; /* NULL: the directory itself, or its entries */
};

int guard_init(struct kernel *k); /* -ENOMEM, -errno of /proc */
void guard_free(struct kernel *k);

/* Who who is. -EACCES if his container is not known, -EINTR if he is gone; the reason is noted. */
int guard_party(struct kernel *k, const struct caller *who, struct party *ret_party);

/*
 * May he? 0, or -errno with the reason noted. *ret_rule, unless it is NULL, becomes the rule by
 * which the daemon does it with its own rights, or NULL if his own rights decide.
 */
int guard_allows(struct kernel *k, struct party *p, const struct target *t, enum act act,
		 const struct rule **ret_rule);
/* guard_party() and guard_allows() of what no rule gives. */
int guard_check(struct kernel *k, const struct caller *who, const struct target *t, enum act act);
/* The same about a node, of either kind. */
int guard_node(struct kernel *k, const struct caller *who, uint64_t node, enum act act);

/* May he move the task away from where it is? */
int guard_move(struct kernel *k, const struct party *p, const struct task *task);

/* The bits of the mode of file name in dir that are shown without being there, since a rule gives
 * the file to a container's root and the front end asks the mode first. */
mode_t guard_shown(struct kernel *k, uint64_t dir, const char *name);

#endif
