"""`python -m riverrun.cli`: the command where its script is not on the path, as for the demo's own server."""

from riverrun.cli.main import main

if __name__ == "__main__":
    main()
