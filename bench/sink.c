/* The reader: many subscribers in one thread, counting what arrives.
 *
 *     sink PORT SUBSCRIBERS PATH VERSION        (VERSION is 1.0 or 1.1)
 *
 * Opens SUBSCRIBERS streams, says "open" when each has been answered with 200, then for every line on its standard
 * input prints "EVENTS BYTES CLOSED", counted since the start. Ends with its input.
 * An event is a blank line, that is two line feeds in a row: chunk framing and response heads have none.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    BUFFER = 1 << 20,
    READY_MAX = 1024,
    PATIENCE = 10,     /* seconds until the server must listen */
    LIFETIME = 120,    /* seconds after which a forgotten reader ends itself */
    PER_ADDRESS = 20000 /* streams from one loopback address; its ports end at 28,232 */
};

struct stream {
    int socket;
    int head; /* how much of the "\r\n\r\n" that ends the head was seen; 4: the body has begun */
    bool answered;
    bool after_line_feed;
};

static long events, bytes, closed, answered;

static struct sockaddr_in loopback(int port, int number)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK + number / PER_ADDRESS)};
}

/* The server may still be starting: the first connection tries again until it listens. */
static int connect_to(int port, int number)
{
    struct sockaddr_in here = loopback(0, number), there = loopback(port, 0);

    for (int tries = PATIENCE * 50; tries > 0; tries--) {
        int it = socket(AF_INET, SOCK_STREAM, 0);
        if (it < 0 || bind(it, (struct sockaddr *)&here, sizeof here))
            err(1, "socket %d", number);
        if (!connect(it, (struct sockaddr *)&there, sizeof there))
            return it;
        if (errno != ECONNREFUSED)
            err(1, "connect %d", number);
        close(it);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    errx(1, "nobody listens on port %d", port);
}

/* Go past the response's head, wherever reads cut it, and give where the body begins. */
static const char *skip_head(struct stream *it, const char *at, const char *end)
{
    if (!it->answered) {
        /* A status line is never cut: it is the first thing a server writes. */
        if (end - at < 12 || memcmp(at + 8, " 200", 4))
            errx(1, "refused: %.*s", (int)(end - at < 200 ? end - at : 200), at);
        it->answered = true;
    }
    for (; at < end && it->head < 4; at++)
        it->head = *at == "\r\n\r\n"[it->head] ? it->head + 1 : *at == '\r';
    if (it->head == 4)
        answered++, it->head++;
    return at;
}

static void count(struct stream *it, const char *at, const char *end)
{
    bytes += end - at;
    if (it->head <= 4)
        at = skip_head(it, at, end);
    while (at < end) {
        if (*at == '\n') {
            events += it->after_line_feed;
            it->after_line_feed = !it->after_line_feed;
            at++;
            continue;
        }
        it->after_line_feed = false;
        const char *next = memchr(at, '\n', end - at);
        at = next ? next : end;
    }
}

static void read_some(struct stream *it)
{
    static char buffer[BUFFER];
    ssize_t length = read(it->socket, buffer, sizeof buffer);

    if (length > 0) {
        count(it, buffer, buffer + length);
    } else {
        close(it->socket);
        closed++;
    }
}

static void answer_command(void)
{
    char line[64];
    if (read(STDIN_FILENO, line, sizeof line) <= 0)
        exit(0);
    printf("%ld %ld %ld\n", events, bytes, closed);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        errx(2, "usage: sink PORT SUBSCRIBERS PATH VERSION");
    int port = atoi(argv[1]), number = atoi(argv[2]);
    char request[512];
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/%s\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n", argv[3], argv[4]);

    setvbuf(stdout, NULL, _IOLBF, 0);
    alarm(LIFETIME);
    int poll = epoll_create1(0);
    struct stream *streams = calloc(number, sizeof *streams);
    for (int i = 0; i < number; i++) {
        streams[i].socket = connect_to(port, i);
        if (write(streams[i].socket, request, length) != length)
            err(1, "write");
        struct epoll_event watch = {.events = EPOLLIN, .data.ptr = &streams[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, streams[i].socket, &watch);
    }
    struct epoll_event command = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poll, EPOLL_CTL_ADD, STDIN_FILENO, &command);

    struct epoll_event ready[READY_MAX];
    for (bool open = false;;) {
        int found = epoll_wait(poll, ready, READY_MAX, -1);
        for (int i = 0; i < found; i++)
            ready[i].data.ptr ? read_some(ready[i].data.ptr) : answer_command();
        if (!open && answered == number)
            open = puts("open") >= 0;
    }
}
