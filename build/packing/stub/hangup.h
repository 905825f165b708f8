#ifndef HANGUP_H
#define HANGUP_H

#include "linux.h"

/* Whether this process was started with SIGHUP ignored, as nohup starts programs. */
int ignores_hangup(void) HIDDEN;

#endif
