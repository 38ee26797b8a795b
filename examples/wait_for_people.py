"""A small agent that waits for whatever anyone writes to it, by tool or by hand, and says thanks.

Start it in a project: `python examples/wait_for_people.py`. Then, from another terminal,
`intercom send --from user echo-bot "hello"`, or write a message into the log with an editor.
Ctrl-C ends it.
"""

from __future__ import annotations

import contextlib

from intercom import Bus

NAME = "echo-bot"


def main() -> None:
    """Answer every message once, for ever."""
    with Bus.open() as bus:
        bus.register("worker", NAME)
        print(f"{NAME} listens in {bus.config.log}")
        while True:
            for message in bus.wait(NAME, seconds=60):
                how = "wrote into the file" if message.via == "hand" else "sent"
                print(f"{message.sender} {how}: {message.body}")
                bus.send(message.sender, "Thank you.", sender=NAME, type="answer", reply_to=message.id)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
