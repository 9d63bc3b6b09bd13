"""What the server does when it starts."""

import pytest

from core.settings import PROJECT_ROOT
from pages.server import asgi_app


def test_every_part_of_the_pages_is_imported_ahead_and_torch_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []
    monkeypatch.setattr(asgi_app.importlib, "import_module", imported.append)
    asgi_app._import_ahead()
    files = [path for path in (PROJECT_ROOT / "pages" / "components").rglob("*.py") if path.name != "__init__.py"]
    assert len(files) > 30
    for path in files:
        assert ".".join(path.relative_to(PROJECT_ROOT).with_suffix("").parts) in imported
    assert "torch" not in imported
