"""The campaign of the secrets: random ops and rights, and everything that everybody receives held against a matrix of its own."""
