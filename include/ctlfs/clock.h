/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The monotonic clock. */
#ifndef CTLFS_CLOCK_H
#define CTLFS_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

#endif
