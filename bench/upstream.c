/* An upstream that is much faster than any Python client: OpenAI-compatible, and Bedrock's runtime.
 *
 * Owns: HTTP/1.1 keep-alive on one thread over epoll, one answer of a fixed shape to
 * POST /v1/chat/completions, an exact delay before each answer, and GET /stats. The same answer is
 * given to POST /model/.../invoke, in Anthropic's shape if the model's name says so, and to
 * POST /model/.../converse in Converse's. Signatures are not looked at.
 * Does not own: errors, limits, streaming; `batchway simulate` is the upstream with those.
 *
 *     cc -std=c11 -O2 -Wall -Wextra -o upstream upstream.c
 *     ./upstream [--port 0] [--latency-ms 0] [--until-eof]
 *
 * The text of the answer (choices[0].message.content) is "The answer is <crc32>-<length>." of the request body
 * (8 hex digits, 7 decimal digits), so that a benchmark proves each answer belongs to its own line;
 * CRC-32 because Python's zlib computes it at memory speed. A request is delayed from the moment
 * its last byte is read. The answer is never early; a Python client on a busy machine saw 37.5 ms
 * become 37.7 to 38.6, median 38 (the timer's grid of SLACK_NS, the kernel's wake-up, the client).
 *
 * A connection reads its requests like this (bodies are hashed as they pass, never kept):
 *
 *     HEAD --content-length n--> BODY -----------------------------------> answer queued, HEAD
 *       |                                                                        ^
 *       +--transfer-encoding: chunked--> SIZE -> DATA -> DATA_END -> SIZE        |
 *                                         +--0--> TRAILER --empty line-----------+
 *     anything malformed -> one 4xx answer, then close
 *
 * GET /stats: completions answered, completions waiting now and at most, connections, bytes read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_HEAD = 64 * 1024, MAX_BODY = 8 * 1024 * 1024,
    READ_SIZE = 256 * 1024, MAX_EVENTS = 1024,
    MAX_PENDING = 1024,        /* pipelined requests of one connection before we stop reading it */
    MAX_OUT = 1024 * 1024,     /* unsent bytes of one connection before we stop reading it */
    SLACK_NS = 100 * 1000,     /* one timer interrupt serves all answers due within this */
};

enum phase { HEAD, BODY, SIZE, DATA, DATA_END, TRAILER, DEAD };
enum answer { COMPLETION, MESSAGE, TURN, STATS, BAD_REQUEST, NOT_FOUND, TOO_LARGE };
enum { SHAPES = TURN + 1 }; /* the answers that are made of templates */

struct conn {
    int fd;
    enum phase phase;
    enum answer answer;        /* what the request being read will get */
    bool keep_alive;           /* of the request being read */
    bool last;                 /* the final answer is queued: close once it is sent */
    bool eof, dirty, dead;
    uint32_t events;           /* what epoll watches now */
    uint32_t crc;
    uint64_t remaining, body;  /* bytes left of this body or chunk; bytes of the body so far */
    unsigned line;             /* bytes of the current chunk-size or trailer line */
    size_t pending;            /* requests read and not yet answered */
    char *head;                /* a head that came in pieces */
    size_t head_len, head_cap;
    char *out;
    size_t out_len, out_sent, out_cap;
    struct conn *next;         /* of the dirty list, then of the graveyard */
};

struct due {
    struct conn *conn;
    uint64_t at;
    uint32_t crc;
    uint32_t body;
    enum answer answer;
    bool keep_alive;
};

static int epoll_fd, listen_fd, timer_fd, signal_fd;
static bool timer_armed;
static uint64_t latency_ns, now_ns;
static uint64_t requests, max_in_flight, connections, max_connections, bytes_in;
static struct due *queue; /* a ring: latency is one constant, so deadlines arrive in order */
static size_t queue_cap, queue_head, queue_len;
static struct conn *dirty_list, *graveyard;
static char buffer[READ_SIZE];
static uint32_t crc_table[8][256];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void *grown(void *old, size_t *cap, size_t need) {
    if (need <= *cap) return old;
    size_t size = *cap ? *cap : 1024;
    while (size < need) size *= 2;
    void *new = realloc(old, size);
    if (!new) die("realloc");
    *cap = size;
    return new;
}

static uint64_t clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- CRC-32 (zlib's), eight bytes a step ---- */

static void crc_init(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
        crc_table[0][i] = c;
    }
    for (int t = 1; t < 8; t++)
        for (int i = 0; i < 256; i++) {
            uint32_t c = crc_table[t - 1][i];
            crc_table[t][i] = crc_table[0][c & 255] ^ (c >> 8);
        }
}

static uint32_t crc_update(uint32_t c, const char *data, size_t n) {
    const unsigned char *p = (const unsigned char *)data;
    for (; n >= 8; n -= 8, p += 8) {
        c ^= p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        c = crc_table[7][c & 255] ^ crc_table[6][c >> 8 & 255] ^ crc_table[5][c >> 16 & 255] ^
            crc_table[4][c >> 24] ^ crc_table[3][p[4]] ^ crc_table[2][p[5]] ^
            crc_table[1][p[6]] ^ crc_table[0][p[7]];
    }
    for (; n; n--) c = crc_table[0][(c ^ *p++) & 255] ^ (c >> 8);
    return c;
}

/* ---- the answer: a template whose marked digits are overwritten in place ---- */

struct template {
    char bytes[2048];
    size_t len, at_request, at_id, at_crc, at_length;
};

static struct template templates[SHAPES];

static const char *const bodies[SHAPES] = {
    [COMPLETION] =
        "{\"id\":\"chatcmpl-IIIIIIIIIIIIIIII\",\"object\":\"chat.completion\","
        "\"created\":1760000000,\"model\":\"bench-model-2026-01-01\",\"choices\":[{\"index\":0,"
        "\"message\":{\"role\":\"assistant\",\"content\":\"The answer is CCCCCCCC-LLLLLLL.\","
        "\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":250,\"completion_tokens\":16,\"total_tokens\":266,"
        "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0,"
        "\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}},"
        "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_batchwaybench\"}",
    [MESSAGE] =
        "{\"model\":\"claude-bench\",\"id\":\"msg_bdrk_IIIIIIIIIIIIIIII\",\"type\":\"message\","
        "\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
        "\"text\":\"The answer is CCCCCCCC-LLLLLLL.\"}],\"stop_reason\":\"end_turn\","
        "\"stop_sequence\":null,\"usage\":{\"input_tokens\":250,"
        "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":16}}",
    [TURN] =
        "{\"metrics\":{\"latencyMs\":10},\"output\":{\"message\":{\"content\":[{"
        "\"text\":\"The answer is CCCCCCCC-LLLLLLL.\"}],\"role\":\"assistant\"}},"
        "\"stopReason\":\"end_turn\",\"usage\":{\"inputTokens\":250,\"outputTokens\":16,"
        "\"totalTokens\":266,\"cacheReadInputTokens\":0,\"cacheWriteInputTokens\":0},"
        "\"trace\":{\"id\":\"IIIIIIIIIIIIIIII\"}}",
};

static size_t place_of(const struct template *t, const char *mark) {
    return (size_t)(strstr(t->bytes, mark) - t->bytes);
}

static void templates_init(void) {
    for (int shape = 0; shape < SHAPES; shape++) {
        struct template *t = &templates[shape];
        t->len = (size_t)snprintf(
            t->bytes, sizeof t->bytes,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
            "x-request-id: req_RRRRRRRRRRRRRRRR\r\ncontent-length: %zu\r\n\r\n%s",
            strlen(bodies[shape]), bodies[shape]);
        t->at_request = place_of(t, "RRRRRRRR");
        t->at_id = place_of(t, "IIIIIIII");
        t->at_crc = place_of(t, "CCCCCCCC");
        t->at_length = place_of(t, "LLLLLLL");
    }
}

static void put_hex(char *to, uint64_t value, int digits) {
    for (int i = digits - 1; i >= 0; i--, value >>= 4) to[i] = "0123456789abcdef"[value & 15];
}

static void put_decimal(char *to, uint32_t value, int digits) {
    for (int i = digits - 1; i >= 0; i--, value /= 10) to[i] = (char)('0' + value % 10);
}

static char *reserve(struct conn *c, size_t n) {
    c->out = grown(c->out, &c->out_cap, c->out_len + n);
    return c->out + c->out_len;
}

static void mark_dirty(struct conn *c) {
    if (c->dirty) return;
    c->dirty = true;
    c->next = dirty_list;
    dirty_list = c;
}

static const char *const refusals[][2] = {
    [BAD_REQUEST] = {"400 Bad Request", "{\"error\":{\"message\":\"malformed request\"}}"},
    [NOT_FOUND] = {"404 Not Found", "{\"error\":{\"message\":\"unknown method or path\"}}"},
    [TOO_LARGE] = {"413 Content Too Large", "{\"error\":{\"message\":\"larger than 8 MiB\"}}"},
};

static void give(const struct due *d) {
    struct conn *c = d->conn;
    if (!d->keep_alive) c->last = true;
    char *to = reserve(c, sizeof templates[0].bytes), json[512];
    if (d->answer < SHAPES) {
        const struct template *t = &templates[d->answer];
        memcpy(to, t->bytes, t->len);
        put_hex(to + t->at_request, ++requests, 16);
        put_hex(to + t->at_id, requests, 16);
        put_hex(to + t->at_crc, d->crc, 8);
        put_decimal(to + t->at_length, d->body, 7);
        c->out_len += t->len;
    } else {
        const char *status = refusals[d->answer][0], *text = refusals[d->answer][1];
        if (d->answer == STATS) {
            snprintf(json, sizeof json,
                     "{\"requests\":%llu,\"in_flight\":%zu,\"max_in_flight\":%llu,"
                     "\"connections\":%llu,\"max_connections\":%llu,\"bytes_in\":%llu}",
                     (unsigned long long)requests, queue_len, (unsigned long long)max_in_flight,
                     (unsigned long long)connections, (unsigned long long)max_connections,
                     (unsigned long long)bytes_in);
            status = "200 OK";
            text = json;
        }
        c->out_len += (size_t)snprintf(
            to, sizeof templates[0].bytes,
            "HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n%s\r\n%s",
            status, strlen(text), c->last ? "connection: close\r\n" : "", text);
    }
    mark_dirty(c);
}

/* ---- connections ---- */

static void watch(struct conn *c) {
    uint32_t want = 0;
    if (!c->eof && !c->last && c->phase != DEAD && c->pending < MAX_PENDING && c->out_len < MAX_OUT)
        want |= EPOLLIN;
    if (c->out_len > c->out_sent) want |= EPOLLOUT;
    if (want == c->events) return;
    struct epoll_event e = {.events = want, .data.ptr = c};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e)) die("epoll_ctl");
    c->events = want;
}

static void bury(struct conn *c) { /* freed at the end of the round: events may still name it */
    if (c->dead && !c->pending && !c->dirty) {
        c->dirty = true;
        c->next = graveyard;
        graveyard = c;
    }
}

static void hang_up(struct conn *c) {
    if (c->dead) return;
    c->dead = true;
    close(c->fd);
    connections--;
    bury(c);
}

static void flush(struct conn *c) {
    while (c->out_sent < c->out_len) {
        ssize_t n = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) break;
        if (n < 0) {
            hang_up(c);
            return;
        }
        c->out_sent += (size_t)n;
    }
    if (c->out_sent == c->out_len) {
        c->out_sent = c->out_len = 0;
        if (c->last || (c->eof && !c->pending)) hang_up(c);
    }
    if (!c->dead) watch(c);
}

static void queue_answer(struct conn *c) {
    struct due d = {.conn = c, .at = now_ns + latency_ns, .crc = ~c->crc,
                    .body = (uint32_t)c->body, .answer = c->answer, .keep_alive = c->keep_alive};
    c->phase = c->keep_alive ? HEAD : DEAD;
    if (c->answer >= SHAPES && !c->pending) { /* nothing to keep in order: no delay */
        give(&d);
        return;
    }
    if (queue_len == queue_cap) { /* unroll the ring into a larger one */
        size_t old = queue_cap;
        queue_cap = old ? old * 2 : 4096;
        queue = realloc(queue, queue_cap * sizeof *queue);
        if (!queue) die("realloc");
        memcpy(queue + old, queue, queue_head * sizeof *queue);
    }
    queue[(queue_head + queue_len++) & (queue_cap - 1)] = d;
    if (queue_len > max_in_flight) max_in_flight = queue_len;
    c->pending++;
}

static void refuse(struct conn *c, enum answer answer) {
    c->answer = answer;
    c->keep_alive = false;
    queue_answer(c);
}

/* ---- reading requests ---- */

static bool is(const char *s, size_t n, const char *word) {
    return n == strlen(word) && !strncasecmp(s, word, n);
}

static bool ends(const char *s, size_t n, const char *word) {
    size_t len = strlen(word);
    return n >= len && !memcmp(s + n - len, word, len);
}

static enum answer answer_to(const char *head, size_t n) { /* n: of method and target */
    static const char model[] = "POST /model/";
    if (is(head, n, "POST /v1/chat/completions")) return COMPLETION;
    if (is(head, n, "GET /stats")) return STATS;
    if (n < sizeof model - 1 || memcmp(head, model, sizeof model - 1)) return NOT_FOUND;
    if (ends(head, n, "/converse")) return TURN;
    if (!ends(head, n, "/invoke")) return NOT_FOUND;
    return memmem(head, n, "anthropic.", 10) ? MESSAGE : COMPLETION;
}

static void begin(struct conn *c, const char *head, size_t n) { /* n includes the empty line */
    const char *end = head + n - 2, *eol = memmem(head, n, "\r\n", 2);
    const char *path = memchr(head, ' ', (size_t)(eol - head));
    const char *version = path ? memchr(path + 1, ' ', (size_t)(eol - path - 1)) : NULL;
    bool chunked = false, expects = false;
    uint64_t length = 0;

    if (!version || eol - version != 9 || memcmp(version, " HTTP/1.", 8)) goto bad;
    size_t target = (size_t)(version - head);
    c->answer = answer_to(head, target);
    c->keep_alive = version[8] == '1';
    c->crc = ~0u;
    c->body = 0;
    for (const char *line = eol + 2; line < end; line = eol + 2) {
        eol = memmem(line, (size_t)(end - line), "\r\n", 2);
        const char *colon = memchr(line, ':', (size_t)(eol - line));
        if (!colon) goto bad;
        const char *value = colon + 1, *tail = eol;
        while (value < tail && (*value == ' ' || *value == '\t')) value++;
        while (tail > value && (tail[-1] == ' ' || tail[-1] == '\t')) tail--;
        size_t name_len = (size_t)(colon - line), value_len = (size_t)(tail - value);
        if (is(line, name_len, "content-length")) {
            if (!value_len || value_len > 15) goto bad;
            for (length = 0; value < tail; value++) {
                if (*value < '0' || *value > '9') goto bad;
                length = length * 10 + (uint64_t)(*value - '0');
            }
        } else if (is(line, name_len, "transfer-encoding")) {
            chunked = is(value, value_len, "chunked");
            if (!chunked) goto bad;
        } else if (is(line, name_len, "connection")) {
            if (is(value, value_len, "close")) c->keep_alive = false;
            if (is(value, value_len, "keep-alive")) c->keep_alive = true;
        } else if (is(line, name_len, "expect")) {
            expects = is(value, value_len, "100-continue");
        }
    }
    if (length > MAX_BODY) refuse(c, TOO_LARGE);
    if (c->phase == DEAD) return;
    if (expects) { /* curl waits a second for this before a large body */
        static const char go[] = "HTTP/1.1 100 Continue\r\n\r\n";
        memcpy(reserve(c, sizeof go), go, sizeof go - 1);
        c->out_len += sizeof go - 1;
        mark_dirty(c);
    }
    c->remaining = chunked ? 0 : length;
    c->line = 0;
    c->phase = chunked ? SIZE : BODY;
    if (!chunked && !length) queue_answer(c);
    return;
bad:
    refuse(c, BAD_REQUEST);
}

/* Take one head, from the bytes kept plus the new ones. Returns how many new bytes it used. */
static size_t take_head(struct conn *c, const char *data, size_t n) {
    if (!c->head_len) { /* the fast path: the head is whole, parse it where it lies */
        if (n >= 2 && data[0] == '\r' && data[1] == '\n') return 2; /* RFC 9112 2.2 */
        const char *end = memmem(data, n, "\r\n\r\n", 4);
        if (end) {
            size_t used = (size_t)(end - data) + 4;
            begin(c, data, used);
            return used;
        }
    }
    size_t before = c->head_len, room = MAX_HEAD - before, kept = n < room ? n : room;
    c->head = grown(c->head, &c->head_cap, before + kept);
    memcpy(c->head + before, data, kept);
    c->head_len += kept;
    size_t from = before > 3 ? before - 3 : 0;
    char *end = memmem(c->head + from, c->head_len - from, "\r\n\r\n", 4);
    if (!end) {
        if (c->head_len == MAX_HEAD) refuse(c, TOO_LARGE);
        return n;
    }
    size_t whole = (size_t)(end - c->head) + 4;
    c->head_len = 0;
    begin(c, c->head, whole);
    return whole - before;
}

/* One byte of the framing of a chunked body. */
static void take_framing(struct conn *c, char byte) {
    if (c->phase == DATA_END) { /* the CRLF after a chunk */
        if (byte == '\n') c->phase = SIZE;
        else if (byte != '\r') refuse(c, BAD_REQUEST);
    } else if (c->phase == TRAILER) {
        if (byte == '\n' && !c->line) queue_answer(c);
        else if (byte == '\n') c->line = 0;
        else if (byte != '\r' && ++c->line > MAX_HEAD) refuse(c, TOO_LARGE);
    } else if (byte == '\n') { /* the end of a SIZE line */
        unsigned digits = c->line;
        c->line = 0;
        c->phase = c->remaining ? DATA : TRAILER;
        if (!digits) refuse(c, BAD_REQUEST);
        else if (c->body + c->remaining > MAX_BODY) refuse(c, TOO_LARGE);
    } else if (byte == ';' || byte == '\r' || byte == ' ' || c->line > 16) {
        if (c->line && c->line <= 16) c->line = 17; /* the rest of the line is an extension */
        if (!c->line || ++c->line > MAX_HEAD) refuse(c, BAD_REQUEST);
    } else {
        const char *digits = "0123456789abcdef", *d = strchr(digits, byte | 0x20);
        if (!byte || !d || ++c->line > 8) refuse(c, BAD_REQUEST);
        else c->remaining = c->remaining * 16 + (uint64_t)(d - digits);
    }
}

static void take(struct conn *c, const char *data, size_t n) {
    while (n && c->phase != DEAD) {
        size_t used = 1;
        if (c->phase == HEAD) {
            used = take_head(c, data, n);
        } else if (c->phase == BODY || c->phase == DATA) {
            used = n < c->remaining ? n : (size_t)c->remaining;
            c->crc = crc_update(c->crc, data, used);
            c->body += used;
            c->remaining -= used;
            if (!c->remaining) {
                if (c->phase == BODY) queue_answer(c);
                else c->phase = DATA_END;
            }
        } else {
            take_framing(c, *data);
        }
        data += used;
        n -= used;
    }
}

static void receive(struct conn *c) {
    ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
    if (n > 0) {
        bytes_in += (uint64_t)n;
        take(c, buffer, (size_t)n);
        if (c->pending >= MAX_PENDING || c->phase == DEAD) watch(c);
    } else if (n == 0) { /* a half-closed client still gets the answers it waits for */
        c->eof = true;
        if (c->pending || c->out_len > c->out_sent) watch(c);
        else hang_up(c);
    } else if (errno != EAGAIN && errno != EINTR) {
        hang_up(c);
    }
}

static void add(int fd, void *tag) {
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = tag};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e)) die("epoll_ctl");
}

static void welcome(void) {
    for (int i = 0; i < 256; i++) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE) die("accept4, raise `ulimit -n`"); /* or epoll would spin */
            return;
        }
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct conn *c = calloc(1, sizeof *c);
        if (!c) die("calloc");
        c->fd = fd;
        c->events = EPOLLIN;
        add(fd, c);
        if (++connections > max_connections) max_connections = connections;
    }
}

/* ---- the loop ---- */

static void answer_due(void) {
    while (queue_len && queue[queue_head].at <= now_ns) {
        struct due d = queue[queue_head];
        queue_head = (queue_head + 1) & (queue_cap - 1);
        queue_len--;
        d.conn->pending--;
        if (!d.conn->dead) give(&d);
        else if (d.answer < SHAPES) requests++; /* served, though the client left */
        bury(d.conn);
    }
    while (dirty_list) {
        struct conn *c = dirty_list;
        dirty_list = c->next;
        c->dirty = false;
        if (c->dead) bury(c);
        else flush(c);
    }
    if (queue_len && !timer_armed) { /* an armed timer is never later than the head of the queue */
        uint64_t at = (queue[queue_head].at + SLACK_NS - 1) / SLACK_NS * SLACK_NS;
        struct itimerspec when = {.it_value = {.tv_sec = (time_t)(at / 1000000000u),
                                               .tv_nsec = (long)(at % 1000000000u)}};
        if (timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL)) die("timerfd_settime");
        timer_armed = true;
    }
}

static void serve(void) {
    static struct epoll_event events[MAX_EVENTS];
    for (;;) {
        int n = epoll_wait(epoll_fd, events, MAX_EVENTS, -1);
        if (n < 0 && errno != EINTR) die("epoll_wait");
        now_ns = clock_ns();
        for (int i = 0; i < n; i++) {
            void *who = events[i].data.ptr;
            if (who == &listen_fd) {
                welcome();
            } else if (who == &signal_fd) {
                return;
            } else if (who == &timer_fd) {
                uint64_t expirations;
                if (read(timer_fd, &expirations, sizeof expirations) > 0) timer_armed = false;
            } else if (who == &epoll_fd) { /* stdin, with --until-eof */
                if (read(0, buffer, sizeof buffer) <= 0) return;
            } else {
                struct conn *c = who;
                if (!c->dead && events[i].events & EPOLLIN) receive(c);
                if (!c->dead && events[i].events & EPOLLOUT) mark_dirty(c);
                if (!c->dead && !(events[i].events & EPOLLIN) &&
                    events[i].events & (EPOLLERR | EPOLLHUP))
                    hang_up(c);
            }
        }
        if (latency_ns) now_ns = clock_ns();
        answer_due();
        while (graveyard) {
            struct conn *c = graveyard;
            graveyard = c->next;
            free(c->head);
            free(c->out);
            free(c);
        }
    }
}

static double number(const char *name, const char *text, double most) {
    char *end;
    double value = text ? strtod(text, &end) : -1;
    if (!text || end == text || *end || !(value >= 0 && value <= most)) {
        fprintf(stderr, "upstream: %s needs a number from 0 to %.0f\n", name, most);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv) {
    double port = 0, latency_ms = 0;
    bool until_eof = false;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (!strcmp(name, "--port")) port = number(name, argv[++i], 65535);
        else if (!strcmp(name, "--latency-ms")) latency_ms = number(name, argv[++i], 3600e3);
        else if (!strcmp(name, "--until-eof")) until_eof = true;
        else {
            fprintf(stderr, "usage: upstream [--port 0] [--latency-ms 0] [--until-eof]\n");
            return 2;
        }
    }
    latency_ns = (uint64_t)(latency_ms * 1e6);
    crc_init();
    templates_init();

    struct rlimit files;
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int one = 1;
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    signal_fd = signalfd(-1, &stop, SFD_CLOEXEC);
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (epoll_fd < 0 || timer_fd < 0 || signal_fd < 0 || listen_fd < 0) die("upstream");
    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listen_fd, (struct sockaddr *)&address, size)) die("bind");
    if (listen(listen_fd, 4096)) die("listen");
    if (getsockname(listen_fd, (struct sockaddr *)&address, &size)) die("getsockname");
    add(listen_fd, &listen_fd);
    add(timer_fd, &timer_fd);
    add(signal_fd, &signal_fd);
    if (until_eof) add(0, &epoll_fd);
    printf("listening 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    serve();
    return 0;
}
