"""Stage one: decode raw videos, cut clips, run a pretrained backbone."""
