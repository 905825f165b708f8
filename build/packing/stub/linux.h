/*
 * The part of the Linux ABI that the stub uses. These numbers and layouts are stable and the same on x86-64 and
 * arm64; differences are in x86-64.h and arm64.h.
 */
#ifndef LINUX_H
#define LINUX_H

typedef unsigned long u64;
typedef unsigned int u32;

/* Errors come back as -errno. */
#define EPERM 1
#define ENOENT 2
#define ENOMEM 12
#define EACCES 13
#define ENFILE 23
#define EMFILE 24
#define ENOSPC 28
#define EINVAL 22

/* Keys of the auxiliary vector, <linux/auxvec.h>. */
#define AT_NULL 0
#define AT_PHDR 3
#define AT_PHNUM 5
#define AT_PAGESZ 6
#define AT_BASE 7
#define AT_ENTRY 9
#define AT_SECURE 23

#define PROT_READ 1
#define PROT_WRITE 2
#define PROT_EXEC 4
#define MAP_PRIVATE 0x02
#define MAP_FIXED 0x10
#define MAP_ANONYMOUS 0x20

#define AT_FDCWD (-100)
#define O_CLOEXEC 02000000
#define MFD_CLOEXEC 1u
#define MFD_NOEXEC_SEAL 8u

#define SIG_BLOCK 0
#define SIG_SETMASK 2
#define SIGHUP 1
#define SIGCHLD 17
#define SIG_IGN 1
#define SIGNAL_SET_BYTES 8
#define WNOHANG 1
#define WALL 0x40000000 /* includes children that announce their end with a signal other than SIGCHLD */
#define TIOCSPGRP 0x5410
#define PR_SET_NAME 15

#define STDIN 0
#define STDERR 2

#define HIDDEN __attribute__((visibility("hidden")))

#endif
