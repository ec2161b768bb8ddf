"""wsgi.file_wrapper."""

from __future__ import annotations

import io

import pytest
from tunicorn.file_wrapper import FileWrapper


@pytest.mark.parametrize(
    ("content", "blocks"),
    [
        pytest.param(b"", [], id="empty"),
        pytest.param(b"abc", [b"abc"], id="less than a block"),
        pytest.param(b"abcd", [b"abcd"], id="one block"),
        pytest.param(b"abcdefghi", [b"abcd", b"efgh", b"i"], id="several blocks"),
    ],
)
def test_a_file_is_wrapped_in_blocks(content: bytes, blocks: list[bytes]) -> None:
    assert list(FileWrapper(io.BytesIO(content), 4)) == blocks


def test_a_wrapped_file_is_given_out_from_where_it_stands() -> None:
    file = io.BytesIO(b"abcdef")
    file.seek(4)
    assert list(FileWrapper(file)) == [b"ef"]


def test_closing_the_wrapper_closes_its_file() -> None:
    file = io.BytesIO(b"abc")
    FileWrapper(file).close()
    assert file.closed


def test_a_file_without_close_is_wrapped_without_close() -> None:
    class Reader:
        def read(self, _size: int) -> bytes:
            return b""

    wrapper = FileWrapper(Reader())
    assert list(wrapper) == []
    assert not hasattr(wrapper, "close")
