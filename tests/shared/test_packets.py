"""Packets with descriptors: nothing half read, nothing left open."""

import os
import socket
from pathlib import Path

import pytest
from fumehood.shared import packets


@pytest.fixture
def pair():
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with left, right:
        yield left, right


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def test_a_packet_arrives_whole_with_its_descriptors(pair):
    left, right = pair
    reading, writing = os.pipe()
    packets.send(left, b"first", (writing,))
    packets.send(left, b"second")
    data, fds = packets.receive(right, 100)
    assert (data, len(fds)) == (b"first", 1)
    assert not os.get_inheritable(fds[0])
    os.write(fds[0], b"x")
    assert os.read(reading, 1) == b"x"
    for fd in (reading, writing, *fds):
        os.close(fd)
    assert packets.receive(right, 100, wait=True) == (b"second", [])


def test_a_packet_as_long_as_the_limit_is_one_packet(pair):
    left, right = pair
    packets.send(left, bytes(100))
    assert packets.receive(right, 100) == (bytes(100), [])


def test_nothing_there_does_not_block(pair):
    with pytest.raises(BlockingIOError):
        packets.receive(pair[1], 100)


def test_the_end_is_an_empty_packet(pair):
    left, right = pair
    left.close()
    assert packets.receive(right, 100) == (b"", [])
    with pytest.raises(OSError, match=r"pipe|Transport|not connected"):
        packets.send(right, b"x")


def test_a_peer_that_does_not_read_does_not_block_us(pair):
    def flood() -> None:
        for _ in range(10_000):
            packets.send(pair[0], bytes(4096))

    with pytest.raises(BlockingIOError):
        flood()


@pytest.mark.parametrize(("length", "descriptors"), [(101, 0), (101, 2), (10, packets.MOST_DESCRIPTORS + 1), (101, 40)])
def test_what_is_too_much_is_refused_and_closed(pair, length, descriptors):
    left, right = pair
    before = open_descriptors()
    packets.send(left, bytes(length), (0,) * descriptors)
    with pytest.raises(ValueError, match="100 bytes"):
        packets.receive(right, 100)
    assert open_descriptors() == before


def test_as_many_descriptors_as_allowed_arrive(pair):
    left, right = pair
    packets.send(left, b"x", (0,) * packets.MOST_DESCRIPTORS)
    _, fds = packets.receive(right, 100)
    assert len(fds) == packets.MOST_DESCRIPTORS
    for fd in fds:
        os.close(fd)


def test_descriptors_smuggled_in_an_empty_packet_are_closed(pair):
    left, right = pair
    before = open_descriptors()
    packets.send(left, b"", (0, 0))
    assert packets.receive(right, 100) == (b"", [])
    assert open_descriptors() == before
