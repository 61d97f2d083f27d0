"""Labels as people have them: what programs and data sets write, and lists that do not fit the folder."""

import pytest

from stavad.data.catalogue import Names, Video
from stavad.data.errors import UserError
from stavad.data.labels import read_labels, with_labels
from stavad.data.layouts import label, read_catalogue
from stavad.data.layouts.ucsd import read_ped_m
from tests.test_catalogue import touch

KNOWN = [
    Video("fight1", None, 1, "test", ((33, 96),), "Fight", 320),
    Video("fight2", None, 1, "train", None, "Fight"),
    Video("calm 1", None, 0, "test", (), "", 320),
]


@pytest.mark.parametrize(
    "text",
    [
        "video,label,split,frames,start,end,class\nfight1,1.0,test,320.0,33.0,96.0,Fight\nfight2,1.0,train,nan,nan,NaN,Fight\ncalm 1,0.0,test,320.0,,,\n",
        "video;label;split;frames;start;end;class\nfight1;1;test;320;33;96;Fight\nfight2;1;train;;;;Fight\ncalm 1;0;test;320;;;\n",
        "video\tlabel\tsplit\tframes\tstart\tend\tclass\nfight1\t1\ttest\t320\t33\t96\tFight\nfight2\t1\ttrain\t\t\t\tFight\ncalm 1\t0\ttest\t320\t\t\t\n",
        "sep=;\nvideo;label;split;frames;start;end;class\nfight1;1;test;320;33;96;Fight\nfight2;1;train;;;;Fight\ncalm 1;0;test;320;;;\n",
        "\ufeff Video , LABEL,Split, frames ,Start,END,Class\r\nfight1,Abnormal,TEST, 320,33 ,96,Fight\r\nfight2,abnormal,Train,,,,Fight\r\ncalm 1,Normal,test,320,,,\r\n",
        'video,label,split,frames,start,end,class\n"fight1",true,test,320,33,96,Fight\nfight2,TRUE,train,,None,N/A,Fight\ncalm 1,False,test,320,<NA>,,\n\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_table_as_programs_write_it(tmp_path, text, encoding):
    (tmp_path / "labels.csv").write_text(text.lstrip("\ufeff") if encoding == "utf-16" else text, encoding, newline="")
    assert read_labels(tmp_path / "labels.csv") == KNOWN


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("video,label,start,end\ncam1,1,5,10,20,30\n", "line 2.*more values"),
        ("video,label,frames\ncam1,1,1,200\n", "line 2.*more values"),
        ("video,label,Label\ncam1,1,0\n", "column label twice"),
        ("video;label;frames;start;end\ncam1;1;12.000;1.000;2.000\n", "line 2.*12.000"),
        ("video,label,start,end\ncam1,1,\u00b2,\u00b3\n", "line 2.*interval"),
        ('video,label\n"cam1,1\ncam2,0\n', "labels.csv"),
    ],
)
def test_what_would_be_read_wrongly_is_refused_in_one_line(tmp_path, text, problem):
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=problem) as told:
        with_labels(
            [Video("cam1"), Video("cam2")], read_labels(tmp_path / "labels.csv"), tmp_path / "labels.csv", print
        )
    assert "\n" not in str(told.value)


def test_what_is_none_of_ours_may_stand_twice_and_labels_may_have_digits(tmp_path):
    (tmp_path / "labels.csv").write_text("video,label,note,note\na,1.000,x,y\nb,0.00,,\n")
    assert [video.label for video in read_labels(tmp_path / "labels.csv")] == [1, 0]
    (tmp_path / "labels.csv").write_text("video,label\na,.0\n")
    with pytest.raises(UserError, match=r"line 2.*label '\.0'"):
        read_labels(tmp_path / "labels.csv")


@pytest.mark.parametrize("nothing", ["0,0", "-1,-1", "-1.0,-1.0", ","])
def test_no_interval_however_it_is_written(tmp_path, nothing):
    (tmp_path / "labels.csv").write_text(f"video,label,start,end\na,0,{nothing}\nb,1,{nothing}\n")
    assert [video.intervals for video in read_labels(tmp_path / "labels.csv")] == [(), None]


def test_half_a_frame_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_text("video,label,start,end\na,1,33.5,40\n")
    with pytest.raises(UserError, match=r"line 2.*33\.5"):
        read_labels(tmp_path / "labels.csv")


@pytest.mark.parametrize(
    "line",
    [
        "Abuse028_x264.mp4  Abuse  165  240  -1  -1",
        "Abuse028_x264  Abuse  165  240  -1  -1",
        "Abuse/Abuse028_x264.mp4 1412 Abuse 165 240 -1 -1",
    ],
)
def test_the_annotation_of_ucf_crime_given_itself(tmp_path, line):
    """Under its own name or another, with lengths or without."""
    for name in ("Temporal_Anomaly_Annotation.txt", "mine.txt"):
        (tmp_path / name).write_text(f"{line}\nTesting_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4 {'2000 ' if '1412' in line else ''}Normal -1 -1 -1 -1\n")  # fmt: skip
        videos, _ = label([Video("Abuse028_x264"), Video("Normal_Videos_003_x264")], tmp_path, tmp_path / name)
        assert [(v.label, v.split, v.intervals) for v in videos] == [(1, "test", ((165, 240),)), (0, "test", ())]
        assert videos[0].frames == (1412 if "1412" in line else None)
        (tmp_path / name).unlink()


def test_the_class_that_a_list_gives_counts_and_not_the_name(tmp_path):
    (tmp_path / "mine.txt").write_text("cam01.mp4 320 Fighting 33 96 -1 -1\ncam02.mp4 320 Normal -1 -1 -1 -1\n")
    videos, _ = label([Video("cam01"), Video("cam02")], tmp_path, tmp_path / "mine.txt")
    assert [(v.label, v.kind, v.intervals) for v in videos] == [(1, "Fighting", ((33, 96),)), (0, "", ())]


def test_the_intervals_of_ucsds_authors(tmp_path):
    (tmp_path / "UCSDped2.m").write_text(
        "TestVideoFile = {};\n% TestVideoFile{end+1}.gt_frame = [1:2];\nTestVideoFile{end+1}.gt_frame = [61:180];\n"
        "TestVideoFile{end+1}.gt_frame = [95:105, 110:180];\n"
    )
    assert read_ped_m(tmp_path / "UCSDped2.m") == [((61, 180),), ((95, 105), (110, 180))]


def test_labels_that_contradict_the_folders(tmp_path):
    touch(tmp_path, "normal/a.mp4", "fight/b.mp4", "fight/c.mp4")
    (tmp_path / "labels.csv").write_text("video,label\na,1\nb,1\nc,0\n")
    said = []
    videos, _ = read_catalogue(tmp_path, tmp_path / "labels.csv", said.append)
    assert [v.label for v in videos] == [1, 0, 1]  # fight/b, fight/c, normal/a: the labels count
    assert any("otherwise than the names of the folders for 2 of 3 videos: fight/c, normal/a" in line for line in said)


@pytest.mark.parametrize(
    "name", ["cam 1 ", " cam2", "caf\u00e9", "cam,8", "2026.01.02-10.30.00", "\u05de\u05e6\u05dc\u05de\u05d4", "mp4"]
)
@pytest.mark.parametrize("form", ["{}", "{}.mp4", "yard/{}.avi", "/home/me/yard/{}.mp4", "C:\\yard\\{}.MP4"])
def test_names_are_found_however_they_are_written(name, form):
    names = Names([Video(f"yard/{name}"), Video("yard/other")])
    assert names.find(form.format(name)) == f"yard/{name}"


def test_the_end_of_a_name_is_no_suffix():
    names = Names([Video("scene.day"), Video("scene")])
    assert names.find("scene.night") is None and names.find("scene.mp4") == "scene"


def test_composed_and_decomposed_letters_are_the_same():
    names = Names([Video("U\u0308berfall")])
    assert names.find("\u00dcberfall.mp4") == "U\u0308berfall"
