/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rdma controller: how many handles and objects of each RDMA device.
 *
 * Which devices there are the configuration says; a machine without any has empty files. What
 * processes use of them is not known: rdma.current reads 0, and nobody is refused anything.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "emul.h"

/* The kernel reads numbers of at most so many bytes, the terminating one included. */
#define NUMBER_LEN 24

static const char *const kinds[] = { "hca_handle", "hca_object" };

#define KINDS ARRAY_SIZE(kinds)
#define NO_LIMIT INT_MAX

struct limits {
	int max[KINDS];
};

struct rdma {
	struct css css;
	struct limits *limits; /* by the index of the device; NULL: none was ever set */
};

static struct rdma *rdma_of(const struct cgroup *cg)
{
	return (struct rdma *)cgroup_css(cg, CTRL_RDMA);
}

static void rdma_exit(struct cgroup *cg, struct css *css)
{
	(void)cg;
	free(((struct rdma *)css)->limits);
}

/* match_int() of all of value: what follows the number is ignored. */
static bool parse_match_int(const char *value, int *ret_number)
{
	bool negative = *value == '-';
	const char *digits = value + negative, *rest = digits;
	uint64_t magnitude;
	int64_t number;

	if (strlen(value) >= NUMBER_LEN)
		return false;
	magnitude = parse_number(&rest);
	number = (int64_t)(negative ? -magnitude : magnitude);
	if (rest == digits || number < INT_MIN || number > INT_MAX)
		return false;
	*ret_number = (int)number;
	return true;
}

/* One "KIND=VALUE". Any beginning of "max" will do, even none. */
static int parse_option(char *option, struct limits *limits, bool *set)
{
	char *value = option, *name = strsep(&value, "=");
	size_t kind = 0;
	int max = NO_LIMIT;

	while (kind < KINDS && strcmp(kinds[kind], name))
		kind++;
	if (!value || kind == KINDS)
		return refuse(EINVAL, "an option of rdma.max is hca_handle= or hca_object=");
	if (parse_match_int(value, &max) ? max < 0 : strncmp(value, "max", strlen(value)) != 0)
		return refuse(EINVAL, "%s is \"max\" or a number of up to 31 bits", name);
	limits->max[kind] = max;
	set[kind] = true;
	return 0;
}

static struct limits *limits_make(const struct cgroup *cg)
{
	struct rdma *rdma = rdma_of(cg);
	size_t n = cg->emul->machine.rdma.n;

	if (!rdma->limits) {
		rdma->limits = calloc(n, sizeof(*rdma->limits));
		for (size_t i = 0; rdma->limits && i < n * KINDS; i++)
			rdma->limits[i / KINDS].max[i % KINDS] = NO_LIMIT;
	}
	return rdma->limits;
}

static int max_write(struct emul_open *f, const struct caller *writer, char *text)
{
	char *options = parse_strip(text), *device = strsep(&options, " "), *option;
	struct limits parsed, *limits;
	bool set[KINDS] = { false };
	int i, error;

	(void)writer;
	while ((option = strsep(&options, " "))) {
		error = parse_option(option, &parsed, set);
		if (error)
			return error;
	}
	i = resource_find(&f->cg->emul->machine.rdma, device);
	if (i < 0)
		return refuse(ENODEV, "there is no RDMA device \"%.64s\"", device);
	limits = limits_make(f->cg);
	if (!limits)
		return -ENOMEM;
	for (size_t k = 0; k < KINDS; k++) {
		if (set[k])
			limits[i].max[k] = parsed.max[k];
	}
	return 0;
}

static int max_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	const struct resources *devices = &f->cg->emul->machine.rdma;
	const struct limits *limits = rdma_of(f->cg)->limits;

	(void)reader;
	for (size_t i = 0; i < devices->n; i++) {
		buf_addf(out, "%s ", devices->list[i].name);
		for (size_t k = 0; k < KINDS; k++) {
			int max = limits ? limits[i].max[k] : NO_LIMIT;

			if (max == NO_LIMIT)
				buf_addf(out, "%s=max ", kinds[k]);
			else
				buf_addf(out, "%s=%d ", kinds[k], max);
		}
		buf_adds(out, "\n");
	}
	return 0;
}

static int current_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	const struct resources *devices = &f->cg->emul->machine.rdma;

	(void)reader;
	for (size_t i = 0; i < devices->n; i++)
		buf_addf(out, "%s hca_handle=0 hca_object=0 \n", devices->list[i].name);
	return 0;
}

const struct emul_file rdma_files[] = {
	{ .name = "rdma.max",
	  .mode = 0644,
	  .flags = ROW_NOT_ON_ROOT,
	  .show = max_show,
	  .write = max_write },
	{ .name = "rdma.current",
	  .mode = 0444,
	  .flags = ROW_NOT_ON_ROOT,
	  .show = current_show },
	{ 0 },
};

const struct controller rdma_controller = {
	.name = "rdma",
	.id = CTRL_RDMA,
	.css_size = sizeof(struct rdma),
	.css_exit = rdma_exit,
};
