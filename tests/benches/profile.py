#!/usr/bin/env python3
"""Where a process's time goes: the samples of `perf record`, by what they are in. See README.md, "Where the time goes".

    perf record -F 1999 -p PID -o FILE -- sleep 3
    tests/benches/profile.py FILE…
"""

import re
import subprocess
import sys
from collections import Counter

# The first pattern that is found in a symbol's name decides.
# Waking a process ends in `_raw_spin_unlock_irqrestore`, where a virtual machine's samples of it gather.
KERNEL = [
    ("kernel: copies", r"copy_to_iter|copy_from_iter|copy_user|rep_movs"),
    (
        "kernel: processes put to sleep and woken",
        r"task_switch|schedule|^sched_|^try_to_wake|^ttwu|wake_up|^_raw_spin_unlock_irqrestore|futex|(en|de)queue_(task|entit)"
        r"|^pick_|^update_(curr|load|rq)|^select_task|_idle|hrtimer|_load_avg|^switch_",
    ),
    ("kernel: epoll", r"^ep_|epoll|eventpoll"),
    (
        "kernel: TCP, UDP",
        r"^_*(tcp|udp|inet6?|sock|sk|skb|ip6?|ipv4|net|netif|dev|nf|napi|fib|dst|loopback|csum|alloc_skb|consume_skb)_"
        r"|_skb|_backlog|softirq|conntrack|datagram|sendmsg|recvmsg|recvfrom|sendto",
    ),
    ("kernel: others", ""),
]
LIBC = [
    ("malloc, free", r"alloc|free|memalign|unlink_chunk|tcache"),
    ("memcpy", r"^\S*mem"),
    ("libc: others", ""),
]
PROGRAM = [
    ("AES-GCM, SHA-256, rustls", r"aws_lc|aead|aes|gcm|sha256|SHA256|rustls|\bring::"),
    ("quinn", r"quinn|gantz_transport::quic|RecvState"),
    ("hyper, http", r"hyper|httparse|http::|http_body|TokioIo"),
    ("log of calls", r"serde|audit|calls::"),
    ("gantz", r"gantz"),
    ("tokio", r"tokio|mio|futures"),
    ("bytes", r"bytes::"),
    ("others", ""),
]


def kind(program: str, symbol: str) -> str:
    name = symbol.split("] ", 1)[-1]
    table = KERNEL if "[k]" in symbol else LIBC if program.startswith("libc") else PROGRAM
    return next(kind for kind, pattern in table if re.search(pattern, name))


def shares(file: str) -> Counter[str]:
    report = subprocess.run(
        ["perf", "report", "-i", file, "--no-children", "-g", "none", "--sort", "dso,symbol", "-t", "\t"],
        check=True, capture_output=True, text=True,
    )
    found: Counter[str] = Counter()
    for line in report.stdout.splitlines():
        columns = [column.strip() for column in line.split("\t")]
        if not line.startswith("#") and len(columns) >= 3:
            found[kind(columns[1], columns[2])] += float(columns[0].rstrip("%"))
    return found


if len(sys.argv) < 2:
    sys.exit(__doc__)
for file in sys.argv[1:]:
    found = shares(file)
    if not found:
        sys.exit(f"{file} has no samples")
    print(file)
    for what, share in found.most_common():
        print(f"{100 * share / found.total():5.1f} %  {what}")
