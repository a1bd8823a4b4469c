"""Check the project's English against the rules of ``CONTRIBUTING.md``.

Run it with ``python -m tests.support.words [--all] [file ...]``; without files it reads every file
that git tracks. It prints ``file:line: problem`` and exits with 1 if there is a problem. ``--all``
also reads the files that ``pyproject.toml`` lists as pending.

The rules cover comments, docstrings, the names of functions and classes, string literals of the
product, Markdown, templates, style sheets, scripts and the message ids of the catalogues.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# (line, text) of one piece of prose.
Prose = tuple[int, str]

BANNED = re.compile(
    r"\b(?:befall(?:s|en)?|befell|anew|whom|nobody|somebody|whoever|besides|stands|stood"
    r"|hangs? from|hung from|said|roads?|aloud|meanwhile|an own|of (?:ours|theirs)|that which"
    r"|lest|whence|thence|thereof"
    r"|such(?=[.,;:!?)]|$)|as such)\b",
    re.IGNORECASE,
)
DOCSTRING_START = re.compile(r"(?:What|Of|Where|Whether|Who|Whose|Which|How|That)\b")
CODE = re.compile(r"``.+?``|`[^`]+`")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
TEMPLATE_TAG = re.compile(r"\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
CATALOGUE_ENTRY = re.compile(r'^msgid(?:_plural)? ("(?:.*)"(?:\n"(?:.*)")*)', re.MULTILINE)
NAME_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
COMMENTS = {
    ".css": re.compile(r"/\*.*?\*/", re.DOTALL),
    ".js": re.compile(r"/\*.*?\*/|(?<![:\"'])//[^\n]*", re.DOTALL),
    "#": re.compile(r"(?:^|(?<=\s))#(?!!)[^\n]*"),
}
HASH_COMMENTS = {".toml", ".yml", ".yaml", ".in", ".sh", ".cfg", ".ini", ".conf"}


def problems(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the description of each broken rule in one file."""
    product = path.parts[:1] in {("tokens",), ("portal",)}
    for line, prose in prose_of(path, text):
        yield from _banned_words(line, prose)
    if path.suffix == ".py":
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                words = " ".join(NAME_PART.findall(node.name)).lower()
                yield from _banned_words(node.lineno, words)
            docstring = _docstring(node)
            if docstring is not None and DOCSTRING_START.match(docstring[1].lstrip()):
                first = docstring[1].split()[0]
                yield docstring[0], f"docstring starts with {first!r}, not with a verb"
        if product:
            for line, literal in _literals(tree):
                yield from _banned_words(line, literal)


def prose_of(path: Path, text: str) -> Iterable[Prose]:
    """Return the pieces of ``text`` that people read, each with its first line."""
    if path.suffix == ".py":
        return _python_prose(text)
    if path.suffix == ".md":
        return [(1, FENCE.sub(_blank_except_comments, text))]
    if path.suffix == ".html":
        return [(1, TEMPLATE_TAG.sub(_tag_strings, text))]
    if path.suffix == ".po":
        return [
            (text[: found.start()].count("\n") + 1, found[1])
            for found in CATALOGUE_ENTRY.finditer(text)
        ]
    if path.suffix in COMMENTS:
        return _matches(COMMENTS[path.suffix], text)
    if path.suffix in HASH_COMMENTS or path.name in {"Makefile", "run"}:
        return [
            (number, found[0])
            for number, line in enumerate(text.splitlines(), start=1)
            if (found := COMMENTS["#"].search(line))
        ]
    return []


def _banned_words(line: int, prose: str) -> Iterator[tuple[int, str]]:
    readable = CODE.sub(_blank, prose)
    for found in BANNED.finditer(readable):
        word = " ".join(found[0].split()).lower()
        yield line + readable[: found.start()].count("\n"), f"{word!r} is a banned word"


def _python_prose(text: str) -> Iterator[Prose]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        docstring = _docstring(node)
        if docstring is not None:
            yield docstring


def _docstring(node: ast.AST) -> Prose | None:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    if not isinstance(node, documented) or not node.body:
        return None
    first = node.body[0]
    if not isinstance(first, ast.Expr) or not isinstance(first.value, ast.Constant):
        return None
    return (first.lineno, first.value.value) if isinstance(first.value.value, str) else None


def _literals(tree: ast.Module) -> Iterator[Prose]:
    docstrings = {docstring for node in ast.walk(tree) if (docstring := _docstring(node))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            literal = (node.lineno, node.value)
            if literal not in docstrings:
                yield literal


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[Prose]:
    for found in pattern.finditer(text):
        yield text[: found.start()].count("\n") + 1, found[0]


def _blank(found: re.Match[str]) -> str:
    return "".join("\n" if character == "\n" else " " for character in found[0])


def _blank_except_comments(found: re.Match[str]) -> str:
    """Keep the comments of a code block, which are prose, and its line numbers."""
    lines = found[0].split("\n")
    return "\n".join(line if line.lstrip().startswith("#") else "" for line in lines)


def _tag_strings(found: re.Match[str]) -> str:
    """Keep the quoted strings of a template tag, such as ``{% translate "Log in" %}``."""
    kept = re.sub(r"[^\n]", " ", found[0])
    for literal in re.finditer(r"\"[^\"]*\"|'[^']*'", found[0]):
        kept = kept[: literal.start()] + literal[0] + kept[literal.end() :]
    return kept


def tracked_files() -> list[Path]:
    """List the files that git tracks, relative to the project's root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [Path(name) for name in listed.stdout.split("\0") if name]


def configured(key: str) -> list[str]:
    """Read one list of patterns from ``[tool.words]`` in ``pyproject.toml``."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return list(tomllib.load(file)["tool"]["words"].get(key, []))


def main(arguments: list[str]) -> int:
    """Check the given files, or all tracked files, and return the exit status."""
    excluded = configured("exempt")
    if "--all" not in arguments:
        excluded += configured("pending")
    files = [Path(name) for name in arguments if name != "--all"] or tracked_files()
    found = 0
    for path in files:
        path = path.relative_to(ROOT) if path.is_absolute() else path
        skipped = any(fnmatch(path.as_posix(), pattern) for pattern in excluded)
        if skipped or not (ROOT / path).is_file():
            continue
        try:
            text = (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue
        for line, problem in sorted(set(problems(path, text))):
            print(f"{path}:{line}: {problem}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
