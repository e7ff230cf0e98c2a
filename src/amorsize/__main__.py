"""``python -m amorsize`` is the amorsize command."""

from amorsize.cli import main

if __name__ == "__main__":
    main()
