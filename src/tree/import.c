/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tree made like another one. In each cgroup: its type, which wants a parent without controllers
 * of domains; settings; controllers for the children; the children; limits on their number; at last
 * owners and modes, as all of it is done as the daemon itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/export.h"
#include "ctlfs/why.h"
#include "plain.h"
#include "settings.h"

struct import {
	struct tree *to, *from;
	import_notice *notice;
	void *data;
	struct buf path; /* of what is being made, "" for the top */
	unsigned depth;
	bool told; /* the reason names the path */
	unsigned long n, populated; /* cgroups; those that had processes */
};

/* One cgroup, here and there. */
struct pair {
	uint64_t from, to;
	struct tree_list list; /* of from */
};

static int complain(struct import *im, const char *name, int r)
{
	cleanup_buf struct buf path = { 0 };

	if (r >= 0 || im->told)
		return r;
	buf_addf(&path, "/%s%s%s", buf_text(&im->path), im->path.len && *name ? "/" : "", name);
	im->told = true;
	return plain_refuse(r, buf_text(&path));
}

/* Tells what is left out, with the reason noted. */
static void leave_out(struct import *im, const char *name, int r)
{
	complain(im, name, r);
	im->told = false;
	if (im->notice)
		im->notice(im->data, why_take());
}

/* --- texts --- */

static const struct tree_entry *entry_of(const struct pair *pair, const char *name)
{
	for (size_t i = 0; i < pair->list.n; i++) {
		if (!pair->list.entries[i].dir && !strcmp(pair->list.entries[i].name, name))
			return &pair->list.entries[i];
	}
	return NULL;
}

/* Appends what the file has there. -ENOENT. */
static int read_from(struct import *im, const struct pair *pair, const char *name, struct buf *out)
{
	const struct tree_entry *entry = entry_of(pair, name);
	struct tree *t = im->from;
	struct tree_file *file;
	int r;

	if (!entry)
		return -ENOENT;
	r = t->ops->open(t, &TREE_SELF, entry->node, O_RDONLY, &file);
	if (r < 0)
		return r;
	r = file->ops->read(file, &TREE_SELF, out);
	file->ops->close(file);
	if (r == 0 && strlen(buf_text(out)) != out->len)
		r = refuse(EINVAL, "a NUL in it");
	return r;
}

/* Is line, of len bytes, one of text's? */
static bool has_line(const char *text, const char *line, size_t len)
{
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		if (strcspn(text, "\n") == len && !memcmp(text, line, len))
			return true;
	}
	return false;
}

/* --- settings --- */

/* io.cost.*: what is chosen for the device is shown, but to write it would be to choose it. */
static const char *without_automatic(char *line)
{
	static const char automatic[] = "ctrl=auto";
	char *found = strstr(line, automatic);

	if (found)
		found[strlen(automatic)] = '\0';
	return line;
}

/* From the last one on: devices are listed with the latest first. */
static int write_lines(struct import *im, uint64_t dir, const char *name, char *text,
		       const char *now)
{
	int r = 0;

	while (r == 0 && *text) {
		char *newline = strrchr(text, '\n');
		char *line = newline ? newline + 1 : text;

		if (*line && !has_line(now, line, strlen(line)))
			r = tree_write(im->to, dir, name, without_automatic(line));
		*(newline ? newline : text) = '\0';
	}
	return r;
}

/* A write of no bytes does nothing: a newline makes "" of it. */
static int write_text(struct import *im, uint64_t dir, const char *name, char *text)
{
	return tree_write(im->to, dir, name, *text ? text : "\n");
}

static int set(struct import *im, const struct pair *pair, const struct setting *s,
	       const char *name, struct buf *text)
{
	cleanup_buf struct buf now = { 0 };
	char *value = text->data ? text->data : (char[]){ "" };
	int r;

	if (s->form == FORM_WORD)
		value[strcspn(value, "(")] = '\0';
	r = tree_read(im->to, pair->to, name, &now);
	if (r == -ENOENT)
		return refuse(ENOENT, "there is no such file here");
	if (r < 0 || !strcmp(buf_text(&now), value))
		return r;
	if (s->form == FORM_LINES)
		return write_lines(im, pair->to, name, value, buf_text(&now));
	return write_text(im, pair->to, name, value);
}

static bool excluded(struct import *im, const struct pair *pair, const struct setting *s)
{
	cleanup_buf struct buf text = { 0 };
	cleanup_free char *file = s->unless ? strdup(s->unless) : NULL;
	char *value = file;

	if (!file)
		return false;
	strsep(&value, "=");
	return read_from(im, pair, file, &text) == 0 && !strcmp(buf_text(&text), value);
}

static int import_setting(struct import *im, const struct pair *pair, const struct setting *s,
			  const char *name)
{
	cleanup_buf struct buf text = { 0 };
	int r;

	if (excluded(im, pair, s))
		return 0;
	r = read_from(im, pair, name, &text);
	if (r < 0)
		return complain(im, name, r);
	r = set(im, pair, s, name, &text);
	if (r == -ENOENT || (r < 0 && s->machine)) {
		leave_out(im, name, r);
		return 0;
	}
	return complain(im, name, r);
}

static int import_settings(struct import *im, const struct pair *pair, bool late)
{
	int r = 0;

	for (size_t k = 0; k < n_setting_rows; k++) {
		const struct setting *s = &setting_rows[k];

		for (size_t i = 0; r == 0 && s->late == late && i < pair->list.n; i++) {
			const struct tree_entry *entry = &pair->list.entries[i];

			if (!entry->dir && fnmatch(s->pattern, entry->name, 0) == 0)
				r = import_setting(im, pair, s, entry->name);
		}
	}
	return r;
}

/* --- structure --- */

static int import_type(struct import *im, const struct pair *pair)
{
	cleanup_buf struct buf type = { 0 };
	int r = read_from(im, pair, "cgroup.type", &type);

	if (r == -ENOENT)
		return 0;
	if (r == 0 && !strcmp(buf_text(&type), "threaded\n"))
		r = tree_write(im->to, pair->to, "cgroup.type", "threaded");
	if (r == -ENOENT) { /* the root's is no file */
		leave_out(im, "cgroup.type", r);
		return 0;
	}
	return complain(im, "cgroup.type", r);
}

/* One by one, so that one that is not available here does not keep the others away. */
static int import_control(struct import *im, const struct pair *pair)
{
	static const char file[] = "cgroup.subtree_control";
	cleanup_buf struct buf have = { 0 };
	char *rest, *name;
	int r = read_from(im, pair, file, &have);

	if (r < 0)
		return r == -ENOENT ? 0 : complain(im, file, r);
	rest = have.data;
	while ((name = strsep(&rest, " \n"))) {
		char word[32];

		if (!*name)
			continue;
		snprintf(word, sizeof word, "+%s", name);
		r = tree_write(im->to, pair->to, file, word);
		if (r == -ENOENT || r == -EINVAL)
			leave_out(im, file, r);
		else if (r < 0)
			return complain(im, file, r);
	}
	return 0;
}

static int count_processes(struct import *im, const struct pair *pair)
{
	cleanup_buf struct buf events = { 0 };

	im->n++;
	if (read_from(im, pair, "cgroup.events", &events) == 0)
		im->populated += strstr(buf_text(&events), "populated 1\n") != NULL;
	return 0;
}

/* --- owners and modes --- */

/* name is NULL for the directory. */
static int import_attr(struct import *im, uint64_t from, uint64_t to, const char *name)
{
	struct tree *t = im->to;
	struct stat want, have;
	unsigned valid = 0;
	int r = im->from->ops->stat(im->from, from, NULL, &want);

	if (r < 0)
		return r;
	r = t->ops->stat(t, to, name, &have);
	if (r < 0)
		return r == -ENOENT ? 0 : r; /* told of when it could not be set */
	valid |= (want.st_mode ^ have.st_mode) & 07777 ? TREE_SET_MODE : 0;
	valid |= want.st_uid != have.st_uid ? TREE_SET_UID : 0;
	valid |= want.st_gid != have.st_gid ? TREE_SET_GID : 0;
	return valid ? t->ops->setattr(t, &TREE_SELF, have.st_ino, &want, valid) : 0;
}

static int import_attrs(struct import *im, const struct pair *pair)
{
	int r;

	if (!plain_has_attrs(im->from))
		return 0;
	r = complain(im, "", import_attr(im, pair->from, pair->to, NULL));
	for (size_t i = 0; r == 0 && i < pair->list.n; i++) {
		const struct tree_entry *entry = &pair->list.entries[i];

		if (!entry->dir)
			r = complain(im, entry->name,
				     import_attr(im, entry->node, pair->to, entry->name));
	}
	return r;
}

/* --- cgroups --- */

static int import_dir(struct import *im, uint64_t from, uint64_t to);

static int import_child(struct import *im, const struct tree_entry *entry, uint64_t to)
{
	size_t len = im->path.len;
	struct tree *t = im->to;
	struct stat st;
	int r;

	buf_addf(&im->path, "%s%s", len ? "/" : "", entry->name);
	r = buf_error(&im->path);
	if (r == 0 && im->depth == PLAIN_DEPTH_MAX)
		r = refuse(EOVERFLOW, "deeper than %d", PLAIN_DEPTH_MAX);
	if (r == 0)
		r = t->ops->mkdir(t, &TREE_SELF, to, entry->name, 0755);
	if (r == 0)
		r = t->ops->stat(t, to, entry->name, &st);
	im->depth++;
	if (r == 0)
		r = import_dir(im, entry->node, st.st_ino);
	im->depth--;
	complain(im, "", r);
	buf_cut(&im->path, len);
	return r;
}

static int import_children(struct import *im, const struct pair *pair)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < pair->list.n; i++) {
		if (pair->list.entries[i].dir)
			r = import_child(im, &pair->list.entries[i], pair->to);
	}
	return r;
}

static int import_pair(struct import *im, const struct pair *pair)
{
	int r = import_type(im, pair);

	if (r == 0)
		r = import_settings(im, pair, false);
	if (r == 0)
		r = import_control(im, pair);
	if (r == 0)
		r = count_processes(im, pair);
	if (r == 0)
		r = import_children(im, pair);
	if (r == 0)
		r = import_settings(im, pair, true);
	return r == 0 ? import_attrs(im, pair) : r;
}

static int import_dir(struct import *im, uint64_t from, uint64_t to)
{
	struct pair pair = { .from = from, .to = to };
	int r = im->from->ops->list(im->from, from, &pair.list);

	if (r == 0)
		r = import_pair(im, &pair);
	tree_list_free(&pair.list);
	return r;
}

int tree_import(struct tree *t, struct tree *from, import_notice *notice, void *data)
{
	struct import im = { .to = t, .from = from, .notice = notice, .data = data };
	int r = complain(&im, "", import_dir(&im, TREE_ROOT, TREE_ROOT));
	char text[128];

	buf_free(&im.path);
	if (r < 0 || !notice)
		return r;
	snprintf(text, sizeof text,
		 "%lu cgroups; left out: the processes of %lu, and all usage and counters", im.n,
		 im.populated);
	notice(data, text);
	return 0;
}
