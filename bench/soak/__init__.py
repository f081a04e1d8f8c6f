"""The checker behind `make soak`: clients write a history while processes are killed and frozen, then every promise is checked.

`load` and `nemeses` drive a WedSync of our own, `history` is what the clients saw, `checks` is pure and linear, `report` prints.
"""
