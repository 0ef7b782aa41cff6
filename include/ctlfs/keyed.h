/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Flat-keyed text: lines "KEY VALUE" as memory.stat, cpu.stat and cgroup.events have them, and
 * lines "Key:   VALUE kB" as /proc/meminfo has them. */
#ifndef CTLFS_KEYED_H
#define CTLFS_KEYED_H

#include <stddef.h>
#include <stdint.h>

/* One key to look for and where its value goes. */
struct keyed {
	const char *key; /* with the colon where the file has one */
	uint64_t *value; /* untouched if the key is absent */
};

/* One pass over text for all of keys[n]; returns how many were found. */
size_t keyed_read(const char *text, const struct keyed *keys, size_t n);

#endif
