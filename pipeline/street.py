"""Renders a small corpus of street-camera videos: pedestrians walk; in the abnormal ones somebody runs, a car drives on the
pavement, or two people fight. Real H.264 files with a labels CSV, the same for the same seed."""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw

from stavad.data.catalogue import Video
from stavad.data.labels import write_labels

WIDTH, HEIGHT, FPS = 320, 240, 10
HORIZON = 90  # people's feet are below this line; the lower, the nearer
EVENTS = ("running", "vehicle", "fight")
PARTS = {"train": (30, 30), "test": (8, 8)}  # normal, abnormal videos
LENGTHS = {"train": (80, 129), "test": (112, 177)}  # frames, from and below


def render(folder: Path, seed: int = 0) -> Path:
    """Write the videos that `folder` lacks, and `labels.csv`.

    Returns:
        The path of the labels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    videos = []
    for part, (normal, abnormal) in PARTS.items():
        for number in range(normal + abnormal):
            rng = np.random.default_rng([seed, list(PARTS).index(part), number])
            event = EVENTS[(number - normal) % len(EVENTS)] if number >= normal else ""
            frames = int(rng.integers(*LENGTHS[part]))
            interval = _interval(frames, rng) if event else ()
            video = Video(f"{part}-{event or 'normal'}-{number:02d}", None, int(bool(event)), part, interval, event)
            videos.append(video)
            path = folder / f"{video.id}.mp4"
            if not path.exists():
                write(path, scene(frames, event, interval, rng))
    write_labels(folder / "labels.csv", videos)
    return folder / "labels.csv"


def _interval(frames: int, rng) -> tuple[tuple[int, int]]:
    length = int(frames * rng.uniform(0.3, 0.5))
    start = int(rng.integers(1, frames - length + 1))
    return ((start, start + length - 1),)


def scene(frames: int, event: str, interval, rng) -> Iterator[Image.Image]:
    """The frames of one video; `event` is seen in the frames of `interval` (1-based, inclusive)."""
    street = _street()
    light = rng.uniform(0.85, 1.1)
    walkers = [Walker(rng, speed=rng.uniform(0.5, 0.9)) for _ in range(rng.integers(3, 6))]
    (start, end) = interval[0] if interval else (0, -1)
    actors = {"running": _runners, "vehicle": _cars, "fight": _fighters}[event](rng) if event else []
    for number in range(1, frames + 1):
        figures = walkers + (actors if start <= number <= end else [])
        image = street.copy()
        draw = ImageDraw.Draw(image)
        for figure in sorted(figures, key=lambda f: f.y):
            figure.draw(draw)
            figure.move()
        noise = rng.normal(0, 1.5, (HEIGHT, WIDTH, 1))
        yield Image.fromarray(np.clip(np.asarray(image) * light + noise, 0, 255).astype(np.uint8))


class Walker:
    """A person who crosses the picture on one line and comes back in at the other side."""

    def __init__(self, rng, speed: float):
        self.rng, self.speed = rng, speed
        self.x, self.y = rng.uniform(0, WIDTH), rng.uniform(HORIZON + 45, HEIGHT - 6)
        self.way = rng.choice([-1, 1])
        self.phase = rng.uniform(0, 2 * math.pi)
        self.coat, self.trousers = (tuple(int(c) for c in rng.integers(30, 200, 3)) for _ in range(2))

    @property
    def size(self) -> float:
        return 22 + 34 * (self.y - HORIZON) / (HEIGHT - HORIZON)

    def move(self) -> None:
        self.x += self.way * self.speed * self.size / 40
        self.phase += 0.45 * self.speed
        if not -20 < self.x < WIDTH + 20:
            self.x = -20 if self.way > 0 else WIDTH + 20

    def draw(self, draw: ImageDraw.ImageDraw) -> None:
        self._body(draw, swing=0.5 * math.sin(self.phase), arms=0.5 * math.sin(self.phase))

    def _body(self, draw, swing: float, arms: float) -> None:
        h, x, y = self.size, self.x, self.y
        hip, neck, thick = y - 0.47 * h, y - 0.82 * h, max(2, round(h / 11))
        for side in (-1, 1):
            draw.line([(x, hip), (x + side * swing * 0.45 * h, y)], self.trousers, thick)
            draw.line([(x, neck + 2), (x + side * arms * 0.4 * h, hip - 0.05 * h)], self.coat, thick)
        draw.ellipse([x - 0.12 * h, neck - 1, x + 0.12 * h, hip + 2], self.coat)
        draw.ellipse([x - 0.08 * h, y - h, x + 0.08 * h, neck], (205, 165, 135))


class Fighter(Walker):
    """Stays at its place, strikes and staggers."""

    def move(self) -> None:
        self.x += self.rng.normal(0, 1.6)
        self.phase += self.rng.uniform(0.8, 2.4)

    def draw(self, draw) -> None:
        self._body(draw, swing=0.9 * math.sin(self.phase), arms=1.4 * math.cos(1.7 * self.phase))


class Car(Walker):
    """A car on the pavement."""

    @property
    def size(self) -> float:
        return 1.9 * super().size

    def draw(self, draw) -> None:
        h, x, y = self.size, self.x, self.y
        draw.rounded_rectangle([x - 0.62 * h, y - 0.42 * h, x + 0.62 * h, y - 0.1 * h], 0.1 * h, self.coat)
        draw.rounded_rectangle([x - 0.32 * h, y - 0.66 * h, x + 0.3 * h, y - 0.38 * h], 0.1 * h, self.coat)
        draw.rectangle([x - 0.26 * h, y - 0.6 * h, x + 0.24 * h, y - 0.42 * h], (150, 175, 190))
        for wheel in (-0.38, 0.38):
            draw.ellipse([x + (wheel - 0.12) * h, y - 0.24 * h, x + (wheel + 0.12) * h, y], (25, 25, 28))


def _runners(rng) -> list[Walker]:
    return [Walker(rng, speed=rng.uniform(4.0, 6.0)) for _ in range(2)]


def _cars(rng) -> list[Walker]:
    return [Car(rng, speed=rng.uniform(1.6, 2.6))]


def _fighters(rng) -> list[Walker]:
    one, other = Fighter(rng, 0), Fighter(rng, 0)
    one.x = rng.uniform(60, WIDTH - 60)
    other.x, other.y = one.x + 0.7 * one.size, one.y + 1
    return [one, other]


def _street() -> Image.Image:
    """Houses, pavement and a line of kerb stones; the camera does not move."""
    rng = np.random.default_rng(7)
    image = Image.new("RGB", (WIDTH, HEIGHT), (128, 126, 122))
    draw = ImageDraw.Draw(image)
    for left in range(0, WIDTH, 80):
        draw.rectangle([left, 0, left + 79, HORIZON + 10], tuple(int(c) for c in rng.integers(90, 165, 3)))
        for x in range(left + 10, left + 70, 20):
            for y in range(8, HORIZON - 10, 28):
                draw.rectangle([x, y, x + 10, y + 16], (60, 70, 85))
    for y in range(HORIZON + 10, HEIGHT, 18):
        draw.line([(0, y), (WIDTH, y)], (112, 110, 106))
    for x in range(-200, WIDTH + 200, 40):
        draw.line([(WIDTH / 2 + (x - WIDTH / 2) * 0.6, HORIZON + 10), (x, HEIGHT)], (112, 110, 106))
    texture = rng.normal(0, 6, (HEIGHT, WIDTH, 1))
    return Image.fromarray(np.clip(np.asarray(image) + texture, 0, 255).astype(np.uint8))


def write(path: Path, frames: Iterator[Image.Image]) -> None:
    part = path.with_suffix(".part")
    with av.open(str(part), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS), options={"crf": "20", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())
    part.replace(path)
