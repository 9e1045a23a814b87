/* Lua's memory: blocks by size classes, four to each power of two, cut off one after the other and never merged. How much a script may use is
 * counted by how far that goes, so it is what it takes of the machine's memory, and the same wherever it runs. */
#include "base/alloc.h"
#include "script/engine_int.h"

#include <string.h>

#define UNIT       16
#define GIVEN_BACK ((size_t)1 << 20) /* what is above is given back after use */

/* In the first unit lies where the meter is. */
void arena_init(struct arena *a, struct script_meter *meter)
{
    *a = (struct arena){.base = mem_reserve(ARENA_BYTES, ARENA_BYTES), .used = UNIT, .limit = ARENA_BYTES};
    memcpy(a->base, &meter, sizeof meter);
}

void arena_deinit(struct arena *a)
{
    if (a->base)
        mem_unreserve(a->base, ARENA_BYTES);
}

/* Up to 256 bytes one class for each unit. */
static unsigned class_of(size_t size, size_t *room)
{
    size_t units = (size + UNIT - 1) / UNIT;
    if (units <= 16) {
        *room = units * UNIT;
        return (unsigned)units;
    }
    unsigned shift = 61u - (unsigned)__builtin_clzll(units - 1); /* units - 1 has shift + 3 bits */
    size_t quarter = ((units - 1) >> shift) + 1;                 /* 5 .. 8 */
    *room = (quarter << shift) * UNIT;
    return 16 + (shift - 2) * 4 + (unsigned)(quarter - 4);
}

static void *take(struct arena *a, size_t size)
{
    size_t room;
    unsigned class = class_of(size, &room);
    uint32_t first = a->free[class];
    if (first) {
        char *p = a->base + (size_t)first * UNIT;
        memcpy(&a->free[class], p, sizeof first);
        return p;
    }
    if (room > a->limit || a->used > a->limit - room)
        return NULL;
    char *p = a->base + a->used;
    a->used += room;
    return p;
}

static void put(struct arena *a, void *p, size_t size)
{
    size_t room;
    unsigned class = class_of(size, &room);
    memcpy(p, &a->free[class], sizeof(uint32_t));
    a->free[class] = (uint32_t)((size_t)((char *)p - a->base) / UNIT);
}

void *arena_resize(struct arena *a, void *old, size_t old_size, size_t size)
{
    size_t old_room = 0, room;
    if (size == 0) {
        if (old && old_size)
            put(a, old, old_size);
        return NULL;
    }
    if (size >= ARENA_BYTES)
        return NULL;
    if (old && old_size && class_of(old_size, &old_room) == class_of(size, &room))
        return old;
    char *p = take(a, size);
    if (!p && old && size < old_size)
        return old; /* Lua takes it for granted that this works. It will be given back as a smaller one */
    if (p && old && old_size) {
        memcpy(p, old, old_size < size ? old_size : size);
        put(a, old, old_size);
    }
    return p;
}

/* ---- strings ----
 * Lua compares strings with strcoll, and looks with luaS_newlstr for one that may be there already: in one instruction, however long they
 * are. The linker puts these in their place (--wrap, in the Makefile). */

int __wrap_strcoll(const char *a, const char *b);
void *__wrap_luaS_newlstr(lua_State *L, const char *text, size_t len);
void *__real_luaS_newlstr(lua_State *L, const char *text, size_t len);

static struct script_meter *meter_of(const void *in_arena)
{
    struct script_meter *m;
    memcpy(&m, (const char *)in_arena - (uintptr_t)in_arena % ARENA_BYTES, sizeof m);
    return m;
}

/* By bytes, whatever the locale. What has no steps left is about to be ended, and learns nothing any more. */
int __wrap_strcoll(const char *a, const char *b)
{
    struct script_meter *m = meter_of(a);
    size_t same = 0;
    if (m->steps > m->most)
        return 0;
    while (a[same] && a[same] == b[same])
        same++;
    m->steps += same / 16;
    return (unsigned char)a[same] - (unsigned char)b[same];
}

/* One that is made is counted by the allocator. */
void *__wrap_luaS_newlstr(lua_State *L, const char *text, size_t len)
{
    struct script_meter *m = meter_of(L);
    uint64_t before = m->steps;
    void *string = __real_luaS_newlstr(L, text, len);
    if (len >= COUNT_BYTES && m->steps == before)
        m->steps += len / 16;
    return string;
}
