"""``python -m ppkt_zoo`` is ``ppkt-zoo``."""

from ppkt_zoo.cli.main import main

if __name__ == "__main__":
    main()
