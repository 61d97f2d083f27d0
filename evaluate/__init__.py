"""Stage three: per-frame scores, metrics, and pictures of them."""
