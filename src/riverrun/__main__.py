"""`python -m riverrun` is the command `riverrun`, for where that is not on the path."""

from riverrun.cli.main import main

if __name__ == "__main__":
    main()
