"""The numbers of the system calls, on x86_64 (``arch/x86/entry/syscalls/syscall_64.tbl``) and on 64-bit ARM.

ARM has those of ``include/uapi/asm-generic/unistd.h``; a dash stands for a call that it does not have.
"""

import platform

#: Beyond it are calls that were not known when the lists were written; a program that asks for one must be able to go
#: on without it, so it is answered as by a kernel that is older.
LAST_KNOWN = 450

_COLUMNS = {"x86_64": 0, "aarch64": 1}


def _listed(text: str) -> dict[str, tuple[str, str]]:
    entries = (entry.split(":") for entry in text.split())
    return {name: (x86_64, aarch64) for name, x86_64, aarch64 in entries}


#: Files: which ones is Landlock's business.
FILES = _listed("""
    read:0:63 write:1:64 open:2:- close:3:57 stat:4:- fstat:5:80 lstat:6:- newfstatat:262:79 statx:332:291
    lseek:8:62 pread64:17:67 pwrite64:18:68 readv:19:65 writev:20:66 preadv:295:69 pwritev:296:70 preadv2:327:286
    pwritev2:328:287 access:21:- faccessat:269:48 faccessat2:439:439 openat:257:56 openat2:437:437 creat:85:-
    getdents:78:- getdents64:217:61 getcwd:79:17 chdir:80:49 fchdir:81:50 rename:82:- renameat:264:38
    renameat2:316:276 mkdir:83:- mkdirat:258:34 rmdir:84:- link:86:- linkat:265:37 symlink:88:- symlinkat:266:36
    unlink:87:- unlinkat:263:35 readlink:89:- readlinkat:267:78 truncate:76:45 ftruncate:77:46 fallocate:285:47
    fadvise64:221:223 readahead:187:213 fsync:74:82 fdatasync:75:83 sync_file_range:277:84 flock:73:32 umask:95:166
    statfs:137:43 fstatfs:138:44 getxattr:191:8 lgetxattr:192:9 fgetxattr:193:10 listxattr:194:11 llistxattr:195:12
    flistxattr:196:13 sendfile:40:71 copy_file_range:326:285 splice:275:76 tee:276:77 vmsplice:278:75 dup:32:23
    dup2:33:- dup3:292:24 fcntl:72:25 close_range:436:436 pipe:22:- pipe2:293:59 """)
#: Modes, owners, times and extended attributes of files, over which Landlock has no say.
ATTRIBUTES = _listed("""
    chmod:90:- fchmod:91:52 fchmodat:268:53 chown:92:- fchown:93:55 lchown:94:- fchownat:260:54 utime:132:-
    utimes:235:- futimesat:261:- utimensat:280:88 setxattr:188:5 lsetxattr:189:6 fsetxattr:190:7 removexattr:197:14
    lremovexattr:198:15 fremovexattr:199:16
""")
#: Memory.
MEMORY = _listed("""
    mmap:9:222 mprotect:10:226 munmap:11:215 brk:12:214 mremap:25:216 msync:26:227 mincore:27:232 madvise:28:233
    mlock:149:228 mlock2:325:284 munlock:150:229 pkey_mprotect:329:288 pkey_alloc:330:289 pkey_free:331:290
    get_mempolicy:239:236
""")
#: Signals to itself, clocks and timers.
TIME = _listed("""
    rt_sigaction:13:134 rt_sigprocmask:14:135 rt_sigreturn:15:139 rt_sigpending:127:136 rt_sigtimedwait:128:137
    rt_sigsuspend:130:133 sigaltstack:131:132 signalfd:282:- signalfd4:289:74 pause:34:- nanosleep:35:101
    clock_nanosleep:230:115 clock_gettime:228:113 clock_getres:229:114 gettimeofday:96:169 time:201:- times:100:153
    getitimer:36:102 setitimer:38:103 alarm:37:- timer_create:222:107 timer_settime:223:110 timer_gettime:224:108
    timer_getoverrun:225:109 timer_delete:226:111 timerfd_create:283:85 timerfd_settime:286:86
    timerfd_gettime:287:87 restart_syscall:219:128
""")
#: Waiting for something.
WAITING = _listed("""
    poll:7:- ppoll:271:73 select:23:- pselect6:270:72 epoll_create:213:- epoll_create1:291:20 epoll_ctl:233:21
    epoll_wait:232:- epoll_pwait:281:22 epoll_pwait2:441:441 eventfd:284:- eventfd2:290:19 futex:202:98
    futex_waitv:449:449
""")
#: What can be done with a socket that is there.
SOCKETS = _listed("""
    recvfrom:45:207 recvmsg:47:212 recvmmsg:299:243 shutdown:48:210 getsockname:51:204 getpeername:52:205
    getsockopt:55:209 setsockopt:54:208
""")
#: Threads, and what a process asks about itself.
PROCESS = _listed("""
    exit:60:93 exit_group:231:94 gettid:186:178 getpid:39:172 getppid:110:173 getuid:102:174 geteuid:107:175
    getgid:104:176 getegid:108:177 getresuid:118:148 getresgid:120:150 getgroups:115:158 getpgrp:111:-
    getpgid:121:155 getsid:124:156 getpriority:140:141 getrusage:98:165 getrlimit:97:163 getcpu:309:168
    set_tid_address:218:96 set_robust_list:273:99 get_robust_list:274:100 rseq:334:293 membarrier:324:283
    arch_prctl:158:- sched_yield:24:124 sched_getaffinity:204:123 sched_getparam:143:121 sched_getscheduler:145:120
    sched_getattr:315:275 sched_get_priority_max:146:125 sched_get_priority_min:147:126
    sched_rr_get_interval:148:127 wait4:61:260 waitid:247:95 capget:125:90 uname:63:160 sysinfo:99:179
    getrandom:318:278 ioprio_get:252:31 get_thread_area:211:- set_thread_area:205:-
""")
#: What depends on its arguments, or on what was granted.
CHECKED = _listed("""
    socket:41:198 socketpair:53:199 connect:42:203 sendto:44:206 sendmsg:46:211 sendmmsg:307:269 clone:56:220
    clone3:435:435 fork:57:- vfork:58:- execve:59:221 execveat:322:281 kill:62:129 tgkill:234:131 tkill:200:130
    prctl:157:167 ioctl:16:29 prlimit64:302:261 setrlimit:160:164 setsid:112:157 setpgid:109:154 pidfd_open:434:434
    pidfd_send_signal:424:424 bind:49:200 listen:50:201 accept:43:202 accept4:288:242 sched_setaffinity:203:122
""")


def numbers(*lists: dict[str, tuple[str, str]]) -> dict[str, int]:
    """The numbers of the calls of ``lists`` on this machine, by name; those it does not have are left out.

    :raises KeyError: for an architecture whose numbers are not here.
    """
    column = _COLUMNS[platform.machine()]
    return {name: int(row[column]) for listed in lists for name, row in listed.items() if row[column] != "-"}
