/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What runtimes allow, for `ctlfs binds`. */
#ifndef CTLFS_CMD_RECIPE_H
#define CTLFS_CMD_RECIPE_H

#include <stdbool.h>

/* Whether runc starts a container with a mount at target ("proc/stat", below the root). */
bool recipe_runc_allows(const char *target);

#endif
