/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads of a program, or of a library in somebody's program, whose signals are for others. */
#ifndef CTLFS_THREAD_H
#define CTLFS_THREAD_H

#include <pthread.h>

/* pthread_create() of a thread that takes no signals. attr may be NULL. 0, or -errno with
 * *ret_thread undefined. */
int thread_start(const pthread_attr_t *attr, void *(*run)(void *data), void *data,
		 pthread_t *ret_thread);

#endif
