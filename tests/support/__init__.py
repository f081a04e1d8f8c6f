"""What tests share: requirements of the machine, servers, story verbs, factories."""
