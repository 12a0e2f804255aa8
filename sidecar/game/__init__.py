"""The game server beside the data: quiesced while its files are packed, stopped while a restore exchanges names."""
