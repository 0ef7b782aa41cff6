/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The view itself, for its own files and for tests that bring a host of their own. */
#ifndef VIEW_INTERNAL_H
#define VIEW_INTERNAL_H

#include "ctlfs/view.h"
#include "snapshot.h"

struct containers;

struct view {
	struct source source; /* tree borrowed, host and states owned */
	struct containers *containers;
};

/* As view_new(), over a given host, which the view owns from then on (not on failure). */
int view_new_over(struct tree *tree, struct host *host, struct view **ret_view);

#endif
