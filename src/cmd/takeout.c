/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds attach's mounts in mountinfo and unmounts those that are on top. */
#include "takeout.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/why.h"
#include "places.h"

static void free_all(char **texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	free(texts);
}

void takeout_free(struct takeout *t)
{
	free_all(t->taken, t->n_taken);
	free_all(t->left, t->n_left);
	*t = (struct takeout){ 0 };
}

/* text is the list's from then on, NULL is the lack of memory. */
static int append(char ***texts, size_t *n, char *text)
{
	char **grown = text ? reallocarray(*texts, *n + 1, sizeof *grown) : NULL;

	if (!grown) {
		free(text);
		return refuse(ENOMEM, "out of memory");
	}
	*texts = grown;
	grown[(*n)++] = text;
	return 0;
}

/* The row's place goes to the list of what is left, with the reason. */
__attribute__((format(printf, 3, 4))) static int leave(struct takeout *t,
						       const struct mountinfo *row,
						       const char *fmt, ...)
{
	cleanup_buf struct buf text = { 0 };
	va_list args;

	buf_addf(&text, "%s: left: ", row->point);
	va_start(args, fmt);
	buf_vaddf(&text, fmt, args);
	va_end(args);
	return append(&t->left, &t->n_left, buf_error(&text) < 0 ? NULL : steal_ptr(&text.data));
}

/* The first of the mounts on row, or NULL. */
static const struct mountinfo *child_of(const struct mounttable *info,
					    const struct mountinfo *row)
{
	for (size_t i = 0; i < info->n; i++) {
		if (info->v[i].parent == row->id && info->v[i].id != row->id)
			return &info->v[i];
	}
	return NULL;
}

static int take(const struct container *c, const struct mounttable *info,
		const struct mountinfo *row, struct takeout *t)
{
	const struct mountinfo *child = child_of(info, row);
	cleanup_close int fd = -1;
	int mount = 0;
	int r;

	if (child)
		return leave(t, row, "a mount of %s lies on it", child->type);
	r = container_look(c, row->point + 1, &fd, &mount);
	if (r == 0 && mount == row->id)
		r = container_unmount(c, fd);
	else if (r == 0 || r == -ENOENT)
		return leave(t, row, "another mount hides it");
	if (r < 0)
		return leave(t, row, "%s", why_take());
	return append(&t->taken, &t->n_taken, strdup(row->point));
}

/* What comes later in mountinfo may lie on what comes before. */
static int pass(const struct container *c, struct takeout *t)
{
	cleanup_mounttable struct mounttable info = { 0 };
	int r = mounttable_read(c->proc, &info);

	for (size_t i = info.n; r == 0 && i-- > 0;) {
		if (places_attached(&info, &info.v[i]))
			r = take(c, &info, &info.v[i], t);
	}
	return r;
}

int takeout_all(const struct container *c, struct takeout *ret_takeout)
{
	struct takeout *t = ret_takeout;
	size_t before;
	int r = 0;

	*t = (struct takeout){ 0 };
	/* Once more as long as that uncovers something. */
	do {
		before = t->n_taken;
		free_all(t->left, t->n_left);
		t->left = NULL;
		t->n_left = 0;
		r = pass(c, t);
	} while (r == 0 && t->n_left && t->n_taken > before);
	return r;
}
