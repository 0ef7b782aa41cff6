/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why an operation was refused, in words. Whoever refuses says so on the spot:
 *     return refuse(EBUSY, "the cgroup has %u processes (no internal processes rule)", n);
 * The text waits in a buffer of the thread until the front end that answers the request takes it.
 */
#ifndef CTLFS_WHY_H
#define CTLFS_WHY_H

#include <stddef.h>

/* Notes the reason and returns -errnum. The last reason of a request wins. */
int refuse(int errnum, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The reason noted by this thread since the last take, "" if none; valid until the next refuse().
 */
const char *why_take(void);

#endif
