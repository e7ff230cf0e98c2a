"""One module for each library that amorsize plugs into; only that module imports it."""
