"""What a run of stage one tells: of itself while it works, and of the videos at its end."""

from dataclasses import dataclass, field

from stavad.data.catalogue import Video


@dataclass
class Outcome:
    """Ids of videos by what became of them."""

    done: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)  # in the store before
    failed: dict[str, str] = field(default_factory=dict)  # with the reason
    damaged: dict[str, str] = field(default_factory=dict)  # done, with what was lost
    clips: int = 0
    frames: int = 0

    def add(self, other: "Outcome") -> None:
        """What became of further videos."""
        self.done += other.done
        self.present += other.present
        self.failed |= other.failed
        self.damaged |= other.damaged
        self.clips += other.clips
        self.frames += other.frames


class Progress:
    """What a run tells of itself; the command line shows it."""

    def begin(self, videos: list[Video]) -> None:
        """These are to be done."""

    def video(self, video: Video, number: int, of: int, announced: int) -> None:
        """A video is opened; `announced` is its header's number of frames, a hint."""

    def advance(self, video: Video, frames: int) -> None:
        """So many of its frames have gone through the backbone."""

    def read(self, video: Video) -> None:
        """All of the video is decoded, as far as it can be."""

    def end(self, video: Video, frames: int) -> None:
        """The video is in the store."""

    def failed(self, video: Video, reason: str) -> None:
        """The video is given up."""
