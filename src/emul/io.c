/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The io controller.
 *
 * io.stat tells what was accounted by io_account(), of the cgroup and its descendants. Limits and
 * weights are kept and read back as the kernel does, for the devices that the configuration names,
 * but nobody is slowed down by them. Weights of single devices are refused as by a kernel whose
 * devices have neither io.cost.qos or io.cost.model set (io_cost.c) nor BFQ for a scheduler.
 * io.latency and io.prio.class are not there: they hang on how a kernel was built.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "io.h"

/* What the kernel's sscanf() takes for white space. */
#define SPACES " \t\n\v\f\r\xa0"

#define WEIGHT_MIN 1
#define WEIGHT_MAX 10000
#define BFQ_WEIGHT_MAX 1000
#define WEIGHT_DEFAULT 100

/* How a device's number is made of two: what is too much of the minor one is in the major one. */
#define MINOR_BITS 20

#define TOKEN_LEN 26 /* of io.max; what is longer is cut in two */

struct io {
	struct css css;
	unsigned weight, bfq_weight;
	struct io_group *groups; /* of devices, the one made last first */
};

static struct io *io_of(const struct cgroup *cg)
{
	return (struct io *)cgroup_css(cg, CTRL_IO);
}

static void io_init(struct cgroup *cg, struct css *css)
{
	struct io *io = (struct io *)css;

	(void)cg;
	io->weight = io->bfq_weight = WEIGHT_DEFAULT;
}

static void io_exit(struct cgroup *cg, struct css *css)
{
	struct io_group *g = ((struct io *)css)->groups;

	(void)cg;
	while (g) {
		struct io_group *next = g->next;

		free(g->cost);
		free(g);
		g = next;
	}
}

/* --- devices -------------------------------------------------------------------------------- */

struct io_group *io_groups(const struct cgroup *cg)
{
	return io_of(cg)->groups;
}

struct io_group *io_group(const struct cgroup *cg, size_t device)
{
	struct io_group *g = io_groups(cg);

	while (g && g->device != device)
		g = g->next;
	return g;
}

struct io_group *io_group_make(struct cgroup *cg, size_t device)
{
	for (struct cgroup *up = cg; up; up = up->parent) {
		struct io_group *g;

		if (io_group(up, device))
			continue;
		g = calloc(1, sizeof(*g));
		if (!g)
			return NULL;
		g->device = device;
		g->bps[0] = g->bps[1] = UINT64_MAX;
		g->iops[0] = g->iops[1] = UINT32_MAX;
		g->next = io_of(up)->groups;
		io_of(up)->groups = g;
	}
	return io_group(cg, device);
}

/* -1: the machine does not have it. */
static int find_device(const struct emul *e, unsigned major, unsigned minor)
{
	unsigned number = major << MINOR_BITS | minor;
	char name[32];

	snprintf(name, sizeof(name), "%u:%u", number >> MINOR_BITS,
		 number & ((1U << MINOR_BITS) - 1));
	return resource_find(&e->machine.devices, name);
}

int io_device(const struct emul *e, const char **text, size_t *ret_device)
{
	const char *rest = *text;
	uint64_t major, minor;
	int device;

	if (parse_scan(&rest, &major) || *rest++ != ':' || parse_scan(&rest, &minor) || !*rest ||
	    !strchr(SPACES, *rest))
		return refuse(EINVAL, "a line begins with the number of a device, MAJ:MIN, and a "
				      "blank");
	device = find_device(e, (unsigned)major, (unsigned)minor);
	if (device < 0)
		return refuse(ENODEV, "there is no block device %u:%u", (unsigned)major,
			      (unsigned)minor);
	*text = rest + strspn(rest, SPACES);
	*ret_device = (size_t)device;
	return 0;
}

static const char *device_name(const struct cgroup *cg, const struct io_group *g)
{
	return cg->emul->machine.devices.list[g->device].name;
}

/* --- limits --------------------------------------------------------------------------------- */

static void limit_show(const char *name, uint64_t limit, uint64_t none, struct buf *out)
{
	if (limit == none)
		buf_addf(out, " %s=max", name);
	else
		buf_addf(out, " %s=%llu", name, (unsigned long long)limit);
}

static int max_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	for (const struct io_group *g = io_groups(f->cg); g; g = g->next) {
		if (g->bps[0] == UINT64_MAX && g->bps[1] == UINT64_MAX &&
		    g->iops[0] == UINT32_MAX && g->iops[1] == UINT32_MAX)
			continue;
		buf_adds(out, device_name(f->cg, g));
		limit_show("rbps", g->bps[0], UINT64_MAX, out);
		limit_show("wbps", g->bps[1], UINT64_MAX, out);
		limit_show("riops", g->iops[0], UINT32_MAX, out);
		limit_show("wiops", g->iops[1], UINT32_MAX, out);
		buf_adds(out, "\n");
	}
	return 0;
}

static uint32_t clip_iops(uint64_t value)
{
	return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

/* One "KEY=VALUE" into g. What follows the digits of a value is ignored. */
static int parse_limit(char *token, struct io_group *g)
{
	char *value = token, *key = strsep(&value, "=");
	const char *number = value;
	uint64_t limit = UINT64_MAX;

	if (!value || (parse_scan(&number, &limit) && strcmp(value, "max")))
		return refuse(EINVAL, "\"%s\" has no \"max\" or number for a value", key);
	if (!limit)
		return refuse(ERANGE, "%s cannot be 0", key);
	if (limit == 1)
		return refuse(EINVAL, "%s is at least 2", key);
	if (!strcmp(key, "rbps"))
		g->bps[0] = limit;
	else if (!strcmp(key, "wbps"))
		g->bps[1] = limit;
	else if (!strcmp(key, "riops"))
		g->iops[0] = clip_iops(limit);
	else if (!strcmp(key, "wiops"))
		g->iops[1] = clip_iops(limit);
	else
		return refuse(EINVAL, "io.max knows no \"%s\"", key);
	return 0;
}

static int max_write(struct emul_open *f, const struct caller *writer, char *text)
{
	const char *rest = text;
	struct io_group *g, parsed;
	size_t device;
	int error = io_device(f->cg->emul, &rest, &device);

	(void)writer;
	if (error)
		return error;
	g = io_group_make(f->cg, device);
	if (!g)
		return -ENOMEM;
	parsed = *g;
	while (*(rest += strspn(rest, SPACES))) {
		char token[TOKEN_LEN + 1];
		size_t len = strcspn(rest, SPACES);

		len = len < TOKEN_LEN ? len : TOKEN_LEN;
		memcpy(token, rest, len);
		token[len] = '\0';
		rest += len;
		error = parse_limit(token, &parsed);
		if (error)
			return error;
	}
	*g = parsed;
	return 0;
}

/* --- weights -------------------------------------------------------------------------------- */

static int weight_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	buf_addf(out, "default %u\n", io_of(f->cg)->weight);
	for (const struct io_group *g = io_groups(f->cg); g; g = g->next) {
		if (g->weight)
			buf_addf(out, "%s %u\n", device_name(f->cg, g), g->weight);
	}
	return 0;
}

/* sscanf("%u"): what follows is ignored, numbers are mod 2^32. */
static int parse_weight(const char *text, unsigned *ret_weight)
{
	uint64_t value;

	if (parse_scan(&text, &value))
		return refuse(EINVAL, "not a number");
	if ((unsigned)value < WEIGHT_MIN || (unsigned)value > WEIGHT_MAX)
		return refuse(EINVAL, "io.weight is from %d to %d", WEIGHT_MIN, WEIGHT_MAX);
	*ret_weight = (unsigned)value;
	return 0;
}

static bool skip_word(const char **text, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*text, word, len) != 0)
		return false;
	*text += len;
	return true;
}

static int device_weight_write(struct cgroup *cg, const char *text)
{
	struct io_group *g;
	unsigned weight = 0;
	size_t device;
	int error = io_device(cg->emul, &text, &device);

	if (error)
		return error;
	if (!io_cost_enabled(cg->emul, device))
		return refuse(EOPNOTSUPP, "neither io.cost.qos nor io.cost.model of the root is "
					  "set for the device");
	g = io_group_make(cg, device);
	if (!g)
		return -ENOMEM;
	error = skip_word(&text, "default") ? 0 : parse_weight(text, &weight);
	if (!error)
		g->weight = weight;
	return error;
}

static int weight_write(struct emul_open *f, const struct caller *writer, char *text)
{
	const char *rest = text;

	(void)writer;
	if (strchr(text, ':'))
		return device_weight_write(f->cg, text);
	skip_word(&rest, "default");
	return parse_weight(rest, &io_of(f->cg)->weight);
}

static int bfq_weight_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	buf_addf(out, "default %u\n", io_of(f->cg)->bfq_weight);
	return 0;
}

/* A whole number to any base, or "default" and a decimal one, or a device. */
static int bfq_weight_write(struct emul_open *f, const struct caller *writer, char *text)
{
	char *start = parse_strip(text);
	const char *rest = start;
	uint64_t weight = parse_number(&rest);
	size_t device;
	int error;

	(void)writer;
	if (*rest) {
		rest = start;
		if (!skip_word(&rest, "default") || parse_scan(&rest, &weight)) {
			rest = start;
			error = io_device(f->cg->emul, &rest, &device);
			return error ? error : refuse(EOPNOTSUPP,
						      "BFQ does not schedule the device");
		}
	}
	if (weight < WEIGHT_MIN || weight > BFQ_WEIGHT_MAX)
		return refuse(ERANGE, "io.bfq.weight is from %d to %d", WEIGHT_MIN, BFQ_WEIGHT_MAX);
	io_of(f->cg)->bfq_weight = (unsigned)weight;
	return 0;
}

/* --- statistics ----------------------------------------------------------------------------- */

int io_account(struct cgroup *cg, unsigned major, unsigned minor, const struct io_stats *more)
{
	int device = find_device(cg->emul, major, minor);

	if (device < 0)
		return -ENODEV;
	while (cg && !io_of(cg))
		cg = cg->parent;
	if (!cg)
		return 0;
	if (!io_group_make(cg, (size_t)device))
		return -ENOMEM;
	for (; cg; cg = cg->parent) {
		struct io_stats *s = &io_group(cg, (size_t)device)->stats;

		s->rbytes += more->rbytes;
		s->wbytes += more->wbytes;
		s->rios += more->rios;
		s->wios += more->wios;
		s->dbytes += more->dbytes;
		s->dios += more->dios;
	}
	return 0;
}

static void stats_show(const struct cgroup *cg, size_t device, const struct io_group *g,
		       struct buf *out)
{
	static const struct io_stats none = { 0 };
	const struct io_stats *s = g ? &g->stats : &none;

	buf_addf(out, "%s ", cg->emul->machine.devices.list[device].name);
	if (s->rbytes || s->wbytes || s->rios || s->wios)
		buf_addf(out, "rbytes=%llu wbytes=%llu rios=%llu wios=%llu dbytes=%llu dios=%llu",
			 (unsigned long long)s->rbytes, (unsigned long long)s->wbytes,
			 (unsigned long long)s->rios, (unsigned long long)s->wios,
			 (unsigned long long)s->dbytes, (unsigned long long)s->dios);
	buf_adds(out, "\n");
}

/* The root lists every device, the last one first. */
static int stat_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	const struct cgroup *cg = f->cg;
	struct usage now; /* is accounted while it is looked at */
	int error = emul_usage(f->cg, &now);

	(void)reader;
	if (error)
		return error;
	for (size_t i = cgroup_is_root(cg) ? cg->emul->machine.devices.n : 0; i > 0; i--)
		stats_show(cg, i - 1, io_group(cg, i - 1), out);
	for (const struct io_group *g = io_groups(cg); g && !cgroup_is_root(cg); g = g->next)
		stats_show(cg, g->device, g, out);
	return 0;
}

const struct emul_file io_files[] = {
	{ .name = "io.stat", .mode = 0444, .flags = EMUL_USAGE, .show = stat_show },
	{ .name = "io.max",
	  .mode = 0644,
	  .flags = ROW_NOT_ON_ROOT,
	  .show = max_show,
	  .write = max_write },
	{ .name = "io.weight",
	  .mode = 0644,
	  .flags = ROW_NOT_ON_ROOT,
	  .show = weight_show,
	  .write = weight_write },
	{ .name = "io.bfq.weight",
	  .mode = 0644,
	  .flags = ROW_NOT_ON_ROOT,
	  .show = bfq_weight_show,
	  .write = bfq_weight_write },
	{ .name = "io.cost.qos",
	  .mode = 0644,
	  .flags = ROW_ONLY_ON_ROOT,
	  .show = io_qos_show,
	  .write = io_qos_write },
	{ .name = "io.cost.model",
	  .mode = 0644,
	  .flags = ROW_ONLY_ON_ROOT,
	  .show = io_model_show,
	  .write = io_model_write },
	{ 0 },
};

const struct controller io_controller = {
	.name = "io",
	.id = CTRL_IO,
	.css_size = sizeof(struct io),
	.css_init = io_init,
	.css_exit = io_exit,
};
