"""Tables 1 and 2 as Markdown, and their picture: ours beside the paper's."""

from pathlib import Path

import numpy as np

from stavad.evaluate.plots import plot_reproduction
from stavad.evaluate.reproduction.measure import METHODS, Reproduction
from stavad.evaluate.reproduction.protocols import ABLATION, PAPER

NAMES = {  # of rows of the ablation, in table 1
    PAPER: "**the paper's model**",
    f"{PAPER}, rows of length 1": "the paper's model, rows of length 1 as in Sultani et al., 2018",
    "FC": "MIL ranking, FC head (after Sultani et al., 2018), centred",
    "FC, rows of length 1": "MIL ranking, FC head, rows of length 1 (Sultani et al., 2018)",
}
COLUMNS = {  # of table 2
    "auc": "frame AUC",
    "auc_abnormal": "abnormal only",
    "auc_within": "within",
    "ap": "AP",
    "mean_score_negative": "negative clips",
    "mean_score_positive": "positive clips",
    "gap": "gap",
}


def write_tables(measured: Reproduction) -> list[Path]:
    """The tables as Markdown, and the picture, beside the measurements. Returns their paths."""
    text, picture = (measured.folder / f"{measured.dataset}{suffix}" for suffix in (".md", ".png"))
    text.write_text(tables(measured), encoding="utf-8")
    values = {row: measured.values(row, "auc") for row in measured.rows}
    title, paper = measured.protocol.title, measured.protocol.paper
    plot_reproduction(title, values, measured.values(PAPER, "oracle_auc"), paper, picture)
    return [text, picture]


def tables(measured: Reproduction) -> str:
    """Markdown: Table 1 (methods) and Table 2 (ablation), ours beside the paper's."""
    drawn = measured.protocol.drawn
    test = [video for video in measured.cases[0][1] if video.split == "test"]
    fingerprint = measured.stored[test[0].id].made["fingerprint"]
    how = f"{len(measured.cases)} " + (
        f"random draws of {drawn[0]} normal + {drawn[1]} abnormal training videos" if drawn else "seeds, split as given"
    )
    steps = f"{measured.training.epochs} epochs of" if measured.training.epochs else str(measured.training.steps)
    oracle, paper = measured.values(PAPER, "oracle_auc"), measured.protocol.paper
    lines = [
        f"# {measured.protocol.title}",
        "",
        f"{how}; {len(test)} test videos, {sum(v.label for v in test)} of them abnormal. Features: {fingerprint['preset']}, "
        f"{fingerprint['width']} dimensions. {steps} steps, learning rate {measured.training.learning_rate:g}, "
        f"scaling {measured.training.scale}, where a row does not bring its own.",
        "Mean ± deviation over the trainings; in brackets a 95 % interval, the mean of the trainings' bootstraps over test videos.",
        "Of differences: the mean over trainings with the same split and seed, and two 95 % intervals, by a bootstrap over the trainings, then over",
        "the test recordings, the same for both rows. Only where the second leaves out zero is a difference one of the models, not of the videos.",
        "",
        "## Table 1: methods",
        "",
        "| method | frame AUC | abnormal only | within | video AUC | paper's frame AUC |",
        "|---|---|---|---|---|---|",
        f"| oracle that knows the video labels | {_spread(oracle)} | 0.500 | 0.500 | 1.000 | |",
    ]
    for row in measured.rows:
        name = NAMES.get(row, row)
        if row in ABLATION and row not in NAMES:
            continue
        theirs = ", ".join(f"{kind} {auc:.3f}" for kind, auc in paper.items()) if row == PAPER else ""
        cells = [_cell(measured, row, column) for column in METHODS]
        lines.append(f"| {name} | {' | '.join(cells)} | {theirs} |")
    lines += [
        "", "## Differences from the paper's model", "",
        "| | frame AUC | abnormal only | within | video AUC |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for row in measured.rows:
        if row == PAPER:
            continue
        over_videos = measured.differences(row, PAPER)
        cells = []
        for column in METHODS:
            low, high = over_videos[column][1:]
            gain = _gain(measured.values(row, column) - measured.values(PAPER, column))
            cells.append(f"{gain}; [{low:+.3f}, {high:+.3f}]")
        lines.append(f"| {NAMES.get(row, row)} | {' | '.join(cells)} |")
    printed = measured.protocol.ablation
    theirs = " paper (I3D): negative, positive, gap, AUC |" if printed else ""
    lines += ["", "## Table 2: ablation", "", f"| | {' | '.join(COLUMNS.values())} | AUC less the first row |{theirs}"]
    lines.append("|---|" + "---|" * (len(COLUMNS) + 1 + bool(printed)))
    for row in ABLATION:
        step = "" if row == PAPER else _gain(measured.values(row, "auc") - measured.values(PAPER, "auc"))
        cells = [_spread(measured.values(row, column)) for column in COLUMNS]
        figures = ["{:.2f}, {:.2f}, {:.2f}, {:.3f}".format(*printed[row]) if row in printed else ""] if printed else []
        lines.append(f"| {row} | {' | '.join([*cells, step, *figures])} |")
    return "\n".join(lines) + "\n"


def _cell(measured: Reproduction, row: str, column: str) -> str:
    low, high = (np.mean(measured.values(row, column, part)) for part in ("low", "high"))
    return f"{_spread(measured.values(row, column))} [{low:.3f}, {high:.3f}]"


def _spread(values: np.ndarray) -> str:
    return f"{values.mean():.3f}" + (f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else "")


def _gain(differences: np.ndarray) -> str:
    """Mean of paired differences and its 95 % interval, by a bootstrap over the trainings."""
    if len(differences) == 1:
        return f"{differences[0]:+.3f}"
    rng = np.random.default_rng(0)
    means = rng.choice(differences, (10_000, len(differences))).mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{differences.mean():+.3f} [{low:+.3f}, {high:+.3f}]"
