/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads an OCI state and the root path of its bundle, by jansson. */
#include "ocistate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_JANSSON
#include <jansson.h>
#endif

#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/why.h"
#include "options.h"

#define CONFIG_MAX (64u << 20)

void oci_state_free(struct oci_state *s)
{
	free(s->rootfs);
	*s = (struct oci_state){ 0 };
}

#ifdef HAVE_JANSSON

static void cleanup_json_p(json_t **json)
{
	json_decref(*json);
}

#define cleanup_json __attribute__((cleanup(cleanup_json_p)))

/* jansson says where the text is wrong. */
static int load(const char *what, const char *text, json_t **ret_json)
{
	json_error_t error;
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!json)
		return refuse(EINVAL, "%s: line %d: %s", what, error.line, error.text);
	if (!json_is_object(json)) {
		json_decref(json);
		return refuse(EINVAL, "%s: not a JSON object", what);
	}
	*ret_json = json;
	return 0;
}

static int parse_wish(const json_t *state, enum oci_wish *ret_wish)
{
	static const char *const words[] = {
		[OCI_WISH_VIEWS] = "views", [OCI_WISH_TREE] = "tree", [OCI_WISH_NOTHING] = "off",
		NULL,
	};
	const json_t *value = json_object_get(json_object_get(state, "annotations"),
					      OCI_ANNOTATION);
	const char *text = json_string_value(value);
	int wish = !value ? OCI_WISH_VIEWS : text ? word_number(words, text) : -EINVAL;

	if (wish < 0)
		return refuse(EINVAL, "the annotation " OCI_ANNOTATION ": expected views, tree or "
				      "off");
	*ret_wish = (enum oci_wish)wish;
	return 0;
}

static int parse_pid(const json_t *state, pid_t *ret_pid)
{
	json_t *value = json_object_get(state, "pid");
	json_int_t pid = json_integer_value(value);

	if (value && (!json_is_integer(value) || pid < 0 || pid > INT_MAX))
		return refuse(EINVAL, "the state's pid is not a process");
	*ret_pid = (pid_t)pid;
	return 0;
}

static int load_config(const char *bundle, json_t **ret_config)
{
	cleanup_buf struct buf path = { 0 };
	cleanup_buf struct buf text = { 0 };
	int r;

	buf_addf(&path, "%s/config.json", bundle);
	if (buf_error(&path) < 0)
		return -ENOMEM;
	r = buf_readat(&text, AT_FDCWD, buf_text(&path), CONFIG_MAX);
	if (r < 0)
		return refuse(-r, "%s: %s", buf_text(&path), strerror(-r));
	return load(buf_text(&path), buf_text(&text), ret_config);
}

/* root.path: absolute, or below the bundle. */
static int find_rootfs(const json_t *state, char **ret_rootfs)
{
	const char *bundle = json_string_value(json_object_get(state, "bundle"));
	cleanup_json json_t *config = NULL;
	const char *path;
	int r;

	if (!bundle || *bundle != '/')
		return refuse(EINVAL, "the state has no absolute path of a bundle");
	r = load_config(bundle, &config);
	if (r < 0)
		return r;
	path = json_string_value(json_object_get(json_object_get(config, "root"), "path"));
	if (!path || !*path)
		return refuse(EINVAL, "%s/config.json: no root.path", bundle);
	if (*path == '/')
		*ret_rootfs = strdup(path);
	else if (asprintf(ret_rootfs, "%s/%s", bundle, path) < 0)
		*ret_rootfs = NULL;
	return *ret_rootfs ? 0 : -ENOMEM;
}

int oci_state_parse(const char *text, struct oci_state *ret_state)
{
	struct oci_state s = { 0 };
	cleanup_json json_t *state = NULL;
	int r = load("the state on standard input", text, &state);

	if (r == 0)
		r = parse_wish(state, &s.wish);
	if (r == 0)
		r = parse_pid(state, &s.pid);
	if (r == 0 && s.wish != OCI_WISH_NOTHING)
		r = find_rootfs(state, &s.rootfs);
	if (r < 0)
		return r;
	*ret_state = s;
	return 0;
}

#else

int oci_state_parse(const char *text, struct oci_state *ret_state)
{
	(void)text, (void)ret_state;
	return refuse(ENOTSUP, "this ctlfs was built without jansson (package libjansson-dev), "
			       "which reads the state");
}

#endif
