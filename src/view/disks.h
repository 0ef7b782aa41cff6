/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The disks that a container has used. */
#ifndef VIEW_DISKS_H
#define VIEW_DISKS_H

#include "snapshot.h"

/* From the text of io.stat, "MAJ:MIN KEY=VALUE..." each. -ENOMEM, -EIO. */
int disks_parse(const char *text, struct disks *ret_disks);

#endif
