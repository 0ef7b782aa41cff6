/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reasons of refusals: one buffer per thread between who refuses and who answers. */
#include "ctlfs/why.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static _Thread_local char reason[256];
static _Thread_local bool noted;

int refuse(int errnum, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	noted = true;
	return -errnum;
}

const char *why_take(void)
{
	if (!noted)
		return "";
	noted = false;
	return reason;
}
