"""The commands of `handrail reward`, a file each."""
