"""Prints the line coverage of each of the product's assemblies over all unit test projects, from their Cobertura files.

Usage: coverage.py FILE...   A line counts as covered if any of the projects ran it.
"""

import collections
import sys
import xml.etree.ElementTree


def main() -> int:
    lines: dict[str, dict[tuple[str, int], bool]] = collections.defaultdict(dict)
    for path in sys.argv[1:]:
        for package in xml.etree.ElementTree.parse(path).iter("package"):
            name = package.get("name", "").removesuffix(".dll")
            if name.startswith("DeepLab.") and not name.endswith((".Tests", ".Bench")):
                collect(package, lines[name])
    if not lines:
        return 0
    print("Coverage, lines:")
    total = collections.Counter()
    for name in sorted(lines):
        covered = sum(lines[name].values())
        total.update(covered=covered, all=len(lines[name]))
        print(row(name, covered, len(lines[name])))
    print(row("all", total["covered"], total["all"]))
    return 0


def collect(package: xml.etree.ElementTree.Element, into: dict[tuple[str, int], bool]) -> None:
    for cls in package.iter("class"):
        file = cls.get("filename", "")
        if "/obj/" in file or "/Migrations/" in file:  # written by tools, not by people
            continue
        for line in cls.iter("line"):
            key = (file, int(line.get("number", "0")))
            into[key] = into.get(key, False) or int(line.get("hits", "0")) > 0


def row(name: str, covered: int, every: int) -> str:
    return f"  {name:<16}{100 * covered / max(every, 1):5.1f} %  ({covered} of {every})"


if __name__ == "__main__":
    sys.exit(main())
