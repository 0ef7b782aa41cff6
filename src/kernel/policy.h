/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules from inside: how they are made, found and kept. */
#ifndef CTLFS_KERNEL_POLICY_H
#define CTLFS_KERNEL_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "ctlfs/buf.h"
#include "ctlfs/policy.h"

enum verb {
	VERB_OWN, /* whatever the writer has a right to */
	VERB_ALLOW, /* the container's root writes it with the daemon's rights */
	VERB_CEILING, /* the same, up to rule.ceiling */
	VERB_READONLY,
	VERB_DENY
};

struct rule {
	char *cgroup; /* fnmatch() with FNM_PATHNAME */
	char *file; /* a name, or "*" */
	enum verb verb;
	uint64_t ceiling; /* in the unit of the file: see policy.c */
	char *where; /* "FILE:LINE" */
};

/* Adds file = verb, or file <= ceiling if verb is NULL, of the cgroups that match the pattern.
 * -EINVAL with the reason noted; -ENOMEM. */
int policy_add(struct policy *p, const struct rule *at, const char *verb, const char *ceiling);

/* Is there a rule with exactly this file among those from number first on? */
bool policy_repeats(const struct policy *p, size_t first, const char *file);

/* The rule about file of the cgroup at path; NULL if there is none. */
const struct rule *policy_find(const struct policy *p, const char *path, const char *file);
/* Is there a rule, about whatever cgroup, by which file is written with the daemon's rights? */
bool policy_gives(const struct policy *p, const char *file);
/* What a rule, or NULL for none, means for file; delegatable: as the kernel has it. */
enum verb policy_verb(const struct policy *p, const struct rule *rule, const char *file,
		      bool delegatable);

/*
 * What to write instead of text, so that the file gets a value that was compared with the rule's
 * ceiling and no other: appended to out. now is what the file reads. text may be changed. -EPERM if
 * it is more, -EINVAL and -ERANGE as the kernel's parser has it; the reason is noted.
 */
int ceiling_apply(const struct rule *rule, const char *now, char *text, struct buf *out);

#endif
