"""Who may come in, and how much they may do: tokens, revocations, the callout of NATS, rates and seats."""
