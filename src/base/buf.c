/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The growable text buffer. */
#include "ctlfs/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctlfs/cleanup.h"

/* More than most files of procfs have: one allocation, and one read that brings all. */
#define FIRST_SIZE 4096

void buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

void buf_reset(struct buf *b)
{
	b->failed = false;
	buf_cut(b, 0);
}

/* Room for more bytes and the NUL after them. */
static bool reserve(struct buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : FIRST_SIZE;
	char *data;

	if (b->failed)
		return false;
	if (more < b->cap - b->len)
		return true;
	if (more >= SSIZE_MAX / 2 - b->len) {
		b->failed = true;
		return false;
	}
	while (cap - b->len <= more)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->cap = cap;
	b->data[b->len] = '\0';
	return true;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	if (!len || !reserve(b, len))
		return;
	memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(b, fmt, ap);
	va_end(ap);
}

void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int need;

	if (!reserve(b, 1))
		return;
	va_copy(again, ap);
	need = vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
	if (need >= 0 && (size_t)need >= b->cap - b->len) {
		b->data[b->len] = '\0';
		if (reserve(b, (size_t)need))
			need = vsnprintf(b->data + b->len, b->cap - b->len, fmt, again);
		else
			need = 0;
	}
	va_end(again);
	if (need < 0) {
		b->data[b->len] = '\0';
		b->failed = true;
		return;
	}
	b->len += (size_t)need;
}

void buf_addu(struct buf *b, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	buf_add(b, digits + at, sizeof(digits) - at);
}

void buf_cut(struct buf *b, size_t len)
{
	if (b->data && len <= b->len) {
		b->len = len;
		b->data[len] = '\0';
	}
}

int buf_error(const struct buf *b)
{
	return b->failed ? -ENOMEM : 0;
}

const char *buf_text(const struct buf *b)
{
	return b->data ? b->data : "";
}

/* record: a read that leaves room has found the end. Otherwise a short read has not: files of
 * procfs may come in pieces of any length. */
static int pread_all(struct buf *b, int fd, size_t max, bool record)
{
	size_t before = b->len, got = 0;
	bool failed = b->failed;
	int error = 0;

	for (;;) {
		size_t room;
		ssize_t n;

		if (!reserve(b, FIRST_SIZE / 2)) {
			error = -ENOMEM;
			break;
		}
		room = b->cap - b->len - 1;
		n = pread(fd, b->data + b->len, room, (off_t)got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			error = -errno;
		if (n <= 0)
			break;
		got += (size_t)n;
		b->len += (size_t)n;
		if (got > max) {
			error = -EFBIG;
			break;
		}
		if (record && (size_t)n < room)
			break;
	}
	if (error) {
		b->len = before;
		b->failed = failed;
	}
	if (b->data)
		b->data[b->len] = '\0';
	return error;
}

int buf_pread(struct buf *b, int fd, size_t max)
{
	return pread_all(b, fd, max, false);
}

int buf_pread_record(struct buf *b, int fd, size_t max)
{
	return pread_all(b, fd, max, true);
}

int buf_readat(struct buf *b, int dirfd, const char *path, size_t max)
{
	cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : buf_pread(b, fd, max);
}
