"""Every annotation format, from small files made here; and `data verify`."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.io

from stavad.data.annotations import intervals_of
from stavad.data.catalogue import Video
from stavad.data.errors import UserError
from stavad.data.labels import read_labels, write_labels
from stavad.data.layouts import read_catalogue, ucf_crime
from stavad.data.layouts import shanghaitech as shanghaitech_lists
from stavad.data.layouts.ucf_crime import read_ucf_test
from stavad.data.layouts.ucsd import read_ped_mat
from stavad.data.layouts.xd_violence import read_xd_test
from stavad.data.store import Stored
from stavad.data.timing import Clock, on_frames
from stavad.data.verify import totals, verify
from stavad.pipeline.cli import main
from tests.conftest import write_video
from tests.test_catalogue import touch


def labelled(root, labels=None):
    return {video.id.split("/")[-1]: video for video in read_catalogue(root, labels)[0]}


def test_intervals_of_a_mask():
    assert intervals_of(np.array([1, 1, 0, 1, 0, 0, 1], bool)) == ((1, 2), (4, 4), (7, 7))
    assert intervals_of(np.zeros(5, bool)) == ()


@pytest.fixture
def shanghaitech(tmp_path):
    touch(tmp_path, "training/videos/01_001.avi", "training/videos/01_002.avi", *(f"testing/frames/{video}/{number:03d}.jpg" for video in ("01_0014", "01_0015", "02_0009") for number in range(4)))  # fmt: skip
    (tmp_path / "SH_Train.txt").write_text("01_001\n01_0014\n")
    (tmp_path / "SH_Test.txt").write_text("01_002\n01_0015\n02_0009\n")
    masks = tmp_path / "testing/test_frame_mask"
    masks.mkdir()
    np.save(masks / "01_0014.npy", np.array([0, 1, 1, 0], np.uint8))
    np.save(masks / "01_0015.npy", np.array([1, 0, 0, 1], np.uint8))
    return tmp_path


def test_layout_of_shanghaitech(shanghaitech):
    videos = labelled(shanghaitech)
    assert read_catalogue(shanghaitech)[1] == "laid out as ShanghaiTech"
    assert (videos["01_001"].label, videos["01_001"].split, videos["01_001"].intervals) == (0, "train", ())
    assert (videos["01_0014"].label, videos["01_0014"].split, videos["01_0014"].intervals) == (1, "train", ((2, 3),))
    assert (videos["01_0015"].split, videos["01_0015"].intervals) == ("test", ((1, 1), (4, 4)))
    assert videos["01_0015"].frames == 4
    assert (videos["02_0009"].label, videos["02_0009"].intervals) == (
        1,
        None,
    )  # of the original test part, without mask


def test_masks_and_names_that_are_none(shanghaitech):
    mask = shanghaitech / "testing/test_frame_mask/01_0014.npy"
    np.save(mask, np.zeros((4, 8, 8)))
    with pytest.raises(UserError, match=r"01_0014\.npy: holds float64 of shape"):
        read_catalogue(shanghaitech)
    mask.write_bytes(b"no")
    with pytest.raises(UserError, match=r"01_0014\.npy: cannot be read"):
        read_catalogue(shanghaitech)
    (shanghaitech / "SH_Train.txt").write_text("01_001\nsomething\n")
    with pytest.raises(UserError, match=r"SH_Train\.txt, line 2: reads 'something'"):
        read_catalogue(shanghaitech)


def test_layout_of_avenue(tmp_path):
    touch(tmp_path, "training_videos/01.avi", "testing_videos/01.avi", "testing_videos/02.avi")
    masks = tmp_path / "testing_label_mask"
    masks.mkdir()
    for number, abnormal in ((1, [2]), (2, [0, 1])):
        cells = np.empty((1, 4), object)
        for frame in range(4):
            cells[0, frame] = np.zeros((6, 8), np.uint8)
            cells[0, frame][2, 3] = frame in abnormal
        scipy.io.savemat(masks / f"{number}_label.mat", {"volLabel": cells})
    videos, source = read_catalogue(tmp_path)
    found = {video.id: video for video in videos}
    assert source == "laid out as CUHK Avenue"
    assert (found["training_videos/01"].label, found["training_videos/01"].intervals) == (0, ())
    assert (found["testing_videos/01"].intervals, found["testing_videos/01"].frames) == (((3, 3),), 4)
    assert found["testing_videos/02"].intervals == ((1, 2),)
    (masks / "2_label.mat").write_bytes(b"no")
    with pytest.raises(UserError, match=r"2_label\.mat: is not a file of masks"):
        read_catalogue(tmp_path)


def test_layout_of_xd_violence(tmp_path):
    touch(tmp_path, "1-1004/A.Beautiful__#00-01_label_A.mp4", "1-1004/Bad.Boys__#01-02_label_B2-0-0.mp4",
          "videos/v=abc__#1_label_B1-B6-0.mp4", "videos/v=def__#1_label_A.mp4")  # fmt: skip
    (tmp_path / "annotations.txt").write_text("v=abc__#1_label_B1-B6-0 10 20 30 45 \nv=gone_label_G-0-0 1 2\n")
    videos, source = read_catalogue(tmp_path)
    assert source == "laid out as XD-Violence"
    found = [(video.label, video.split, video.intervals, video.kind) for video in videos]
    assert found == [
        (0, "train", (), ""),
        (1, "train", None, "B2"),
        (1, "test", ((10, 20), (30, 45)), "B1"),
        (0, "test", (), ""),
    ]
    (tmp_path / "annotations.txt").write_text("v=abc__#1_label_B1-B6-0 10 20 30\n")
    with pytest.raises(UserError, match=r"annotations\.txt, line 1: reads"):
        read_catalogue(tmp_path)


def test_other_videos_beside_an_annotations_file_are_not_xd_violence(tmp_path):
    touch(tmp_path, "a.mp4")
    (tmp_path / "annotations.txt").write_text("anything at all\n")
    assert read_catalogue(tmp_path)[1] == "no labels"


def test_the_annotation_can_be_elsewhere(shanghaitech, tmp_path_factory):
    alone = tmp_path_factory.mktemp("videos")
    touch(alone, "01_001.avi", "01_0015/000.jpg", "01_0015/001.jpg")
    assert labelled(alone, shanghaitech)["01_0015"].intervals == ((1, 1), (4, 4))


def test_seconds(tmp_path):
    (tmp_path / "labels.csv").write_text("video,label,start_s,end_s\na,1,1.5,3\na,1,4,4.01\nb,0,,\n")
    a, b = read_labels(tmp_path / "labels.csv")
    assert a.seconds == ((1.5, 3.0), (4.0, 4.01)) and a.intervals is None and b.intervals == ()
    assert on_frames(a, Clock(10.0)).intervals == ((16, 30), (41, 41))
    assert on_frames(b, Clock(10.0)) == b
    at_15 = on_frames(
        replace(a, seconds=((8.2, 16.6),)), Clock(15.0)
    )  # 123 and 249 frames, in floats a hair more or less
    assert at_15.intervals == ((124, 249),)
    with pytest.raises(UserError, match="no known frame rate"):
        on_frames(a, Clock())
    write_labels(tmp_path / "again.csv", [a, b])
    assert read_labels(tmp_path / "again.csv") == [a, b]


@pytest.mark.parametrize("row", ["a,1,3,1,,", "a,1,x,2,,", "a,0,1,2,,", "a,1,1,2,1,20", "a,1,1,,,", "a,1,-1,2,,"])
def test_wrong_seconds(tmp_path, row):
    (tmp_path / "labels.csv").write_text(f"video,label,start_s,end_s,start,end\n{row}\n")
    with pytest.raises(UserError, match="line 2"):
        read_labels(tmp_path / "labels.csv")


def test_a_reversed_interval_is_named_with_its_line(tmp_path):
    path = tmp_path / "annotation"
    path.write_text("Abuse028_x264.mp4 Abuse 165 240 -1 -1\nAbuse030_x264.mp4 Abuse 420 150 -1 -1\n")
    with pytest.raises(UserError, match="line 2: has an interval 420 to 150"):
        read_ucf_test(path)
    path.write_text("v_label_B1-0-0 45 30\n")
    with pytest.raises(UserError, match="line 1: has an interval 45 to 30"):
        read_xd_test(path)
    cells = np.empty((1, 2), object)
    cells[0, 0], cells[0, 1] = np.array([[61], [180]]), np.array([[95], [9]])
    scipy.io.savemat(tmp_path / "ped2.mat", {"gt": cells})
    with pytest.raises(UserError, match="entry 2: has an interval 95 to 9"):
        read_ped_mat(tmp_path / "ped2.mat")


def test_verify_says_what_is_missing(tmp_path, capsys):
    write_video(tmp_path / "v/01_001.mp4", 20)
    touch(tmp_path, "v/01_0014/000.jpg", "v/01_0014/001.jpg")
    (tmp_path / "v/SH_Train.txt").write_text("01_001\n01_009\n")
    (tmp_path / "v/SH_Test.txt").write_text("01_0014\n")
    (tmp_path / "v/test_frame_mask").mkdir()
    np.save(tmp_path / "v/test_frame_mask/01_0014.npy", np.array([0, 1, 1], np.uint8))
    lines, complete = verify(tmp_path / "v")
    text = "\n".join(lines)
    assert not complete and main(["data", "verify", str(tmp_path / "v")]) == 3
    assert "01_0014: 2 frames; its labels speak of 3 frames" in text
    assert "22 frames" in text and "2 positive" in text
    assert "missing 1 of 3 listed videos: 01_009" in text
    assert "1 test videos, but 199 are known" in text
    assert capsys.readouterr().out.strip() == text


def test_verify_a_folder_that_is_whole(tmp_path):
    write_video(tmp_path / "normal/a.mp4", 20)
    write_video(tmp_path / "fire/b.mp4", 20)
    lines, complete = verify(tmp_path)
    assert complete and "40 frames" in lines[-1]
    (tmp_path / "fire/c.mp4").write_bytes(b"none")
    assert not verify(tmp_path)[1]


@pytest.mark.parametrize(("layout", "folder"), [(ucf_crime, "ucf-crime"), (shanghaitech_lists, "shanghaitech")])
def test_the_real_annotations_add_up_to_what_is_known(shared, layout, folder):
    found = totals(layout.entries(shared / folder))
    assert found | layout.KNOWN == found


def test_labels_for_another_number_of_frames():
    from stavad.evaluate.score import score_video
    from stavad.evaluate.settings import EvaluateSettings

    stored = Stored(np.zeros((1, 1, 8), np.float32), 5, {})
    with pytest.raises(UserError, match="v: has 5 frames, its labels were made for 6"):
        score_video(None, Video("v", None, 1, "test", ((1, 2),), frames=6), stored, EvaluateSettings())
