"""What a browser knows of an open page: its elements, widgets, query string and message cache. No network here.

The rules are those of Streamlit 1.67's own frontend: which elements a finished run removes, which messages may be
replaced by their hash, which value a widget that was just drawn reports.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates

Path = tuple[int, ...]

MAX_TOLD = 120  # letters of a text in a message


@dataclass
class Node:
    """An element or a container, and which run of the script drew it last."""

    kind: str  # `button`, `markdown`, …; `block` for a container
    element: Any
    run: str
    fragment: str


@dataclass
class Cached:
    """A message that the server may replace by its hash."""

    payload: bytes
    used: int  # number of the run that used it last
    fragment: str


@dataclass
class Page:
    """The state of one tab."""

    page_hash: str = ""
    query: str = ""
    run: str = ""
    nodes: dict[Path, Node] = field(default_factory=dict)
    widgets: dict[str, WidgetState] = field(default_factory=dict)
    cache: dict[str, Cached] = field(default_factory=dict)
    cache_age: int = 2  # runs that a cached message outlives without being used; the server sends it
    runs: int = 0

    def resolve(self, payload: bytes) -> ForwardMsg:
        """The message of a frame, with its hash replaced by what it stands for.

        Raises:
            KeyError: if the server refers to a message that was never sent or has expired here.
        """
        message = ForwardMsg()
        message.ParseFromString(payload)
        if message.WhichOneof("type") == "ref_hash":
            cached = self.cache[message.ref_hash]
            cached.used = self.runs
            found = ForwardMsg()
            found.ParseFromString(cached.payload)
            found.metadata.CopyFrom(message.metadata)
            return found
        if message.metadata.cacheable and message.hash not in self.cache:
            self.cache[message.hash] = Cached(payload, self.runs, message.delta.fragment_id)
        return message

    def draw(self, message: ForwardMsg) -> None:
        """Put an element or container where the server wants it."""
        path, delta = tuple(message.metadata.delta_path), message.delta
        if delta.WhichOneof("type") == "add_block":
            self.nodes[path] = Node("block", delta.add_block, self.run, delta.fragment_id)
            return
        if delta.WhichOneof("type") != "new_element":
            return
        kind = str(delta.new_element.WhichOneof("type"))
        element = getattr(delta.new_element, kind)
        self.nodes[path] = Node(kind, element, self.run, delta.fragment_id)
        name = getattr(element, "id", "")
        if not name:
            return
        if getattr(element, "set_value", False) or name not in self.widgets:
            value = drawn_value(kind, element)
            if value is not None:
                self.widgets[name] = value

    def sweep(self, run: str, fragments: list[str]) -> None:
        """Remove what a finished run did not draw again, and messages that were not used for a while."""
        for path, node in list(self.nodes.items()):
            stale = node.run != run and (not fragments or node.fragment in fragments)
            if stale:
                del self.nodes[path]
        there = {getattr(node.element, "id", "") for node in self.nodes.values()}
        self.widgets = {name: value for name, value in self.widgets.items() if name in there}
        self.runs += 1
        for name, cached in list(self.cache.items()):
            if fragments and cached.fragment not in fragments:
                continue
            if self.runs - cached.used > self.cache_age:
                del self.cache[name]

    def find(self, kind: str, text: str = "") -> Iterator[Any]:
        """Elements of a kind whose label or text contains something, in the order of the page."""
        for path in sorted(self.nodes):
            node = self.nodes[path]
            if node.kind == kind and text in text_of(node.element):
                yield node.element

    def fragment_of(self, element: Any) -> str:
        """The fragment in which an element was drawn; empty where it was the page."""
        return next((node.fragment for node in self.nodes.values() if node.element is element), "")

    def texts(self) -> list[str]:
        """Everything that can be read, in the order of the page."""
        return [text for path in sorted(self.nodes) if (text := text_of(self.nodes[path].element))]

    def describe(self) -> str:
        """The beginnings of the first texts, for a message: a gallery's text holds its pictures."""
        return str([text[:MAX_TOLD] for text in self.texts()[:12]])

    def states(self) -> WidgetStates:
        """The values of all widgets, as a rerun carries them."""
        return WidgetStates(widgets=list(self.widgets.values()))


def text_of(element: Any) -> str:
    """Label or text of an element."""
    for name in ("label", "body", "text", "code_text", "title"):
        text = getattr(element, name, "")
        if isinstance(text, str) and text:
            return text
    return ""


def drawn_value(kind: str, element: Any) -> WidgetState | None:
    """The value that a widget reports once it is drawn; None for what reports nothing by itself."""
    state = WidgetState(id=element.id)
    given = bool(getattr(element, "set_value", False))
    match kind:
        case "selectbox":
            text = element.raw_value if given else _option(element)
            if text is not None:
                state.string_value = text
        case "checkbox":
            state.bool_value = element.value if given else element.default
        case "text_input":
            state.string_value = element.value if given else element.default
        case "number_input":
            field = "value" if given else "default"
            if element.HasField(field):  # not of one that is empty
                value = getattr(element, field)
                if element.data_type == element.DataType.INT:
                    state.int_value = int(value)
                else:
                    state.double_value = value
        case "slider":
            state.double_array_value.data.extend(element.value if given else element.default)
        case "pagination":
            state.int_value = element.value if given else element.default
        case "multiselect":
            chosen = element.raw_values if given else [element.options[place] for place in element.default]
            state.string_array_value.data.extend(chosen)
        case "button_group":
            chosen = element.raw_values if given else [element.options[place].content for place in element.default]
            state.string_array_value.data.extend(chosen)
        case _:
            return None
    return state


def _option(element: Any) -> str | None:
    return element.options[element.default] if element.HasField("default") else None
