"""QR codes of addresses, as pictures. Pure."""

from __future__ import annotations

import io
from typing import Final

import segno

# Of every seven modules one may be lost; more would make the code too dense for a small screen.
ERROR: Final = "m"
QUIET_MODULES: Final = 4
PNG_MODULE_PIXELS: Final = 8
MOST_BYTES: Final = 2_300


def qr_png(url: str) -> bytes:
    """A QR code that opens `url`, as a PNG: black on white, 8 pixels a module.

    Raises ValueError where the address is empty or longer than MOST_BYTES.
    Source: ISO/IEC 18004, which asks for a margin of 4 modules.
    """
    out = io.BytesIO()
    _code(url).save(out, kind="png", scale=PNG_MODULE_PIXELS, border=QUIET_MODULES)
    return out.getvalue()


def qr_svg(url: str) -> str:
    """A QR code that opens `url`, as an <svg> element for a page; it scales to its place.

    Black on white in dark pages, too: many cameras read no light code. Raises ValueError like
    `qr_png`.
    """
    out = io.BytesIO()
    _code(url).save(
        out,
        kind="svg",
        border=QUIET_MODULES,
        light="#fff",
        xmldecl=False,
        svgns=True,
        nl=False,
        omitsize=True,
    )
    return out.getvalue().decode()


def _code(url: str) -> segno.QRCode:
    if not url or len(url.encode()) > MOST_BYTES:
        raise ValueError(f"a QR code holds 1 to {MOST_BYTES} bytes")
    return segno.make_qr(url, error=ERROR)
