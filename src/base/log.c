/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages to people on standard error, a line in one write() so that lines never mix. */
#include "ctlfs/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "ctlfs/buf.h"

static atomic_bool verbose;

__attribute__((format(printf, 1, 0))) static void line(const char *fmt, va_list ap)
{
	cleanup_buf struct buf text = { 0 };
	const char *rest;
	size_t left;

	buf_adds(&text, "ctlfs: ");
	buf_vaddf(&text, fmt, ap);
	buf_adds(&text, "\n");
	rest = buf_text(&text);
	left = text.len;
	while (left) {
		ssize_t n = write(STDERR_FILENO, rest, left);

		if (n <= 0)
			return; /* nobody left to tell */
		rest += n;
		left -= (size_t)n;
	}
}

void log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	if (!verbose)
		return;
	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
}

void log_verbose(void)
{
	verbose = true;
}
