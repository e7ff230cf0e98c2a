"""Prints the packages of src/amorsize and who imports whom, as the picture in docs/explanation/structure.md has it."""

from __future__ import annotations

import grimp


def picture():
    """Return the picture as the text of a mermaid block: an arrow from a package to each that it imports.

    An arrow that others lead to as well, over a package between, is left out.
    """
    graph = grimp.build_graph("amorsize")
    packages = sorted(graph.find_children("amorsize") - {"amorsize.__main__"})
    inside = {package: graph.find_descendants(package) | {package} for package in packages}
    home = {module: package for package in packages for module in inside[package]}
    arrows = {
        package: {
            home[to]
            for module in inside[package]
            for to in graph.find_modules_directly_imported_by(module)
            if to in home
        }
        for package in packages
    }
    reached = {package: set() for package in packages}
    for _ in packages:
        for package in packages:
            reached[package] = set().union(*({to} | reached[to] for to in arrows[package] - {package}))
    lines = ["flowchart TD"]
    for package in packages:
        direct = arrows[package] - {package}
        lines += [
            f"  {package.rpartition('.')[2]} --> {to.rpartition('.')[2]}"
            for to in sorted(direct)
            if not any(to in reached[between] for between in direct - {to})
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(picture())
