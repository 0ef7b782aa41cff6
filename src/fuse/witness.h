/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes the record of an operation while its caller waits for the answer. */
#ifndef CTLFS_FUSE_WITNESS_H
#define CTLFS_FUSE_WITNESS_H

#include <stddef.h>
#include <stdint.h>

#include "record.h"

struct caller;
struct server;
struct tree;

/* What somebody asked for. */
struct attempt {
	const char *op; /* static */
	uint64_t node; /* FUSE's number */
	const char *name; /* an entry of it, or NULL */
	const void *text; /* what was to be written, NULL: nothing */
	size_t len;
};

/* Who asked for what, now; errnum 0 and why empty. To be freed; NULL without memory. */
struct record *witness(struct server *s, const struct caller *caller, const struct attempt *a);

/* The numbers of dir and its ancestors, the root's first: of more than fit, those at the top. Of
 * what is gone the root's alone. */
void lineage_of(struct tree *t, uint64_t dir, struct lineage *who);

#endif
