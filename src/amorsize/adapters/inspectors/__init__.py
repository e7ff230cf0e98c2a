"""System inspectors that come with amorsize."""
