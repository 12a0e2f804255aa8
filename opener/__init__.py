"""The stand-alone command: opens what is stored, without the portal."""
