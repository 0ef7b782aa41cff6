/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One growable text buffer. Renderers append to it and never see offsets or sizes.
 * Running out of memory is remembered: later appends do nothing and buf_error() says -ENOMEM, so
 * that a renderer need not check each line.
 */
#ifndef CTLFS_BUF_H
#define CTLFS_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* NUL-terminated once anything was appended, else NULL */
	size_t len; /* without the NUL */
	size_t cap;
	bool failed;
};

void buf_free(struct buf *b); /* leaves an empty, usable buffer */
void buf_reset(struct buf *b); /* empty, memory kept, failure forgotten */
void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *text);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vaddf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
void buf_addu(struct buf *b, uint64_t value); /* decimal, no printf: for hot renderers */
void buf_cut(struct buf *b, size_t len); /* shortens to len */
int buf_error(const struct buf *b); /* 0 or -ENOMEM */
const char *buf_text(const struct buf *b); /* "" when empty; never NULL */

/* Appends all of fd from offset 0 (pread) or of dirfd/path. 0 or -errno; on failure b is as before.
 * Reads at most max bytes: -EFBIG beyond. One read suffices for small files of procfs. */
int buf_pread(struct buf *b, int fd, size_t max);
/* The same of a file that gives its whole text in one read if there is room, as those of cgroupfs
 * with one record do: the read that would find the end is not made. */
int buf_pread_record(struct buf *b, int fd, size_t max);
int buf_readat(struct buf *b, int dirfd, const char *path, size_t max);

#define cleanup_buf __attribute__((cleanup(buf_free)))

#endif
