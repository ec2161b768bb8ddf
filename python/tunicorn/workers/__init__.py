"""Worker classes, one file each."""
