"""Notices: from events to inboxes, mails and receivers outside."""
