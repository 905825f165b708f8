#ifndef INIT_H
#define INIT_H

/*
 * If this is process 1, returns only in a child of it; process 1 stays behind as init until that child ends.
 * Otherwise does nothing.
 */
void leave_process_1(void) __attribute__((visibility("hidden")));

#endif
