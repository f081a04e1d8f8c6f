"""Named loads through sockets, HTTP and NATS, and one report.

Drives a running WedSync from outside; it imports the client and the contract, and changes nothing in the product.
"""
