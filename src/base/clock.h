/* The only door to the machine's clocks and random source. Pure rooms (raft, rsm, store, commands, journal
 * logic, node) never include this: they are handed times and seeds. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_mono_us(void); /* CLOCK_BOOTTIME: runs on through a suspend */
uint64_t clock_mono_ns(void); /* the same */
uint64_t clock_wall_us(void); /* CLOCK_REALTIME, since 1970 */
void os_random(void *out, size_t len);

#endif
