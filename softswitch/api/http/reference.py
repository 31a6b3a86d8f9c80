"""The API reference as Markdown, written from its OpenAPI description: what is not there does not exist.

``python -m softswitch.api.http.reference`` prints it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from softswitch.api.http.app import bare_app, describe

__all__ = ["markdown"]

_INTRODUCTION = """\
# API reference

Written from the description that the switch itself gives at `/api/v1/openapi.json`. {about}
"""

_LIVE = """\
## Live

### `GET /api/v1/live` (WebSocket)

Permission: *follow live*. First a snapshot of what whoever asks may see, then each change:

```json
{"type": "snapshot", "seq": 41, "conversations": [], "people": []}
{"type": "delta", "seq": 42, "at": "2026-11-23T09:00:00.000Z", "event": "LegAnswered", "conversation": {}, "people": []}
```

`conversations` and `conversation` are `CallRow`, `people` is `PersonRow`. A delta carries the whole new state of what
it is about (`conversation` is null where it is about people only). With `?since=42` come the deltas after that number,
or a new snapshot when they are no longer kept. After a change of the configuration a new snapshot comes. The connection
is closed with 4401 when the login has ended, 4403 for another site, 4408 for a reader that is too slow, 4429 when there
are too many, 1012 when the switch stops.
"""


def markdown() -> str:
    """Return the whole manual page."""
    description = describe(bare_app())
    parts = [_INTRODUCTION.format(about=description["info"]["description"])]
    tags: dict[str, list[str]] = {}
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            text = "\n".join(_operation(f"{method.upper()} {path}", operation))
            tags.setdefault(operation["tags"][0], []).append(text)
    for tag, texts in tags.items():
        parts += [f"## {tag.capitalize()}\n", *texts]
    parts += [_LIVE, "## Objects\n"]
    parts += ["\n".join(_schema(name, one)) for name, one in sorted(description["components"]["schemas"].items())]
    return "\n".join(parts)


def _operation(name: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"### `{name}`"
    yield ""
    yield operation.get("description", "")
    yield ""
    permission = operation.get("x-permission")
    yield f"Permission: *{permission}*." if permission else f"Open to all: {operation['x-open']}."
    yield ""
    rows = [
        (f"`{one['name']}`", f"{one['in']}", _kind(one["schema"]), one.get("description", ""))
        for one in operation.get("parameters", ())
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body is not None:
        rows.append(("body", "JSON", _kind(body), ""))
    if rows:
        yield from _rows(("name", "in", "value", ""), rows)
        yield ""
    answers = [(status, _content(one), one["description"]) for status, one in sorted(operation["responses"].items())]
    yield from _rows(("status", "body", ""), answers)
    yield ""


def _content(response: Mapping[str, Any]) -> str:
    for media, content in response.get("content", {}).items():
        return _kind(content["schema"]) if "schema" in content else f"`{media}`"
    return ""


def _schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    if schema.get("description"):
        yield schema["description"].replace("``", "`")
        yield ""
    required = set(schema.get("required", ()))
    rows = [
        (f"`{key}`", _kind(one), "" if key in required else "may be left out")
        for key, one in schema.get("properties", {}).items()
    ]
    yield from _rows(("key", "value", ""), rows)
    yield ""


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f'`"{one}"`' for one in schema["enum"])
    if "const" in schema:
        return f'`"{schema["const"]}"`'
    match schema.get("type"):
        case "array":
            return f"list of {_kind(schema.get('items', {}))}"
        case "string":
            return f"text like `{schema['pattern']}`" if "pattern" in schema else schema.get("format", "text")
        case "object" | None:
            return "object"
        case kind:
            return str(kind)


def _rows(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"


if __name__ == "__main__":
    print(markdown(), end="")
