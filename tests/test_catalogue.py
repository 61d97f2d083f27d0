"""Videos, labels, layouts: by id, with every wrong line named."""

import numpy as np
import pytest
import scipy.io

from stavad.data.catalogue import Names, Video
from stavad.data.errors import UserError
from stavad.data.labels import read_labels, with_labels, write_labels
from stavad.data.layouts import read_catalogue
from stavad.data.search import find_videos


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def test_finds_videos_to_the_bottom_and_image_folders(tmp_path):
    touch(tmp_path, "b/x.MP4", "a.avi", "b/frames/001.tif", "b/frames/002.tif", "notes.txt")
    found = find_videos(tmp_path)
    assert [v.id for v in found] == ["a", "b/frames", "b/x"]
    assert found[1].path == tmp_path / "b/frames"


def test_one_file(tmp_path):
    touch(tmp_path, "a.mkv")
    assert [v.id for v in find_videos(tmp_path / "a.mkv")] == ["a"]


@pytest.mark.parametrize(
    ("names", "problem"),
    [([], "it is empty"), (["a.xyz", "b.txt"], "only .txt, .xyz"), (["a.mp4", "a.avi"], "same id")],
)
def test_no_or_ambiguous_videos(tmp_path, names, problem):
    touch(tmp_path, *names)
    with pytest.raises(UserError, match=problem):
        find_videos(tmp_path)


def test_missing_folder(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        find_videos(tmp_path / "none")


def test_names_by_trailing_parts():
    names = Names([Video("day1/cam"), Video("day2/cam"), Video("day2/gate"), Video("scored/gate", by_whole_id=True)])
    assert names.find("gate.mp4") == "day2/gate" and names.find("scored/gate") == "scored/gate"
    assert names.find("day1/cam") == "day1/cam"
    assert names.find("archive/day1/cam.avi") == "day1/cam"
    assert names.find("door") is None
    with pytest.raises(UserError, match="several"):
        names.find("cam")


def test_labels_round_trip(tmp_path):
    videos = [
        Video("a", None, 1, "train", None, "fight"),
        Video("b", None, 1, "test", ((3, 9), (20, 25)), ""),
        Video("c", None, 0, "test", (), ""),
        Video("d"),
    ]
    write_labels(tmp_path / "labels.csv", videos)
    assert read_labels(tmp_path / "labels.csv") == videos


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("a,2,train,,", "line 2: label '2'"),
        ("a,1,dev,,", "split 'dev'"),
        ("a,1,test,9,3", "interval '9' to '3'"),
        ("a,1,test,0,3", "interval"),
        ("a,1,test,5,", "interval"),
        ("a,0,test,5,9", "not labelled abnormal"),
        (",1,test,5,9", "names no video"),
        ("a,1,test,,\na,1,test,,", "line 3.*twice"),
        ("a,1,test,1,2\na,0,test,,", "line 3.*twice"),
    ],
)
def test_wrong_labels_are_named(tmp_path, rows, problem):
    path = tmp_path / "labels.csv"
    path.write_text("video,label,split,start,end\n" + rows + "\n")
    with pytest.raises(UserError, match=problem):
        read_labels(path)


def test_what_one_row_of_a_video_says_counts_for_all(tmp_path):
    head = "video,label,class,frames,start,end\n"
    (tmp_path / "labels.csv").write_text(head + "a,1,fight,90,1,2\na,1,,,5,6\n")
    assert read_labels(tmp_path / "labels.csv") == [Video("a", None, 1, None, ((1, 2), (5, 6)), "fight", 90)]
    for second in ("a,1,fire,90,5,6", "a,1,fight,91,5,6"):
        (tmp_path / "labels.csv").write_text(head + f"a,1,fight,90,1,2\n{second}\n")
        with pytest.raises(UserError, match="line 3: a stands there twice"):
            read_labels(tmp_path / "labels.csv")


@pytest.mark.parametrize("content", [b"", b"name,label\na,1\n", b"\xff\xfe\x00"])
def test_not_a_labels_file(tmp_path, content):
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(UserError, match=r"labels\.csv"):
        read_labels(tmp_path / "labels.csv")


def test_labels_of_missing_videos():
    said = []
    found = with_labels([Video("a")], [Video("a", None, 1), Video("b"), Video("c")], "labels.csv", said.append)
    assert found == [Video("a", None, 1)] and "2 of 3 videos that are not there: b, c" in said[0]
    with pytest.raises(UserError, match=r"not there: b, c"):
        with_labels([Video("a")], [Video("b"), Video("c")], "labels.csv", said.append)
    with pytest.raises(UserError, match="labels x/a twice"):
        with_labels([Video("x/a")], [Video("a"), Video("x/a")], "labels.csv", said.append)


def test_layout_of_folders(tmp_path):
    touch(tmp_path, "normal/a.mp4", "fight/a.mp4", "Robbery/deep/b.mp4")
    videos, source = read_catalogue(tmp_path)
    assert "folders" in source
    assert {v.id: (v.label, v.kind, v.intervals) for v in videos} == {
        "normal/a": (0, "", ()),
        "fight/a": (1, "fight", None),
        "Robbery/deep/b": (1, "Robbery", None),
    }


def test_layout_of_ucf_crime(tmp_path):
    touch(tmp_path, "videos/Abuse001_x264.mp4", "videos/Normal_Videos001_x264.mp4", "videos/Arson011_x264.mp4",
          "videos/Normal_Videos_003_x264.mp4", "videos/other.mp4")  # fmt: skip
    (tmp_path / "Anomaly_Train.txt").write_text(
        "Abuse/Abuse001_x264.mp4\nTraining_Normal_Videos_Anomaly/Normal_Videos001_x264.mp4\nAbuse/Abuse002_x264.mp4\n"
    )
    (tmp_path / "Temporal_Anomaly_Annotation.txt").write_text(
        "Arson011_x264.mp4  Arson  150  420  680  1267\nNormal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1\n"
    )
    for root in (tmp_path, tmp_path / "videos"):
        videos, source = read_catalogue(root)
        assert "UCF-Crime" in source
        known = {v.id.split("/")[-1]: (v.label, v.split, v.intervals) for v in videos}
        assert known == {
            "Abuse001_x264": (1, "train", None),
            "Normal_Videos001_x264": (0, "train", ()),
            "Arson011_x264": (1, "test", ((150, 420), (680, 1267))),
            "Normal_Videos_003_x264": (0, "test", ()),
            "other": (None, None, None),
        }


def test_ucf_crime_as_downloaded_has_normal_videos_twice(tmp_path):
    """The folder that the list names decides, not the one of event recognition."""
    for folder in ("Testing_Normal_Videos_Anomaly", "Normal_Videos_for_Event_Recognition"):
        touch(tmp_path, f"{folder}/Normal_Videos_003_x264.mp4")
    (tmp_path / "Temporal_Anomaly_Annotation.txt").write_text("Normal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1\n")
    (tmp_path / "Anomaly_Test.txt").write_text("Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4\n")
    videos, source = read_catalogue(tmp_path)
    assert "UCF-Crime" in source
    assert {v.id: (v.label, v.split) for v in videos} == {
        "Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264": (0, "test"),
        "Normal_Videos_for_Event_Recognition/Normal_Videos_003_x264": (None, None),
    }


def test_a_layout_that_names_none_of_the_videos_is_passed_over(tmp_path):
    touch(tmp_path, "normal/mine.mp4", "fight/other.mp4")
    (tmp_path / "Temporal_Anomaly_Annotation.txt").write_text("Normal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1\n")
    videos, source = read_catalogue(tmp_path)
    assert "folders" in source and [v.label for v in videos] == [1, 0]


def test_ucf_annotation_with_a_broken_line(tmp_path):
    touch(tmp_path, "a.mp4")
    (tmp_path / "Temporal_Anomaly_Annotation.txt").write_text("a.mp4 Abuse 1 2 -1 -1\nb.mp4 Abuse one 2 -1 -1\n")
    with pytest.raises(UserError, match="line 2"):
        read_catalogue(tmp_path)


def test_layout_of_ucsd(tmp_path):
    touch(tmp_path, "videos/Train001.mp4", "videos/Test001.mp4", "videos/Test002.mp4")
    cells = np.empty((1, 2), object)
    cells[0, 0], cells[0, 1] = np.array([[61], [180]]), np.array([[1, 90], [20, 99]])
    scipy.io.savemat(tmp_path / "ped2.mat", {"gt": cells})
    videos, _ = read_catalogue(tmp_path)
    assert {v.id: (v.label, v.intervals) for v in videos} == {
        "videos/Train001": (0, ()),
        "videos/Test001": (1, ((61, 180),)),
        "videos/Test002": (1, ((1, 20), (90, 99))),
    }


def test_real_layouts(shared):
    videos, source = read_catalogue(shared / "ucsd-ped2")
    assert source.endswith("UCSD Ped")
    assert [sum(v.label == label for v in videos) for label in (0, 1)] == [16, 12]
    videos, source = read_catalogue(shared / "ucf-crime")
    assert source.endswith("UCF-Crime")
    assert {v.id.split("/")[-1]: v.intervals for v in videos}["RoadAccidents002_x264"] == ((240, 300),)
    videos, _ = read_catalogue(shared / "cctv-fights")
    assert [sum(v.label == label for v in videos) for label in (0, 1)] == [40, 40]
