"""Notices: events of backups and orders, told by inbox, mail, webhook, Discord, heartbeat and staff channel."""
