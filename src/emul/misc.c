/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The misc controller: resources that are counted and nothing else, each a name and a capacity.
 *
 * Which there are the configuration says; a machine without any has empty files. Nobody uses them
 * but who is charged with misc_charge(), since processes cannot be asked what they have of them.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "emul.h"

#define NO_LIMIT UINT64_MAX

struct misc_res {
	uint64_t max, usage, peak, events, events_local;
};

/* Made when the first is set or used: most cgroups have none. */
struct misc {
	struct css css;
	struct misc_res *res; /* by the index of the machine's, or NULL */
};

static const struct misc_res fresh = { .max = NO_LIMIT };

static struct misc *misc_of(const struct cgroup *cg)
{
	return (struct misc *)cgroup_css(cg, CTRL_MISC);
}

static const struct resources *resources_of(const struct cgroup *cg)
{
	return &cg->emul->machine.misc;
}

static void misc_exit(struct cgroup *cg, struct css *css)
{
	(void)cg;
	free(((struct misc *)css)->res);
}

static const struct misc_res *res_read(const struct cgroup *cg, size_t i)
{
	const struct misc_res *res = misc_of(cg)->res;

	return res ? &res[i] : &fresh;
}

/* NULL without memory. */
static struct misc_res *res_make(struct cgroup *cg, size_t i)
{
	struct misc *misc = misc_of(cg);

	if (!misc->res) {
		misc->res = calloc(resources_of(cg)->n, sizeof(*misc->res));
		for (size_t k = 0; misc->res && k < resources_of(cg)->n; k++)
			misc->res[k] = fresh;
	}
	return misc->res ? &misc->res[i] : NULL;
}

/* --- charges -------------------------------------------------------------------------------- */

/* Where the controller has been off meanwhile there is less, or nothing. */
static void uncharge(struct cgroup *cg, const struct cgroup *end, size_t i, uint64_t amount)
{
	for (; cg != end; cg = cg->parent) {
		struct misc *misc = misc_of(cg);

		if (misc && misc->res && misc->res[i].usage >= amount)
			misc->res[i].usage -= amount;
	}
}

static void event(struct cgroup *cg, size_t i)
{
	res_make(cg, i)->events_local++;
	if (!cgroup_is_root(cg))
		emul_notify(cg, SLOT_MISC_EVENTS + 1);
	for (; !cgroup_is_root(cg); cg = cg->parent) {
		res_make(cg, i)->events++;
		emul_notify(cg, SLOT_MISC_EVENTS);
	}
}

int misc_charge(struct cgroup *cg, const char *name, uint64_t amount)
{
	int i = resource_find(resources_of(cg), name);
	uint64_t capacity = i < 0 ? 0 : resources_of(cg)->list[i].capacity;

	if (!capacity || !misc_of(cg))
		return refuse(EINVAL, "there is no \"%s\" here", name);
	for (struct cgroup *up = cg; up; up = up->parent) {
		if (!res_make(up, (size_t)i))
			return -ENOMEM;
	}
	for (struct cgroup *up = cg; up; up = up->parent) {
		struct misc_res *res = res_make(up, (size_t)i);
		uint64_t most = res->max < capacity ? res->max : capacity;

		if (amount > most || res->usage > most - amount) {
			event(up, (size_t)i);
			uncharge(cg, up, (size_t)i, amount);
			return refuse(EBUSY, "misc.max of \"%s\" is reached",
				      up->parent ? up->name : "/");
		}
		res->usage += amount;
		if (res->usage > res->peak)
			res->peak = res->usage;
	}
	return 0;
}

void misc_uncharge(struct cgroup *cg, const char *name, uint64_t amount)
{
	int i = resource_find(resources_of(cg), name);

	if (i >= 0)
		uncharge(cg, NULL, (size_t)i, amount);
}

/* --- files ---------------------------------------------------------------------------------- */

static int max_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	const struct resources *r = resources_of(f->cg);

	(void)reader;
	for (size_t i = 0; i < r->n; i++) {
		uint64_t max = res_read(f->cg, i)->max;

		if (!r->list[i].capacity)
			continue;
		if (max == NO_LIMIT)
			buf_addf(out, "%s max\n", r->list[i].name);
		else
			buf_addf(out, "%s %llu\n", r->list[i].name, (unsigned long long)max);
	}
	return 0;
}

static int max_write(struct emul_open *f, const struct caller *writer, char *text)
{
	const struct resources *r = resources_of(f->cg);
	char *value = parse_strip(text), *name = strsep(&value, " ");
	uint64_t max = NO_LIMIT;
	struct misc_res *res;
	int i, error;

	(void)writer;
	if (!value)
		return refuse(EINVAL, "misc.max takes a resource and \"max\" or a number");
	i = resource_find(r, name);
	if (i < 0)
		return refuse(EINVAL, "there is no resource \"%.32s\"", name);
	error = strcmp(value, "max") ? parse_u64(value, 0, &max) : 0;
	if (error)
		return refuse(-error, "misc.max takes \"max\" or a number");
	if (!r->list[i].capacity)
		return refuse(EINVAL, "this machine has no %s", name);
	res = res_make(f->cg, (size_t)i);
	if (!res)
		return -ENOMEM;
	res->max = max;
	return 0;
}

/* Lines of what is not 0 or may become so. */
static void counts_show(const struct cgroup *cg, size_t offset, const char *suffix, struct buf *out)
{
	const struct resources *r = resources_of(cg);

	for (size_t i = 0; i < r->n; i++) {
		const char *field = (const char *)res_read(cg, i) + offset;
		uint64_t value = *(const uint64_t *)(const void *)field;

		if (r->list[i].capacity || value)
			buf_addf(out, "%s%s %llu\n", r->list[i].name, suffix,
				 (unsigned long long)value);
	}
}

static int current_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	counts_show(f->cg, offsetof(struct misc_res, usage), "", out);
	return 0;
}

static int peak_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	counts_show(f->cg, offsetof(struct misc_res, peak), "", out);
	return 0;
}

static int events_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	counts_show(f->cg, offsetof(struct misc_res, events), ".max", out);
	return 0;
}

static int events_local_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	counts_show(f->cg, offsetof(struct misc_res, events_local), ".max", out);
	return 0;
}

static int capacity_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	const struct resources *r = resources_of(f->cg);

	(void)reader;
	for (size_t i = 0; i < r->n; i++) {
		if (r->list[i].capacity)
			buf_addf(out, "%s %llu\n", r->list[i].name,
				 (unsigned long long)r->list[i].capacity);
	}
	return 0;
}

#define SINCE_6_12 .not_in = EMUL_BIT(EMUL_6_1)

const struct emul_file misc_files[] = {
	{ .name = "misc.max",
	  .mode = 0644,
	  .flags = ROW_NOT_ON_ROOT,
	  .show = max_show,
	  .write = max_write },
	{ .name = "misc.events",
	  .mode = 0444,
	  .flags = ROW_NOT_ON_ROOT | ROW_NOTIFIES,
	  .show = events_show },
	{ .name = "misc.events.local",
	  .mode = 0444,
	  .flags = ROW_NOT_ON_ROOT | ROW_NOTIFIES,
	  SINCE_6_12,
	  .show = events_local_show },
	{ .name = "misc.current", .mode = 0444, SINCE_6_12, .show = current_show },
	{ .name = "misc.current",
	  .mode = 0444,
	  .flags = ROW_NOT_ON_ROOT,
	  .not_in = EMUL_BIT(EMUL_6_12) | EMUL_BIT(EMUL_6_18),
	  .show = current_show },
	{ .name = "misc.peak", .mode = 0444, SINCE_6_12, .show = peak_show },
	{ .name = "misc.capacity",
	  .mode = 0444,
	  .flags = ROW_ONLY_ON_ROOT,
	  .show = capacity_show },
	{ 0 },
};

const struct controller misc_controller = {
	.name = "misc",
	.id = CTRL_MISC,
	.css_size = sizeof(struct misc),
	.css_exit = misc_exit,
};
