"""Prints the rooms of src/amorsize and who imports whom, as the picture in docs/explanation/structure.md has it."""

from __future__ import annotations

import grimp


def picture():
    """Return the picture as the text of a mermaid block: an arrow from a room to each that it imports.

    An arrow that others lead to as well, over a room between, is left out.
    """
    graph = grimp.build_graph("amorsize")
    rooms = sorted(graph.find_children("amorsize") - {"amorsize.__main__"})
    inside = {room: graph.find_descendants(room) | {room} for room in rooms}
    home = {module: room for room in rooms for module in inside[room]}
    arrows = {
        room: {
            home[to] for module in inside[room] for to in graph.find_modules_directly_imported_by(module) if to in home
        }
        for room in rooms
    }
    reached = {room: set() for room in rooms}
    for _ in rooms:
        for room in rooms:
            reached[room] = set().union(*({to} | reached[to] for to in arrows[room] - {room}))
    lines = ["flowchart TD"]
    for room in rooms:
        direct = arrows[room] - {room}
        lines += [
            f"  {room.rpartition('.')[2]} --> {to.rpartition('.')[2]}"
            for to in sorted(direct)
            if not any(to in reached[between] for between in direct - {to})
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(picture())
