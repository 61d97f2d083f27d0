"""How the report opens in headless Chromium, of a thousand videos of 5,000 clips and of twelve.

    python -m benchmarks.report [--videos N] [--clips N]

Made-up scores, no pictures. Size of the page; from the start of loading to the first curve drawn; the time between frames while the list is
scrolled from end to end, the middle and the slowest of twenty; from a click on a row to its curve; memory of the page's process.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from stavad.data.catalogue import Video
from stavad.data.timing import Clock
from stavad.evaluate.events import Event
from stavad.evaluate.page import Content, write_page
from stavad.evaluate.score import ScoredVideo
from stavad.evaluate.timeline import Timeline

DRAWN = "() => document.querySelector('.event') && document.querySelector('#chart canvas')"
SCROLL = """async () => {
  const list = document.getElementById('list'), times = [], far = list.scrollHeight - list.clientHeight;
  let last = performance.now();
  for (let step = 0; step <= 120; step += 1) {
    list.scrollTop = far * step / 120;
    await new Promise((done) => requestAnimationFrame(done));
    const now = performance.now(); times.push(now - last); last = now;
  }
  return times.slice(1).sort((a, b) => a - b);
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=1000)
    parser.add_argument("--clips", type=int, default=5000)
    flags = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    print(
        f"{'videos x clips':>16}{'page, MB':>10}{'open, s':>9}{'frame, ms':>11}{'slow, ms':>10}{'choose, s':>11}{'memory, MB':>12}"
    )
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for videos, clips in ((12, 40), (flags.videos, flags.clips)):
            path = Path(folder) / f"{videos}.html"
            content = Content("benchmark", "", f"benchmark {videos}", 0.9)
            write_page(content, [made_up(n, clips) for n in range(videos)], path, False, lambda line: None)
            page = browser.new_page()
            opened = timed(page, lambda page=page, path=path: (page.goto(path.as_uri(), wait_until="commit"), page.wait_for_function(DRAWN)))  # fmt: skip
            frames = page.evaluate(SCROLL)
            chosen = timed(page, lambda page=page: (page.locator(".row").nth(3).click(), page.wait_for_function("() => document.querySelectorAll('.row[aria-current=true]').length")))  # fmt: skip
            memory = page.context.new_cdp_session(page).send("Runtime.getHeapUsage")["usedSize"] / 1e6
            size = path.stat().st_size / 1e6
            cells = f"{size:>10.2f}{opened:>9.2f}{frames[len(frames) // 2]:>11.1f}{frames[-6]:>10.1f}{chosen:>11.2f}{memory:>12.0f}"
            print(f"{f'{videos} x {clips}':>16}{cells}", flush=True)
            page.close()
        browser.close()


def timed(page, act) -> float:
    begun = page.evaluate("performance.timeOrigin + performance.now()")
    act()
    return (page.evaluate("performance.timeOrigin + performance.now()") - begun) / 1000


def made_up(number: int, clips: int) -> Timeline:
    rng = np.random.default_rng(number)
    scores = np.clip(
        rng.normal(0.3, 0.05, clips) + np.convolve(rng.random(clips) > 0.999, np.ones(20), "same") * 0.5, 0, 1
    )
    scored = ScoredVideo(
        Video(f"camera {number % 40:02}/{number:05}"), 16 * clips, scores, np.arange(16 * clips) // 16, None, 25.0
    )
    events = [
        Event(16 * a + 1, 16 * a + 320, 16 * a + 100, 0.95) for a in range(0, max(1, clips - 25), max(1, clips // 3))
    ]
    return Timeline(scored, Clock(25.0), events)


if __name__ == "__main__":
    main()
