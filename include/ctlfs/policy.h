/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What containers may do to their own top cgroup: rules that the host's administrator writes into
 * /etc/ctlfs/ctlfs.conf and /etc/ctlfs/conf.d/NAME.conf.
 *
 *     [/lxc.payload.*]              a pattern of cgroup paths; no * or ? stands for a slash
 *     memory.max <= 2G              its root may write it, up to a ceiling
 *     cpuset.cpus = allow           its root may write it
 *     cgroup.procs = readonly       nobody in it may write it
 *     memory.pressure = deny        nor read it
 *     * = readonly                  every file
 *
 * The last rule that is about a cgroup and a file counts: later lines, sections and files win. What
 * no rule is about is as where a cgroup namespace begins: files that the kernel calls delegatable
 * take whatever the writer has a right to, the others are read-only.
 */
#ifndef CTLFS_POLICY_H
#define CTLFS_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#define POLICY_FILE "/etc/ctlfs/ctlfs.conf"
#define POLICY_DIR "/etc/ctlfs/conf.d"

struct policy;

/* Without rules. own: what no rule is about takes whatever the writer has a right to, for a tree
 * whose containers belong to whoever serves it. -ENOMEM. */
int policy_new(bool own, struct policy **ret_policy);
void policy_free(struct policy *p); /* NULL is fine */

/* Is told each error, as "FILE:LINE: what is wrong" or "FILE: ...". */
typedef void policy_tell(void *data, const char *text);

/* Adds the rules of a file, or of POLICY_FILE and then, by name, those of POLICY_DIR, if they are
 * there, for path NULL. -EINVAL if there were errors, which have been told; -EOPNOTSUPP, also told,
 * if there is something to read and ctlfs was built without libinih; -ENOMEM. */
int policy_read(struct policy *p, const char *path, policy_tell *tell, void *data);
size_t policy_count(const struct policy *p); /* rules */

#endif
