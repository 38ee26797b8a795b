"""Owns the digest that content is known by: BLAKE2, from the module that has it alone.

`hashlib` loads OpenSSL, which takes a short command longer than all its digests.
"""

from __future__ import annotations

try:
    from _blake2 import blake2b
except ImportError:  # another Python than CPython
    from hashlib import blake2b

__all__ = ["blake2b"]
