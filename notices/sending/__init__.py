"""Sending messages: addresses and their guard, requests, mails, texts, and the dispatch of all of them."""
