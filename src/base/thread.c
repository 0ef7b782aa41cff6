/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting threads that take no signals. */
#include "ctlfs/thread.h"

#include <signal.h>

int thread_start(const pthread_attr_t *attr, void *(*run)(void *data), void *data,
		 pthread_t *ret_thread)
{
	sigset_t all, before;
	int r;

	sigfillset(&all); /* inherited from whoever starts it */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(ret_thread, attr, run, data);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}
