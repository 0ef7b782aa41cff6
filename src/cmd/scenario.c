/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading a scenario while the user's directory is still ours, and starting it later. */
#include "scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "backend.h"
#include "ctlfs/emul.h"
#include "ctlfs/why.h"

#define SCENARIO_MAX (16u << 20)

int option_scenario(const struct option_row *row, const char *text, void *field)
{
	struct scenario *s = field;
	int r;

	(void)row;
	if (!*text)
		return -EINVAL;
	buf_reset(&s->text);
	r = buf_readat(&s->text, AT_FDCWD, text, SCENARIO_MAX);
	if (r < 0)
		return refuse(-r, "%s: %s", text, strerror(-r));
	if (s->text.len != strlen(buf_text(&s->text)))
		return refuse(EINVAL, "%s is no text: it has a NUL", text);
	s->path = text;
	return 0;
}

int scenario_start(const struct scenario *s, const struct backend *b)
{
	return s->path ? emul_scenario(b->tree, s->path, buf_text(&s->text)) : 0;
}

void scenario_free(struct scenario *s)
{
	buf_free(&s->text);
}
