"""Every plugin examined in a process of its own, and what this machine has."""
