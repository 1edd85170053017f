"""The outside world of environments: one file a provider, all behind the one Protocol of provider.py."""
