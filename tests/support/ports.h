/* Free TCP ports on 127.0.0.1 for tests, out of KVORUM_TEST_PORTS ("first-last", default 21400-21499). A port belongs to
 * this process until it ends, whether anybody listens on it or not: tests of several checkouts may run at once, and a
 * killed server finds its port free when it comes back. */
#ifndef SUPPORT_PORTS_H
#define SUPPORT_PORTS_H

#include <stdint.h>

/* Aborts when the range is used up. */
uint16_t test_port(void);
/* This process may have it again. */
void test_port_release(uint16_t port);

#endif
