/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ctlfs binds: what a container's configuration must say to have the views, from the view table. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "binds.h"
#include "cmd.h"
#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/json.h"
#include "ctlfs/log.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "mounts.h"
#include "recipe.h"

/* Where runc lets a mount go inside /proc; anywhere else it does not start the container. */
static const char *const runc_allows[] = {
	"proc/cpuinfo", "proc/diskstats", "proc/loadavg", "proc/meminfo",
	"proc/net/dev", "proc/slabinfo",  "proc/stat",	  "proc/swaps",
	"proc/uptime",	NULL,
};

static bool in_proc(const char *target)
{
	return strncmp(target, "proc/", 5) == 0;
}

bool recipe_runc_allows(const char *target)
{
	if (!in_proc(target))
		return true;
	for (const char *const *p = runc_allows; *p; p++) {
		if (strcmp(*p, target) == 0)
			return true;
	}
	return false;
}

static const char *mode_of(const struct bind *b)
{
	return b->writable ? "rw" : "ro";
}

/* An argument of docker run and podman run, whatever splits the words. */
static void show_volume(struct buf *out, const char *source, const struct bind *b)
{
	buf_addf(out, "-v %s:/%s:%s\n", source, b->target, mode_of(b));
}

static void show_bwrap(struct buf *out, const char *source, const struct bind *b)
{
	const char *way = b->writable ? "" : "ro-";

	buf_addf(out, "--%sbind %s /%s\n", way, source, b->target);
}

/* nspawn makes the /sys of a container with a network of its own after the binds, but for those
 * that go into /proc, which come last and are followed through its links. */
static const char *nspawn_way(const struct bind *b)
{
	bool below_sys = strncmp(b->target, "sys/", 4) == 0;

	return below_sys && !binds_is_tree(b->target) ? "proc/self/root/" : "";
}

static void show_nspawn(struct buf *out, const char *source, const struct bind *b)
{
	buf_addf(out, "--bind%s=%s:/%s%s\n", b->writable ? "" : "-ro", source,
		 nspawn_way(b), b->target);
}

static void show_nspawn_file(struct buf *out, const char *source, const struct bind *b)
{
	buf_addf(out, "Bind%s=%s:/%s%s\n", b->writable ? "" : "ReadOnly", source,
		 nspawn_way(b), b->target);
}

static void show_paths(struct buf *out, const char *source, const struct bind *b)
{
	buf_addf(out, "%s /%s\n", source, b->target);
}

/* A line of fstab: blanks as getmntent(3) has them. */
static void show_lxc(struct buf *out, const char *source, const struct bind *b)
{
	buf_adds(out, "lxc.mount.entry = ");
	for (const char *p = source; *p; p++) {
		if (strchr(" \t\\#", *p))
			buf_addf(out, "\\%03o", *p);
		else
			buf_add(out, p, 1);
	}
	buf_addf(out, " %s none bind,%s,nosuid,nodev,noexec 0 0\n", b->target, mode_of(b));
}

/* A mount of the runtime specification. */
static void show_oci(struct buf *out, const char *source, const struct bind *b)
{
	buf_addf(out, "%s  {\"destination\": \"/%s\", \"type\": \"bind\", \"source\": ",
		 out->len ? ",\n" : "[\n", b->target);
	json_string(out, source);
	buf_addf(out, ", \"options\": [\"bind\", \"%s\", \"nosuid\", \"nodev\", \"noexec\"]}",
		 mode_of(b));
}

#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=@%"

static bool is_word(const char *text)
{
	return !text[strspn(text, WORD)];
}

static bool is_line(const char *text)
{
	return !strchr(text, '\n');
}

static const struct recipe_format {
	const char *name;
	void (*show)(struct buf *out, const char *source, const struct bind *b);
	bool (*can)(const char *source); /* whether the format can express this path */
	const char *head, *tail;
	bool runc; /* made for runc, or for whatever runtime there is */
	/* Views are bound when the host's files are no longer seen: their directories must be in
	 * the container, too. */
	bool inside;
} formats[] = {
	{ "paths", show_paths, is_line, "", "", false, false },
	{ "docker", show_volume, is_word, "", "", true, false },
	{ "podman", show_volume, is_word, "", "", false, false },
	{ "oci", show_oci, json_can, "", "\n]\n", true, false },
	{ "lxc", show_lxc, is_line, "", "", false, false },
	{ "bwrap", show_bwrap, is_word, "", "", false, false },
	{ "nspawn", show_nspawn, is_word, "", "", false, true },
	{ "nspawn-file", show_nspawn_file, is_word, "[Files]\n", "", false, true },
};

struct recipe_options {
	const struct recipe_format *format;
	const char *mount, *cgroup;
	struct optional view;
	bool all;
};

static int option_format(const struct option_row *row, const char *text, void *field)
{
	(void)row;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (strcmp(text, formats[i].name) == 0) {
			*(const struct recipe_format **)field = &formats[i];
			return 0;
		}
	}
	return -EINVAL;
}

/* The number of a cgroup, as view/ has it. */
static int option_view(const struct option_row *row, const char *text, void *field)
{
	struct optional *view = field;

	(void)row;
	if (!*text || text[strspn(text, "0123456789")] || parse_u64(text, 10, &view->value) < 0 ||
	    !view->value)
		return -EINVAL;
	view->set = true;
	return 0;
}

#define FIELD(member) .offset = offsetof(struct recipe_options, member)

static const struct option_row rows[] = {
	{ "format", 0, "FORMAT", option_format, FIELD(format), .preset = "paths",
	  .expected = "docker, podman, oci, lxc, bwrap, nspawn, nspawn-file or paths",
	  .help = "docker, podman: arguments of run; oci: mounts of a config.json; lxc: lines of a "
		  "container's configuration; bwrap, nspawn: arguments; nspawn-file: a .nspawn "
		  "file; paths: source and target, a pair each line" },
	{ "mount", 0, "DIRECTORY", option_text, FIELD(mount), .expected = "an absolute path",
	  .help = "where ctlfs is mounted, or will be (default: the only mount there is)" },
	{ "view", 0, "ID", option_view, FIELD(view),
	  .expected = "the number that stat -c %i prints of a cgroup's directory",
	  .help = "the views of this container, instead of those of whoever reads" },
	{ "cgroup", 0, "PATH", option_text, FIELD(cgroup), .expected = "a cgroup such as /a/b",
	  .help = "also the tree: this cgroup over /sys/fs/cgroup" },
	{ "all", 0, NULL, option_switch, FIELD(all),
	  .help = "docker, oci: with those that runc refuses (crun and others do not)" },
	{ NULL },
};

static const struct command_line line = {
	"binds", "",
	"Prints the bind mounts that give a container its views, for its runtime's configuration.",
	rows, 0, 0, false,
};

/* Files that this kernel does not have would have no place in a container. */
static bool has_place(const struct bind *b)
{
	cleanup_free char *path = NULL;

	return asprintf(&path, "/%s", b->target) < 0 || access(path, F_OK) == 0;
}

static bool wanted(const struct recipe_options *o, const struct bind *b)
{
	if (binds_is_tree(b->target))
		return o->cgroup;
	if (!has_place(b))
		return false;
	if (!o->format->runc || o->all || recipe_runc_allows(b->target))
		return true;
	log_error("binds: /%s is left out: runc refuses mounts there (--all: with it)", b->target);
	return false;
}

/* As the tree writes paths: nothing that could lead up or elsewhere. */
static bool is_tree_path(const char *path)
{
	if (strcmp(path, "/") == 0)
		return true;
	while (*path == '/') {
		size_t len = strcspn(++path, "/");

		if (len == 0 || (path[0] == '.' && (len == 1 || (len == 2 && path[1] == '.'))))
			return false;
		path += len;
	}
	return !*path;
}

static int check_options(const struct recipe_options *o, const char *mount)
{
	if (*mount != '/')
		return refuse(EINVAL, "--mount: '%s' is not an absolute path", mount);
	if (o->cgroup && (*o->cgroup != '/' || !is_tree_path(o->cgroup)))
		return refuse(EINVAL, "--cgroup: '%s' is not the path of a cgroup such as /a/b",
			      o->cgroup);
	return 0;
}

/* What is printed, as it grows. */
struct recipe {
	const struct recipe_options *o;
	const char *mount;
	char *directory; /* in which the last view lies, once it was shown itself */
	struct buf out;
};

/* Where b comes from. */
static void add_source(struct buf *out, const struct recipe *r, const struct bind *b)
{
	buf_addf(out, "%s/", strcmp(r->mount, "/") == 0 ? "" : r->mount);
	if (binds_is_tree(b->target))
		buf_addf(out, "cgroup%s", strcmp(r->o->cgroup, "/") == 0 ? "" : r->o->cgroup);
	else
		buf_adds(out, b->source);
}

/* The directory in which source lies, at its own place. */
static int show_directory(struct recipe *r, const char *source)
{
	char *directory = strndup(source, (size_t)(strrchr(source, '/') - source));

	if (!directory)
		return -ENOMEM;
	if (!r->directory || strcmp(r->directory, directory) != 0)
		r->o->format->show(&r->out, directory, &(struct bind){ .target = directory + 1 });
	free(r->directory);
	r->directory = directory;
	return 0;
}

static int show_bind(struct recipe *r, const struct bind *b)
{
	const struct recipe_format *format = r->o->format;
	cleanup_buf struct buf source = { 0 };

	if (!wanted(r->o, b))
		return 0;
	add_source(&source, r, b);
	if (buf_error(&source) < 0)
		return -ENOMEM;
	if (!format->can(buf_text(&source)))
		return refuse(EINVAL, "the format %s cannot express the path %s", format->name,
			      buf_text(&source));
	if (format->inside && !binds_is_tree(b->target) && show_directory(r, buf_text(&source)) < 0)
		return -ENOMEM;
	format->show(&r->out, buf_text(&source), b);
	return 0;
}

static int show_all(struct recipe *recipe)
{
	struct bind bind;
	int r = 0;

	for (unsigned n = 0; r == 0 && binds_get(recipe->o->view.value, n, &bind); n++)
		r = show_bind(recipe, &bind);
	return r < 0 ? r : buf_error(&recipe->out);
}

static int show(const struct recipe_options *o)
{
	cleanup_free char *mount = NULL;
	struct recipe recipe = { .o = o };
	int r = mounts_choose(o->mount, &mount);

	recipe.mount = mount;
	if (r == 0)
		r = check_options(o, mount);
	if (r == 0)
		r = show_all(&recipe);
	if (r == 0)
		printf("%s%s%s", o->format->head, buf_text(&recipe.out), o->format->tail);
	buf_free(&recipe.out);
	free(recipe.directory);
	return r;
}

int cmd_binds(int argc, char **argv)
{
	cleanup_operands struct operands operands = { 0 };
	struct recipe_options o = { 0 };
	int r, status = options_parse(&line, argc, argv, &o, &operands);

	if (status != OPTIONS_GO_ON)
		return status;
	why_take();
	r = show(&o);
	return r < 0 ? command_failed(r, "binds") : 0;
}
