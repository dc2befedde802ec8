"""A pipeline file (YAML, and so JSON) as a PipelineSpec, strictly: what nobody knows, or what has the wrong type, is an error
with its place. What the fields are is asked of the contract's own descriptors."""

from __future__ import annotations

import json
import os
import re
from typing import Any

import yaml
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from .api import v1
from .errors import FieldViolation, SheafError

_BYTES_MAX = 1024 * 1024
_NODES_MAX = 100_000
_SHOWN = 10
_MODULE = re.compile(r"[^\n]*\.[cm]?[jt]s")
_INTEGERS = {FieldDescriptor.CPPTYPE_UINT32: 2**32 - 1, FieldDescriptor.CPPTYPE_UINT64: 2**64 - 1}
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def read_spec(file: str | os.PathLike[str]) -> v1.PipelineSpec:
    """The pipeline that a file describes. INVALID_ARGUMENT with everything that is wrong, "pipeline.yaml:3:5: ...".

    A handler that names a module (".js", ".ts") is read from beside the file.
    """
    path = os.fspath(file)
    spec = _parse(_read(path, "SPEC_FILE_UNREADABLE", _BYTES_MAX), os.path.basename(path))
    if _MODULE.fullmatch(spec.transform.handler):
        module = os.path.join(os.path.dirname(path), spec.transform.handler)
        spec.transform.handler = _read(module, "HANDLER_UNREADABLE", _BYTES_MAX // 2)
    return spec


def _read(path: str, reason: str, limit: int) -> str:
    try:
        with open(path, encoding="utf-8") as source:
            text = source.read(limit + 1)
    except (OSError, UnicodeDecodeError) as error:
        text = f"cannot read {json.dumps(path)}: {getattr(error, 'strerror', None) or error}"
        raise SheafError("INVALID_ARGUMENT", reason, text) from None
    if len(text) > limit:
        raise SheafError("INVALID_ARGUMENT", reason, f"{json.dumps(path)} has more than {limit} bytes")
    return text


def _parse(text: str, name: str) -> v1.PipelineSpec:
    walk = _Walk(name)
    try:
        root = yaml.compose(text, _Loader)
        if root is None:
            raise SheafError("INVALID_ARGUMENT", "SPEC_FILE_INVALID", f"{name}:1:1: is empty")
        parsed = walk.message(v1.PipelineSpec.DESCRIPTOR, root)
        walk.raise_if_any()
        return json_format.ParseDict(parsed, v1.PipelineSpec())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise SheafError("INVALID_ARGUMENT", "SPEC_FILE_INVALID", f"{place}: {getattr(error, 'problem', error)}") from None
    except json_format.ParseError as error:
        raise SheafError("INVALID_ARGUMENT", "SPEC_FILE_INVALID", f"{name}: {error}") from None
    except RecursionError:
        text = f"{name} is nested too deeply for a pipeline file"
        raise SheafError("INVALID_ARGUMENT", "SPEC_FILE_INVALID", text) from None


class _Loader(yaml.SafeLoader):
    """YAML 1.2: `yes` and `010` are what they look like there."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})\\Z"), list(_first))


class _Walk:
    """Values of a file as the JSON of protobuf. What is wrong is collected; then the result is not to be used."""

    def __init__(self, name: str) -> None:
        self._name, self._nodes = name, 0
        self._wrong: list[FieldViolation] = []

    def raise_if_any(self) -> None:
        if self._wrong:
            first, more = self._wrong[0], len(self._wrong) - 1
            text = f"{first.field}: {first.description}" + (f" (and {more} more problems)" if more >= _SHOWN else "")
            raise SheafError("INVALID_ARGUMENT", "SPEC_FILE_INVALID", text, tuple(self._wrong[:_SHOWN]))

    def message(self, desc: Descriptor, node: yaml.Node) -> Any:
        if desc.full_name == "google.protobuf.Duration":
            return self._duration(node)
        if not isinstance(node, yaml.MappingNode):
            return self._refuse(node, f"expected the fields of {desc.name}, found {_described(node)}")
        found = {}
        for key, value in self._pairs(node):
            field = desc.fields_by_name.get(key.value)
            if field is None:
                known = ", ".join(field.name for field in desc.fields)
                self._refuse(key, f"unknown field {json.dumps(key.value)}; {desc.name} has {known}")
            elif value.tag.endswith(":null"):
                self._refuse(key, f"{field.name} has no value: give one, or leave the field out")
            else:
                found[field.name] = self._field(field, value)
        return found

    def _field(self, field: FieldDescriptor, node: yaml.Node) -> Any:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            if not isinstance(node, yaml.MappingNode):
                return self._refuse(node, f"{field.name}: expected names with values, found {_described(node)}")
            value_field = field.message_type.fields_by_name["value"]
            return {key.value: self._one(value_field, value, field.name) for key, value in self._pairs(node)}
        if not field.is_repeated:
            return self._one(field, node, field.name)
        if not isinstance(node, yaml.SequenceNode):
            return self._refuse(node, f"{field.name}: expected a list, found {_described(node)}")
        return [self._one(field, item, field.name) for item in node.value]

    def _one(self, field: FieldDescriptor, node: yaml.Node, name: str) -> Any:
        self._nodes += 1
        if self._nodes > _NODES_MAX:  # aliases that unfold to more are a bomb
            text = f"{self._name} has more than {_NODES_MAX} values: that is no pipeline"
            raise SheafError("INVALID_ARGUMENT", "SPEC_FILE_INVALID", text)
        if field.message_type is not None:
            return self.message(field.message_type, node)
        kind = node.tag.rsplit(":", 1)[-1] if isinstance(node, yaml.ScalarNode) else ""
        if field.enum_type is not None:
            words = [value.name for value in field.enum_type.values if value.number]
            prefix = field.enum_type.values[0].name[: -len("UNSPECIFIED")]
            if kind == "str" and prefix + node.value.upper() in words and node.value.islower():
                return prefix + node.value.upper()
            use = ", ".join(word[len(prefix) :].lower() for word in words)
            return self._refuse(node, f"{name}: {_described(node)} is not known: use one of {use}")
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and kind == "str":
            return node.value
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL and kind == "bool":
            return node.value.lower() == "true"
        if field.cpp_type in _INTEGERS and kind == "int":
            greatest = _INTEGERS[field.cpp_type]
            if len(node.value) < 40 and 0 <= int(node.value) <= greatest:
                return int(node.value)
            return self._refuse(node, f"{name}: {node.value} is out of range: use 0 to {greatest}")
        if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE and kind in ("int", "float"):
            return float(node.value)
        return self._refuse(node, f"{name}: expected {_expected(field)}, found {_described(node)}")

    def _duration(self, node: yaml.Node) -> Any:
        text = node.value if isinstance(node, yaml.ScalarNode) else ""
        if node.tag.endswith(":str") and re.fullmatch(r"(\d+(\.\d+)?(ms|s|m|h|d))+", text):
            parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
            return f"{sum(float(number) * _UNITS[unit] for number, unit in parts):.3f}s"
        return self._refuse(node, f'{_described(node)} is not a duration: use a number with a unit, like "10s" or "1m30s"')

    def _pairs(self, node: yaml.MappingNode) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
        seen, pairs = set(), []
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or not key.tag.endswith(":str"):
                self._refuse(key, f"expected the name of a field, found {_described(key)}")
            elif key.value in seen:
                self._refuse(key, f"{json.dumps(key.value)} stands there twice")
            else:
                seen.add(key.value)
                pairs.append((key, value))
        return pairs

    def _refuse(self, node: yaml.Node, description: str) -> None:
        mark = node.start_mark
        self._wrong.append(FieldViolation(f"{self._name}:{mark.line + 1}:{mark.column + 1}", description))


def _expected(field: FieldDescriptor) -> str:
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return "true or false"
    if field.cpp_type in _INTEGERS:
        return "a whole number"
    return "text" if field.cpp_type == FieldDescriptor.CPPTYPE_STRING else "a number"


def _described(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "fields"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    kind = node.tag.rsplit(":", 1)[-1]
    if kind == "null":
        return "nothing"
    if kind == "str":
        return f"the text {json.dumps(node.value[:60] + ('...' if len(node.value) > 60 else ''), ensure_ascii=False)}"
    return node.value if kind == "bool" else f"the number {node.value}"
