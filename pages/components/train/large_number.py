"""One large number with what it means."""


def large_number(number: str, label: str, detail: str) -> str:
    """HTML of a number, what it is, and a line in small type below that."""
    return (
        # styled here: a style sheet may come later, and what it enlarges moves the rest
        '<div style="display:flex;align-items:center;gap:.8rem;height:4.2rem;line-height:1.3">'
        f'<span style="font-size:2.6rem;font-weight:700;white-space:nowrap">{number}</span>'
        f'<span>{label}<br><span style="font-size:.875rem;opacity:.8">{detail}</span></span></div>'
    )
