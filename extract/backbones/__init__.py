"""Networks from clips (B, 3, 16, H, W) to features (B, C)."""
