#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lossy_link.py NAMESPACE NAMESPACE MILLISECONDS LOSS: a link between two network namespaces, the device `lossy` in each, that
carries packets as late as said and loses some, for hosts_test.sh: what tc's netem does, without its kernel module.

Says "up" once both devices are there, "lost N" when it is told to end (TERM). Whoever starts it gives the devices addresses.
"""
import collections
import ctypes
import fcntl
import os
import random
import select
import signal
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
LARGEST = 65536


def device_in(namespace):
    """A file that reads and writes the packets of a new device in that namespace, where this process is from here on."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}", "rb") as file:
        if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22s", b"lossy", IFF_TUN | IFF_NO_PI, b""))
    return device


def main():
    first, second, delay, loss = sys.argv[1], sys.argv[2], float(sys.argv[3]) / 1000, float(sys.argv[4])
    devices = [device_in(first), device_in(second)]
    other = {devices[0]: devices[1], devices[1]: devices[0]}
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(1))
    print("up", flush=True)
    chance = random.Random(1)
    waiting = collections.deque()  # in order: all packets are as late as each other
    lost = 0
    while not told:
        left = max(0, waiting[0][0] - time.monotonic()) if waiting else 0.1
        for device in select.select(devices, [], [], left)[0]:
            packet = os.read(device, LARGEST)
            if chance.random() < loss:
                lost += 1
            else:
                waiting.append((time.monotonic() + delay, other[device], packet))
        while waiting and waiting[0][0] <= time.monotonic():
            _, device, packet = waiting.popleft()
            try:
                os.write(device, packet)
            except OSError:
                lost += 1  # a full queue, or a device that is down
    print(f"lost {lost}", flush=True)


main()
