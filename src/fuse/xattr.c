/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Extended attributes of the tree; the files of our own have none. */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>
/* After it: it has names only. */
#include <linux/xattr.h>

#include "session.h"

static const struct tree_xattr_ops *ops_of(fuse_req_t req, fuse_ino_t node)
{
	return node_kind(node) == NODE_TREE ? server_of(req)->config.tree->ops->xattr : NULL;
}

/* size 0 asks how long the answer is. */
static void reply_text(fuse_req_t req, int r, const struct buf *text, size_t size,
		       const struct attempt *a)
{
	if (r == 0 && size && text->len > size)
		r = -ERANGE;
	if (r < 0)
		reply_error(req, r, a);
	else if (size)
		fuse_reply_buf(req, text->data, text->len);
	else
		fuse_reply_xattr(req, text->len);
}

void op_getxattr(fuse_req_t req, fuse_ino_t node, const char *name, size_t size)
{
	const struct tree_xattr_ops *ops = ops_of(req, node);
	cleanup_buf struct buf value = { 0 };
	int r = ops ? may_look(req, node) : -ENODATA;

	if (r == 0)
		r = ops->get(server_of(req)->config.tree, node_rest(node), name, &value);
	reply_text(req, r, &value, size,
		   &(struct attempt){ "getxattr", node, NULL, name, strlen(name) });
}

/* Those of the trusted kind are seen by CAP_SYS_ADMIN only, which here is uid 0. */
static void hide_trusted(struct buf *names)
{
	size_t kept = 0;

	for (size_t at = 0, len; at < names->len; at += len) {
		const char *name = names->data + at;

		len = strlen(name) + 1;
		if (!strncmp(name, XATTR_TRUSTED_PREFIX, XATTR_TRUSTED_PREFIX_LEN))
			continue;
		memmove(names->data + kept, name, len);
		kept += len;
	}
	buf_cut(names, kept);
}

void op_listxattr(fuse_req_t req, fuse_ino_t node, size_t size)
{
	const struct tree_xattr_ops *ops = ops_of(req, node);
	cleanup_buf struct buf names = { 0 };
	int r = ops ? may_look(req, node) : 0;

	if (r == 0 && ops)
		r = ops->list(server_of(req)->config.tree, node_rest(node), &names);
	if (r == 0 && names.len && caller_of(req).uid)
		hide_trusted(&names);
	reply_text(req, r, &names, size, &(struct attempt){ "listxattr", node });
}

static void set(fuse_req_t req, fuse_ino_t node, const char *name, const struct tree_xattr *x)
{
	const struct tree_xattr_ops *ops = ops_of(req, node);
	struct attempt a = { x->value ? "setxattr" : "removexattr", node };
	struct caller who = caller_of(req);
	cleanup_buf struct buf text = { 0 };
	int r = -EOPNOTSUPP;

	buf_adds(&text, name);
	if (x->value) {
		buf_adds(&text, "=");
		buf_add(&text, x->value, x->size);
	}
	a.text = buf_text(&text);
	a.len = text.len;
	if (ops)
		r = ops->set(server_of(req)->config.tree, &who, node_rest(node), name, x);
	if (r < 0) {
		reply_error(req, r, &a);
		return;
	}
	note_done(req, &a);
	fuse_reply_err(req, 0);
}

void op_setxattr(fuse_req_t req, fuse_ino_t node, const char *name, const char *value, size_t size,
		 int flags)
{
	set(req, node, name, &(struct tree_xattr){ .value = value, .size = size, .flags = flags });
}

void op_removexattr(fuse_req_t req, fuse_ino_t node, const char *name)
{
	set(req, node, name, &(struct tree_xattr){ .flags = XATTR_REPLACE });
}
