"""Owns the digest that identifies content: BLAKE2, imported from the module that has nothing else.

`hashlib` loads OpenSSL, which costs a short command more than all its digests.
"""

from __future__ import annotations

try:
    from _blake2 import blake2b
except ImportError:  # not CPython
    from hashlib import blake2b

__all__ = ["blake2b"]
