/* Free TCP ports on 127.0.0.1 for tests, out of KVORUM_TEST_PORTS ("first-last", default 21400-21499), so
 * that several checkouts on one machine can keep out of each other's way. */
#ifndef SUPPORT_PORTS_H
#define SUPPORT_PORTS_H

#include <stdint.h>

/* A port nobody listens on now; the next call tries behind it. Aborts when the range is used up. */
uint16_t test_port(void);

#endif
