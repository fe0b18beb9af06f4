"""A sandbox in which a newsroom's own template can neither harm nor hang the bot.

Jinja's sandbox guards what a template may reach; this one also bounds what it may do: steps,
sizes, filters. The bounds are counted where a template can repeat or grow things.
"""

from __future__ import annotations

import threading
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes, pass_context, pass_eval_context
from jinja2.exceptions import SecurityError
from jinja2.filters import do_join, do_replace
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bot.errors import TemplateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from jinja2 import Template
    from jinja2.nodes import EvalContext
    from jinja2.runtime import Context

MAX_STEPS: Final = 20_000
MAX_CHARS: Final = 100_000
MAX_WRITTEN_CHARS: Final = 600_000
MAX_NUMBER: Final = 10_000

_FILTERS: Final = (
    "capitalize", "count", "d", "default", "e", "escape", "first", "int", "last", "length", "list",
    "lower", "reverse", "round", "safe", "sort", "title", "trim", "truncate", "unique", "upper",
)  # fmt: skip
_UNBOUNDED_METHODS: Final = frozenset(
    {"expandtabs", "format", "format_map", "join", "replace", "translate"}
)
_GLOBALS: Final = ("namespace", "range")


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Jinja's immutable sandbox with a budget of steps and sizes for each rendering."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, *, autoescape: bool) -> None:
        self._work = threading.local()
        super().__init__(
            undefined=StrictUndefined,
            autoescape=autoescape,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=self._written,
        )
        known = self.filters
        self.filters = {name: _sized(known[name]) for name in _FILTERS}
        self.filters |= {"replace": _replace, "join": _join}
        self.filters |= {"counted": _counted, "bounded": _bounded}
        self.globals = {name: self.globals[name] for name in _GLOBALS}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        parsed = super()._parse(source, name, filename)
        _bound(parsed)
        parsed.set_environment(self)
        return parsed

    def begin(self) -> None:
        """Start the budget of one rendering in this thread."""
        self._work.left = MAX_STEPS
        self._work.chars = 0

    def _written(self, value: Any) -> Any:
        """Count what a template writes, where the line that writes it is known."""
        chars = getattr(self._work, "chars", 0) + len(str(_printable(value)))
        self._work.chars = _check_growth(chars)
        return value

    def spend(self, steps: int = 1) -> None:
        """Count steps of work. Raises SecurityError over MAX_STEPS."""
        self._work.left = getattr(self._work, "left", MAX_STEPS) - steps
        if self._work.left < 0:
            raise SecurityError(f"it takes more than {MAX_STEPS} steps")

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Refuse, besides what Jinja refuses, methods of text whose result has no bound."""
        if isinstance(obj, str) and attr in _UNBOUNDED_METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call what a template calls, within the budget."""
        self.spend()
        for value in (*args, *kwargs.values()):
            _check_number(value)
        return _check_size(super().call(context, obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute what could grow without bound, or refuse it."""
        self.spend()
        if operator in ("*", "**", "%"):
            numbers = isinstance(left, int | float) and isinstance(right, int | float)
            if not numbers:
                raise SecurityError(f"{operator} is for numbers only")
            _check_number(left)
            _check_number(right)
        return _check_size(super().call_binop(context, operator, left, right))


def _bound(parsed: nodes.Template) -> None:
    """Route loops, concatenations and captured blocks of a template through the bounds."""
    for loop in parsed.find_all(nodes.For):
        loop.iter = _filter(loop.iter, "counted")
    for concatenation in parsed.find_all(nodes.Concat):
        concatenation.nodes = [_filter(part, "bounded") for part in concatenation.nodes]
    for block in parsed.find_all(nodes.AssignBlock):
        block.filter = _filter(block.filter, "bounded")


def _filter(inner: nodes.Node | None, name: str) -> nodes.Filter:
    return nodes.Filter(inner, name, [], [], None, None, lineno=inner.lineno if inner else 1)


# pass_context keeps the compiler from running a filter on constants ahead of time.
@pass_context
def _counted(context: Context, items: Any) -> Iterator[Any]:
    environment = context.environment
    for item in items:
        if isinstance(environment, BoundedEnvironment):
            environment.spend()
        yield item


@pass_context
def _bounded(_context: Context, value: Any) -> Any:
    return _check_size(_printable(value))


def _sized(known: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(known)
    def sized(*args: Any, **kwargs: Any) -> Any:
        return _check_size(known(*args, **kwargs))

    return sized


@pass_eval_context
def _replace(context: EvalContext, text: str, old: str, new: str) -> Any:
    _check_growth(len(text) + str(text).count(old) * len(new))
    return do_replace(context, text, old, new)


@pass_eval_context
def _join(context: EvalContext, items: Iterable[Any], between: str = "") -> Any:
    parts = [_printable(item) for item in items]
    _check_growth(sum(len(str(part)) + len(between) for part in parts))
    return do_join(context, parts, between)


def _check_growth(chars: int) -> int:
    if chars > MAX_CHARS:
        raise SecurityError(f"it makes a text longer than {MAX_CHARS} characters")
    return chars


def _check_size(value: Any) -> Any:
    if isinstance(value, str | list | tuple) and len(value) > MAX_CHARS:
        raise SecurityError(f"it makes a text or list longer than {MAX_CHARS}")
    return value


def _check_number(value: Any) -> None:
    if isinstance(value, int | float) and abs(value) > MAX_NUMBER:
        raise SecurityError(f"it computes with a number over {MAX_NUMBER}")


def _printable(value: Any) -> Any:
    if isinstance(value, list | tuple | dict | set):
        raise SecurityError("a list cannot be printed; use a loop or join")
    return value


class ShareTemplate:
    """One compiled share template. Raises TemplateError where its source does not compile.

    `name` is that of its file, which says whether values are escaped; `place` is what errors name.
    """

    def __init__(self, name: str, source: str, place: str) -> None:
        self.file = place
        self.source = source
        self._environment = BoundedEnvironment(autoescape=name.endswith(".html.j2"))
        try:
            code = self._environment.compile(source, name, place)
        except TemplateSyntaxError as error:
            raise TemplateError(place, error.lineno, error.message or "syntax") from error
        except (RecursionError, SyntaxError, ValueError) as error:
            raise TemplateError(place, None, _reason(error)) from error
        self._template: Template = self._environment.template_class.from_code(
            self._environment, code, self._environment.make_globals(None)
        )

    @classmethod
    def read(cls, path: Path) -> ShareTemplate:
        """Compile a file. Raises TemplateError, also where it cannot be read."""
        try:
            source = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TemplateError(str(path), None, f"cannot be read: {error}") from error
        return cls(path.name, source, str(path))

    def render(self, values: Mapping[str, Any]) -> str:
        """Render within the bounds. Raises TemplateError with the line that failed."""
        self._environment.begin()
        try:
            return "".join(_within_bounds(self._template.generate(values)))
        except Exception as error:
            raise TemplateError(self.file, self._line(error), _reason(error)) from error

    def line_of(self, fragment: str) -> int | None:
        """Find the first line that holds `fragment`, any letter case."""
        for number, line in enumerate(self.source.lower().splitlines(), start=1):
            if fragment.lower() in line:
                return number
        return None

    def _line(self, error: Exception) -> int | None:
        line = None
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self.file:
                line = trace.tb_lineno
            trace = trace.tb_next
        return line


def _within_bounds(pieces: Iterator[str]) -> Iterator[str]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_WRITTEN_CHARS:
            raise SecurityError(f"it writes more than {MAX_WRITTEN_CHARS} characters")
        yield piece


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
