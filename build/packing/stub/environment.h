#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include "linux.h"

/* Hides from this process the variables that the image means for its own programs. */
void set_aside(char **environment) HIDDEN;

/*
 * Adds IGNORES_HANGUP at the end of the environment. Takes where the auxiliary vector begins, right behind it, and
 * returns where it begins afterwards.
 */
u64 *tell_of_ignored_hangup(u64 *auxiliary) HIDDEN;

#endif
