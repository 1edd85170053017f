"""What we ask of GitHub, and how that can fail."""
