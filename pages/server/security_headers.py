"""Security headers of every answer: what a browser may load and run, and where it may embed the page."""

import base64
import hashlib
import re
from functools import cache, lru_cache
from pathlib import Path

import streamlit

FIXED = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),  # for browsers without frame-ancestors
    (b"referrer-policy", b"no-referrer"),  # the address of a page may hold a passcode for a moment
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=(), payment=(), usb=(), serial=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


@cache
def _script_hashes() -> str:
    """Hashes of the inline scripts of Streamlit's own page: they run, and no other inline script does."""
    page = Path(streamlit.__file__).parent / "static" / "index.html"
    try:
        text = page.read_text(encoding="utf-8")
    except OSError:
        return ""
    scripts = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    return "".join(f" 'sha256-{value}'" for value in hashes)


@lru_cache(maxsize=64)
def content_policy(host: str) -> bytes:
    """The content-security-policy of pages at `host` (name and port)."""
    rules = {
        "default-src": "'self'",
        "script-src": f"'self'{_script_hashes()}",
        "style-src": "'self' 'unsafe-inline'",  # the styles of components and charts; they can run nothing
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "media-src": "'self' data: blob:",
        "worker-src": "'self' blob:",
        # 'self' covers websockets in new browsers only: older phones need the address
        "connect-src": f"'self' ws://{host} wss://{host}",
        "frame-src": "'none'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items()).encode("latin-1")


def policy_headers(host: str) -> list[tuple[bytes, bytes]]:
    """All security headers."""
    return [(b"content-security-policy", content_policy(host)), *FIXED]
