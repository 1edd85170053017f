"""What a repository's `greenroom.yml` says, where it is read from, and what it would change."""
