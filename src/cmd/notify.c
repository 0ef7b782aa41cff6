/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A datagram to the socket that the service manager named. */
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/log.h"

/* A path, or "@NAME" in the abstract namespace: 0, or -EINVAL. */
static int parse_address(const char *text, struct sockaddr_un *ret_address, socklen_t *ret_len)
{
	size_t len = strlen(text);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if ((*text != '/' && *text != '@') || len >= sizeof address.sun_path)
		return -EINVAL;
	memcpy(address.sun_path, text, len);
	if (*text == '@')
		address.sun_path[0] = '\0';
	*ret_address = address;
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return 0;
}

static int send_to(const char *name, const char *state)
{
	struct sockaddr_un address;
	socklen_t len;
	int r = parse_address(name, &address, &len);

	if (r < 0)
		return r;
	cleanup_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
			     len) < 0)
		return -errno;
	return 0;
}

void notify_manager(const char *state)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int r = name && *name ? send_to(name, state) : 0;

	if (r < 0)
		log_error("NOTIFY_SOCKET %s: %s", name, strerror(-r));
}
