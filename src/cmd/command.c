/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How all commands end. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "ctlfs/buf.h"
#include "ctlfs/log.h"
#include "ctlfs/why.h"

int command_failed(int r, const char *fmt, ...)
{
	const char *reason = why_take();
	cleanup_buf struct buf what = { 0 };
	va_list args;

	va_start(args, fmt);
	buf_vaddf(&what, fmt, args);
	va_end(args);
	log_error("%s: %s", buf_text(&what), *reason ? reason : strerror(-r));
	return STATUS_FAILED;
}

int command_end(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	log_error("standard output cannot be written");
	return status ? status : STATUS_FAILED;
}
