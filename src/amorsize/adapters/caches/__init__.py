"""Cache stores that come with amorsize."""
