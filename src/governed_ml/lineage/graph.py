"""Draw a pipeline as a graph, from its data source to the alias: in Mermaid, or as an SVG."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from governed_ml.core import evidence
from governed_ml.core.files import COMPOSED
from governed_ml.ledger.events import Event
from governed_ml.ledger.lifecycle import Version
from governed_ml.lineage.columns import place
from governed_ml.lineage.pipeline_records import RecordedPipeline
from governed_ml.registry.versions import CHAMPION

WIDTH, HEIGHT, GAP, STEP, LETTERS = 216, 48, 20, 92, 30
SHAPES = {"data": '["{}"]', "stage": '("{}")', "event": '{{{{"{}"}}}}'}
HIDDEN = ("reports/", *COMPOSED, "code.json", "src/")
STYLE = """svg{color-scheme:light dark;background:#fff;font:13px system-ui,sans-serif}
rect{stroke-width:1.5}path{fill:none;stroke:#8a8f98;stroke-width:1.2}text{fill:#1c1e21}
.small{font:11px ui-monospace,monospace;fill:#555b66}
.data{fill:#eaf3fb;stroke:#3576b0}.stage{fill:#f3f3f1;stroke:#77746c}.event{fill:#edf7ea;stroke:#4b8a3a}
@media (prefers-color-scheme:dark){svg{background:#16181c}text{fill:#e9eaec}.small{fill:#a9afb9}
path{stroke:#7b818b}.data{fill:#1b2d3d}.stage{fill:#2a2a28}.event{fill:#20321b}}"""


class Node(NamedTuple):
    """A node of the graph. Its second line is a digest or a state."""

    title: str
    note: str
    kind: str


class Graph(NamedTuple):
    """Nodes, and edges as pairs of node indices."""

    nodes: list[Node]
    edges: list[tuple[int, int]]


def graph(pipeline: RecordedPipeline, version: Version | None) -> Graph:
    """Return the graph of a pipeline: its data and stages, then the version's ledger events."""
    nodes: dict[str, Node] = {}
    edges: dict[tuple[str, str], None] = {}
    digests, ingest = pipeline.digests, pipeline.of("ingest")
    for stage, step in pipeline.steps.items():
        nodes[f"stage {stage}"] = Node(stage, "failed" if step.failed else "", "stage")
    if ingest is not None and "ingest" in pipeline.steps:
        uri = ingest.body.uri
        nodes["source"] = Node(
            "".join(place(pipeline, uri)[1:]), _short(ingest.body.sha256), "data"
        )
        edges["source", "stage ingest"] = None
    made = {out: stage for stage, step in pipeline.steps.items() for out in step.outputs}
    for stage, step in pipeline.steps.items():
        if step.parameters and not made.keys() & step.inputs:
            edges["stage compose", f"stage {stage}"] = None  # the same for all other stages
        for path in step.inputs:
            if path.startswith(evidence.FOLDER.as_posix()) and path in made:
                edges[f"stage {made[path]}", f"stage {stage}"] = None
            elif _shown(path):
                nodes[path] = Node(path, _short(digests.get(path)), "data")
                edges[path, f"stage {stage}"] = None
        for path in filter(_shown, step.outputs):
            nodes[path] = Node(path, _short(digests.get(path)), "data")
            edges[f"stage {stage}", path] = None
    _released(pipeline, version, nodes, edges)
    number = {name: place for place, name in enumerate(nodes)}
    pairs = [(number[a], number[b]) for a, b in edges if a in number and b in number]
    return Graph(list(nodes.values()), _plainest(pairs))


def _plainest(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Remove edges that other edges imply (transitive reduction): with a → b → c, drop a → c."""
    after: dict[int, set[int]] = {}
    for a, b in pairs:
        after.setdefault(a, set()).add(b)

    def beyond(node: int, seen: set[int]) -> set[int]:
        for one in after.get(node, set()) - seen:
            seen.add(one)
            beyond(one, seen)
        return seen

    further = {node: beyond(node, set()) for node in after}
    return [
        (a, b) for a, b in pairs if not any(b in further.get(one, set()) for one in after[a] - {b})
    ]


def _released(pipeline: RecordedPipeline, version: Version | None, nodes: dict[str, Node],
              edges: dict[tuple[str, str], None]) -> None:  # fmt: skip
    last = "stage decide" if "decide" in nodes or "stage decide" in nodes else ""
    if pipeline.decision is not None and last:
        nodes["decision"] = Node("decision", pipeline.decision.verdict, "event")
        edges[last, "decision"] = None
        last = "decision"
    for events in _steps(version):
        event = events[-1]
        who = ", ".join(str(one.get("approver")) for one in event.approvals) or event.actor
        title, said = event.action.replace("_", " "), f"{event.time[:10]} {who}"
        if len(events) > 1:
            title += f" {len(events)} times"
            said = f"{events[0].time[:10]} to {event.time[:10]}"
        name = f"event {event.sequence}"
        nodes[name] = Node(f"{title} (version {event.version})", said, "event")
        edges[last, name] = None
        last = name
    if version is not None and version.state == CHAMPION:
        nodes["alias"] = Node(CHAMPION, f"version {version.number}", "event")
        edges[last, "alias"] = None


def _steps(version: Version | None) -> list[list[Event]]:
    """Return a version's events; consecutive windows are grouped into one step."""
    found: list[list[Event]] = []
    for entry in version.entries if version else ():
        if found and entry.event.action == found[-1][-1].action == "monitored":
            found[-1].append(entry.event)
        else:
            found.append([entry.event])
    return found


def _shown(path: str) -> bool:
    return not path.startswith(HIDDEN)


def _short(digest: str | None) -> str:
    if not digest:
        return "no record"
    kind, _, value = digest.rpartition(":")
    return f"{kind or 'sha256'}:{value[:12]}"


def mermaid(found: Graph) -> str:
    """Return the graph in Mermaid. Characters that could be syntax are written as entities."""
    lines = ["flowchart TD"]
    for number, node in enumerate(found.nodes):
        label = _numbered(node.title) + (f"<br/>{_numbered(node.note)}" if node.note else "")
        lines.append(f"  n{number}{SHAPES[node.kind].format(label)}:::{node.kind}")
    lines += [f"  n{a} --> n{b}" for a, b in found.edges]
    lines += ["  classDef data stroke:#3576b0", "  classDef stage stroke:#77746c",
              "  classDef event stroke:#4b8a3a"]  # fmt: skip
    return "\n".join(lines) + "\n"


def _numbered(text: str) -> str:
    safe = " ._-/:,()"
    return "".join(
        one if (one.isascii() and one.isalnum()) or one in safe else f"#{ord(one)};"
        for one in text
        if one.isprintable()
    )


def _rows(found: Graph) -> list[list[int]]:
    """Return the nodes in rows: each below its predecessors, sources close to their successors."""
    level = dict.fromkeys(range(len(found.nodes)), 0)
    for _ in found.nodes:
        for a, b in found.edges:
            level[b] = max(level[b], min(level[a] + 1, len(found.nodes)))
    for first in set(level) - {b for _, b in found.edges}:
        level[first] = min((level[b] - 1 for a, b in found.edges if a == first), default=0)
    rows: list[list[int]] = [[] for _ in range(max(level.values(), default=0) + 1)]
    for number, row in level.items():
        rows[row].append(number)
    return [row for row in rows if row]


def svg(found: Graph, title: str, style: str = STYLE) -> str:
    """Return the graph as a self-contained SVG for light and dark displays."""
    rows = _rows(found)
    across = max((len(row) for row in rows), default=1)
    width, height = across * (WIDTH + GAP) + GAP, len(rows) * STEP + GAP
    spot: dict[int, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        left = (width - len(row) * (WIDTH + GAP) + GAP) / 2
        spot |= {
            node: (left + n * (WIDTH + GAP), GAP + number * STEP) for n, node in enumerate(row)
        }
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">']
    parts += [f"<title>{_text(title)}</title>", f"<style>{style}</style>" if style else ""]
    for a, b in found.edges:
        (x, y), (u, v) = spot[a], spot[b]
        x, u, y = x + WIDTH / 2, u + WIDTH / 2, y + HEIGHT
        half = (y + v) / 2
        parts.append(f'<path d="M{x:g} {y:g}C{x:g} {half:g} {u:g} {half:g} {u:g} {v:g}"/>')
    parts += [_box(node, *spot[number]) for number, node in enumerate(found.nodes)]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _box(node: Node, x: float, y: float) -> str:
    short = node.title if len(node.title) <= LETTERS else f"{node.title[: LETTERS - 1]}…"
    middle = x + WIDTH / 2
    round_ = 14 if node.kind == "stage" else 3
    note = f'<text class="small" x="{middle:g}" y="{y + 38:g}" text-anchor="middle">{{}}</text>'
    first = y + (21 if node.note else 29)
    return (
        f"<g><title>{_text(node.title)} {_text(node.note)}</title>"
        f'<rect class="{node.kind}" x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" '
        f'rx="{round_}"/>'
        f'<text x="{middle:g}" y="{first:g}" text-anchor="middle">{_text(short)}</text>'
        + (note.format(_text(node.note[:LETTERS])) if node.note else "")
        + "</g>"
    )


def _text(text: str) -> str:
    """Return text for XML, without control characters, which XML does not allow."""
    return escape("".join(one if one.isprintable() else "�" for one in text))
