"""How does a tree of causes look? In a terminal, and as a picture that stands alone: SVG, without any script.

The picture has a line for each node, further to the right the deeper it is, as a file manager draws folders:
that stays readable however large the tree is, and needs no layout but counting.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import orjson
from rich.text import Text
from rich.tree import Tree

from services.audit.causes import Cause, Kind

SIGNS: dict[Kind, tuple[str, str, str]] = {
    # a sign, a colour of the terminal, one of the picture
    "asked": ("?", "bold", "#1f2937"),
    "command": ("▶", "cyan", "#0e7490"),
    "event": ("●", "green", "#15803d"),
    "reaction": ("◆", "magenta", "#a21caf"),
    "call": ("⇄", "yellow", "#a16207"),
    "webhook": ("◀", "yellow", "#b45309"),
    "deadline": ("◷", "blue", "#1d4ed8"),
    "missing": ("!", "red", "#b91c1c"),
}
LEGEND = (
    "▶ command and who gave it · ● event, by its position in the log · ⇄ call of a provider · ◀ webhook",
    "◆ decision of an agent, by which rules and because of which events · ◷ deadline · ! what is not known",
    "What stands below and to the right came of what stands above it. Times are the business's, in UTC.",
)
LINE, INDENT, MARGIN, CHARACTER = 24, 22, 16, 7.3
"""Of the picture, in pixels: between lines, for a level, around, and the width of a character."""
TITLE_MAX, FACTS_MAX = 110, 8
ASKED_ABOUT = "← asked about"
"""In words, as a file or a pipe knows no bold."""
OTHERWISE = "decided again by the same rules, it would be another"
TEXT, PALE, RED, LINES, PAPER = "#111827", "#6b7280", "#b91c1c", "#9ca3af", "#ffffff"


def as_rich(root: Cause) -> Tree:
    """For a terminal."""
    tree = Tree(_text(root))
    above = [tree]
    for depth, cause in root.walk():
        if depth:
            del above[depth:]
            above.append(above[-1].add(_text(cause)))
    return tree


def as_svg(root: Cause) -> bytes:
    """A whole document, with a legend at its end; what is under the pointer tells its details.

    It is styled by attributes: the API's content security policy lets no style sheet in.
    """
    nodes = list(root.walk())
    longest = max(depth * INDENT + 24 + len(_line(each)) * CHARACTER for depth, each in nodes)
    width = MARGIN * 2 + max(longest, max(map(len, LEGEND)) * CHARACTER)
    height = MARGIN * 3 + (len(nodes) + len(LEGEND)) * LINE
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}"'
        f' viewBox="0 0 {width:.0f} {height}" role="img"><title>{_safe(root.title)}</title>'
        f'<rect width="100%" height="100%" fill="{PAPER}"/>'
        f'<g fill="{TEXT}" font-family="ui-monospace, monospace" font-size="12">'
    )
    return "".join((head, *_edges(nodes), *_nodes(nodes), *_legend(len(nodes)), "</g></svg>")).encode()


def _edges(nodes: list[tuple[int, Cause]]) -> Iterator[str]:
    above: list[int] = []
    for row, (depth, _) in enumerate(nodes):
        del above[depth:]
        if depth:
            x, y = _x(depth - 1) + 6, _y(row)
            yield f'<path d="M{x} {_y(above[-1]) + 8}V{y}H{_x(depth)}" fill="none" stroke="{LINES}"/>'
        above.append(row)


def _nodes(nodes: list[tuple[int, Cause]]) -> Iterator[str]:
    for row, (depth, cause) in enumerate(nodes):
        sign, _, colour = SIGNS[cause.kind]
        x, y = _x(depth), _y(row)
        missing = f'<tspan fill="{RED}"> ! {_safe(cause.missing)}</tspan>' if cause.missing else ""
        words = "".join(f" · {word}" for word in _words(cause))
        pale = f'<tspan fill="{PALE}">{_safe(words)}</tspan>' if words else ""
        wrong = f'<tspan fill="{RED}"> ! {OTHERWISE}</tspan>' if _is_otherwise(cause) else ""
        wanted = ' font-weight="700"' if cause.wanted or cause.kind == "asked" else ""
        line = _safe(f"{sign} {_titled(cause)}")
        details = orjson.dumps(cause.details, option=orjson.OPT_INDENT_2, default=str).decode()
        yield (
            f'<g><title>{_safe(details)}</title><circle cx="{x + 6}" cy="{y}" r="6" fill="{colour}"/>'
            f'<text x="{x + 18}" y="{y + 4}"{wanted}>{line}{pale}{wrong}{missing}</text></g>'
        )


def _legend(rows: int) -> Iterator[str]:
    for row, line in enumerate(LEGEND, rows):
        yield f'<text x="{MARGIN}" y="{_y(row) + MARGIN + 4}" fill="{PALE}">{_safe(line)}</text>'


def _x(depth: int) -> int:
    return MARGIN + depth * INDENT


def _y(row: int) -> int:
    return MARGIN + row * LINE + LINE // 2


def _titled(cause: Cause) -> str:
    title = cause.title if len(cause.title) <= TITLE_MAX else cause.title[: TITLE_MAX - 1] + "…"
    title = f"{cause.position} {title}" if cause.position is not None else title
    return f"{title} {ASKED_ABOUT}" if cause.wanted else title


def _line(cause: Cause) -> str:
    """All that stands in a node's line, for its width."""
    words = "".join(f" · {word}" for word in _words(cause))
    wrong = f" ! {OTHERWISE}" if _is_otherwise(cause) else ""
    return f"  {_titled(cause)}{words}{wrong}{' ! ' + cause.missing if cause.missing else ''}"


def _safe(text: str) -> str:
    """As XML holds it, which knows no control characters."""
    return escape("".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in text))


def _text(cause: Cause) -> Text:
    sign, colour, _ = SIGNS[cause.kind]
    text = Text(f"{sign} ", style=colour)
    text.append(
        "".join(c if c.isprintable() else "\ufffd" for c in _titled(cause)), "bold" if cause.wanted else ""
    )
    for word in _words(cause):
        text.append(f"  {word}", "dim")
    if command_id := cause.details.get("command_id"):
        text.append(f"  {command_id}", "dim")
    if _is_otherwise(cause):
        text.append(f"  ! {OTHERWISE}", "red")
    if cause.missing:
        text.append(f"  ! {cause.missing}", "red")
    return text


def _is_otherwise(cause: Cause) -> bool:
    return cause.details.get("same_if_decided_again") is False


def _words(cause: Cause) -> Iterator[str]:
    """What of the details a person wants to see at once."""
    details = cause.details
    if cause.at:
        yield f"{'due ' if cause.kind == 'deadline' else ''}{cause.at:%Y-%m-%d %H:%M:%S}"
    if cause.kind == "event":
        yield f"{details.get('stream', '')} by {details.get('actor', '')}"
    if facts := details.get("facts"):
        earlier = "…, " if len(facts) > FACTS_MAX else ""
        events = "event" if len(facts) == 1 else "events"
        yield f"because of {events} {earlier}{', '.join(map(str, facts[-FACTS_MAX:]))}"
    if other := details.get("other_order"):
        yield f"of another order, {other}: why it went on is to be asked of that"
    if others := details.get("other_orders"):
        yield f"concerns {others} other order{'' if others == 1 else 's'}, too"
    if came_to := details.get("came_to"):
        yield str(came_to)
    if tries := details.get("failed_tries"):
        yield f"after {tries} tries that failed"
