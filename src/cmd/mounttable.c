/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads mountinfo as a whole. */
#include "mounttable.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/server.h"
#include "ctlfs/why.h"

void mounttable_free(struct mounttable *m)
{
	free(m->v);
	free(m->text);
	*m = (struct mounttable){ 0 };
}

int mounttable_parse(char *text, struct mounttable *ret_table)
{
	struct mounttable m = { 0 };

	for (char *line; (line = strsep(&text, "\n")) != NULL;) {
		struct mountinfo *grown = reallocarray(m.v, m.n + 1, sizeof *grown);

		if (!grown) {
			mounttable_free(&m);
			return -ENOMEM;
		}
		m.v = grown;
		m.n += mountinfo_parse(line, &grown[m.n]);
	}
	*ret_table = m;
	return 0;
}

int mounttable_read(int proc, struct mounttable *ret_table)
{
	cleanup_buf struct buf text = { 0 };
	int r = mountinfo_read(proc, &text);

	if (r < 0)
		return r;
	if (!text.data)
		return refuse(ENODATA, "/proc/self/mountinfo is empty");
	r = mounttable_parse(text.data, ret_table);
	if (r == 0)
		ret_table->text = steal_ptr(&text.data);
	return r;
}

const struct mountinfo *mounttable_find(const struct mounttable *m, int id)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->v[i].id == id)
			return &m->v[i];
	}
	return NULL;
}

bool mounttable_is_ctlfs(const struct mountinfo *row)
{
	return strcmp(row->type, SERVER_FSTYPE) == 0 && strcmp(row->root, "/") == 0;
}
