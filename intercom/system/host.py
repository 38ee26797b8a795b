"""Owns the choice of the system below: what operating systems differ in is asked here, and nowhere else.

`posix` and `windows` have the same names, and say the same of them.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from intercom.system.windows import *  # noqa: F403
else:
    from intercom.system.posix import *  # noqa: F403
