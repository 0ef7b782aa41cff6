/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of operations as lines. Files, texts and names are strangers': nothing in them may end a
 * line, act on a terminal or look like another field. */
#include "record.h"

#include <stdlib.h>
#include <string.h>

#include "ctlfs/json.h"
#include "ctlfs/printable.h"

void record_free(struct record *r)
{
	if (!r)
		return;
	free(r->file);
	free(r->text);
	free(r->why);
	free(r->container);
	free(r);
}

bool record_within(const struct record *r, uint64_t container)
{
	for (unsigned i = 0; i <= r->level; i++) {
		if (r->who.id[i] == container)
			return true;
	}
	return false;
}

pid_t record_pid(const struct record *r, uint64_t pidns, uint64_t daemons_pidns)
{
	if (!pidns)
		return 0;
	if (pidns == daemons_pidns)
		return r->pid;
	return pidns == r->pidns ? r->own_pid : 0;
}

static const char *errno_name(int errnum)
{
	return strerrorname_np(errnum) ?: "unknown error";
}

void record_text(const struct record *r, pid_t pid, struct buf *out)
{
	char when[32];
	struct tm tm;

	strftime(when, sizeof when, "%FT%TZ", gmtime_r(&r->when.tv_sec, &tm));
	buf_addf(out, "%s ", when);
	printable_text(out, r->file);
	buf_addf(out, ": %s", r->errnum ? errno_name(r->errnum) : "done");
	if (*r->why) {
		buf_adds(out, ": ");
		printable_text(out, r->why);
	}
	buf_addf(out, " [%s", r->op);
	if (r->text) {
		buf_adds(out, " ");
		printable_quoted(out, r->text, r->len);
		if (r->size > r->len)
			buf_addf(out, " and %zu bytes more", r->size - r->len);
	}
	buf_adds(out, " by ");
	printable_quoted(out, r->comm, strlen(r->comm));
	buf_addf(out, ", pid %d, uid %u, gid %u, container ", pid, r->uid, r->gid);
	printable_text(out, r->container);
	buf_adds(out, "]");
}

static void add_time(const struct timespec *when, struct buf *out)
{
	char text[32];
	struct tm tm;

	strftime(text, sizeof text, "%FT%T", gmtime_r(&when->tv_sec, &tm));
	buf_addf(out, "\"time\": \"%s.%06ldZ\"", text, when->tv_nsec / 1000);
}

static void add_string(struct buf *out, const char *key, const char *text)
{
	buf_addf(out, ", \"%s\": ", key);
	json_string(out, text);
}

void record_json(const struct record *r, pid_t pid, struct buf *out)
{
	buf_adds(out, "{");
	if (r->seq)
		buf_addf(out, "\"seq\": %llu, ", (unsigned long long)r->seq);
	add_time(&r->when, out);
	add_string(out, "op", r->op);
	add_string(out, "file", r->file);
	if (r->text) {
		buf_adds(out, ", \"text\": ");
		json_bytes(out, r->text, r->len);
		buf_addf(out, ", \"text_size\": %zu", r->size);
	}
	if (r->errnum) {
		add_string(out, "errno", errno_name(r->errnum));
		add_string(out, "reason", r->why);
	}
	buf_addf(out, ", \"pid\": %d, \"uid\": %u, \"gid\": %u", pid, r->uid, r->gid);
	add_string(out, "comm", r->comm);
	add_string(out, "container", r->container);
	buf_adds(out, "}");
}

void record_lost_json(uint64_t n, struct buf *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	buf_adds(out, "{");
	add_time(&now, out);
	buf_addf(out, ", \"lost\": %llu}", (unsigned long long)n);
}
