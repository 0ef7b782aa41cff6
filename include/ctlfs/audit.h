/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The audit: a line for everything that was changed through the mount, by whom. Lines wait in a
 * bounded queue and are written by a thread, so that no request waits for a disk or a log daemon.
 * What cannot be written is tried again each second while the queue has room; what finds no room is
 * counted, told in the log, and told in the audit by a line of its own once that can be written
 * again. An operation that was done stays done.
 */
#ifndef CTLFS_AUDIT_H
#define CTLFS_AUDIT_H

struct audit;

/* target is "syslog", "journal" (systemd's; needs libsystemd), or the absolute path of a regular
 * file, which is made, appended to, and opened anew when it was renamed or removed. 0, or -errno
 * with the reason noted (why.h). */
int audit_new(const char *target, struct audit **ret_audit);

/* Writes what waits, for a few seconds at most. NULL is fine. */
void audit_free(struct audit *a);

#endif
