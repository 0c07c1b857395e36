"""The census of ground-floor premises: its files as published, its counts, and synthetic ones made of them."""
