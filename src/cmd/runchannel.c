/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What supervisor and daemon tell each other: one packet each, the device as SCM_RIGHTS. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "run.h"

int channel_open(int ret_ends[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_ends) < 0 ? -errno : 0;
}

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int))];
};

static int send_packet(int end, const void *data, size_t len, int fd)
{
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	union control control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.space;
		msg.msg_controllen = sizeof control.space;
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	do {
		n = sendmsg(end, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static int take_fd(struct msghdr *msg, int *ret_fd)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	memcpy(ret_fd, CMSG_DATA(c), sizeof *ret_fd);
	return 0;
}

/* A packet of exactly len bytes, with an fd if ret_fd is not NULL. */
static int recv_packet(int end, void *data, size_t len, int *ret_fd)
{
	struct iovec iov = { .iov_base = data, .iov_len = len };
	union control control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = ret_fd ? control.space : NULL,
			      .msg_controllen = ret_fd ? sizeof control.space : 0 };
	ssize_t n;

	do {
		n = recvmsg(end, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n == 0 || errno == ECONNRESET ? -EPIPE : -errno;
	if ((size_t)n != len)
		return -EPROTO;
	return ret_fd ? take_fd(&msg, ret_fd) : 0;
}

int channel_send_container(int end, const struct run_container *c)
{
	return send_packet(end, c, sizeof *c, -1);
}

int channel_recv_container(int end, struct run_container *ret_c)
{
	return recv_packet(end, ret_c, sizeof *ret_c, NULL);
}

int channel_send_fd(int end, int fd)
{
	return send_packet(end, "d", 1, fd);
}

int channel_recv_fd(int end, int *ret_fd)
{
	char byte;

	return recv_packet(end, &byte, 1, ret_fd);
}

int channel_send_pid(int end, pid_t pid)
{
	return send_packet(end, &pid, sizeof pid, -1);
}

int channel_recv_pid(int end, pid_t *ret_pid)
{
	return recv_packet(end, ret_pid, sizeof *ret_pid, NULL);
}

int channel_send_moved(int end)
{
	return send_packet(end, "m", 1, -1);
}

int channel_recv_moved(int end)
{
	char byte;

	return recv_packet(end, &byte, 1, NULL);
}
