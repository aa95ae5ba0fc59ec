/* The ring itself, in plain C11: layout, cursors, frames, waiting. Nothing of Python is in here; _ring.c wraps it.

   The problem. Two processes that do not trust each other exchange messages through two pieces of memory, each written
   by one of them and read-only for the other. A call is two messages, and a game makes hundreds a frame.

   The rules.
   1. One writer a word. What we wrote ourselves we keep a private copy of and never read back.
   2. What the peer wrote is a hint. Every load of it goes into a local once, and only the local is looked at. A cursor
      of theirs may only move forward, and never past what is possible; see believe_head() and believe_tail().
   3. A frame's length is read once, checked against the cursors, and its bytes are copied out before anyone looks at
      them. The peer may scribble on them while we copy: it then sends itself nonsense, and nobody else.
   4. A frame exists once HEAD says so. A writer that is killed in the middle of one leaves nothing behind.
   5. No wait depends on the peer alone: each has a deadline, and checks it itself even when the peer rings for ever.

   Losing a wake-up is ruled out as Dekker did it, with one full fence on either side:

       who publishes                            who is about to sleep
       store HEAD (or TAIL)                     load BELL
       fence                                    store PARKED
       load PARKED; if set: BELL += 1, wake     fence
                                                look at HEAD (or TAIL, dead, COMMANDS, END)
                                                futex wait while BELL is still what was loaded

   Either the publisher sees PARKED, or the sleeper sees HEAD. BELL += 1 between the load and the wait makes the kernel
   refuse to sleep. The supervisor, which cannot know who sleeps, adds to BELL and wakes without looking.

   What did not work: a seq_cst exchange on HEAD in place of the store and the fence costs the same and hides the rule;
   sys_membarrier would make the publisher's fence free, and is one more thing for the worker's seccomp list. */

#ifndef FUMEHOOD_RING_H
#define FUMEHOOD_RING_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "atomics that lock do not cross processes");

/* --- layout --------------------------------------------------------------------------------------------------------
   128 bytes a word, two cache lines: CPUs that fetch lines in pairs would else make neighbours share after all. 64
   would save 1 KiB a segment. */

enum {
    RING_MAGIC = 0,
    RING_HEAD = 128,
    RING_ASKED = 136,    /* in HEAD's line, which who waits for a message polls anyway: one writer, one reader */
    RING_ANSWERED = 144,
    RING_TAIL = 256,
    RING_STARTED = 384,
    RING_BELL = 512,
    RING_PARKED = 640,
    RING_CPU = 768,
    RING_END = 896,
    RING_COMMANDS = 1024,
    RING_LIVE = 1152,
    RING_SESSION = 1280,
    RING_INHERITED_START = 1408,
    RING_INHERITED_DONE = 1536,
    RING_CARD = 2048,    /* up to RING_LETTER: 6 KiB, about 300 event names */
    RING_LETTER = 8192,  /* up to RING_DATA: a query, or the answer to one */
    RING_DATA = 24576,   /* a whole number of pages, so that a ring's pages hold nothing else */
    RING_LETTER_SIZE = RING_DATA - RING_LETTER,
};

#define RING_MAGIC_VALUE UINT64_C(0x01004448454D5546) /* b"FUMEHD\x00\x01", little-endian */
#define RING_OPEN_END UINT64_MAX
#define RING_CPU_UNKNOWN UINT32_MAX
#define RING_CPU_ASLEEP (UINT32_C(1) << 31) /* beside the CPU's number: it went to sleep there */
#define RING_CHECK UINT32_C(0x5A17C0DE)
#define RING_HEADER 8u                         /* bytes in front of each message: length, check */
#define RING_CAPACITY_MIN UINT64_C(64)         /* a message of 24 bytes */
#define RING_CAPACITY_MAX (UINT64_C(1) << 31)  /* a message's length must fit 32 bits */

enum ring_parked {
    RING_AWAKE = 0,
    RING_PARKED_MESSAGE = 1, /* and for a query */
    RING_PARKED_ROOM = 2,
    RING_PARKED_ANSWER = 3,
    RING_PARKED_QUERY = 4,   /* waits for another peer's message, and would hear this one's queries */
    RING_PARKED_LOOP = 5,    /* in an event loop, for a message and for a query: see _loop.h */
};

/* What a wait is for: a length of 0 or more is room for a message so long. */
enum { RING_WANT_MESSAGE = -1, RING_WANT_ANSWER = -2 };

/* Other ports whose bells one wait sleeps on; the kernel takes 128 in all. Those beyond are looked at every so often. */
enum { RING_MOST_BELLS = 128 };

/* In place of a query's length: who asked does not wait for the answer any more. */
#define RING_WITHDRAWN UINT32_MAX
#define RING_SLICE_NS UINT64_C(1000000)


/* What a look at the channel gives. The first five are Port.wait()'s return values. */
enum ring_news {
    RING_TIMEOUT = 0,
    RING_MESSAGE = 1,
    RING_COMMAND = 2,
    RING_ENDED = 3,
    RING_DEAD = 4,
    RING_NOTHING = 5,      /* go on waiting */
    RING_INTERRUPTED = 6,  /* a signal came: run Python's handlers, then go on */
    RING_CORRUPT = 7,      /* the peer lies; `fault` says how */
    RING_QUERY = 8,        /* `asker` has a query to answer, then go on */
};

/* --- waiting, in nanoseconds ---------------------------------------------------------------------------------------*/

/* So long a wait polls before it sleeps, unless the Port says otherwise: about twice what waking a sleeper on another CPU
   costs on a virtual machine (50 us), as who rents skis should buy them once the rent paid is the price. At half of it
   two ends that found each other asleep once needed many calls to get out of that (p99 of back-to-back calls 50 us
   in place of 3.5). Larger: more CPU burnt on answers that take long. */
#define RING_SPIN_NS 100000

/* So long a wait polls with the GIL held. A back-to-back call is over by then, and need not fight other threads for the
   GIL (up to 5 ms) for the sake of 27 ns. Larger: other threads of the game stand still for longer. */
#define RING_HOLD_GIL_NS UINT64_C(2000)

/* After so many polls in vain in a row ... (smaller: one slow answer ends the spinning) */
#define RING_VAIN_LIMIT 4u
/* ... only every so-manieth wait polls to the end, to find out whether it pays again. Larger: slower to find out;
   smaller: an idle-ish worker burns more (spin_ns / 16 a message: 0.04 % of a CPU at 60 messages a second). */
#define RING_VAIN_PROBE 16u

/* Both ends on one CPU. Going to sleep and being woken costs each side 1.5 us more than sched_yield does (a round trip of
   3 us instead of 6), but the kernel lets everybody else on that CPU run before it comes back to one who yielded, a time
   slice each (3 ms), while it lets one who is woken overtake. So a wait yields only in a series of waits that were all
   over, and came, within RING_BRISK_NS of each other, and each time that it goes wrong the series must be four times as
   long. Larger RING_BRISK_NS: slower handlers profit too, and contention is noticed later. */
#define RING_BRISK_NS UINT64_C(25000)
#define RING_BRISK_NEEDED 8u
#define RING_BRISK_NEEDED_MOST 128u /* larger: a rare hiccup (0.3 % of waits) ends each series before it has begun */
#define RING_BRISK_PROVEN 64u       /* yields in a row after which what went wrong before is forgotten */
#define RING_YIELDS 4
/* So long a series ends by itself: a wake-up is the kernel's occasion to move one of the two to an idle CPU, where a
   round trip takes a quarter; who only yields stays. Smaller: more of the slow waits that begin a series. */
#define RING_BRISK_SERIES 512u

/* Looks between two readings of the clock and of the CPU number (25 ns and 3 ns against 10-40 ns a look). */
#define RING_LOOKS_PER_CLOCK 8

/* Longest wait: about 146 years. Larger ones would overflow the addition to the clock. */
#define RING_LONGEST_NS (INT64_MAX / 2)

/* --- words ---------------------------------------------------------------------------------------------------------*/

typedef struct {
    uint64_t value, low, high;
    const char *what; /* NULL: no fault; else "HEAD", or what is wrong with a frame */
} ring_fault;

static inline _Atomic uint64_t *word64(unsigned char *base, size_t offset)
{
    return (_Atomic uint64_t *)(void *)(base + offset);
}

static inline _Atomic uint32_t *word32(unsigned char *base, size_t offset)
{
    return (_Atomic uint32_t *)(void *)(base + offset);
}

static inline uint64_t load64(unsigned char *base, size_t offset)
{
    return atomic_load_explicit(word64(base, offset), memory_order_acquire);
}

static inline uint32_t load32(unsigned char *base, size_t offset)
{
    return atomic_load_explicit(word32(base, offset), memory_order_acquire);
}

static inline void store64(unsigned char *base, size_t offset, uint64_t value)
{
    atomic_store_explicit(word64(base, offset), value, memory_order_release);
}

static inline void store32(unsigned char *base, size_t offset, uint32_t value)
{
    atomic_store_explicit(word32(base, offset), value, memory_order_release);
}

static inline uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t deadline_after(uint64_t start, int64_t timeout_ns)
{
    return start + earlier((uint64_t)timeout_ns, RING_LONGEST_NS);
}

static inline uint32_t this_cpu(void)
{
    int cpu = sched_getcpu();
    return cpu < 0 ? RING_CPU_UNKNOWN : (uint32_t)cpu;
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* `yield` is a no-op on most cores */
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* Futexes are not FUTEX_PRIVATE: the two ends are different processes. The kernel finds the word by its page of the
   memfd, so a waiter with a read-only mapping and a waker with another mapping meet. */

/* Sleep while the word equals `expected`, at most to `deadline` on CLOCK_MONOTONIC. Returns 0, or the errno:
   EAGAIN (it did not equal), ETIMEDOUT, EINTR. */
static inline int futex_wait(unsigned char *base, size_t offset, uint32_t expected, uint64_t deadline)
{
    struct timespec until = {.tv_sec = (time_t)(deadline / 1000000000u), .tv_nsec = (long)(deadline % 1000000000u)};
    long result = syscall(SYS_futex, word32(base, offset), FUTEX_WAIT_BITSET, expected, &until, NULL,
                          FUTEX_BITSET_MATCH_ANY);
    return result < 0 ? errno : 0;
}

typedef struct {
    uint64_t value, address;
    uint32_t flags, reserved;
} ring_waiter;

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

/* The same on several words, not private either. ENOSYS before Linux 5.16. */
static inline int futex_wait_any(ring_waiter *waiters, unsigned count, uint64_t deadline)
{
    struct timespec until = {.tv_sec = (time_t)(deadline / 1000000000u), .tv_nsec = (long)(deadline % 1000000000u)};
    long result = syscall(SYS_futex_waitv, waiters, count, 0, &until, CLOCK_MONOTONIC);
    return result < 0 ? errno : 0;
}

/* Wake everyone: a hostile second waiter would steal a wake of one. Returns how many woke. */
static inline long futex_wake(unsigned char *base, size_t offset)
{
    long result = syscall(SYS_futex, word32(base, offset), FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    return result < 0 ? 0 : result;
}

static inline void ring_bell(unsigned char *segment)
{
    /* Whoever reads the new BELL sees everything stored before it: HEAD, TAIL, `dead`, COMMANDS, END. */
    atomic_fetch_add_explicit(word32(segment, RING_BELL), 1, memory_order_seq_cst);
    futex_wake(segment, RING_BELL);
}

/* --- one party's end of a channel ----------------------------------------------------------------------------------*/

typedef struct ring_port ring_port;
struct ring_port {
    unsigned char *mine, *theirs; /* whole segments; `theirs` may be mapped read-only and is never stored to */
    uint64_t my_capacity, their_capacity;
    uint64_t head;      /* end of the last frame written into my ring, staged ones included */
    uint64_t published; /* what HEAD says */
    uint64_t peer_tail; /* how far the peer is believed to have consumed my ring */
    uint64_t peer_head; /* how far the peer is believed to have filled theirs */
    uint64_t position;  /* end of the last frame taken from their ring: what STARTED says */
    uint64_t tail;      /* what TAIL says: given back */
    unsigned char *board;
    size_t board_offset;
    uint64_t board_epoch;
    uint64_t spin_ns;
    uint32_t commands_seen;
    uint32_t cpu;       /* what CPU says */
    uint32_t peer_home; /* the last CPU the peer was known to run on */
    uint32_t vain;      /* polls in vain in a row */
    uint32_t brisk;     /* waits in a row on the peer's CPU that were soon over */
    uint32_t brisk_needed;
    uint64_t last_wait; /* when the last of them was over */
    bool orders;        /* heed COMMANDS and END of theirs */
    bool ended;
    bool woke_peer;     /* since our last wait */
    uint32_t asked;     /* number of the last query that we asked */
    uint32_t answered;  /* number of the last query of theirs that we answered */
    uint32_t most;      /* queries of theirs that are heard in each of our messages; 0: none, or the port is closed */
    uint32_t allowed;   /* so many more are heard until they begin the next */
    uint64_t asks_in;   /* what STARTED was when that was filled up last */
    ring_port **others; /* whose queries a wait in this port hears too; closed ones are skipped */
    size_t others_count;
    ring_port *asker;   /* with RING_QUERY: who */
    int alarm;          /* eventfd of a peer that waits in an event loop; -1: none */
    ring_fault fault;
};

static inline uint64_t frame_size(uint64_t length)
{
    return RING_HEADER + ((length + 7) & ~UINT64_C(7));
}

static inline uint64_t longest_message(uint64_t capacity)
{
    return capacity / 2 - RING_HEADER;
}

static inline uint64_t frame_header(uint64_t position, uint64_t length)
{
    return ((position ^ RING_CHECK) << 32) | length;
}

static inline bool at_fault(ring_fault *fault, const char *what, uint64_t value, uint64_t low, uint64_t high)
{
    *fault = (ring_fault){.what = what, .value = value, .low = low, .high = high};
    return false;
}

static inline void copy_in(unsigned char *data, uint64_t capacity, uint64_t position, const void *from, size_t length)
{
    size_t at = (size_t)(position & (capacity - 1));
    size_t first = (size_t)capacity - at < length ? (size_t)capacity - at : length;
    memcpy(data + at, from, first);
    memcpy(data, (const unsigned char *)from + first, length - first);
}

static inline void copy_out(void *to, const unsigned char *data, uint64_t capacity, uint64_t position, size_t length)
{
    size_t at = (size_t)(position & (capacity - 1));
    size_t first = (size_t)capacity - at < length ? (size_t)capacity - at : length;
    memcpy(to, data + at, first);
    memcpy((unsigned char *)to + first, data, length - first);
}

/* The length of the frame at `position`, which must end at or before `limit`; false with a fault when it cannot be.
   Frames are 8-aligned and so is the capacity: a header never wraps. One load, then only the local. */
static inline bool frame_at(unsigned char *data, uint64_t capacity, uint64_t position, uint64_t limit,
                            uint64_t *length, ring_fault *fault)
{
    uint64_t header = atomic_load_explicit(word64(data, (size_t)(position & (capacity - 1))), memory_order_relaxed);
    *length = header & UINT32_MAX;
    if (header >> 32 != frame_header(position, 0) >> 32)
        return at_fault(fault, "a frame's check", header >> 32, frame_header(position, 0) >> 32,
                        frame_header(position, 0) >> 32);
    if (*length > longest_message(capacity))
        return at_fault(fault, "a frame's length", *length, 0, longest_message(capacity));
    if (frame_size(*length) > limit - position)
        return at_fault(fault, "a frame's end", position + frame_size(*length), position, limit);
    return true;
}

/* HEAD decides what we read, so a HEAD that cannot be is an error, not a value to repair. */
static inline bool believe_head(ring_port *port)
{
    /* Acquire, pairs with publish(): the bytes of every frame in front of HEAD are visible to us, their reader. */
    uint64_t head = load64(port->theirs, RING_HEAD);
    uint64_t high = port->position + port->their_capacity;
    if (head < port->peer_head || head > high || head & 7)
        return at_fault(&port->fault, "HEAD", head, port->peer_head, high);
    port->peer_head = head;
    return true;
}

/* TAIL only decides how much of the peer's own mail is overwritten: a TAIL that cannot be is clamped. */
static inline void believe_tail(ring_port *port)
{
    /* Acquire, pairs with give_back(): the peer has copied out what is behind TAIL before we write over it. */
    uint64_t tail = load64(port->theirs, RING_TAIL) & ~UINT64_C(7);
    if (tail > port->published)
        tail = port->published;
    if (tail > port->peer_tail)
        port->peer_tail = tail;
}

static inline bool fits(ring_port *port, uint64_t length)
{
    uint64_t need = frame_size(length);
    if (port->my_capacity - (port->head - port->peer_tail) >= need)
        return true;
    believe_tail(port);
    return port->my_capacity - (port->head - port->peer_tail) >= need;
}

/* Write one frame behind `head`; nobody sees it before publish(). False: no room. `length` is at most the limit. */
static inline bool stage(ring_port *port, const void *bytes, size_t length)
{
    if (!fits(port, length))
        return false;
    unsigned char *data = port->mine + RING_DATA;
    uint64_t header = frame_header(port->head, length);
    copy_in(data, port->my_capacity, port->head, &header, sizeof header);
    copy_in(data, port->my_capacity, port->head + RING_HEADER, bytes, length);
    port->head += frame_size(length);
    return true;
}

/* Full already (EAGAIN) is as good: it is readable then. */
static inline void raise_alarm(ring_port *port)
{
    uint64_t once = 1;
    if (port->alarm >= 0 && write(port->alarm, &once, sizeof once) < 0)
        return;
}

/* The publisher's half of the Dekker pair at the top of this file. */
static inline bool wake_if_parked(ring_port *port, uint32_t why)
{
    atomic_thread_fence(memory_order_seq_cst);
    uint32_t parked = atomic_load_explicit(word32(port->theirs, RING_PARKED), memory_order_relaxed);
    if (parked == RING_PARKED_LOOP && why == RING_PARKED_MESSAGE)
        raise_alarm(port);
    if (parked != why)
        return false;
    ring_bell(port->mine);
    return true;
}

static inline void publish(ring_port *port)
{
    if (port->published == port->head)
        return;
    port->published = port->head;
    /* Release, pairs with believe_head(): the frames' bytes are visible to the reader once it sees this HEAD. */
    store64(port->mine, RING_HEAD, port->head);
    if (wake_if_parked(port, RING_PARKED_MESSAGE))
        port->woke_peer = true;
}

/* Say that everything taken is done. */
static inline void give_back(ring_port *port)
{
    if (port->tail == port->position)
        return;
    port->tail = port->position;
    /* Release, pairs with believe_tail(): our copying is over before the peer sees that it may write there. The
       supervisor sees TAIL == STARTED only after the handler's own stores. */
    store64(port->mine, RING_TAIL, port->tail);
    wake_if_parked(port, RING_PARKED_ROOM);
}

/* Length of the next message, which `advance` then takes. RING_MESSAGE, RING_NOTHING or RING_CORRUPT. */
static inline enum ring_news next_frame(ring_port *port, uint64_t *length)
{
    if (port->peer_head == port->position) {
        if (!believe_head(port))
            return RING_CORRUPT;
        if (port->peer_head == port->position)
            return RING_NOTHING;
    }
    if (!frame_at(port->theirs + RING_DATA, port->their_capacity, port->position, port->peer_head, length,
                  &port->fault))
        return RING_CORRUPT;
    return RING_MESSAGE;
}

/* Copy `length` bytes of the frame that next_frame() measured, from `offset` on. Nobody has checked what they say. */
static inline void read_frame(ring_port *port, uint64_t offset, void *to, uint64_t length)
{
    copy_out(to, port->theirs + RING_DATA, port->their_capacity, port->position + RING_HEADER + offset, (size_t)length);
}

/* Say that the frame that next_frame() measured is in hand. */
static inline void advance(ring_port *port, uint64_t length)
{
    port->position += frame_size(length);
    /* Release: to the supervisor, which times the handler from the moment it sees STARTED != TAIL, and to whoever
       takes over after our death: what is in front of STARTED was begun here and is not begun again. */
    store64(port->mine, RING_STARTED, port->position);
}

/* --- waiting -------------------------------------------------------------------------------------------------------*/

static inline bool peer_is_dead(ring_port *port)
{
    /* Acquire, pairs with the supervisor's store of `dead`: what the worker wrote before it died was visible to the
       supervisor, and so it is to us: their ring can be read to its end. */
    return port->board != NULL && load64(port->board, port->board_offset) == port->board_epoch;
}

static inline bool commanded(ring_port *port)
{
    /* Acquire, pairs with the supervisor's store after its send(): the command can be received. */
    return port->orders && load32(port->theirs, RING_COMMANDS) != port->commands_seen;
}

/* A query is a letter: its bytes lie still until it is answered, and its number and length stand in one word. */
static inline bool query_waits(ring_port *port)
{
    /* Acquire, pairs with send_letter(): the letter's bytes are visible. */
    if (port->most == 0)
        return false;
    uint64_t word = load64(port->theirs, RING_ASKED);
    if ((uint32_t)(word >> 32) == port->answered || (word & UINT32_MAX) == RING_WITHDRAWN)
        return false;
    if (port->allowed != 0)
        return true;
    /* Every message that they begin may ask anew. Only those that we sent count, whatever they say. */
    uint64_t started = load64(port->theirs, RING_STARTED);
    if (started <= port->asks_in || started > port->published)
        return false;
    port->asks_in = started;
    port->allowed = port->most;
    return true;
}

static inline bool somebody_asks(ring_port *port)
{
    port->asker = port;
    if (query_waits(port))
        return true;
    for (size_t i = 0; i < port->others_count; i++)
        if (query_waits(port->others[i])) {
            port->asker = port->others[i];
            return true;
        }
    return false;
}

static inline enum ring_news look_for_answer(ring_port *port)
{
    return (uint32_t)(load64(port->theirs, RING_ANSWERED) >> 32) == port->asked ? RING_MESSAGE : RING_NOTHING;
}

/* Lay `length` bytes, at most RING_LETTER_SIZE, where the peer finds them, as number `number` of the word at `word`. */
static inline void send_letter(ring_port *port, size_t word, uint32_t number, const void *bytes, size_t length)
{
    memcpy(port->mine + RING_LETTER, bytes, length);
    /* Release, pairs with query_waits() and look_for_answer(). */
    store64(port->mine, word, (uint64_t)number << 32 | length);
    atomic_thread_fence(memory_order_seq_cst); /* the publisher's half of the Dekker pair, as in wake_if_parked() */
    uint32_t parked = atomic_load_explicit(word32(port->theirs, RING_PARKED), memory_order_relaxed);
    if (parked == RING_PARKED_LOOP && word == RING_ASKED)
        raise_alarm(port);
    bool waits = word == RING_ASKED ? parked == RING_PARKED_MESSAGE || parked == RING_PARKED_QUERY
                                    : parked == RING_PARKED_ANSWER;
    if (waits) {
        ring_bell(port->mine);
        port->woke_peer = true;
    }
}

static inline enum ring_news look(ring_port *port)
{
    if (peer_is_dead(port))
        return RING_DEAD;
    if (port->peer_head == port->position && !believe_head(port))
        return RING_CORRUPT;
    if (port->peer_head != port->position)
        return RING_MESSAGE;
    if (somebody_asks(port))
        return RING_QUERY;
    if (commanded(port))
        return RING_COMMAND;
    /* Acquire, pairs with end_ring(): nothing was published behind this END before it was stored. */
    if (port->orders && load64(port->theirs, RING_END) == port->position)
        return RING_ENDED;
    return RING_NOTHING;
}

static inline enum ring_news look_for_room(ring_port *port, uint64_t length)
{
    if (peer_is_dead(port))
        return RING_DEAD;
    if (fits(port, length))
        return RING_MESSAGE;
    return commanded(port) ? RING_COMMAND : RING_NOTHING;
}

static inline enum ring_news look_for(ring_port *port, int64_t want)
{
    if (want == RING_WANT_MESSAGE)
        return look(port);
    return want == RING_WANT_ANSWER ? look_for_answer(port) : look_for_room(port, (uint64_t)want);
}

/* Say where we run, with RING_CPU_ASLEEP when we are about to sleep. Stored only when it changed: the peer polls
   this line. No order needed: it is a hint for how to wait, and a lie costs the peer one spin_ns. */
static inline void publish_cpu(ring_port *port, uint32_t cpu)
{
    if (port->cpu == cpu)
        return;
    port->cpu = cpu;
    atomic_store_explicit(word32(port->mine, RING_CPU), cpu, memory_order_relaxed);
}

/* Where the peer is, as far as its CPU word tells. One asleep counts as being where it went to sleep, which is where the
   kernel is likely to wake it. (It used to say only that it sleeps. Two that share a CPU only ever see each other asleep:
   after a move to it each went on believing that the other was elsewhere, and polled for it, 100 us in vain.) One that we have just woken counts as running: two ends that each found the other asleep
   would else put each other to sleep for ever, at two wake-ups a call, and never find out that polling pays. */
enum ring_place { RING_ELSEWHERE, RING_ASLEEP, RING_HERE };

static inline enum ring_place place_of_peer(ring_port *port)
{
    uint32_t here = this_cpu();
    uint32_t there = atomic_load_explicit(word32(port->theirs, RING_CPU), memory_order_relaxed);
    publish_cpu(port, here);
    bool asleep = there & RING_CPU_ASLEEP;
    if (there != RING_CPU_UNKNOWN)
        port->peer_home = there & ~RING_CPU_ASLEEP;
    if (here == RING_CPU_UNKNOWN || port->peer_home == RING_CPU_UNKNOWN)
        return RING_ASLEEP;
    if (port->peer_home == here)
        return RING_HERE;
    return !asleep || port->woke_peer ? RING_ELSEWHERE : RING_ASLEEP;
}

/* Poll until there is news, or `until`, or polling makes no sense: against a peer on our own CPU it keeps that peer
   from running, against a sleeping one it waits for nobody. */
static inline enum ring_news spin(ring_port *port, int64_t want, uint64_t until)
{
    while (place_of_peer(port) == RING_ELSEWHERE) {
        for (int looks = 0; looks < RING_LOOKS_PER_CLOCK; looks++) {
            enum ring_news news = look_for(port, want);
            if (news != RING_NOTHING)
                return news;
            relax();
        }
        if (now_ns() >= until)
            break;
    }
    return RING_NOTHING;
}

/* Let the peer have our CPU a few times without going to sleep. */
static inline enum ring_news yield_to_peer(ring_port *port, int64_t want, uint64_t start)
{
    for (int yields = 0; yields < RING_YIELDS; yields++) {
        sched_yield();
        enum ring_news news = look_for(port, want);
        if (news != RING_NOTHING)
            return news;
        if (now_ns() - start > RING_BRISK_NS)
            break;
    }
    return RING_NOTHING;
}

/* Both ends on one CPU: is this wait one of a series of brisk ones, so that yielding is worth its risk? */
static inline bool yielding_pays(ring_port *port, uint64_t start)
{
    if (start - port->last_wait > RING_BRISK_NS)
        port->brisk = 0;
    return port->brisk >= port->brisk_needed;
}

static inline void learn_from_wait(ring_port *port, bool yielded, uint64_t start)
{
    port->last_wait = now_ns();
    if (port->last_wait - start <= RING_BRISK_NS) {
        port->brisk++;
        if (port->brisk > port->brisk_needed + RING_BRISK_PROVEN)
            port->brisk_needed = RING_BRISK_NEEDED;
        if (port->brisk > RING_BRISK_SERIES)
            port->brisk = 0;
        return;
    }
    port->brisk = 0;
    if (yielded && port->brisk_needed < RING_BRISK_NEEDED_MOST)
        port->brisk_needed *= 4;
}

/* Whether to poll on after the first RING_HOLD_GIL_NS: while that has been paying, and now and then to find out. */
static inline bool spinning_pays(const ring_port *port)
{
    return port->vain < RING_VAIN_LIMIT || port->vain % RING_VAIN_PROBE == 0;
}

/* Sleep on our peer's bell and on those of the others, at most to `deadline`. */
static inline int wait_bells(ring_port *port, uint32_t bell, const uint32_t *bells, uint64_t deadline)
{
    ring_waiter waiters[RING_MOST_BELLS] = {
        {.value = bell, .address = (uintptr_t)word32(port->theirs, RING_BELL), .flags = 2 /* FUTEX_32, shared */}};
    unsigned count = 1;
    bool all = true;
    for (size_t i = 0; i < port->others_count; i++) {
        if (port->others[i]->most == 0)
            continue;
        all = i < RING_MOST_BELLS - 1;
        if (!all)
            break;
        waiters[count++] = (ring_waiter){
            .value = bells[i], .address = (uintptr_t)word32(port->others[i]->theirs, RING_BELL), .flags = 2};
    }
    int error = count > 1 ? futex_wait_any(waiters, count, all ? deadline : earlier(deadline, now_ns() + RING_SLICE_NS))
                          : futex_wait(port->theirs, RING_BELL, bell, deadline);
    if (error == ENOSYS || error == EPERM || error == EINVAL)
        error = futex_wait(port->theirs, RING_BELL, bell, earlier(deadline, now_ns() + RING_SLICE_NS));
    return error;
}

/* Sleep until there is news; the sleeper's half of the Dekker pair. `want`: see RING_WANT_MESSAGE. */
static inline enum ring_news park(ring_port *port, int64_t want, uint64_t deadline)
{
    static const uint32_t parked[] = {RING_PARKED_MESSAGE, RING_PARKED_ANSWER};
    enum ring_news news;
    uint32_t bells[RING_MOST_BELLS];
    size_t others = want == RING_WANT_MESSAGE ? port->others_count : 0;
    publish_cpu(port, this_cpu() | RING_CPU_ASLEEP);
    for (bool expired = false;;) {
        uint32_t bell = load32(port->theirs, RING_BELL);
        atomic_store_explicit(word32(port->mine, RING_PARKED), want < 0 ? parked[-1 - want] : RING_PARKED_ROOM,
                              memory_order_relaxed);
        for (size_t i = 0; i < others; i++) {
            if (port->others[i]->most == 0)
                continue;
            if (i < RING_MOST_BELLS)
                bells[i] = load32(port->others[i]->theirs, RING_BELL);
            atomic_store_explicit(word32(port->others[i]->mine, RING_PARKED), RING_PARKED_QUERY, memory_order_relaxed);
        }
        atomic_thread_fence(memory_order_seq_cst);
        news = look_for(port, want);
        if (news != RING_NOTHING)
            break;
        if (expired) {
            news = RING_TIMEOUT;
            break;
        }
        int error = others != 0 ? wait_bells(port, bell, bells, deadline)
                                : futex_wait(port->theirs, RING_BELL, bell, deadline);
        if (error == EINTR) {
            news = RING_INTERRUPTED;
            break;
        }
        /* Our own clock, not the kernel's word alone: a peer that rings for ever keeps futex_wait from timing out. */
        expired = (error == ETIMEDOUT && others == 0) || now_ns() >= deadline;
    }
    atomic_store_explicit(word32(port->mine, RING_PARKED), RING_AWAKE, memory_order_relaxed);
    for (size_t i = 0; i < others; i++)
        if (port->others[i]->most != 0)
            atomic_store_explicit(word32(port->others[i]->mine, RING_PARKED), RING_AWAKE, memory_order_relaxed);
    publish_cpu(port, this_cpu());
    return news;
}

static inline uint64_t end_ring(ring_port *port)
{
    publish(port);
    port->ended = true;
    /* Release, pairs with look(): whoever sees END sees every frame in front of it. */
    store64(port->mine, RING_END, port->published);
    ring_bell(port->mine);
    return port->published;
}

#endif
