"""The checker itself: every kind of offence in a made-up history is reported, and a clean history is not."""
