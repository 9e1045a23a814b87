/* Sine, cosine and arc sine of our own: those of libc differ in their last bit from one library to the next, and what goes into
 * the replicated state must not. Additions, multiplications, divisions and square roots of doubles alone, which IEEE 754 rounds
 * alike everywhere. Within two units in the last place, most often exact. */
#ifndef BASE_TRIG_H
#define BASE_TRIG_H

/* Of an angle of a few turns at most; beyond, the error grows with the angle. Not a number from a million on. */
double trig_sin(double x);
double trig_cos(double x);
/* Of what is beyond -1 and 1, as of those. */
double trig_asin(double x);

#endif
