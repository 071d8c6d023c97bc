"""Files that several parts of the library write and read: run folders, JSON, locks. Imports nothing of the library."""
