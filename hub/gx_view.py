"""The look of the library's Data Docs: its own pages without what it would fetch from the internet, or run.

Loaded by the library's site builder alone, by name, for it imports the library.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from great_expectations.render.view.view import DefaultJinjaPageView

__all__ = ["IndexView", "PageView"]

PAGES = Path(__file__).with_name("gx_pages")


class PageView(DefaultJinjaPageView):
    """A verdict's page."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Ours first: a template of the same name stands for the library's.
        theirs = [self.env.loader] if self.env.loader else []
        self.env.loader = jinja2.ChoiceLoader([jinja2.FileSystemLoader(PAGES), *theirs])

    def render_styling(self, styling: Any) -> str:
        """Keep classes alone: attributes ask for scripts, and styles inside a tag are not run by careful servers."""
        return str(super().render_styling({"classes": styling.get("classes", [])}))


class IndexView(PageView):
    """The list of all verdicts."""

    _template = "index_page.j2"
