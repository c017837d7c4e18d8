"""The attacks of a confined build under a server that is no root: ``python raid_of_user.py FOLDER``.

Prints by hook what was got, which should be nothing, and what was kept.
"""

import json
import sys
from pathlib import Path

from tests.dependencies.test_building import Raid


def main(folder: Path) -> None:
    raid = Raid(folder, confined=True)
    outcomes = [(word, name) for told in raid.told.values() for name, outcome in told.items() for word in outcome]
    print(json.dumps({word: [name for said, name in outcomes if said == word] for word in ("got", "kept")}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
