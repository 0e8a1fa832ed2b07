"""Where the repository and the numbers recorded from the reference lie."""

from pathlib import Path

REPO = Path(__file__).parent.parent
FIXTURES = Path(__file__).parent / "fixtures" / "t2l"
