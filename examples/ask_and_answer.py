"""Two agents in one process: a question, its answer, and what the asker can know about it.

Run it anywhere: `python examples/ask_and_answer.py`. It works in a temporary folder.
"""

from __future__ import annotations

import tempfile

from intercom import Bus


def main() -> None:
    """Ask as a worker, answer as the master, print the receipt."""
    with tempfile.TemporaryDirectory() as root, Bus.open(root) as bus:
        master = bus.register("master").name
        worker = bus.register("worker").name

        question = bus.send(master, "Which branch do I use?", sender=worker, type="question")
        for message in bus.read(master):
            print(f"{message.sender} asks: {message.body}")
            bus.send(message.sender, "Use `main`.", sender=master, type="answer", reply_to=message.id)

        for message in bus.read(worker):
            print(f"{message.sender} answers: {message.body}")
        for receipt in bus.receipts(worker, question.id):
            print(f"{receipt.to} was shown the question at {receipt.shown} and acted on it at {receipt.acted}")


if __name__ == "__main__":
    main()
