/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cleanup attributes and ownership transfer: what a function took it gives back on every path. */
#ifndef CTLFS_CLEANUP_H
#define CTLFS_CLEANUP_H

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_p(void *p)
{
	free(*(void **)p);
}

/* Closes *fd unless negative; errno is kept, so that it may run on an error path. */
static inline void cleanup_close_p(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose_p(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_closedir_p(DIR **d)
{
	if (*d)
		closedir(*d);
}

static inline void cleanup_unlock_p(pthread_mutex_t **m)
{
	if (*m)
		pthread_mutex_unlock(*m);
}

static inline pthread_mutex_t *cleanup_lock(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	return m;
}

#define cleanup_free __attribute__((cleanup(cleanup_free_p)))
#define cleanup_close __attribute__((cleanup(cleanup_close_p)))
#define cleanup_fclose __attribute__((cleanup(cleanup_fclose_p)))
#define cleanup_closedir __attribute__((cleanup(cleanup_closedir_p)))
/* guard_mutex(m): holds m to the end of the block. */
#define guard_mutex(m) \
	__attribute__((cleanup(cleanup_unlock_p), unused)) pthread_mutex_t *guard_ = cleanup_lock(m)

/* Gives ownership away: returns *fd and leaves -1 behind. */
static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

/* Gives ownership away: the value of pointer p, which becomes NULL. */
#define steal_ptr(p)                          \
	({                                    \
		__auto_type stolen_ = *(p);   \
		*(p) = NULL;                  \
		stolen_;                      \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
