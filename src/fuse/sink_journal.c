/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The audit in systemd's journal, with a field for each part of a record. Needs libsystemd. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctlfs/why.h"
#include "record.h"
#include "sink.h"

#ifdef HAVE_LIBSYSTEMD

#include <sys/uio.h>
#include <systemd/sd-journal.h>

/* The library says nothing if nobody is there. */
#define JOURNAL_SOCKET "/run/systemd/journal/socket"

#define FIELDS 16

/* Fields "KEY=value" of one message, each a buffer of its own: values may have any bytes. */
struct message {
	struct buf text[FIELDS];
	struct iovec iov[FIELDS];
	int n;
};

static void message_free(struct message *m)
{
	for (int i = 0; i < m->n; i++)
		buf_free(&m->text[i]);
}

static struct buf *add(struct message *m, const char *key)
{
	struct buf *text = &m->text[m->n++];

	buf_addf(text, "%s=", key);
	return text;
}

static void add_record(struct message *m, const struct record *r)
{
	buf_adds(add(m, "CTLFS_OP"), r->op);
	buf_adds(add(m, "CTLFS_FILE"), r->file);
	buf_adds(add(m, "CTLFS_CONTAINER"), r->container);
	buf_adds(add(m, "CTLFS_COMM"), r->comm);
	buf_addf(add(m, "CTLFS_PID"), "%d", r->pid);
	buf_addf(add(m, "CTLFS_UID"), "%u", r->uid);
	buf_addf(add(m, "CTLFS_GID"), "%u", r->gid);
	if (r->text)
		buf_add(add(m, "CTLFS_TEXT"), r->text, r->len);
}

static int send_message(struct message *m)
{
	for (int i = 0; i < m->n; i++) {
		if (buf_error(&m->text[i]) < 0)
			return -ENOMEM;
		m->iov[i] = (struct iovec){ m->text[i].data, m->text[i].len };
	}
	if (access(JOURNAL_SOCKET, W_OK) < 0)
		return -errno;
	return sd_journal_sendv(m->iov, m->n);
}

static int journal_put(struct sink *sink, const struct record *r, struct buf *line)
{
	__attribute__((cleanup(message_free))) struct message m = { 0 };
	struct buf *text;

	(void)sink;
	buf_adds(add(&m, "PRIORITY"), "6");
	buf_adds(add(&m, "SYSLOG_FACILITY"), "10"); /* authpriv */
	buf_adds(add(&m, "SYSLOG_IDENTIFIER"), "ctlfs");
	text = add(&m, "MESSAGE");
	if (r) {
		record_text(r, r->pid, text);
		add_record(&m, r);
	} else {
		buf_adds(text, buf_text(line));
	}
	return send_message(&m);
}

static void journal_close(struct sink *sink)
{
	free(sink);
}

static const struct sink_ops journal_ops = { .put = journal_put, .close = journal_close };

int sink_journal(struct sink **ret_sink)
{
	struct sink *s;

	if (access(JOURNAL_SOCKET, W_OK) < 0)
		return refuse(errno, "no journal takes messages at " JOURNAL_SOCKET ": %s",
			      strerror(errno));
	s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	*s = (struct sink){ &journal_ops, "journal" };
	*ret_sink = s;
	return 0;
}

#else

int sink_journal(struct sink **ret_sink)
{
	(void)ret_sink;
	return refuse(EOPNOTSUPP, "this ctlfs was built without libsystemd and does not know "
				  "the journal: syslog and files are there");
}

#endif
