/* What a message would cost to decode, found out by walking it: no allocation, no recursion, linear in its bytes.

   The problem. The game decodes what a hostile mod wrote. msgpack's length is no measure of that: a byte may be an empty
   list, which takes sixty times as long to make as a byte of text takes to copy; and a map whose keys are arrays of
   integers makes a dict of tuples whose hashes, unlike those of text, hold no secret: 4500 keys of one hash take 300 ms.

   The rule. Keys of maps are scalars, text or bytes; nothing is nested deeper than WEIGH_DEEPEST; and the game compares
   the figure below with what it is ready to spend. What is cut short or malformed is weighed as far as it goes: the
   decoder says what is wrong with it. */

#ifndef FUMEHOOD_WEIGH_H
#define FUMEHOOD_WEIGH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nanoseconds, from msgspec 0.22 on a 3 GHz machine, rounded up. */
#define WEIGH_CONTAINER 200
#define WEIGH_SCALAR 30
#define WEIGH_TEXT 60
#define WEIGH_TEXT_BYTES_A_NS 8
#define WEIGH_KEY 40

/* Deeper: nobody's data; and the decoder would give up at about twice that. Each level takes 8 bytes of stack here. */
#define WEIGH_DEEPEST 512

#define WEIGH_BAD_KEY (-1)
#define WEIGH_TOO_DEEP (-2)

enum weigh_kind { WEIGH_IS_SCALAR, WEIGH_IS_TEXT, WEIGH_IS_ARRAY, WEIGH_IS_MAP, WEIGH_IS_EXT, WEIGH_IS_CUT };

typedef struct {
    enum weigh_kind kind;
    size_t head;    /* bytes of the type and the length */
    uint64_t count; /* bytes that follow, or items, or pairs */
} weigh_item;

static inline weigh_item weigh_sized(enum weigh_kind kind, const unsigned char *data, size_t size, size_t width,
                                     uint64_t more)
{
    uint64_t count = 0;
    if (size < 1 + width)
        return (weigh_item){.kind = WEIGH_IS_CUT};
    for (size_t i = 0; i < width; i++)
        count = count << 8 | data[1 + i];
    return (weigh_item){kind, 1 + width, count + more};
}

/* The item at `data`, of which `size` bytes are there, at least one. */
static inline weigh_item weigh_next(const unsigned char *data, size_t size)
{
    static const unsigned char scalar[] = {4, 8, 1, 2, 4, 8, 1, 2, 4, 8}; /* bytes of 0xca (a float) to 0xd3 */
    unsigned char type = data[0];
    if (type <= 0x7f || type >= 0xe0)
        return (weigh_item){WEIGH_IS_SCALAR, 1, 0};
    if (type <= 0x8f)
        return (weigh_item){WEIGH_IS_MAP, 1, type & 0x0f};
    if (type <= 0x9f)
        return (weigh_item){WEIGH_IS_ARRAY, 1, type & 0x0f};
    if (type <= 0xbf)
        return (weigh_item){WEIGH_IS_TEXT, 1, type & 0x1f};
    if (type <= 0xc3) /* nil, false, true, and one that is never used */
        return (weigh_item){WEIGH_IS_SCALAR, 1, 0};
    if (type <= 0xc6)
        return weigh_sized(WEIGH_IS_TEXT, data, size, (size_t)1 << (type - 0xc4), 0);
    if (type <= 0xc9)
        return weigh_sized(WEIGH_IS_EXT, data, size, (size_t)1 << (type - 0xc7), 1);
    if (type <= 0xd3)
        return (weigh_item){WEIGH_IS_SCALAR, 1, scalar[type - 0xca]};
    if (type <= 0xd8)
        return (weigh_item){WEIGH_IS_EXT, 1, ((uint64_t)1 << (type - 0xd4)) + 1};
    if (type <= 0xdb)
        return weigh_sized(WEIGH_IS_TEXT, data, size, (size_t)1 << (type - 0xd9), 0);
    if (type <= 0xdd)
        return weigh_sized(WEIGH_IS_ARRAY, data, size, type == 0xdc ? 2 : 4, 0);
    return weigh_sized(WEIGH_IS_MAP, data, size, type == 0xde ? 2 : 4, 0);
}

/* Nanoseconds, or WEIGH_BAD_KEY, WEIGH_TOO_DEEP. */
static inline int64_t weigh_message(const unsigned char *data, size_t size)
{
    struct {
        uint64_t left; /* items still to come; of a map twice its pairs */
        bool map;
    } open[WEIGH_DEEPEST];
    size_t depth = 0, at = 0;
    int64_t cost = 0;
    while (at < size) {
        bool key = depth > 0 && open[depth - 1].map && open[depth - 1].left % 2 == 0;
        weigh_item item = weigh_next(data + at, size - at);
        if (item.kind == WEIGH_IS_CUT)
            break;
        at += item.head;
        cost += key ? WEIGH_KEY : 0;
        if (depth > 0)
            open[depth - 1].left--;
        if (item.kind == WEIGH_IS_ARRAY || item.kind == WEIGH_IS_MAP) {
            if (key)
                return WEIGH_BAD_KEY;
            cost += WEIGH_CONTAINER;
            if (item.count > 0) {
                if (depth == WEIGH_DEEPEST)
                    return WEIGH_TOO_DEEP;
                open[depth].map = item.kind == WEIGH_IS_MAP;
                open[depth].left = item.kind == WEIGH_IS_MAP ? 2 * item.count : item.count;
                depth++;
            }
        } else {
            if (key && item.kind == WEIGH_IS_EXT)
                return WEIGH_BAD_KEY;
            if (item.count > size - at)
                break;
            at += (size_t)item.count;
            cost += item.kind == WEIGH_IS_SCALAR ? WEIGH_SCALAR
                    : item.kind == WEIGH_IS_EXT  ? WEIGH_CONTAINER
                                                 : WEIGH_TEXT + (int64_t)(item.count / WEIGH_TEXT_BYTES_A_NS);
        }
        while (depth > 0 && open[depth - 1].left == 0)
            depth--;
        if (depth == 0)
            break; /* one message is one item: what follows is the decoder's to refuse */
    }
    return cost;
}

#endif
