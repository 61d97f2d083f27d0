"""A look at a file's packets before it is decoded: is decord right on it?"""

from collections.abc import Callable
from pathlib import Path

from stavad.extract.decode.with_decord import decord
from stavad.extract.decode.with_pyav import demux, open_container

SIGN_OF_LIFE = 5000  # packets
DECORD_HOLDS = 2**29  # bytes of frames that a file given to decord may have: it reads ahead without bound


def survey(path: Path, alive: Callable[[], None]) -> tuple[str, int]:
    """Why decord may be wrong on this file (empty if there is no reason to think so), and its number of packets."""
    if decord is None:
        return "no decord on this platform", 0
    with open_container(path) as container:
        if container.format.name == "mpegts":
            return "MPEG-TS", 0
        size = 3 * container.streams.video[0].width * container.streams.video[0].height
        stamps = []
        for packet in demux(container):
            if not packet.size:
                continue
            if packet.is_corrupt:
                return "corrupt packets", 0
            if packet.is_discard:
                return "edit list", 0
            stamps.append(packet.pts)
            if len(stamps) * size > DECORD_HOLDS:
                return "too long for the memory that decord takes", 0
            if len(stamps) % SIGN_OF_LIFE == 0:
                alive()
        if None in stamps or len(set(stamps)) < len(stamps):
            return "time stamps missing or repeated", 0
        return "", len(stamps)
