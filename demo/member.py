"""One member of an ensemble: it writes numbered znodes, and says each once a majority has it, and who leads.

    python3 member.py NAME TARGET        such as python 'ensemble:./python?id=3&peer=1=127.0.0.1:2881&peer=2=...'

member.c and member.cpp do the same. ensemble.py starts all three, and kills the one that leads.
"""

import itertools
import sys

import folkmoot


def main(name, target):
    with folkmoot.Member.open(target) as member:
        session = member.session(timeout=3)  # waits for a leader; ends with the member, for closing it needs a majority
        for path in ("/demo/live", "/demo/log"):
            session.ensure_path(path)
        session.create(f"/demo/live/{name}", ephemeral=True)  # gone by itself when this process is

        leader = None
        for number in itertools.count():
            if session.exists("/demo/end"):
                break
            try:
                session.create(f"/demo/log/{name}-{number:06}")
                print(f"wrote {name}-{number:06}", flush=True)
            except (folkmoot.OutcomeUnknownError, folkmoot.ConnectionLossError):
                pass  # nothing is promised, and nothing is said
            now = member.ensemble().leader
            if now is not None and now != leader:
                leader = now
                print(f"leads {leader}", flush=True)
        print("done", flush=True)
        sys.stdin.read()  # the others need it still: it stays until its input ends


main(*sys.argv[1:])
