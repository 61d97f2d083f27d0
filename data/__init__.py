"""What is on disk: the catalogue of videos, dataset layouts, the feature store, and MIL bags."""
