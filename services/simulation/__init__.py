"""The whole system under one seed: its loop, processes, clock, bus and line to the store are simulated.

    chance = SeededRandom(seed)
    loop = SimulatedLoop(chance.stream("loop"))
    clock, processes = SimulatedClock(loop), Processes(loop, forgiven=(OperationalError,))
    broker, line = Broker(loop, chance.stream("bus"), faults), StoreLine(loop, chance.stream("store"), faults)
    nemesis = Nemesis(processes, clock, chance.stream("nemesis"), faults)

    async def relay() -> None:  # the code of a process; it makes its own connections
        bus = SimulatedBus(broker)
        page = await line.call(loop.process, lambda: tables.read(0, 500))
        ...

    async def play() -> None:  # the world outside: what starts the processes, and asks in the end
        processes.start("relay", relay)
        troubling = asyncio.create_task(nemesis.run())
        ...

    loop.run(play())
    print(loop.digest)

Read `loop.py` first: it says what the seed decides. What is left to the code under test: no sets of objects
that hash by their address (tasks and futures do not, here), nor anything that depends on `PYTHONHASHSEED`.
"""
