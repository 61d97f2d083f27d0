"""`pipeline score`: new videos by a run's own features, once; events in frames and seconds; verdicts that train."""

import csv
import json
import shutil
from dataclasses import replace

import av
import numpy as np
import pytest

import stavad
from stavad.data.labels import read_labels
from stavad.data.store import Store
from stavad.data.work import Work
from stavad.evaluate.page import media
from stavad.evaluate.results import timeline_table, write_scoring
from stavad.evaluate.settings import ScoreSettings
from stavad.pipeline.cli import main
from stavad.train.settings import TrainSettings
from tests import tiny
from tests.conftest import moving_square, write_store, write_video

pytestmark = pytest.mark.slow
QUICK = TrainSettings(steps=8, learning_rate=3e-3, segments=4)


def changing(path, frames: int, seed: int) -> None:
    """A video whose brightness in each quarter of the picture goes its own way, so that no two are alike."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for t in range(frames):
            if t % 8 == 0:
                fields = rng.integers(0, 255, (2, 2, 3)).astype(np.uint8)
            image = np.repeat(np.repeat(fields, 32, 0), 48, 1)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A work folder with a run of the tiny preset: videos with a bright end are abnormal."""
    root = tmp_path_factory.mktemp("trained")
    for number in range(12):
        label = "abnormal" if number % 2 else "normal"
        changing(root / f"videos/{label}/v{number:02}.mp4", 48 + 3 * number, number)
    stavad.extract_features(root / "videos", root / "work", tiny.NAME, note=lambda line: None)
    labels = "video,label,split,start,end\n" + "".join(f"v{n:02},{n % 2},train,,\n" for n in range(12))
    (root / "labels.csv").write_text(labels)
    stavad.train_model(root / "work", root / "labels.csv", settings=QUICK, device="cpu", note=lambda line: None)
    return root


@pytest.fixture
def work(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy/work"


def scored(work, *paths, **settings):
    return stavad.score(paths, work=work, settings=ScoreSettings(**settings), device="cpu", note=lambda line: None)


def test_a_folder_and_a_file_and_a_second_call_that_extracts_nothing(work, tmp_path):
    write_video(tmp_path / "tonight/door/cam.mp4", 50)
    write_video(tmp_path / "more/yard.mkv", 33)
    found = scored(work, tmp_path / "tonight", tmp_path / "more/yard.mkv")
    assert [one.scored.video.id for one in found.timelines] == ["tonight/door/cam", "more/yard"]
    assert [len(one.scored.scores) for one in found.timelines] == [50, 33] and not found.left_out
    assert found.threshold is not None and not found.none
    assert not (work / "scored/results").exists()  # nothing of it was written yet
    files = {path: path.stat().st_mtime_ns for path in (work / "scored/features").rglob("*.h5")}
    again = scored(work, tmp_path / "tonight", tmp_path / "more/yard.mkv")
    assert {path: path.stat().st_mtime_ns for path in (work / "scored/features").rglob("*.h5")} == files
    assert np.array_equal(again.timelines[0].scored.scores, found.timelines[0].scored.scores)
    assert again.folder != found.folder and Work(work).store(tiny.NAME).ids() == [f"{'normal' if n % 2 == 0 else 'abnormal'}/v{n:02}" for n in sorted(range(12), key=lambda n: (n % 2 == 0, n))]  # fmt: skip


def test_a_folder_without_labels_is_told_before_hours_of_extraction(tmp_path):
    write_video(tmp_path / "videos/fight/v.mp4", 20)
    (tmp_path / "labels.csv").write_text("video,label\nfight/v,1\n")
    for labels, missing in (("", "normal or abnormal"), (tmp_path / "labels.csv", "normal")):
        told = []
        stavad.extract_features(tmp_path / "videos", tmp_path / missing, tiny.NAME, labels, note=told.append)
        assert any(f"no video of them is known to be {missing}: training needs both" in line for line in told)


def test_no_event_and_how_to_get_one(work, tmp_path):
    write_video(tmp_path / "v.mp4", 20)
    found = scored(work, tmp_path / "v.mp4", alarm_rate=1.0)
    said = "nothing reached the alarm threshold, 1.000: --alarm-rate"
    assert found.timelines[0].events and said not in timeline_table(found)
    none = replace(found, threshold=1.0, timelines=[replace(found.timelines[0], events=[])])
    assert said in timeline_table(none)


def test_folders_of_the_same_name_do_not_mix(work, tmp_path):
    for place in ("a", "b"):
        write_video(tmp_path / place / "cam/v.mp4", 20 if place == "a" else 30)
    found = scored(work, tmp_path / "a/cam", tmp_path / "b/cam")
    assert [(one.scored.video.id, one.scored.frames) for one in found.timelines] == [("cam/v", 20), ("cam-2/v", 30)]


def test_files_and_seconds_of_the_file(work, tmp_path):
    """Of uneven times, as the file has them."""
    stamps = [int(n * (3 if n > 20 else 1)) for n in range(40)]
    stamps = np.cumsum([0, *np.diff(stamps)]).tolist()
    write_video(tmp_path / "cam/uneven.mp4", 40, stamps=stamps)
    settings = ScoreSettings(alarm_rate=1.0, least_event=0.0, hysteresis=1.0)
    found = stavad.score(tmp_path / "cam", work=work, settings=settings, device="cpu", note=lambda line: None)
    report = write_scoring(found, settings, lambda line: None)
    assert report.exists() and report.parent == found.folder
    (one,) = found.timelines
    with open(found.folder / "events.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(one.events) > 0
    for row, event in zip(rows, one.events):
        assert (int(row["start"]), int(row["end"])) == (event.start, event.end)
        assert float(row["start_s"]) == pytest.approx(stamps[event.start - 1] / 10, abs=2e-3)
        last = stamps[event.end] / 10 if event.end < 40 else event.until
        assert float(row["end_s"]) == pytest.approx(last, abs=2e-3)
    listed = json.loads((found.folder / "events.json").read_text())
    assert listed[0]["peak_score"] == one.events[0].peak_score and listed[0]["source"].endswith("uneven.mp4")
    (labels,) = read_labels(found.folder / "labels.csv")
    assert labels.intervals == tuple((e.start, e.end) for e in one.events)
    with open(found.folder / "scores.csv") as file:
        assert len(file.readlines()) == 41


def test_the_command_leaves_out_what_is_no_video(work, tmp_path, capsys):
    write_video(tmp_path / "cam/it's 100% <b>.mp4", 20)
    (tmp_path / "cam/text.mp4").write_text("nothing")
    assert main(["score", str(tmp_path / "cam"), "--work", str(work), "--device", "cpu"]) == 3
    said = capsys.readouterr().out
    assert "left out: cam/text: it is not a video" in said and "report: " in said and "it's 100% <b>: highest" in said
    assert main(["score", str(tmp_path / "cam/text.mp4"), "--work", str(work)]) == 1
    assert main(["score", str(tmp_path / "nowhere"), "--work", str(work)]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_without_cross_fitting_the_highest_moments_and_why(trained, tmp_path, capsys):
    shutil.copytree(trained, tmp_path / "copy", symlinks=True)
    work = tmp_path / "copy/work"
    assert main(["train", "--work", str(work), "--labels", str(trained / "labels.csv"), "--folds", "0", "--steps", "3", "--segments", "4"]) == 0  # fmt: skip
    write_video(tmp_path / "cam/v.mp4", 60)
    assert main(["score", str(tmp_path / "cam"), "--work", str(work)]) == 0
    assert "no alarms: the model was trained without cross-fitting" in capsys.readouterr().out


def test_features_of_another_kind_are_refused(tmp_path, capsys):
    write_store(tmp_path)
    assert main(["train", "--work", str(tmp_path), "--labels", str(tmp_path / "labels.csv"), "--steps", "2"]) == 0
    write_video(tmp_path / "cam/v.mp4", 20)
    assert main(["score", str(tmp_path / "cam"), "--work", str(tmp_path)]) == 1
    assert "'made-up' is not known" in capsys.readouterr().err
    assert main(["score", str(tmp_path / "cam"), "--work", str(tmp_path / "none")]) == 1
    assert "run `pipeline train` first" in capsys.readouterr().err


def test_verdicts_train(work, trained, tmp_path, capsys):
    """Labels that name scored videos bring these into training."""
    write_video(tmp_path / "tonight/one.mp4", 50)
    write_video(tmp_path / "tonight/two.mp4", 70)
    scored(work, tmp_path / "tonight")
    judged = (trained / "labels.csv").read_text() + "tonight/one,1,train,17,32\ntonight/two,0,train,,\n"
    (tmp_path / "judged.csv").write_text(judged)
    run = stavad.train_model(work, tmp_path / "judged.csv", settings=QUICK, device="cpu", note=print)
    assert "training on 7 normal, 7 abnormal" in capsys.readouterr().out
    videos = {video.id: video for video in read_labels(run.folder / "videos.csv")}
    assert videos["tonight/one"].intervals == ((17, 32),) and videos["tonight/two"].label == 0
    again = scored(work, tmp_path / "tonight")
    assert again.run == run.folder and Store(work / "scored/features" / tiny.NAME).ids() == [
        "tonight/one",
        "tonight/two",
    ]


def test_an_annotated_copy_has_every_frame_and_the_sound(work, tmp_path):
    path = tmp_path / "cam/v.mp4"
    path.parent.mkdir()
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        sound = file.add_stream("aac", rate=8000)
        for number in range(30):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(moving_square(number), format="rgb24")))
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.float32), format="fltp", layout="mono")
            samples.rate, samples.pts = 8000, 800 * number
            file.mux(sound.encode(samples))
        file.mux(stream.encode())
        file.mux(sound.encode())
    found = scored(work, path.parent, annotate=True)
    notes: list[str] = []
    write_scoring(found, ScoreSettings(annotate=True), notes.append)
    with av.open(str(found.folder / "annotated/cam/v.mp4")) as copy:
        assert len(copy.streams.audio) == 1 and copy.streams.video[0].codec_context.name == "h264"
        shown = [frame for frame in copy.decode(video=0)]
    assert len(shown) == 30 and shown[0].height > 64 and shown[-1].time == pytest.approx(2.9, abs=2e-3) and not notes


def test_one_frame_and_what_was_scored_is_kept_when_the_disk_fills_up(work, tmp_path, monkeypatch):
    """Previews cannot be written: scores, events and the page are there, and the page says why."""
    write_video(tmp_path / "cam/still.avi", 1, codec="mpeg4")
    found = scored(work, tmp_path / "cam")
    assert len(found.timelines[0].scored.scores) == 1

    def full(*arguments):
        raise stavad.UserError("previews/still.mp4", "cannot be written (No space left on device)", "free some space")

    monkeypatch.setattr(media, "preview", full)
    notes: list[str] = []
    report = write_scoring(found, ScoreSettings(), notes.append)
    assert "No space left" in notes[0] and "No space left" in report.read_text(encoding="utf-8")
    assert (found.folder / "scores.csv").exists() and (found.folder / "events.csv").exists()


def test_a_video_that_is_gone_since_keeps_its_scores(work, tmp_path):
    write_video(tmp_path / "cam/v.mp4", 20)
    found = scored(work, tmp_path / "cam")
    (tmp_path / "cam/v.mp4").unlink()
    report = write_scoring(found, ScoreSettings(), print)
    assert "v.mp4 is not where its features were made" in report.read_text(encoding="utf-8")


def test_pictures_whose_numbers_have_gaps_count_as_pictures(work, tmp_path):
    """Events are of the pictures that are there; so are the labels that are written of them."""
    (tmp_path / "cam/gaps").mkdir(parents=True)
    for number in range(40):
        av.VideoFrame.from_ndarray(moving_square(number), format="rgb24").to_image().save(
            tmp_path / f"cam/gaps/{10 + 2 * number:04}.png"
        )
    settings = ScoreSettings(alarm_rate=1.0, least_event=0.0)
    found = stavad.score(tmp_path / "cam", work=work, settings=settings, device="cpu", note=lambda line: None)
    write_scoring(found, settings, print)
    if found.timelines[0].events:
        (labels,) = read_labels(found.folder / "labels.csv")
        assert labels.counts == "pictures" and labels.intervals[0][1] <= 40
    assert list((found.folder / "previews").rglob("*.mp4")) and list((found.folder / "pictures").rglob("*.jpg"))


def test_times_of_filled_up_frames_are_those_of_the_last(work, tmp_path):
    write_video(tmp_path / "cam/v.mp4", 40, stamps=[n + (n > 20) * 5 for n in range(40)])
    found = scored(work, tmp_path / "cam", frames="pad-up", alarm_rate=1.0, least_event=0.0)
    assert len(found.timelines[0].scored.scores) == 48
    write_scoring(found, ScoreSettings(), print)
