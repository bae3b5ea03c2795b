"""What MCP servers say, in our words: their tools as ours, and their results as text. Pure."""

import hashlib
import re
from collections.abc import Iterable

import mcp_types
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic_core import to_json

from core.model.port import ToolSpec
from core.visible import visible

LONGEST_NAME = 64
LONGEST_DESCRIPTION = 1000
LARGEST_SCHEMA = 20_000
"""Characters of JSON; all of it is sent to the model in every turn."""
_UNFIT = re.compile(r"[^A-Za-z0-9_-]")


class Unusable(Exception):
    """A tool that no model can be told about; the text says why."""


def tool_name(server: str, tool: str) -> str:
    """What the model calls the tool: made of letters, digits, `_` and `-`, and different for different tools."""
    plain = f"{server}__{tool}"
    if len(plain) <= LONGEST_NAME and not _UNFIT.search(plain):
        return plain
    mark = hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_UNFIT.sub('_', plain)[: LONGEST_NAME - 9]}-{mark}"


def spec(server: str, tool: mcp_types.Tool) -> ToolSpec:
    """The tool as the model is told about it. Raises Unusable: one bad schema, and the model refuses all tools."""
    schema = tool.input_schema
    if schema.get("type") != "object":
        raise Unusable("its arguments are no object")
    text = to_json(schema).decode()
    if len(text) > LARGEST_SCHEMA:
        raise Unusable(f"its schema has {len(text)} characters; {LARGEST_SCHEMA} may be told to a model")
    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError) as error:
        raise Unusable("its schema is no JSON Schema") from error
    if any(not place.startswith("#") for place in re.findall(r'"\$(?:ref|dynamicRef)":"([^"]*)"', text)):
        raise Unusable("its schema refers to another document")
    described = visible(tool.description or tool.title or tool.name).strip()[:LONGEST_DESCRIPTION]
    return ToolSpec(tool_name(server, tool.name), described or tool.name, {"properties": {}, **schema})


def is_read_only(tool: mcp_types.Tool) -> bool:
    """Whether the server declares that it changes nothing."""
    return tool.annotations is not None and tool.annotations.read_only_hint is True


def result_text(result: mcp_types.CallToolResult) -> str:
    """What the model is told of a result: its texts; pictures, sounds and files by their names."""
    said = "\n\n".join(filter(None, map(_block, result.content)))
    if said or result.structured_content is None:
        return said or "(no result)"
    return to_json(result.structured_content).decode()


def _block(block: mcp_types.ContentBlock) -> str:
    match block:
        case mcp_types.TextContent():
            return visible(block.text)
        case mcp_types.ImageContent():
            return _named("image", block.mime_type, _size(block.data))
        case mcp_types.AudioContent():
            return _named("audio", block.mime_type, _size(block.data))
        case mcp_types.ResourceLink():
            return _named("resource", block.title or block.name, str(block.uri), block.description or "")
        case mcp_types.EmbeddedResource(resource=mcp_types.TextResourceContents() as file):
            return f"{_named('resource', str(file.uri))}\n{visible(file.text)}"
        case mcp_types.EmbeddedResource(resource=file):
            return _named("file", str(file.uri), file.mime_type or "", _size(getattr(file, "blob", "")))


def _named(kind: str, *facts: str) -> str:
    return f"[{kind}: {_listed(facts)}]"


def _listed(facts: Iterable[str]) -> str:
    return ", ".join(" ".join(visible(fact).split())[:300] for fact in facts if fact)


def _size(data: str) -> str:
    """Of base64, about."""
    return f"{max(1, len(data) * 3 // 4 // 1024)} KB"
