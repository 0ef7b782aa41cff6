/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages to people: one line each on standard error, "ctlfs: TEXT". Thread-safe. */
#ifndef CTLFS_LOG_H
#define CTLFS_LOG_H

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...)
	__attribute__((format(printf, 1, 2))); /* silent unless log_verbose() */
void log_verbose(void);

#endif
