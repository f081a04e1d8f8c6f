"""The rules of a supplier's own actor: its calendar over many weddings (rule V1).

Pure like the rest of the domain. What a wedding keeps about its suppliers is in actors.domain.vendors.
"""
