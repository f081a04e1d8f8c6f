"""Many short histories of real hosts in a made-up world: seeded, in virtual time, with every fault that the design speaks of.

Store, log and bus are in memory and keep the contract of the real ones (test_contract_*.py); hosts are the real thing. Run by
`make test`, and for longer by `make simulate`; `python -P -m tests.simulation --seed N` replays one history.
"""
