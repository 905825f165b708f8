#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include "linux.h"

/* Hides variables from this process that the image means for its own programs. */
void set_aside(char **environment) HIDDEN;

/*
 * Appends IGNORES_HANGUP to the environment. Takes the address of the auxiliary vector, which follows the
 * environment, and returns its new address.
 */
u64 *tell_of_ignored_hangup(u64 *auxiliary) HIDDEN;

#endif
