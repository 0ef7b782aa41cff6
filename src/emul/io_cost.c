/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * io.cost.qos and io.cost.model of the root: parsed, kept and read back. A device that either was
 * written for takes io.weight. What "auto" stands for is what the kernel assumes of a rotating
 * disk, or at first of one that does not rotate.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "io.h"

/* Texts of values that the kernel copies to look at. */
#define NUMBER_LEN 24
#define WORD_LEN 32

#define SEPARATORS " \t\n"

/* Parts in a million. */
#define PERCENT_MAX 1000000
#define RATE_MIN 10000
#define RATE_MAX 100000000

enum qos { RPCT, RLAT, WPCT, WLAT, MIN, MAX, QOS };
enum model { RBPS, RSEQIOPS, RRANDIOPS, WBPS, WSEQIOPS, WRANDIOPS, MODEL };

static const char *const qos_names[QOS] = {
	[RPCT] = "rpct", [RLAT] = "rlat", [WPCT] = "wpct",
	[WLAT] = "wlat", [MIN] = "min",   [MAX] = "max",
};

static const char *const model_names[MODEL] = {
	[RBPS] = "rbps", [RSEQIOPS] = "rseqiops", [RRANDIOPS] = "rrandiops",
	[WBPS] = "wbps", [WSEQIOPS] = "wseqiops", [WRANDIOPS] = "wrandiops",
};

/* Of one device. */
struct io_cost {
	const struct io_cost *presets; /* of such a device */
	bool enable, user_qos, user_model;
	uint32_t qos[QOS]; /* parts in a million, microseconds */
	uint64_t model[MODEL];
};

static const struct io_cost rotating = {
	.presets = &rotating,
	.qos = { [RLAT] = 250000, [WLAT] = 250000, [MIN] = RATE_MIN, [MAX] = RATE_MAX },
	.model = {
		[RBPS] = 174019176,
		[RSEQIOPS] = 41708,
		[RRANDIOPS] = 370,
		[WBPS] = 178075866,
		[WSEQIOPS] = 42705,
		[WRANDIOPS] = 378,
	},
};

static const struct io_cost solid = {
	.presets = &solid,
	.qos = { [RLAT] = 25000, [WLAT] = 25000, [MIN] = RATE_MIN, [MAX] = RATE_MAX },
	.model = {
		[RBPS] = 488636629,
		[RSEQIOPS] = 8932,
		[RRANDIOPS] = 8518,
		[WBPS] = 427891549,
		[WSEQIOPS] = 28755,
		[WRANDIOPS] = 21940,
	},
};

bool io_cost_enabled(const struct emul *e, size_t device)
{
	const struct io_group *g = io_group(e->root, device);

	return g && g->cost;
}

/* The device that text begins with, which then has costs. */
static int cost_make(struct cgroup *root, const char **text, struct io_cost **ret_cost)
{
	struct io_group *g;
	uint64_t queue;
	size_t device;
	int error = io_device(root->emul, text, &device);

	if (error)
		return error;
	queue = root->emul->machine.devices.list[device].capacity;
	if (queue == QUEUE_NONE)
		return refuse(EOPNOTSUPP, "the device has no request queue (blk-mq)");
	g = io_group_make(root, device);
	if (g && !g->cost) {
		g->cost = malloc(sizeof(*g->cost));
		if (g->cost)
			*g->cost = queue == QUEUE_SSD ? solid : rotating;
	}
	if (!g || !g->cost)
		return -ENOMEM;
	*ret_cost = g->cost;
	return 0;
}

/* --- values --------------------------------------------------------------------------------- */

static int refuse_value(const char *key, const char *value)
{
	return refuse(EINVAL, "\"%.64s\" is no value of %s", value, key);
}

/* match_token("%u") and match_u64() */
static int parse_count(const char *key, const char *value, uint64_t *ret_count)
{
	if (*value < '0' || *value > '9' || strlen(value) >= NUMBER_LEN ||
	    parse_u64(value, 0, ret_count))
		return refuse_value(key, value);
	return 0;
}

/* cgroup_parse_float() to hundredths: what follows the number is ignored. */
static int parse_hundredths(const char *key, const char *value, int64_t *ret_hundredths)
{
	bool negative = *value == '-';
	const char *rest = value + negative;
	uint64_t whole, fraction = 0;
	int64_t sum;

	if (strlen(value) >= WORD_LEN || parse_scan(&rest, &whole))
		return refuse_value(key, value);
	if (*rest == '.') {
		const char *minus = rest[1] == '-' ? rest + 2 : "";
		int digits = 0;

		if (!parse_scan(&minus, &fraction) && fraction)
			return refuse_value(key, value);
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, digits++) {
			if (digits < 2)
				fraction = fraction * 10 + (uint64_t)(*rest - '0');
			else if (digits == 2 && *rest >= '5')
				fraction++; /* rounded to the nearest */
		}
		if (digits == 1)
			fraction *= 10;
	}
	sum = (int64_t)((negative ? -whole : whole) * 100 + fraction);
	if (sum < 0)
		return refuse_value(key, value);
	*ret_hundredths = sum;
	return 0;
}

/* "ctrl=auto" and "ctrl=user" */
static int parse_ctrl(const char *value, bool *ret_user)
{
	if (strcmp(value, "auto") && strcmp(value, "user"))
		return refuse_value("ctrl", value);
	*ret_user = *value == 'u';
	return 0;
}

/* One "KEY=VALUE" into c. */
typedef int pair_parse(const char *key, const char *value, struct io_cost *c);

/* What a write makes of the device's costs, in *ret_parsed: not yet theirs. */
static int cost_parse(struct cgroup *root, char *text, pair_parse *parse, struct io_cost **ret_cost,
		      struct io_cost *ret_parsed)
{
	struct io_cost *cost = NULL;
	const char *body = text;
	int error = cost_make(root, &body, &cost);
	char *rest = text + (body - text), *value;

	if (!cost)
		return error;
	*ret_cost = cost;
	*ret_parsed = *cost;
	while (!error && (value = strsep(&rest, SEPARATORS))) {
		const char *key;

		if (!*value)
			continue;
		key = strsep(&value, "=");
		if (!value || !*value)
			return refuse(EINVAL, "\"%.64s\" has no value", key);
		error = parse(key, value, ret_parsed);
	}
	return error;
}

static int key_find(const char *const *names, int n, const char *key)
{
	for (int i = 0; i < n; i++) {
		if (!strcmp(names[i], key))
			return i;
	}
	return refuse(EINVAL, "there is no \"%.64s\"", key);
}

/* --- io.cost.qos ---------------------------------------------------------------------------- */

static int parse_qos_number(int key, const char *value, uint32_t *ret_number)
{
	uint64_t count = 0;
	int64_t hundredths = 0;
	int error;

	if (key == RLAT || key == WLAT) {
		error = parse_count(qos_names[key], value, &count);
		if (!error)
			*ret_number = (uint32_t)count;
		return error;
	}
	error = parse_hundredths(qos_names[key], value, &hundredths);
	if (error)
		return error;
	if (key == RPCT || key == WPCT) {
		if (hundredths > PERCENT_MAX / 100)
			return refuse_value(qos_names[key], value);
		*ret_number = (uint32_t)hundredths * 100;
		return 0;
	}
	if (hundredths > RATE_MAX / 100)
		hundredths = RATE_MAX / 100;
	*ret_number = hundredths < RATE_MIN / 100 ? RATE_MIN : (uint32_t)hundredths * 100;
	return 0;
}

static int parse_qos(const char *key, const char *value, struct io_cost *c)
{
	uint64_t enable = 0;
	int i, error;

	if (!strcmp(key, "enable")) {
		error = parse_count(key, value, &enable);
		if (!error)
			c->enable = enable;
		return error;
	}
	if (!strcmp(key, "ctrl"))
		return parse_ctrl(value, &c->user_qos);
	i = key_find(qos_names, QOS, key);
	error = i < 0 ? i : parse_qos_number(i, value, &c->qos[i]);
	if (!error)
		c->user_qos = true;
	return error;
}

int io_qos_write(struct emul_open *f, const struct caller *writer, char *text)
{
	struct io_cost *cost, parsed;
	int error = cost_parse(f->cg, text, parse_qos, &cost, &parsed);

	(void)writer;
	if (error)
		return error;
	if (parsed.qos[MIN] > parsed.qos[MAX])
		return refuse(EINVAL, "min is more than max");
	if (!parsed.user_qos)
		memcpy(parsed.qos, parsed.presets->qos, sizeof(parsed.qos));
	*cost = parsed;
	return 0;
}

static void add_percent(const char *name, uint32_t ppm, struct buf *out)
{
	buf_addf(out, " %s=%u.%02u", name, ppm / 10000, ppm % 10000 / 100);
}

static void qos_show_one(const struct io_cost *c, struct buf *out)
{
	buf_addf(out, " enable=%d ctrl=%s", c->enable, c->user_qos ? "user" : "auto");
	for (int i = 0; i < QOS; i++) {
		if (i == RLAT || i == WLAT)
			buf_addf(out, " %s=%u", qos_names[i], c->qos[i]);
		else
			add_percent(qos_names[i], c->qos[i], out);
	}
}

/* --- io.cost.model -------------------------------------------------------------------------- */

static int parse_model(const char *key, const char *value, struct io_cost *c)
{
	int i, error;

	if (!strcmp(key, "ctrl"))
		return parse_ctrl(value, &c->user_model);
	if (!strcmp(key, "model"))
		return strcmp(value, "linear") ? refuse_value(key, value) : 0;
	i = key_find(model_names, MODEL, key);
	error = i < 0 ? i : parse_count(key, value, &c->model[i]);
	if (!error)
		c->user_model = true;
	return error;
}

int io_model_write(struct emul_open *f, const struct caller *writer, char *text)
{
	struct io_cost *cost, parsed;
	int error = cost_parse(f->cg, text, parse_model, &cost, &parsed);

	(void)writer;
	if (error)
		return error;
	if (!parsed.user_model)
		memcpy(parsed.model, parsed.presets->model, sizeof(parsed.model));
	*cost = parsed;
	return 0;
}

static void model_show_one(const struct io_cost *c, struct buf *out)
{
	buf_addf(out, " ctrl=%s model=linear", c->user_model ? "user" : "auto");
	for (int i = 0; i < MODEL; i++)
		buf_addf(out, " %s=%llu", model_names[i], (unsigned long long)c->model[i]);
}

static void show_each(const struct cgroup *root, void (*show)(const struct io_cost *, struct buf *),
		      struct buf *out)
{
	for (const struct io_group *g = io_groups(root); g; g = g->next) {
		if (!g->cost)
			continue;
		buf_adds(out, root->emul->machine.devices.list[g->device].name);
		show(g->cost, out);
		buf_adds(out, "\n");
	}
}

int io_qos_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	show_each(f->cg, qos_show_one, out);
	return 0;
}

int io_model_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	show_each(f->cg, model_show_one, out);
	return 0;
}
