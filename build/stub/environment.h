#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

/* Hides from this process the variables that the image means for its own programs. */
void set_aside(char **environment) __attribute__((visibility("hidden")));

#endif
