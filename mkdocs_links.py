"""Links out of docs/: MkDocs calls this for each page of the site.

On GitHub, a page may link to a file of the repository, as `[the licence](../LICENSE)`. The site has
no such file. With a `repo_url` in mkdocs.yml, the link goes there; without one, the text stays and
the file's name follows it. A file that does not exist is a warning, which fails the build.
"""

import logging
import posixpath
import re
from pathlib import Path
from typing import Any

LINK = re.compile(r"\[(?P<text>[^\]\n]+)\]\((?P<path>\.\./[^)#\s]*)(?P<anchor>#[^)\s]*)?\)")
CODE = re.compile(r"^(```|~~~).*?^\1|^(?: {4}|\t).*?$|`[^`\n]+`", re.M | re.S)
log = logging.getLogger("mkdocs.hooks.links")


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Return a page's text with its links out of docs/ rewritten."""
    root, repository = Path(config.docs_dir).parent, config.repo_url
    code = [one.span() for one in CODE.finditer(markdown)]

    def rewritten(link: re.Match[str]) -> str:
        start = link.start()
        if any(first <= start < last for first, last in code):
            return link[0]
        name = posixpath.normpath(posixpath.join("docs", page.file.src_uri, "..", link["path"]))
        if name.startswith("..") or not (root / name).exists():
            log.warning("%s links to %s, which does not exist", page.file.src_uri, name)
            return link[0]
        if repository:
            address = f"{repository.rstrip('/')}/blob/main/{name}{link['anchor'] or ''}"
            return f"[{link['text']}]({address})"
        return link["text"] if name in link["text"] else f"{link['text']} (`{name}`)"

    return LINK.sub(rewritten, markdown)
