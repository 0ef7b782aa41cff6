/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the emulated machine has, out of the words of the configuration. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"

#define RESOURCES_MAX 4096

/* Takes apart one word and fills the resource, whose name is still NULL. */
typedef int word_parse(char *word, struct resource *r);

static void resources_free(struct resources *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->list[i].name);
	free(r->list);
	*r = (struct resources){ 0 };
}

static int resources_add(struct resources *r, char *word, word_parse *parse)
{
	struct resource *grown;
	int error;

	if (r->n == RESOURCES_MAX)
		return -EINVAL;
	grown = reallocarray(r->list, r->n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	r->list = grown;
	grown[r->n] = (struct resource){ 0 };
	error = parse(word, &grown[r->n]);
	if (error)
		return error;
	if (resource_find(r, grown[r->n].name) >= 0) {
		free(grown[r->n].name);
		return -EEXIST;
	}
	r->n++;
	return 0;
}

static int resources_parse(struct resources *r, const char *words, word_parse *parse)
{
	cleanup_free char *copy = strdup(words ? words : "");
	char *rest = copy, *word;
	int error = copy ? 0 : -ENOMEM;

	while (!error && (word = strsep(&rest, " \t\n"))) {
		if (*word)
			error = resources_add(r, word, parse);
		if (error && error != -ENOMEM)
			error = refuse(EINVAL, "\"%s\" is nothing that a machine could have",
				       word);
	}
	return error;
}

int resource_find(const struct resources *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++) {
		if (!strcmp(r->list[i].name, name))
			return (int)i;
	}
	return -1;
}

/* --- words ---------------------------------------------------------------------------------- */

static int take_name(const char *word, struct resource *r)
{
	if (!*word)
		return -EINVAL;
	r->name = strdup(word);
	return r->name ? 0 : -ENOMEM;
}

static int parse_device(char *word, struct resource *r)
{
	char *queue = strchr(word, '/');
	unsigned major, minor;
	char name[32];

	if (queue)
		*queue++ = '\0';
	if (sscanf(word, "%u:%u", &major, &minor) != 2 ||
	    (queue && strcmp(queue, "mq") && strcmp(queue, "ssd")))
		return -EINVAL;
	snprintf(name, sizeof(name), "%u:%u", major, minor);
	if (strcmp(name, word))
		return -EINVAL;
	r->capacity = !queue ? QUEUE_NONE : *queue == 's' ? QUEUE_SSD : QUEUE_DISK;
	return take_name(word, r);
}

static int parse_capacity(char *word, struct resource *r)
{
	char *value = strchr(word, '=');

	if (!value)
		return -EINVAL;
	*value++ = '\0';
	if (parse_u64(value, 0, &r->capacity))
		return -EINVAL;
	return take_name(word, r);
}

static int parse_name(char *word, struct resource *r)
{
	return take_name(word, r);
}

/* Its capacity is 1 if it is not with cgroup v1. */
static int parse_controller(char *word, struct resource *r)
{
	char *where = strchr(word, '/');

	if (where)
		*where++ = '\0';
	if (where && strcmp(where, "v1"))
		return -EINVAL;
	r->capacity = where ? 0 : 1;
	for (int i = 0; i < CTRL_COUNT; i++) {
		if (!strcmp(emul_ctrl_names[i], word))
			return take_name(word, r);
	}
	return -EINVAL;
}

/* Resources that the kernel has names for; they have no capacity unless config gives them some. */
static int name_known_misc(struct machine *m, enum emul_version version)
{
	char *names[] = { strdup("sev=0"), strdup("sev_es=0"),
			  strdup(version == EMUL_6_18 ? "tdx=0" : "") };
	int error = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!names[i])
			error = -ENOMEM;
		else if (*names[i] && !error)
			error = resources_add(&m->misc, names[i], parse_capacity);
		if (error == -EEXIST)
			error = 0;
		free(names[i]);
	}
	return error;
}

/* --- controllers ---------------------------------------------------------------------------- */

static int name_controllers(struct machine *m, const struct emul_config *config)
{
	struct resources named = { 0 };
	int error = resources_parse(&named, config->controllers, parse_controller);

	for (int i = 0; !error && i < CTRL_COUNT; i++) {
		const struct controller *c = emul_controllers[i];
		int name = resource_find(&named, emul_ctrl_names[i]);

		if ((c && (c->not_in & EMUL_BIT(config->version))) ||
		    (config->controllers && name < 0))
			continue;
		m->known |= (uint16_t)(1u << i);
		if (c && (!named.list || name < 0 || named.list[name].capacity))
			m->controllers |= (uint16_t)(1u << i);
	}
	resources_free(&named);
	return error;
}

int machine_new(const struct emul_config *config, struct machine *ret_machine)
{
	struct machine m = { 0 };
	int error = name_controllers(&m, config);

	if (!error)
		error = resources_parse(&m.devices, config->devices, parse_device);
	if (!error)
		error = resources_parse(&m.misc, config->misc, parse_capacity);
	if (!error)
		error = name_known_misc(&m, config->version);
	if (!error)
		error = resources_parse(&m.rdma, config->rdma, parse_name);
	if (!error)
		error = resources_parse(&m.dmem, config->dmem, parse_capacity);
	if (error) {
		machine_free(&m);
		return error;
	}
	*ret_machine = m;
	return 0;
}

void machine_free(struct machine *m)
{
	resources_free(&m->devices);
	resources_free(&m->misc);
	resources_free(&m->rdma);
	resources_free(&m->dmem);
}
