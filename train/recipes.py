"""Named sets of training settings: `paper` is the default, `best` is what cross-validation chose."""

RECIPES: dict[str, dict] = {
    "paper": {"attention": True, "head": "rnn", "bag_loss": "ranking", "mce": True},
    "best": {"attention": True, "head": "fc", "bag_loss": "k-max", "mce": False},  # see docs/results.md
}
