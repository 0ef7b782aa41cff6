/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The audit from inside: where its lines come from. */
#ifndef CTLFS_FUSE_AUDIT_H
#define CTLFS_FUSE_AUDIT_H

#include <stdint.h>

#include "ctlfs/audit.h"
#include "sink.h"

#define AUDIT_WAITING 4096

struct record;

/* Over a sink, which is taken over, also on failure. -ENOMEM, -EAGAIN. */
int audit_new_over(struct sink *sink, struct audit **ret_audit);
void audit_add(struct audit *a, struct record *r); /* takes r over; NULL: one that is lost */

struct audit_counts {
	uint64_t written, lost, waiting;
};

struct audit_counts audit_count(struct audit *a);

#endif
