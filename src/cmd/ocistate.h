/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state of a container as the OCI runtime specification has it, and what its bundle adds. */
#ifndef CTLFS_CMD_OCISTATE_H
#define CTLFS_CMD_OCISTATE_H

#include <sys/types.h>

/* Its value says what a container wants: "views" (also without it), "tree": the tree as well,
 * "off": nothing. */
#define OCI_ANNOTATION "ctlfs"

enum oci_wish { OCI_WISH_VIEWS, OCI_WISH_TREE, OCI_WISH_NOTHING };

struct oci_state {
	pid_t pid; /* 0: the state has none */
	char *rootfs; /* absolute */
	enum oci_wish wish;
};

/* From the JSON text of a state, and the config.json of its bundle. 0 or -errno with the reason
 * noted; -ENOTSUP if this ctlfs was built without jansson. */
int oci_state_parse(const char *text, struct oci_state *ret_state);
void oci_state_free(struct oci_state *s);
#define cleanup_oci_state __attribute__((cleanup(oci_state_free)))

#endif
