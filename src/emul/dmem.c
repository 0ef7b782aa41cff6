/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The dmem controller (Linux 6.14): memory of devices such as GPUs, by region.
 *
 * Which regions there are the configuration says; a machine without any has empty files. What
 * processes use of them is not known: dmem.current reads 0, and nobody is refused anything.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "emul.h"

/* What page_counter counts up to; it counts bytes here, and what is not below reads "max". */
#define COUNTER_MAX (INT64_MAX / CTLFS_PAGE_SIZE)

enum limit { MIN, LOW, MAX, LIMITS };

struct limits {
	uint64_t bytes[LIMITS];
};

struct dmem {
	struct css css;
	struct limits *limits; /* by the index of the region; NULL: none was ever set */
};

static const struct limits fresh = { .bytes = { [MAX] = COUNTER_MAX } };

static struct dmem *dmem_of(const struct cgroup *cg)
{
	return (struct dmem *)cgroup_css(cg, CTRL_DMEM);
}

static void dmem_exit(struct cgroup *cg, struct css *css)
{
	(void)cg;
	free(((struct dmem *)css)->limits);
}

static struct limits *limits_make(const struct cgroup *cg)
{
	struct dmem *dmem = dmem_of(cg);
	size_t n = cg->emul->machine.dmem.n;

	if (!dmem->limits) {
		dmem->limits = calloc(n, sizeof(*dmem->limits));
		for (size_t i = 0; dmem->limits && i < n; i++)
			dmem->limits[i] = fresh;
	}
	return dmem->limits;
}

/* "REGION LIMIT", or an empty line. */
static int write_line(struct cgroup *cg, enum limit limit, char *line)
{
	const char *rest;
	char *value, *region;
	struct limits *limits;
	uint64_t bytes = COUNTER_MAX;
	int i;

	value = parse_strip(line);
	if (!*value)
		return 0;
	region = strsep(&value, " \t");
	if (!value || !*value)
		return refuse(EINVAL, "a line is a region and \"max\" or a number of bytes");
	i = resource_find(&cg->emul->machine.dmem, region);
	if (i < 0)
		return refuse(EINVAL, "there is no region \"%.64s\"", region);
	if (strcmp(value, "max")) {
		rest = value;
		bytes = parse_memparse(&rest);
		if (*rest)
			return refuse(EINVAL, "neither \"max\" nor a number of bytes");
	}
	limits = limits_make(cg);
	if (!limits)
		return -ENOMEM;
	limits[i].bytes[limit] = bytes;
	return 0;
}

/* Lines before one that is refused hold. */
static int limit_write(struct cgroup *cg, enum limit limit, char *text)
{
	char *line;
	int error = 0;

	while (!error && (line = strsep(&text, "\n")))
		error = write_line(cg, limit, line);
	return error;
}

static int limit_show(const struct cgroup *cg, enum limit limit, struct buf *out)
{
	const struct resources *regions = &cg->emul->machine.dmem;
	const struct limits *limits = dmem_of(cg)->limits;

	for (size_t i = 0; i < regions->n; i++) {
		uint64_t bytes = (limits ? &limits[i] : &fresh)->bytes[limit];

		if (bytes >= COUNTER_MAX)
			buf_addf(out, "%s max\n", regions->list[i].name);
		else
			buf_addf(out, "%s %llu\n", regions->list[i].name,
				 (unsigned long long)bytes);
	}
	return 0;
}

#define LIMIT_FILE(name, limit)                                                              \
	static int name##_show(struct emul_open *f, const struct caller *reader, struct buf *out) \
	{                                                                                    \
		(void)reader;                                                                \
		return limit_show(f->cg, limit, out);                                        \
	}                                                                                    \
	static int name##_write(struct emul_open *f, const struct caller *writer, char *text) \
	{                                                                                    \
		(void)writer;                                                                \
		return limit_write(f->cg, limit, text);                                      \
	}

LIMIT_FILE(min, MIN)
LIMIT_FILE(low, LOW)
LIMIT_FILE(max, MAX)

static int capacity_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	const struct resources *regions = &f->cg->emul->machine.dmem;

	(void)reader;
	for (size_t i = 0; i < regions->n; i++)
		buf_addf(out, "%s %llu\n", regions->list[i].name,
			 (unsigned long long)regions->list[i].capacity);
	return 0;
}

static int current_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	const struct resources *regions = &f->cg->emul->machine.dmem;

	(void)reader;
	for (size_t i = 0; i < regions->n; i++)
		buf_addf(out, "%s 0\n", regions->list[i].name);
	return 0;
}

#define LIMIT(file, function)              \
	{ .name = file,                    \
	  .mode = 0644,                    \
	  .flags = ROW_NOT_ON_ROOT,        \
	  .show = function##_show,         \
	  .write = function##_write }

const struct emul_file dmem_files[] = {
	{ .name = "dmem.capacity",
	  .mode = 0444,
	  .flags = ROW_ONLY_ON_ROOT,
	  .show = capacity_show },
	{ .name = "dmem.current", .mode = 0444, .show = current_show },
	LIMIT("dmem.min", min),
	LIMIT("dmem.low", low),
	LIMIT("dmem.max", max),
	{ 0 },
};

const struct controller dmem_controller = {
	.name = "dmem",
	.id = CTRL_DMEM,
	.not_in = EMUL_BIT(EMUL_6_1) | EMUL_BIT(EMUL_6_12),
	.css_size = sizeof(struct dmem),
	.css_exit = dmem_exit,
};
