"""The rebuild of a lost database from what lies in a storage target, and the master keys."""
