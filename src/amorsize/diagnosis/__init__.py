"""Diagnosis: what amorsize sees of this machine and of its own setup, and what to fix."""
