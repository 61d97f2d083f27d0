"""Stage two: spatial-temporal attention and a recurrent head, trained on bags with video-level labels."""
