import re
from pathlib import Path

CORE = Path(__file__).parents[2] / "core"
PLATFORMS = re.compile(r"slack|telegram|discord|whatsapp|twilio", re.IGNORECASE)


def test_the_core_names_no_platform_anywhere():
    files = [file for pattern in ("*.py", "*.lua") for file in CORE.rglob(pattern)]
    named = [
        f"{file.name}: {line}" for file in files for line in file.read_text().splitlines() if PLATFORMS.search(line)
    ]
    assert len(files) > 20
    assert named == []
