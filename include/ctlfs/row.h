/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is known of an interface file by its name alone: one row per file. */
#ifndef CTLFS_ROW_H
#define CTLFS_ROW_H

#include <sys/types.h>

enum row_flags {
	ROW_NOT_ON_ROOT = 1, /* CFTYPE_NOT_ON_ROOT */
	ROW_ONLY_ON_ROOT = 2, /* CFTYPE_ONLY_ON_ROOT */
	ROW_DELEGATABLE = 4, /* CFTYPE_NS_DELEGATABLE: written inside a cgroup namespace's root */
	ROW_NOTIFIES = 8, /* changes wake poll() and inotify */
	ROW_PIDS = 16, /* its text is pids, in the reader's pid namespace */
	ROW_PRESSURE = 32, /* hidden while cgroup.pressure is 0; takes triggers */
};

#endif
