"""Owns how an alert reaches a person: on this desktop by the desktop's program, elsewhere through apprise."""

from __future__ import annotations

import shutil
from html import escape

from intercom.core.errors import IntercomError, UsageError
from intercom.core.escaping import value
from intercom.system import proc

_SECONDS = 10.0
_TOAST = (
    "[Windows.UI.Notifications.ToastNotificationManager,Windows.UI.Notifications,ContentType=WindowsRuntime]>$null;"
    "$t=[Windows.UI.Notifications.ToastNotificationManager]::GetTemplateContent('ToastText02');"
    "$n=$t.GetElementsByTagName('text');$n.Item(0).AppendChild($t.CreateTextNode($env:INTERCOM_TITLE))>$null;"
    "$n.Item(1).AppendChild($t.CreateTextNode($env:INTERCOM_TEXT))>$null;"
    "[Windows.UI.Notifications.ToastNotificationManager]::CreateToastNotifier('Intercom').Show("
    "[Windows.UI.Notifications.ToastNotification]::new($t))"
)


def desktop(title: str, text: str) -> str:
    """Show it on this desktop; "" or why that failed. Text is never executed, nor parsed as options."""
    title, text = value(title), "\n".join(map(value, text.splitlines()))
    if shutil.which("notify-send"):
        # The program interprets escapes in the text, and the desktop interprets markup.
        text = escape(text, quote=False).replace("\\", "\\\\")
        line, environ = ["notify-send", "--app-name=Intercom", "--", title, text], None
    elif shutil.which("osascript"):
        script = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"
        line, environ = ["osascript", "-e", script, title, text], None
    elif shutil.which("powershell"):
        import os

        environ = {**os.environ, "INTERCOM_TITLE": title, "INTERCOM_TEXT": text}
        line = ["powershell", "-NoProfile", "-Command", _TOAST]
    else:
        return "there is no notify-send on this machine"
    try:
        done = proc.run(line, timeout=_SECONDS, check=False, env=environ)
    except IntercomError as error:
        return str(error)
    return "" if done.code == 0 else f"{line[0]} ended with {done.code}: {value(done.err.strip())}"


def elsewhere(url: str, number: int, title: str, text: str) -> str:
    """Send it to an address; "" or what went wrong, naming the address by number as it may hold secrets. UsageError."""
    try:
        import apprise
    except ModuleNotFoundError:
        raise UsageError(
            "[notify] has urls, and the package apprise is not installed; nothing was told there. "
            'Install it with: pip install "intercom-md[notify]"'
        ) from None
    sender = apprise.Apprise()
    if not sender.add(url):
        raise UsageError(f"address {number} of [notify] is not one that apprise knows; nothing was told there.")
    return "" if sender.notify(title=value(title), body=text) else f"address {number} did not take it"
