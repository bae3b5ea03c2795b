"""What a message may be made of."""

from typing import Any

from simulators.slack.events import Payload
from simulators.slack.refusal import Refusal


def check(call: dict[str, Any]) -> None:
    """https://docs.slack.dev/reference/block-kit/blocks · https://docs.slack.dev/messaging/message-metadata"""
    blocks = call.get("blocks") or []
    if not blocks and not str(call.get("text") or "").strip():
        raise Refusal("no_text")
    if len(blocks) > 50 or not all(map(_is_valid_block, blocks)):
        raise Refusal("invalid_blocks")
    metadata = call.get("metadata")
    if metadata is not None and not (metadata.get("event_type") and isinstance(metadata.get("event_payload"), dict)):
        raise Refusal("invalid_metadata_format")


def _is_valid_block(block: Payload) -> bool:
    """https://docs.slack.dev/reference/block-kit/block-elements/button-element and its neighbours."""
    if block.get("type") == "section":
        return 1 <= len(block["text"]["text"]) <= 3000
    if block.get("type") != "actions":
        return True
    elements = block["elements"]
    ids = {element.get("action_id") for element in elements}
    return 1 <= len(elements) <= 25 and len(ids) == len(elements) and all(map(_is_valid_button, elements))


def _is_valid_button(button: Payload) -> bool:
    return 1 <= len(button["text"]["text"]) <= 75 and len(button.get("value", "")) <= 2000
