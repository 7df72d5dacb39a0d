"""A server that speaks ZooKeeper's protocol, in the test process.

    with folkmoot.testing.Server() as server:
        client = kazoo.client.KazooClient(server.hosts)

It is there as soon as the block is entered and gone with its end; nothing is installed and no process is started.
"""

from types import TracebackType
from typing import Optional, Type

from ._session import Member

__all__ = ["Server"]

#: As the sample configuration of ZooKeeper, but for a shorter tick and every word answered.
SETTINGS = "tickTime=500\n4lw.commands.whitelist=*\nmaxClientCnxns=0\n"


class Server:
    """A member that listens on loopback.

    ``target`` says where its state lives (``memory:``, or a folder to keep it through `stop` and `start`);
    ``settings`` are more lines in the syntax of ``zoo.cfg``, which come after the defaults and win.
    """

    def __init__(self, target: str = "memory:", settings: str = "") -> None:
        self._target = target
        self._settings = SETTINGS + settings
        self._member: Optional[Member] = None
        self._port = 0

    @property
    def member(self) -> Member:
        """The member; open sessions of it for what a test wants to look at behind its clients' backs."""
        if self._member is None:
            raise RuntimeError("the server is not running")
        return self._member

    @property
    def port(self) -> int:
        """Its port on 127.0.0.1; the same after `stop` and `start`. 0 before the first."""
        return self._port

    @property
    def hosts(self) -> str:
        """The connect string for a client."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> "Server":
        """Start to listen. Nothing to do if it does already."""
        if self._member is None:
            member = Member(self._target)
            try:
                self._port = member.listen(f"127.0.0.1:{self._port}", self._settings)
            except BaseException:
                member.close()
                raise
            self._member = member
        return self

    def stop(self) -> None:
        """Close every connection and stop. Sessions live on in a folder, and come back with `start`."""
        member, self._member = self._member, None
        if member is not None:
            member.close()

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.stop()
