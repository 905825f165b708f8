/*
 * How the stub fails: one line on stderr, and an exit code for each reason. docs/portable-executable.md lists
 * the codes with remedies; a test compares the two.
 */
#ifndef FAILURE_H
#define FAILURE_H

#include "linux.h"

enum failure {
  NO_PROC = 101,          /* /proc is not mounted */
  NO_MEMFD = 102,         /* memfd_create is forbidden or unknown */
  FEW_DESCRIPTORS = 103,  /* the limit on open files is too low for what is open already */
  LITTLE_MEMORY = 104,    /* the libraries do not fit into memory */
  NO_EXECUTABLE_MEMORY = 105, /* a security policy forbids to execute from a memfd, or mprotect */
  NO_FORK = 106,          /* as the first process of a container, no second one can be started */
};

/* Ends the process. `sentence` says what failed and what to do; `error` is what the kernel returned. */
_Noreturn void give_up(enum failure, const char *sentence, long error) HIDDEN;

#endif
