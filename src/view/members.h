/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The processes of a container: those of its cgroup and of all cgroups below. */
#ifndef VIEW_MEMBERS_H
#define VIEW_MEMBERS_H

#include "snapshot.h"

/* Processes and cgroups that are looked at in one walk; what is beyond does not count. */
#define MEMBERS_MAX 32768
#define MEMBERS_CGROUPS 4096

/* threads: what they do is counted too. -ENOENT or -ENODEV if the container itself is gone. */
int members_count(const struct source *src, uint64_t container, bool threads,
		  struct tally *ret_tally);

#endif
