/* The floor: the least that sending the same frames to the same subscribers costs.
 *
 *     floor PORT SUBSCRIBERS RATE FRAME
 *
 * Accepts SUBSCRIBERS connections, answers each with the head of an event stream, then sends a frame of FRAME bytes to
 * every one of them RATE times a second until it is killed. One thread, one send() a delivery, no queue, no history:
 * what is left is the kernel's price. Who asks by HTTP/1.0 gets plain frames, the others get them chunked.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST_MAX = 4096, FRAME_MAX = 4096, BACKLOG = 4096 };

static const char CHUNKED_HEAD[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
static const char PLAIN_HEAD[] = "HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

struct subscriber {
    int socket;
    bool chunked;
};

static int listen_on(int port)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, BACKLOG))
        err(1, "cannot listen on port %d", port);
    return listener;
}

static struct subscriber accept_one(int listener)
{
    char request[REQUEST_MAX];
    int on = 1;
    struct subscriber it = {.socket = accept(listener, NULL, NULL)};

    if (it.socket < 0)
        err(1, "accept");
    setsockopt(it.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ssize_t length = read(it.socket, request, sizeof request - 1); /* ours come in one segment */
    if (length <= 0)
        err(1, "a subscriber left before it asked");
    request[length] = 0;
    it.chunked = !strstr(request, "HTTP/1.0");
    const char *head = it.chunked ? CHUNKED_HEAD : PLAIN_HEAD;
    if (write(it.socket, head, strlen(head)) < 0)
        err(1, "write");
    return it;
}

/* Sleep until the n-th tick, counted from the start: a relative sleep would add the sending time to each period. */
static void wait_for_tick(struct timespec start, long n, double rate)
{
    double due = start.tv_sec + start.tv_nsec / 1e9 + n / rate;
    struct timespec at = {.tv_sec = (time_t)due, .tv_nsec = (long)((due - (time_t)due) * 1e9)};

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

/* Write a frame of exactly `size` bytes: an id, and data that fills the rest. */
static int write_frame(char *frame, int size, long n)
{
    int used = sprintf(frame, "id: 0000000000-%ld\ndata: ", n);

    memset(frame + used, 'x', size - used - 2);
    memcpy(frame + size - 2, "\n\n", 3);
    return size;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        errx(2, "usage: floor PORT SUBSCRIBERS RATE FRAME");
    int port = atoi(argv[1]), count = atoi(argv[2]), size = atoi(argv[4]);
    double rate = atof(argv[3]);
    if (size < 64 || size > FRAME_MAX)
        errx(2, "a frame has 64 to %d bytes", FRAME_MAX);

    struct subscriber *subscribers = calloc(count, sizeof *subscribers);
    int listener = listen_on(port);
    for (int i = 0; i < count; i++)
        subscribers[i] = accept_one(listener);

    char plain[FRAME_MAX + 1], chunked[FRAME_MAX + 32];
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (long n = 1;; n++) {
        wait_for_tick(start, n, rate);
        int plain_size = write_frame(plain, size, n);
        int chunked_size = sprintf(chunked, "%x\r\n%s\r\n", plain_size, plain);
        /* What does not fit a subscriber's buffer is dropped; the reader's count then shows it. */
        for (int i = 0; i < count; i++)
            send(subscribers[i].socket, subscribers[i].chunked ? chunked : plain,
                 subscribers[i].chunked ? chunked_size : plain_size, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}
