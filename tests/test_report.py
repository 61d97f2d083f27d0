"""The report in a real browser: it asks nobody for anything, seeks to the frame that it says, keeps verdicts, and saves labels."""

import base64
import hashlib
import html
import io
import json
import re
import shutil
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from stavad.data.catalogue import Video
from stavad.data.labels import read_labels
from stavad.data.timing import Clock
from stavad.evaluate.events import Event
from stavad.evaluate.page import HERE, Content, write_page
from stavad.evaluate.page.media import plays
from stavad.evaluate.score import ScoredVideo
from stavad.evaluate.timeline import Timeline

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
BITS = 8  # of a frame's number, drawn into its picture as black and white fields
FRAMES, FPS = 90, 10
NASTY = """tonight/it's "<script>alert(1)</script>" 100%"""


def numbered_video(path, frames=FRAMES, codec="libx264", times=None, options=None):
    """Every frame shows its number, from 1, in fields of black and white."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=FPS, options=options or {})
        stream.width, stream.height, stream.pix_fmt = 32 * BITS, 64, "yuv420p"
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(1, frames + 1):
            bits = [255 * (number >> bit & 1) for bit in range(BITS)]
            image = np.repeat(np.repeat(np.array(bits, np.uint8)[None, :, None], 32, 1), 64, 0).repeat(3, 2)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[number - 1] * 1000), Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def timeline(id, source, events=(), clock=None, label=None, intervals=None):
    clips = np.linspace(0.1, 0.4, 6)
    for start, end, _ in events:
        clips[(start - 1) // 16 : (end - 1) // 16 + 1] = 0.9
    scored = ScoredVideo(
        Video(id, None, label, None, intervals), FRAMES, clips, np.arange(FRAMES) // 16, None, FPS, str(source)
    )
    return Timeline(scored, clock or Clock(FPS), [Event(a, b, peak, 0.9) for a, b, peak in events])


@pytest.fixture
def page(tmp_path):
    """A report of a plain video, one of uneven times that needs a preview, one with a nasty name, and one that is gone."""
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.04, 0.3, FRAMES)).round(3)
    times -= times[0]
    one = timeline("one", numbered_video(tmp_path / "videos/one.mp4"), [(17, 32, 20), (65, 80, 70)])
    uneven = numbered_video(tmp_path / "videos/uneven.mkv", times=times)
    two = timeline("two", uneven, [(33, 48, 40)], Clock(FRAMES / times[-1], times))
    nasty = timeline(NASTY, tmp_path / "videos/one.mp4", [(1, 16, 5)])
    played = numbered_video(tmp_path / "videos/played.mp4", times=times)
    three = timeline("three", played, [(33, 48, 40)], Clock(FRAMES / times[-1], times))
    gone = timeline("gone", tmp_path / "videos/moved.mp4")
    known = [Video("old", None, 0, "train", ()), Video("old2", None, 1, "train", ((3, 9),), "fight", group="gate")]
    content = Content(
        "Run <1>",
        "tiny",
        "run-1",
        0.5,
        rows=[{"title": "frame AUC", "value": "0.9", "interval": "0.8 to 1"}],
        known=known,
    )
    path = tmp_path / "out/report.html"
    write_page(content, [one, two, three, nasty, gone], path, False, lambda line: None)
    return path


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("there is no chromium: `apt install chromium`")
    sync = pytest.importorskip("playwright.sync_api")
    with sync.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


def opened(browser, path, **options):
    """The page, with everything that it asked for and complained of."""
    context = browser.new_context(**options)
    context.set_default_timeout(300_000)  # milliseconds: a busy machine takes its time
    return opened_in(context, path)


def opened_in(context, path):
    shown = context.new_page()
    shown.asked, shown.wrong = [], []
    shown.on("request", lambda request: shown.asked.append(request.url))
    shown.on("pageerror", lambda error: shown.wrong.append(str(error)))
    shown.on(
        "console",
        lambda line: (
            shown.wrong.append(line.text) if line.type == "error" and "ERR_FILE_NOT_FOUND" not in line.text else None
        ),
    )
    shown.goto(path.as_uri())
    shown.wait_for_selector(".event, #missing:not([hidden])")
    return shown


SETTLED = """() => new Promise((done) => {
  const video = document.getElementById('video');
  const look = () => (!video.seeking && video.readyState >= 2 ? requestAnimationFrame(() => requestAnimationFrame(done)) : setTimeout(look, 20));
  look();
})"""


def number_shown(shown) -> int:
    """That of the frame which the video shows, read from its picture."""
    shown.evaluate(SETTLED)
    picture = np.asarray(Image.open(io.BytesIO(shown.locator("#video").screenshot())).convert("L"))
    middle = picture[len(picture) // 2]
    return sum(int(middle[int((bit + 0.5) * len(middle) / BITS)] > 128) << bit for bit in range(BITS))


def frame_said(shown):
    return int(re.search(r"frame (\d+) of", shown.text_content("#readout"))[1])


def pick(shown, name):
    shown.locator(".row", has_text=name).first.click()
    shown.wait_for_function("name => document.getElementById('name').textContent.startsWith(name)", arg=name)
    shown.wait_for_function("() => document.getElementById('video').readyState >= 2")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["one", "two", "three"])
def test_the_frame_that_is_said_is_the_frame_that_is_shown(page, browser, name):
    """Also of videos of uneven times, of which previews are made: one that browsers do not play, and one of which they show other frames."""
    shown = opened(browser, page)
    pick(shown, name)
    box = shown.locator(".u-over").bounding_box()
    for share in (0.03, 0.31, 0.64, 0.97):
        shown.mouse.click(box["x"] + share * box["width"], box["y"] + 40)
        shown.mouse.move(0, 0)
        assert number_shown(shown) == frame_said(shown)
    for _ in range(3):
        before = frame_said(shown)
        shown.keyboard.press(",")
        assert number_shown(shown) == frame_said(shown) == before - 1
    for expected in {"one": (70, 20), "two": (40,), "three": (40,)}[name]:
        shown.keyboard.press("p")
        assert number_shown(shown) == frame_said(shown) == expected
    assert not shown.wrong


@pytest.mark.slow
def test_it_asks_nobody(page, browser):
    shown = opened(browser, page)
    for name in ("one", "two", "gone"):
        shown.locator(".row", has_text=name).first.click()
    shown.keyboard.press("?")
    assert all(url.startswith(("file:", "blob:", "data:")) for url in shown.asked) and not shown.wrong
    policy = shown.get_attribute("meta[http-equiv]", "content")
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "http" not in policy
    blocked = shown.evaluate("fetch('https://example.org').then(() => false, () => true)")
    assert blocked


@pytest.mark.slow
def test_verdicts_stay_and_become_labels(page, browser, tmp_path):
    shown = opened(browser, page)
    tab = opened_in(
        shown.context, page
    )  # while it is open, the browser has what was kept; alone, a page that reloads at once may come before
    pick(shown, "one")
    shown.keyboard.press("c")  # the event of the highest score is chosen
    shown.keyboard.press("n")
    shown.keyboard.press("r")
    pick(shown, NASTY[:12])
    shown.keyboard.press("r")
    judged(tab, "3 of 5 events judged")
    assert "another tab" in tab.text_content("#notice")
    shown.reload()
    judged(shown, "3 of 5 events judged")
    with shown.expect_download() as download:
        shown.click("text=save verdicts")
    download.value.save_as(tmp_path / "labels.csv")
    labels = {video.id: video for video in read_labels(tmp_path / "labels.csv")}
    assert labels["one"].intervals == ((17, 32),) and labels["one"].label == 1 and labels["one"].split == "train"
    assert labels[NASTY].label == 0 and "two" not in labels
    assert labels["old"].label == 0 and labels["old2"].intervals == ((3, 9),)
    assert (labels["old2"].kind, labels["old2"].group) == ("fight", "gate")

    other = opened(browser, page)  # another browser: nothing is kept there
    assert "0 of 5" in other.text_content("#judged")
    other.set_input_files("#import", tmp_path / "labels.csv")
    other.wait_for_function(
        "() => document.getElementById('judged').textContent.startsWith('3 of 5') || document.getElementById('notice').textContent.includes('read')"
    )
    pick(other, "one")
    assert other.locator(".event.confirmed").count() == 1


def judged(shown, said):
    shown.wait_for_function(
        "said => document.getElementById('judged').textContent === said", arg=said, polling=100
    )  # a tab behind another may draw nothing


@pytest.mark.slow
def test_a_late_frame_does_not_turn_the_playhead_back(page, browser):
    """Keys go on from where the last one went, also while the video is still seeking."""
    shown = opened(browser, page)
    pick(shown, "one")
    shown.evaluate(SETTLED)
    shown.evaluate("() => { video.requestVideoFrameCallback = (call) => { window.late = call; }; }")
    shown.keyboard.press(
        "."
    )  # the frame that this one brings calls what the page asked for before, and the page asks anew
    shown.wait_for_function("() => window.late")
    said = shown.evaluate("""() => {
      const press = (key) => document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
      press('n'); late(0, { mediaTime: 0 });
      press('p'); late(0, { mediaTime: 8 });
      press('n'); late(0, { mediaTime: 0 });
      return document.getElementById('readout').textContent;
    }""")
    assert "frame 70 of" in said


@pytest.mark.slow
@pytest.mark.parametrize("key, expected", [("r", ((60, 70),)), ("c", ((17, 32), (60, 70)))])
def test_what_was_known_of_other_moments_stays(browser, tmp_path, key, expected):
    """A false event of an abnormal video is refused, or one more is confirmed; read back, only the verdict is one."""
    one = timeline("one", numbered_video(tmp_path / "one.mp4"), [(17, 32, 20)], label=1, intervals=((60, 70),))
    write_page(
        Content("t", "s", "i", 0.5, known=[one.scored.video]), [one], tmp_path / "report.html", False, lambda line: None
    )
    shown = opened(browser, tmp_path / "report.html")
    shown.keyboard.press(key)
    with shown.expect_download() as download:
        shown.click("text=save verdicts")
    download.value.save_as(tmp_path / "labels.csv")
    (video,) = read_labels(tmp_path / "labels.csv")
    assert (video.label, video.intervals) == (1, expected)
    other = opened(browser, tmp_path / "report.html")
    other.set_input_files("#import", tmp_path / "labels.csv")
    other.wait_for_selector("#notice:not([hidden])")
    assert other.locator(".event.confirmed").count() == (key == "c") and other.locator(".event.refused").count() == 0


@pytest.mark.slow
def test_borders_are_dragged_by_whole_frames_and_undone(page, browser, tmp_path):
    shown = opened(browser, page)
    pick(shown, "one")
    edge = shown.locator(".event .edge.end").first.bounding_box()
    over = shown.locator(".u-over").bounding_box()
    shown.mouse.move(edge["x"] + 3, edge["y"] + 10)
    shown.mouse.down()
    shown.mouse.move(over["x"] + over["width"] * 44.5 / FRAMES, edge["y"] + 10, steps=4)
    shown.mouse.up()
    label = shown.locator(".event").first.get_attribute("aria-label")
    assert "0:01.6 to 0:04.5" in label
    shown.keyboard.press("Escape")
    assert "0:01.6 to 0:03.2" in shown.locator(".event").first.get_attribute("aria-label")


@pytest.mark.slow
def test_what_cannot_be_shown_says_so_in_its_place(page, browser):
    shown = opened(browser, page)
    shown.locator(".row", has_text="gone").click()
    shown.wait_for_selector("#missing:not([hidden])")
    assert "moved.mp4 is not where" in shown.text_content("#missing") and shown.locator("#chart canvas").count() == 1
    shown.fill("#filter", "no such video")
    assert "No video is like that" in shown.text_content("#count")


@pytest.mark.slow
def test_a_moved_video_keeps_its_curve(page, browser):
    (page.parents[1] / "videos/one.mp4").unlink()
    shown = opened(browser, page)
    shown.locator(".row", has_text="one").first.click()
    shown.wait_for_selector("#missing:not([hidden])")
    assert "was moved" in shown.text_content("#missing") and shown.locator("#chart canvas").count() == 1


@pytest.mark.slow
def test_a_moved_report_and_an_embedded_one(page, browser, tmp_path):
    shutil.copytree(tmp_path / "out", tmp_path / "elsewhere/out")
    shutil.copytree(tmp_path / "videos", tmp_path / "elsewhere/videos")
    shutil.rmtree(tmp_path / "videos")
    shown = opened(browser, tmp_path / "elsewhere/out/report.html")
    pick(shown, "one")
    one = timeline("one", tmp_path / "elsewhere/videos/one.mp4", [(17, 32, 20)])
    write_page(Content("t", "s", "i", 0.5), [one], tmp_path / "alone.html", True, lambda line: None)
    shutil.move(tmp_path / "alone.html", tmp_path / "deep.html")
    shutil.rmtree(tmp_path / "elsewhere")
    alone = opened(browser, tmp_path / "deep.html")
    alone.wait_for_function("() => document.getElementById('video').readyState >= 2")
    assert number_shown(alone) == 20


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"viewport": {"width": 390, "height": 800}}, {"color_scheme": "dark"}])
def test_a_phone_and_the_dark(page, browser, options):
    shown = opened(browser, page, **options)
    assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
    ink, paper = (shown.evaluate(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor"))
    assert contrast(ink, paper) > 7
    soft = shown.evaluate("getComputedStyle(document.getElementById('count')).color")
    assert contrast(soft, paper) > 4.5


def contrast(one: str, other: str) -> float:
    """As WCAG 2."""

    def light(colour):
        parts = np.array([int(n) for n in re.findall(r"\d+", colour)[:3]]) / 255
        return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_names_cannot_break_out_of_the_page(page):
    text = page.read_text(encoding="utf-8")
    assert "<script>alert" not in text and text.count("<script") == 2
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.S)[1]
    assert any(v["id"] == NASTY for v in json.loads(data)["videos"])
    assert html.unescape(re.search("<title>(.*?)</title>", text)[1]) == "Run <1>"


def test_script_and_style_are_those_of_the_policy(page):
    text = page.read_text(encoding="utf-8")
    for tag, content in (("script", re.findall("<script>(.*?)</script>", text, re.S)[0]), ("style", re.findall("<style>(.*?)</style>", text, re.S)[0])):  # fmt: skip
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in html.unescape(text)


def test_what_is_vendored_is_what_was_published():
    for line in re.findall(r"([0-9a-f]{64})  (\S+)", (HERE / "vendor/README.md").read_text(encoding="utf-8")):
        assert hashlib.sha256((HERE / "vendor" / line[1]).read_bytes()).hexdigest() == line[0]


def test_which_files_browsers_play(tmp_path):
    assert plays(numbered_video(tmp_path / "a.mp4", 3)) and not plays(numbered_video(tmp_path / "a.avi", 3, "mpeg4"))
    assert not plays(tmp_path / "none.mp4") and not plays(tmp_path)
    assert not plays(tmp_path / "a.mp4", even=False)  # it has B-frames
    assert plays(numbered_video(tmp_path / "b.mp4", 3, options={"bf": "0"}), even=False)
