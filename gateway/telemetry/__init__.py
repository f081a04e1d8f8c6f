"""What a gateway tells operators: numbers, alarms, health, and whether its loop still turns."""
