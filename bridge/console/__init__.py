"""The page on the admin port: what runs here, and any of it live.

Plain files, no build step. The page talks to the listener it came from and to nothing else (`/-/routes` for the list,
`/-/view/…` for the streams), shows what it gets as text only, and has no inline script or style, so that the strictest
Content-Security-Policy fits.
"""

from pathlib import Path
from typing import Final

#: The folder of the page's files, `index.html` first.
PAGES: Final = Path(__file__).parent
