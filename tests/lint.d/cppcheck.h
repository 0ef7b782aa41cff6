/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Included by cppcheck ahead of each source: what the loops of uthash and utlist, whose headers it
 * does not read, do to their variables.
 */
#ifndef CTLFS_LINT_CPPCHECK_H
#define CTLFS_LINT_CPPCHECK_H

void *some_entry(const void *after);

#define HASH_ITER(hh, head, el, tmp)                                      \
	for ((el) = (head), (tmp) = some_entry(el); (el) != NULL;         \
	     (el) = (tmp), (tmp) = some_entry(el))
#define DL_FOREACH(head, el) \
	for ((el) = (head); (el) != NULL; (el) = some_entry(el))
#define DL_FOREACH_SAFE(head, el, tmp) HASH_ITER(hh, head, el, tmp)

#endif
