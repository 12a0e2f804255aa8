"""Plans, orders, members and their rights."""
