/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads a container's view and the interface files that it comes from, all through the mount. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/keyed.h"
#include "ctlfs/why.h"
#include "explain.h"

#define TEXT_MAX (16u << 20)
#define LINK_MAX 4096

/* The text of a link, to be freed; NULL with errno. */
static char *read_link(int dirfd, const char *path)
{
	char target[LINK_MAX];
	ssize_t n = readlinkat(dirfd, path, target, sizeof target);

	if (n == (ssize_t)sizeof target)
		errno = ENAMETOOLONG;
	return n < 0 || n == (ssize_t)sizeof target ? NULL : strndup(target, (size_t)n);
}

/* "../../cgroup/a/b" says "/a/b". */
static char *cgroup_of(const struct explained *e)
{
	static const char before[] = "../../cgroup";
	char path[64];
	char *target, *found;

	snprintf(path, sizeof path, "view/%s/cgroup", e->id);
	target = read_link(e->mount, path);
	if (!target || strncmp(target, before, sizeof before - 1) != 0) {
		free(target);
		return NULL;
	}
	found = strdup(target[sizeof before - 1] ? target + sizeof before - 1 : "/");
	free(target);
	return found;
}

int explained_open(const char *mount, pid_t pid, struct explained *ret_explained)
{
	cleanup_explained struct explained e = { .mount = -1 };
	char path[64];

	e.mount = open(mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (e.mount < 0)
		return refuse(errno, "%s: %s", mount, strerror(errno));
	snprintf(path, sizeof path, "view/pid-%d", (int)pid);
	e.id = read_link(e.mount, path);
	if (!e.id)
		return errno == ENOENT || errno == ESRCH ?
		       refuse(ENOENT, "process %d is in no cgroup of %s", (int)pid, mount) :
		       refuse(errno, "%s/%s: %s", mount, path, strerror(errno));
	e.path = cgroup_of(&e);
	*ret_explained = e;
	e = (struct explained){ .mount = -1 };
	return 0;
}

void explained_free(struct explained *e)
{
	cleanup_close_p(&e->mount);
	free(e->id);
	free(e->path);
}

/* The line that begins with key, alone or before a blank or colon. NULL: none. */
static const char *find_line(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && strchr(" :\t", line[len]) && line[len])
			return line;
	}
	return NULL;
}

/* What stands behind the key of a line. */
static void add_rest(const char *line, size_t key_len, struct buf *out)
{
	line += key_len + strspn(line + key_len, ": \t");
	buf_add(out, line, strcspn(line, "\n"));
}

static int add_column(const char *line, unsigned column, struct buf *out)
{
	for (unsigned i = 0; i < column; i++) {
		line += strcspn(line, " \n");
		line += strspn(line, " ");
	}
	buf_add(out, line, strcspn(line, " \n"));
	return strcspn(line, " \n") ? 0 : -ENOENT;
}

static void add_whole(const char *text, struct buf *out)
{
	size_t len = strlen(text);

	buf_add(out, text, len && text[len - 1] == '\n' ? len - 1 : len);
}

int explained_value(const struct explained *e, const char *file, const struct view_field *field,
		    struct buf *out)
{
	cleanup_buf struct buf text = { 0 };
	const char *line;
	char path[256];
	int r;

	snprintf(path, sizeof path, "view/%s/%s", e->id, file);
	r = buf_readat(&text, e->mount, path, TEXT_MAX);
	if (r < 0)
		return refuse(-r, "%s: %s", path, strerror(-r));
	if (field->place == FIELD_WHOLE) {
		add_whole(buf_text(&text), out);
		return 0;
	}
	line = field->place == FIELD_KEY ? find_line(buf_text(&text), field->name) :
	       field->key		 ? find_line(buf_text(&text), field->key) :
					   buf_text(&text);
	if (!line)
		return -ENOENT;
	if (field->place == FIELD_COLUMN)
		return add_column(line, field->column, out);
	add_rest(line, strlen(field->name), out);
	return 0;
}

/* --- what it comes from --- */

const char *const explained_how[] = {
	[INPUT_NEAREST] = "nearest", [INPUT_SMALLEST] = "smallest", [INPUT_HOST] = "host", NULL,
};

bool explained_next(const char **rest, struct explained_input *ret_input)
{
	struct explained_input input = { 0 };
	char how[16];
	int n;

	if (!*rest || sscanf(*rest, "%15[^ ;] %63[^ ;] %n%63[^ ;]%n", how, input.file, &n,
			     input.key, &n) < 2)
		return false;
	for (size_t i = 0; explained_how[i]; i++) {
		if (strcmp(how, explained_how[i]) == 0)
			input.how = (enum view_input)i;
	}
	*rest = strchr(*rest, ';');
	if (*rest)
		*rest += 1 + strspn(*rest + 1, " ");
	*ret_input = input;
	return true;
}

/* -ENOENT if there is no such file or key. */
static int visit_text(const struct explained_input *input, const char *where, const char *text,
		      explained_visit *visit, void *data)
{
	cleanup_buf struct buf value = { 0 };
	const char *line = *input->key ? find_line(text, input->key) : NULL;

	if (*input->key && !line)
		return -ENOENT;
	if (line)
		add_rest(line, strlen(input->key), &value);
	else
		add_whole(text, &value);
	return buf_error(&value) < 0 ? -ENOMEM : visit(data, where, buf_text(&value));
}

/* "hugetlb.SIZE.max": of the default size, as the kernel names it. */
static void add_file(const struct explained *e, const char *file, struct buf *path)
{
	static const char mark[] = ".SIZE.";
	const char *at = strstr(file, mark);
	cleanup_buf struct buf meminfo = { 0 };
	uint64_t kb = 0;
	const struct keyed key = { "Hugepagesize:", &kb };
	char name[32], view[64];

	if (!at) {
		buf_adds(path, file);
		return;
	}
	snprintf(view, sizeof view, "view/%s/proc/meminfo", e->id);
	if (buf_readat(&meminfo, e->mount, view, TEXT_MAX) == 0)
		keyed_read(buf_text(&meminfo), &key, 1);
	view_huge_page_name(kb * 1024, name, sizeof name);
	buf_addf(path, "%.*s.%s.%s", (int)(at - file), file, name, at + sizeof mark - 1);
}

static int visit_level(const struct explained *e, const struct explained_input *input,
		       const char *cgroup, explained_visit *visit, void *data)
{
	cleanup_buf struct buf text = { 0 }, path = { 0 };
	int r;

	buf_addf(&path, "cgroup%s/", cgroup);
	add_file(e, input->file, &path);
	r = buf_error(&path) < 0 ? -ENOMEM : buf_readat(&text, e->mount, buf_text(&path), TEXT_MAX);
	return r < 0 ? r : visit_text(input, cgroup, buf_text(&text), visit, data);
}

/* In a container the host's file is a view itself: then there is nothing to visit. */
static int visit_host(const struct explained *e, const struct explained_input *input,
		      explained_visit *visit, void *data)
{
	cleanup_buf struct buf text = { 0 };
	struct stat here, view;
	int r;

	if (fstat(e->mount, &view) < 0 || stat(input->file, &here) < 0)
		return -errno;
	if (here.st_dev == view.st_dev)
		return 0;
	r = buf_readat(&text, AT_FDCWD, input->file, TEXT_MAX);
	return r < 0 ? r : visit_text(input, input->file, buf_text(&text), visit, data);
}

/* The root of a hierarchy, which alone has no type: no container is accounted there. */
static bool is_machine(const struct explained *e)
{
	return faccessat(e->mount, "cgroup/cgroup.type", F_OK, 0) < 0;
}

int explained_each(const struct explained *e, const struct explained_input *input,
		   explained_visit *visit, void *data)
{
	cleanup_free char *cgroup = e->path ? strdup(e->path) : NULL;
	int r = -ENOENT;

	if (input->how == INPUT_HOST) {
		r = visit_host(e, input, visit, data);
		return r == -ENOENT ? 0 : r;
	}
	while (cgroup) {
		char *slash = strrchr(cgroup, '/');

		if (!cgroup[1] && is_machine(e))
			return 0;
		r = visit_level(e, input, cgroup, visit, data);
		if (r < 0 && r != -ENOENT)
			return r;
		if (!cgroup[1] || (r == 0 && input->how == INPUT_NEAREST))
			return 0;
		slash[slash == cgroup] = '\0';
	}
	return 0;
}
