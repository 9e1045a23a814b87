/* Memory of a simulated world: what a run has taken it has to give back. */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include <stddef.h>
#include <stdint.h>

uint64_t memory_in_use(void);

#endif
