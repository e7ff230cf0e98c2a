"""Measurement probes that come with amorsize."""
