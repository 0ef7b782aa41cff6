/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * readers FILE N [THREADS]: opens FILE, reads it to the end and closes it, N times in each thread,
 * and prints how long one such round takes, as one line of JSON. Exit 1 where a read failed or
 * found no text.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctlfs/clock.h"

#define THREADS_MAX 64

struct reader {
	pthread_t thread;
	const char *path;
	pthread_barrier_t *start;
	size_t n;
	uint64_t *took_ns; /* n of them */
	uint64_t started_ns, ended_ns;
	size_t bytes; /* of the last text */
	int error;
};

/* One round: bytes read, or -errno; -ENODATA for an empty file. */
static ssize_t read_once(const char *path)
{
	static __thread char text[1 << 17];
	ssize_t total = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while ((got = read(fd, text, sizeof text)) > 0)
		total += got;
	if (got < 0)
		total = -errno;
	else if (total == 0)
		total = -ENODATA;
	close(fd);
	return total;
}

/* The first round fills dentries and is not counted. */
static void *reader_main(void *data)
{
	struct reader *r = data;
	ssize_t got = read_once(r->path);

	pthread_barrier_wait(r->start);
	r->started_ns = monotonic_ns();
	for (size_t i = 0; i < r->n && got > 0; i++) {
		uint64_t from = monotonic_ns();

		got = read_once(r->path);
		r->took_ns[i] = monotonic_ns() - from;
	}
	r->ended_ns = monotonic_ns();
	if (got < 0)
		r->error = (int)-got;
	else
		r->bytes = (size_t)got;
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void report(const struct reader *r, size_t threads, uint64_t *took_ns)
{
	size_t n = r->n * threads;
	uint64_t from = r->started_ns;
	uint64_t to = r->ended_ns;

	for (size_t i = 1; i < threads; i++) {
		from = r[i].started_ns < from ? r[i].started_ns : from;
		to = r[i].ended_ns > to ? r[i].ended_ns : to;
	}
	qsort(took_ns, n, sizeof *took_ns, by_value);
	printf("{\"file\": \"%s\", \"threads\": %zu, \"n\": %zu, \"bytes\": %zu, "
	       "\"p50_us\": %.2f, \"p99_us\": %.2f, \"ops_s\": %.0f}\n",
	       r->path, threads, n, r->bytes, (double)took_ns[n / 2] / 1e3,
	       (double)took_ns[n * 99 / 100] / 1e3, (double)n * 1e9 / (double)(to - from));
}

static int measure(const char *path, size_t n, size_t threads)
{
	struct reader readers[THREADS_MAX] = { 0 };
	uint64_t *took_ns = calloc(n * threads, sizeof *took_ns);
	pthread_barrier_t start;
	int error = 0;

	if (!took_ns)
		return ENOMEM;
	pthread_barrier_init(&start, NULL, (unsigned)threads);
	for (size_t i = 0; i < threads; i++) {
		readers[i] = (struct reader){ .path = path, .start = &start, .n = n,
					      .took_ns = took_ns + i * n };
		/* Those already started wait for ever at the barrier: nothing to clean up. */
		error = pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]);
		if (error) {
			fprintf(stderr, "readers: a thread: %s\n", strerror(error));
			_exit(EXIT_FAILURE);
		}
	}
	for (size_t i = 0; i < threads; i++) {
		pthread_join(readers[i].thread, NULL);
		if (readers[i].error)
			error = readers[i].error;
	}
	if (!error)
		report(readers, threads, took_ns);
	pthread_barrier_destroy(&start);
	free(took_ns);
	return error;
}

int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : 0;
	long threads = argc > 3 ? atol(argv[3]) : 1;
	int error;

	if (argc < 3 || argc > 4 || n < 1 || n > 10000000 || threads < 1 || threads > THREADS_MAX) {
		fprintf(stderr, "usage: readers FILE N [THREADS]\n");
		return 2;
	}
	error = measure(argv[1], (size_t)n, (size_t)threads);
	if (error)
		fprintf(stderr, "readers: %s: %s\n", argv[1],
			error == ENODATA ? "no text" : strerror(error));
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
