/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reader of the kernel's texts that accepts what the kernel prints and nothing else, and fails
 * the test at the first byte that differs. Without ck_assert(), which writes to a file each
 * time. */
#ifndef TEST_SCAN_H
#define TEST_SCAN_H

#include <check.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct scan {
	const char *at, *begin;
	const char *what; /* told with a failure */
	unsigned long round;
};

__attribute__((format(printf, 2, 3), noreturn)) static inline void
scan_fail(const struct scan *p, const char *fmt, ...)
{
	char reason[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof reason, fmt, ap);
	va_end(ap);
	ck_abort_msg("%s, round %lu, byte %td: %s; it goes on: %.80s\n-- the text: %.3000s",
		     p->what, p->round, p->at - p->begin, reason, p->at, p->begin);
}

static inline bool scan_try(struct scan *p, const char *text)
{
	size_t len = strlen(text);

	if (strncmp(p->at, text, len) != 0)
		return false;
	p->at += len;
	return true;
}

static inline void scan_text(struct scan *p, const char *text)
{
	if (!scan_try(p, text))
		scan_fail(p, "not \"%s\"", text);
}

/* %llu: no sign, no zero in front. */
static inline uint64_t scan_number(struct scan *p)
{
	const char *first = p->at;
	uint64_t value = 0;

	for (; *p->at >= '0' && *p->at <= '9'; p->at++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p->at - '0'), &value))
			scan_fail(p, "beyond 64 bits");
	}
	if (p->at == first || (*first == '0' && p->at != first + 1))
		scan_fail(p, "no number");
	return value;
}

static inline void scan_spaces(struct scan *p, size_t n)
{
	for (; n > 0; n--)
		scan_text(p, " ");
}

/* %{width}llu */
static inline uint64_t scan_padded(struct scan *p, size_t width)
{
	size_t spaces = strspn(p->at, " ");
	size_t digits = strspn(p->at + spaces, "0123456789");

	scan_spaces(p, digits < width ? width - digits : 0);
	return scan_number(p);
}

/* The line from here to its end, and its length without the newline. */
static inline const char *scan_line(struct scan *p, size_t *ret_len)
{
	const char *line = p->at;

	*ret_len = strcspn(line, "\n");
	p->at += *ret_len;
	scan_text(p, "\n");
	return line;
}

static inline void scan_end(const struct scan *p, size_t len)
{
	if (*p->at || p->at != p->begin + len)
		scan_fail(p, "it does not end after %td of %zu bytes", p->at - p->begin, len);
}

static inline void scan_equal(const struct scan *p, const char *name, uint64_t got, uint64_t want)
{
	if (got != want)
		scan_fail(p, "%s is %" PRIu64 ", not %" PRIu64, name, got, want);
}

static inline void scan_at_most(const struct scan *p, const char *name, uint64_t got, uint64_t most)
{
	if (got > most)
		scan_fail(p, "%s is %" PRIu64 ", above %" PRIu64, name, got, most);
}

#endif
