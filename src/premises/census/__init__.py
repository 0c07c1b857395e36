"""The census of ground-floor premises: its files as published, its published counts, and samples drawn from them."""
